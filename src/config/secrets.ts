// Secrets at the moment of use: a reference becomes a value here and nowhere else. Errors name the reference, never the value.
// The gateway's own token lives in a 0600 file that only its owner may read; it appears complete or not at all.
import { chmodSync, closeSync, constants, fchmodSync, fsyncSync, linkSync, openSync, rmSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import { PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"
import { secret, uuid } from "../base/id.ts"
import { type Env, envValue, expandPath, pathsIn } from "./paths.ts"
import { readRegularFile, reason } from "./regular-file.ts"
import type { Config, SecretRef } from "./schema.ts"
import { commandSecret } from "./secret-command.ts"

const MAX_SECRET_BYTES = 64 * 1024

export interface SecretContext {
  env: Env
  /** Relative `file` references start here: the folder of the config file, or the home. */
  base: string
  /** What asks, for errors: "providers.openai.apiKey". */
  name: string
}

/**
 * The value of a secret, trimmed. Read anew each time, so that a rotated file or variable counts at once.
 * Throws NOT_FOUND when the variable or file is not there, INVALID_PARAMS when it is empty or not one line, TOO_LARGE.
 */
export function resolveSecret(ref: SecretRef, context: SecretContext): string {
  const { name } = context
  if (typeof ref === "string") return oneLine(ref, name)
  if ("env" in ref) {
    const value = context.env[ref.env]
    if (value === undefined)
      throw new PincerError(
        "NOT_FOUND",
        `${name}: the environment variable ${ref.env} is not set: set it, or change ${name}`,
      )
    return oneLine(value, `${name} (environment variable ${ref.env})`)
  }
  if (!("file" in ref)) {
    const what = "exec" in ref ? `the output of ${ref.exec[0]}` : `keyring, account ${ref.keyring}`
    return oneLine(commandSecret(ref, context.env, name), `${name} (${what})`)
  }
  const path = expandPath(ref.file, context.env, context.base)
  const file = readRegularFile(path, `${name}: the file`, MAX_SECRET_BYTES)
  if (!file)
    throw new PincerError("NOT_FOUND", `${name}: the file ${path} does not exist: create it, or change ${name}`)
  return oneLine(file.bytes.toString("utf8"), `${name} (file ${path})`)
}

/** The same as a function to call at the moment of use; undefined when there is no reference. */
export function secretReader(ref: SecretRef | undefined, context: SecretContext): () => string | undefined {
  return () => (ref === undefined ? undefined : resolveSecret(ref, context))
}

/** Line breaks are refused: a header with one makes fetch throw an error that quotes the whole secret. */
function oneLine(value: string, what: string): string {
  const text = value.trim()
  if (text === "") throw new PincerError("INVALID_PARAMS", `${what} is empty`)
  if (Buffer.byteLength(text) > MAX_SECRET_BYTES)
    throw new PincerError("TOO_LARGE", `${what} is larger than ${MAX_SECRET_BYTES} bytes`)
  if (/[\u0000-\u001f\u007f]/.test(text))
    throw new PincerError("INVALID_PARAMS", `${what} holds a line break or another control character`)
  return text
}

export interface TokenFile {
  token: string
  path: string
  /** True when it was made just now. */
  created: boolean
  warnings: string[]
}

/**
 * The generated token of this home: read from <home>/gateway.token, or made (32 random bytes, base64url, mode 0600). Of two
 * programs that start at once, both get the same token. A file that others can read is closed to them, with a warning.
 * Throws PERMISSION_DENIED when the file belongs to somebody else, UNAVAILABLE when the home cannot be written.
 */
export function loadOrCreateToken(home: string): TokenFile {
  const existing = readToken(home)
  if (existing) return existing
  const path = pathsIn(home).token
  const created = createOnce(path, `${secret(32)}\n`)
  const file = readToken(home)
  if (!file) throw new PincerError("UNAVAILABLE", `The token file ${path} vanished while it was made: start again`)
  return { ...file, created }
}

/** The generated token of this home, or undefined when none was made yet. Never creates one. Throws as loadOrCreateToken does. */
export function readToken(home: string): TokenFile | undefined {
  const path = pathsIn(home).token
  // A symbolic link could lead a token that we rely on to a file of somebody else's choice.
  const file = readRegularFile(path, "The token file", MAX_SECRET_BYTES, constants.O_NOFOLLOW)
  if (!file) return undefined
  const me = process.getuid?.()
  if (me !== undefined && file.uid !== me)
    throw new PincerError(
      "PERMISSION_DENIED",
      `The token file ${path} belongs to another user (uid ${file.uid}): remove it`,
    )
  const warnings: string[] = []
  if (process.platform !== "win32" && (file.mode & 0o077) !== 0) {
    chmodSync(path, 0o600)
    warnings.push(
      `${path} could be read by other users and was closed to them: delete it and restart for another token`,
    )
  }
  const token = oneLine(file.bytes.toString("utf8"), `The token file ${path}`)
  return { token, path, created: false, warnings }
}

/** Writes a new 0600 file that appears complete; false when there is one already. */
function createOnce(path: string, content: string): boolean {
  const draft = `${path}.${uuid()}`
  try {
    makeFolder(dirname(path))
    const fd = openSync(draft, "wx", 0o600)
    try {
      fchmodSync(fd, 0o600)
      writeSync(fd, content)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    linkSync(draft, path)
    return true
  } catch (error) {
    if (reason(error) === "EEXIST") return false
    throw new PincerError("UNAVAILABLE", `Cannot write ${path}: ${reason(error)}`, { cause: error, retryable: false })
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Variables of other gateways that hold the same kind of token; one level below PINCER_GATEWAY_TOKEN. */
const FOREIGN_TOKENS = [
  "OPENCLAW_GATEWAY_TOKEN",
  "OPENCLAW_GATEWAY_PASSWORD",
  "CLAWDBOT_GATEWAY_TOKEN",
  "IMCLAW_TOKEN",
  "PYCLAW_AUTH_TOKEN",
] as const

export interface TokenInput {
  env: Env
  config: Config
  home: string
  /** What --token said. */
  flag?: string
}

export interface GatewayToken {
  token: string | undefined
  /** Where it comes from: "--token", a variable's name, a path in the configuration or of a file, or "none". */
  source: string
  warnings: string[]
}

/**
 * The secret that a gateway asks of its clients: --token, PINCER_GATEWAY_TOKEN, the foreign names, gateway.auth.token, the
 * generated file. Undefined only with gateway.auth.mode "none". Throws CONFLICT when two foreign names disagree.
 */
export function serverToken(input: TokenInput): GatewayToken {
  if (input.config.gateway.auth.mode === "none") return { token: undefined, source: "none", warnings: [] }
  const given = givenToken(input)
  if (given) return given
  if (input.config.gateway.auth.mode === "password")
    throw new PincerError(
      "INVALID_PARAMS",
      'gateway.auth.mode is "password" and there is none: set gateway.auth.password, best to { "file": "gateway.password" }',
    )
  const file = loadOrCreateToken(input.home)
  return { token: file.token, source: file.path, warnings: file.warnings }
}

/**
 * The secret that a client on this machine shows to the gateway of this home, by the same order, and gateway.remote.* where the home has
 * none of its own; it creates nothing, so it may find none. A reference that leads nowhere throws: nothing else is tried (OC-AUTH-02).
 */
export function clientToken(input: TokenInput): GatewayToken {
  const given = givenToken(input)
  if (given) return given
  const file = readToken(input.home)
  if (file) return { token: file.token, source: file.path, warnings: file.warnings }
  return remoteSecret(input) ?? { token: undefined, source: "none", warnings: [] }
}

/** gateway.remote.token or gateway.remote.password. Throws CONFLICT when both are set and differ. */
export function remoteSecret({ env, config, home }: Omit<TokenInput, "flag">): GatewayToken | undefined {
  const { token, password } = config.gateway.remote
  const set: [string, SecretRef | undefined][] = [
    ["gateway.remote.token", token],
    ["gateway.remote.password", password],
  ]
  const found = set.flatMap(([name, ref]) =>
    ref === undefined ? [] : [{ token: resolveSecret(ref, { env, base: home, name }), source: name, warnings: [] }],
  )
  const [first, second] = found
  if (first && second && first.token !== second.token)
    throw new PincerError("CONFLICT", `${first.source} and ${second.source} differ: unset the one that is not meant`)
  return first
}

function givenToken({ env, config, home, flag }: TokenInput): GatewayToken | undefined {
  if (flag !== undefined) return { token: oneLine(flag, "--token"), source: "--token", warnings: [] }
  const own = envValue(env, "PINCER_GATEWAY_TOKEN")
  if (own) return { token: oneLine(own, "PINCER_GATEWAY_TOKEN"), source: "PINCER_GATEWAY_TOKEN", warnings: [] }
  const foreign = foreignToken(env)
  if (foreign) return foreign
  return authSecret({ env, config, home })
}

/** gateway.auth.token, in mode "password" gateway.auth.password. Throws when it is a reference that leads nowhere. */
export function authSecret({ env, config, home }: Omit<TokenInput, "flag">): GatewayToken | undefined {
  const { mode, password, token } = config.gateway.auth
  const byPassword = mode === "password" && password !== undefined
  const ref = byPassword ? password : token
  if (ref === undefined) return undefined
  const name = byPassword ? "gateway.auth.password" : "gateway.auth.token"
  return { token: resolveSecret(ref, { env, base: home, name }), source: name, warnings: [] }
}

function foreignToken(env: Env): GatewayToken | undefined {
  const set = FOREIGN_TOKENS.filter((name) => envValue(env, name) !== undefined)
  const [first] = set
  if (!first) return undefined
  const other = set.find((name) => envValue(env, name) !== envValue(env, first))
  if (other)
    throw new PincerError(
      "CONFLICT",
      `${first} and ${other} hold different tokens: set PINCER_GATEWAY_TOKEN to the one that is meant, or unset one of them`,
    )
  return { token: oneLine(env[first] ?? "", first), source: first, warnings: [] }
}
