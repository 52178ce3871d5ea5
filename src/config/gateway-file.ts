// One gateway to a home, and where to find it. What counts is the lock (claim.ts), which cannot be stale; gateway.json beside it is
// information only.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"
import { isObject, parseJson } from "../base/json.ts"
import { holdLock } from "./claim.ts"
import { pathsIn } from "./paths.ts"
import { reason } from "./regular-file.ts"

/** What a running gateway says about itself in <home>/gateway.json. */
export interface GatewayInfo {
  pid: number
  port: number
  /** Where clients connect: "ws://127.0.0.1:18789". */
  url: string
  version: string
  bootId: string
  /** ms since 1970. */
  startedAt: number
  /** Start time of the process in the kernel's own count, where known; tells a reused pid from the real one. Filled in by publish(). */
  processStart?: string
  /** How it was told to start: a restart tells the next one the same. */
  startedWith?: StartedWith
  /** What it runs with where that is not what the configuration file says: clients on this machine use the token of the same. */
  mode?: "last-known-good" | "safe"
}

export interface StartedWith {
  config?: string
  host?: string
  port?: string
  /** What named its token: "--token", a variable, a path; never the token. */
  tokenFrom?: string
}

export interface HomeClaim {
  /** Tells other programs where this gateway is. Replaces what was said before. */
  publish(info: GatewayInfo): void
  /** Withdraws the information and gives the home free. Can be called twice. */
  release(): void
}

/**
 * Makes this process the home's only gateway, or refuses at once: CONFLICT naming the gateway that is there; UNAVAILABLE when the
 * home cannot be written. Creates the home (0700) when it is not there.
 */
export function claimHome(home: string): HomeClaim {
  let unlock: (() => void) | undefined
  try {
    makeFolder(home)
    unlock = holdLock(join(home, "gateway.lock"))
  } catch (error) {
    throw unwritable(home, error)
  }
  if (!unlock) throw taken(home)
  const file = pathsIn(home).gateway
  let released = false
  // What is there was left by a gateway that died: nobody may be sent to it.
  rmSync(file, { force: true })
  return {
    publish: (info) => writeInfo(file, { ...info, processStart: processStart(info.pid) }),
    release() {
      if (released) return
      released = true
      rmSync(file, { force: true })
      unlock()
    },
  }
}

/** The gateway that runs on this home now, as far as its own word and the process table tell; undefined when there is none. */
export function runningGateway(home: string): GatewayInfo | undefined {
  const info = readGatewayInfo(home)
  if (!info || !isAlive(info.pid)) return undefined
  const start = processStart(info.pid)
  return info.processStart !== undefined && start !== info.processStart ? undefined : info
}

/** What gateway.json says, whether that gateway still runs or not; undefined when it is absent or not readable as such. */
export function readGatewayInfo(home: string): GatewayInfo | undefined {
  try {
    return decodeInfo(parseJson(readFileSync(pathsIn(home).gateway, "utf8")))
  } catch (error) {
    if (error instanceof SyntaxError || ["ENOENT", "ENOTDIR", "EACCES", "EISDIR"].includes(reason(error)))
      return undefined
    throw error
  }
}

function taken(home: string): PincerError {
  const info = readGatewayInfo(home)
  const who = info ? `process ${info.pid}, ${info.url}` : "it is still starting"
  return new PincerError(
    "CONFLICT",
    `A gateway is already running on ${home} (${who}): use it, stop it first, or set PINCER_HOME to another directory`,
    { details: info ? { home, pid: info.pid, url: info.url } : { home } },
  )
}

function unwritable(home: string, error: unknown): PincerError {
  return new PincerError(
    "UNAVAILABLE",
    `Cannot use ${home} as home: ${reason(error)}: make it writable or set PINCER_HOME`,
    {
      cause: error,
      retryable: false,
    },
  )
}

function writeInfo(file: string, info: GatewayInfo): void {
  const draft = `${file}.next`
  writeFileSync(draft, `${JSON.stringify(info, null, 2)}\n`, { mode: 0o600 })
  renameSync(draft, file)
}

function decodeInfo(value: unknown): GatewayInfo | undefined {
  if (!isObject(value)) return undefined
  const { mode, pid, port, url, version, bootId, startedAt, processStart: start } = value
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0 || typeof port !== "number") return undefined
  if (typeof url !== "string" || typeof version !== "string" || typeof bootId !== "string") return undefined
  if (typeof startedAt !== "number") return undefined
  return {
    ...{ pid, port, url, version, bootId, startedAt },
    ...(typeof start === "string" ? { processStart: start } : {}),
    ...(mode === "last-known-good" || mode === "safe" ? { mode } : {}),
    ...(isObject(value["startedWith"]) ? { startedWith: decodeStart(value["startedWith"]) } : {}),
  }
}

function decodeStart(value: Record<string, unknown>): StartedWith {
  const names = ["config", "host", "port", "tokenFrom"] as const
  return Object.fromEntries(names.flatMap((name) => (typeof value[name] === "string" ? [[name, value[name]]] : [])))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It is there, but somebody else's.
    return reason(error) === "EPERM"
  }
}

/** Field 22 of /proc/<pid>/stat (proc(5)): clock ticks from boot to the start of the process. Linux only. */
function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name in field 2 may hold spaces and parentheses, so count from the last one.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "ENOTDIR", "EPERM"].includes(reason(error))) return undefined
    throw error
  }
}
