// The one reader of pincer.json: file, then environment, then flags; validated as a whole. An absent file is a valid configuration.
import { PincerError } from "../base/errors.ts"
import { checkDocument, defaultConfig, invalidConfig } from "./check.ts"
import { type ConfigDocument, type ConfigIssue, parseDocument } from "./document.ts"
import { type Env, envValue, type PathFlags, type Paths, resolvePaths } from "./paths.ts"
import { holdsPlainSecret } from "./redact.ts"
import { readRegularFile } from "./regular-file.ts"
import type { Config } from "./schema.ts"

export interface ConfigFlags extends PathFlags {
  host?: string
  port?: number | string
  /** The shared secret; used by secrets.ts, never copied into the config. */
  token?: string
}

export interface LoadedConfig {
  config: Config
  /** The config file, whether it exists or not. */
  path: string
  /** What the file says, or undefined when there is none. */
  text: string | undefined
  /** Sentences for the user; nothing that prevents a start. */
  warnings: string[]
  paths: Paths
}

/** Bytes of a config file that are read at most. */
export const MAX_CONFIG_BYTES = 1024 * 1024

/**
 * Reads the configuration. Precedence for host and port: flag, PINCER_GATEWAY_HOST / PINCER_GATEWAY_PORT, file, default.
 * Throws INVALID_PARAMS with `details.issues` [{path, message, line?, column?}] listing every problem; TOO_LARGE; UNAVAILABLE
 * when the file is there but cannot be read.
 */
export function loadConfig(input: { env: Env; flags?: ConfigFlags }): LoadedConfig {
  const { env, flags = {} } = input
  const paths = resolvePaths(env, flags)
  return judgeConfig({ env, flags, paths, file: readConfigFile(paths.config) })
}

/** The same for a file that was read already, or a text that is to become one. Throws as loadConfig() does. */
export function judgeConfig(input: {
  env: Env
  flags: ConfigFlags
  paths: Paths
  file: { text: string; open: boolean } | undefined
}): LoadedConfig {
  const { env, file, flags, paths } = input
  const warnings: string[] = []
  if (file === undefined && paths.configNamed)
    warnings.push(`Config file ${paths.config} does not exist: the defaults are used`)
  const document = file === undefined ? undefined : parseDocument(file.text)
  const config = applyOverrides(configOf(document, paths.config), env, flags)
  const exposure = exposureIssue(config)
  if (exposure) throw invalidConfig(paths.config, [exposure])
  if (file?.open && holdsPlainSecret(document?.value))
    warnings.push(
      `${paths.config} holds a secret and other users of this machine can read it: run "chmod 600 ${paths.config}"`,
    )
  return { config, path: paths.config, text: file?.text, warnings, paths }
}

function configOf(document: ConfigDocument | undefined, path: string): Config {
  if (!document) return defaultConfig()
  const checked = checkDocument(document)
  if (!checked.ok) throw invalidConfig(path, checked.issues)
  return checked.config
}

function applyOverrides(config: Config, env: Env, flags: ConfigFlags): Config {
  const host = flags.host?.trim() || envValue(env, "PINCER_GATEWAY_HOST") || config.gateway.host
  const envPort = envValue(env, "PINCER_GATEWAY_PORT")
  let port = config.gateway.port
  if (flags.port !== undefined) port = parsePort(flags.port, "--port")
  else if (envPort !== undefined) port = parsePort(envPort, "PINCER_GATEWAY_PORT")
  return { ...config, gateway: { ...config.gateway, host, port } }
}

/** Throws INVALID_PARAMS. `name` is what the caller calls it. */
export function parsePort(given: number | string, name: string): number {
  const port = typeof given === "number" ? given : /^\d{1,5}$/.test(given.trim()) ? Number(given) : Number.NaN
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port
  throw new PincerError("INVALID_PARAMS", `${name}: "${given}" is not a port: use a whole number from 0 to 65535`)
}

/** D2: without authentication only loopback is served, unless the user has opted out in so many words; a trusted proxy has an address. */
export function exposureIssue(config: Config): ConfigIssue | undefined {
  const { auth, host, listeners, trustedProxies } = config.gateway
  if (auth.mode === "trusted-proxy" && trustedProxies.length === 0)
    return {
      path: "gateway.trustedProxies",
      message:
        'gateway.trustedProxies: name the addresses of the proxy; without them, mode "trusted-proxy" lets nobody in',
    }
  if (auth.mode !== "none" || auth.allowInsecure) return undefined
  const open = [host, ...listeners.map((listener) => listener.host)].find((address) => !isLoopback(address))
  if (open === undefined) return undefined
  return {
    path: "gateway.auth.mode",
    message: `gateway.auth.mode: "none" would let anybody who reaches ${open} run this gateway: use "token", listen on 127.0.0.1, or set gateway.auth.allowInsecure to true`,
  }
}

/** Whether only programs on this machine can reach this address. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, "")
  return bare === "localhost" || bare === "::1" || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare)
}

/** The text of the config file and whether other users can read it; undefined when there is no such file. */
export function readConfigFile(path: string): { text: string; open: boolean } | undefined {
  const file = readRegularFile(path, "The config file", MAX_CONFIG_BYTES)
  return file && { text: decode(file.bytes, path), open: (file.mode & 0o077) !== 0 }
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `The config file ${path} is not UTF-8 text`, { cause: error })
  }
}
