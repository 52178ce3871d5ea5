// A start that leaves nobody outside: with what the file says; where that cannot be used, with what a gateway last ran with; after three
// starts that failed, with next to nothing, on this machine only. The file of a person is never touched.
import { asPincerError, PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { failedStarts, lastGood, noteStart, startKey } from "../../config/boot-record.ts"
import { parseDocument } from "../../config/document.ts"
import { runningGateway } from "../../config/gateway-file.ts"
import { judgeConfig, type LoadedConfig, loadConfig, readConfigFile } from "../../config/load.ts"
import { envValue, type Paths, resolvePaths } from "../../config/paths.ts"
import { type Gateway, type GatewayOptions, openGateway } from "../compose.ts"
import type { BootState } from "./config-service.ts"

/** Starts that fail before the next one is safe. */
const PATIENCE = 3

interface Plan {
  loaded: LoadedConfig
  boot: BootState
}

/** Opens a gateway. Throws what openGateway() throws, and what is wrong with the file while neither of the other ways is open. */
export async function bootGateway(options: GatewayOptions): Promise<Gateway> {
  const paths = resolvePaths(options.env, options.flags ?? {})
  const read = tryToLoad(options)
  const key = keyOf(options, paths, read)
  const failed = failedStarts(paths.home, key)
  const plan = failed >= PATIENCE ? safePlan(options, paths, read) : planOf(options, paths, read)
  if (!plan) {
    if (!runningGateway(paths.home)) noteStart(paths.home, { of: key, count: failed + 1 })
    throw read
  }
  const claimed = () => noteStart(paths.home, { of: key, count: failed + 1 })
  const gateway = await open({ ...options, ...plan, claimed })
  // After a safe start the file gets one more chance, as what kept it from starting may have passed.
  noteStart(paths.home, { of: key, count: plan.boot.mode === "safe" ? PATIENCE - 1 : 0 })
  return gateway
}

/** A safe gateway comes up even where its port is taken. */
async function open(options: GatewayOptions & Plan): Promise<Gateway> {
  try {
    return await openGateway(options)
  } catch (error) {
    const { boot, flags, loaded } = options
    if (boot.mode !== "safe" || asPincerError(error).code !== "UNAVAILABLE") throw error
    const gateway = { ...loaded.config.gateway, port: 0 }
    return openGateway({
      ...options,
      flags: { ...flags, port: 0 },
      loaded: { ...loaded, config: { ...loaded.config, gateway } },
    })
  }
}

function tryToLoad({ env, flags = {} }: GatewayOptions): LoadedConfig | PincerError {
  try {
    return loadConfig({ env, flags })
  } catch (error) {
    if (error instanceof PincerError) return error
    throw error
  }
}

function keyOf({ env, flags }: GatewayOptions, { config }: Paths, read: LoadedConfig | PincerError): string {
  const text = read instanceof PincerError ? read.message : read.text
  const names = ["PINCER_GATEWAY_HOST", "PINCER_GATEWAY_PORT"].map((name) => envValue(env, name))
  return startKey(config, text, flags?.host, flags?.port, ...names)
}

/** Undefined when the file cannot be used and there is nothing to use in its place. */
function planOf(options: GatewayOptions, paths: Paths, read: LoadedConfig | PincerError): Plan | undefined {
  if (!(read instanceof PincerError)) return { loaded: read, boot: { mode: "configured" } }
  const last = lastGood(paths.home)
  const loaded = last && judged(options, paths, last.text)
  if (!last || !loaded) return undefined
  const since = new Date(last.keptAt).toISOString().slice(0, 16).replace("T", " ")
  const warnings = [
    `The configuration was refused: ${read.message}`,
    `The gateway runs with the configuration that worked last (kept ${since} UTC). Mend ${paths.config} and it counts at once; "pincer config diff" shows the difference.`,
  ]
  return {
    loaded: { ...loaded, warnings: [...loaded.warnings, ...warnings] },
    boot: { mode: "last-known-good", refused: refusalOf(read), seen: textOf(paths.config) },
  }
}

function judged({ env, flags = {} }: GatewayOptions, paths: Paths, text: string): LoadedConfig | undefined {
  try {
    return judgeConfig({ env, flags, paths, file: { text, open: false } })
  } catch (error) {
    // Kept by an older version, or a flag is wrong: then the file is told to be wrong, as it was found.
    if (error instanceof PincerError) return undefined
    throw error
  }
}

/** Loopback, a token, defaults for everything else, and nothing that goes on by itself. */
function safePlan(options: GatewayOptions, paths: Paths, read: LoadedConfig | PincerError): Plan {
  const text = JSON.stringify({ gateway: { port: portOf(paths, read) } })
  const { PINCER_GATEWAY_HOST: _, ...env } = options.env
  const { host: __, ...flags } = options.flags ?? {}
  const loaded = judgeConfig({ env, flags, paths, file: { text, open: false } })
  const why =
    read instanceof PincerError
      ? refusalOf(read)
      : { message: `The last ${PATIENCE} starts with ${paths.config} failed: "pincer logs" says why`, issues: [] }
  const warnings = [
    `SAFE MODE: ${why.message}`,
    `The gateway listens on this machine only, with defaults, its own token (${paths.token}), and neither schedules nor external agents. Turns and jobs that wait are kept for a normal start. To leave: mend ${paths.config} ("pincer config check", "pincer config undo --last-good"), then "pincer gateway restart".`,
  ]
  return {
    loaded: { ...loaded, text: undefined, warnings },
    boot: { mode: "safe", refused: why, seen: textOf(paths.config) },
  }
}

function refusalOf({ details, message }: PincerError): NonNullable<BootState["refused"]> {
  const issues = details?.["issues"]
  return { message, issues: Array.isArray(issues) ? issues : [] }
}

/** The port that clients know, as far as the file tells. */
function portOf(paths: Paths, read: LoadedConfig | PincerError): number | undefined {
  if (!(read instanceof PincerError)) return read.config.gateway.port
  const value = parseDocument(textOf(paths.config) ?? "").value
  const gateway = isObject(value) ? value["gateway"] : undefined
  const port = isObject(gateway) ? gateway["port"] : undefined
  return typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : undefined
}

function textOf(path: string): string | undefined {
  try {
    return readConfigFile(path)?.text
  } catch (error) {
    if (error instanceof PincerError) return undefined
    throw error
  }
}
