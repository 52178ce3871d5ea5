// Who listens at the port that a gateway of ours would need: a gateway, another program, nobody. On Linux the kernel also says which process.
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { get } from "node:http"
import { createServer } from "node:net"
import { isObject } from "../base/json.ts"

export interface PortHolder {
  /** "gateway": it answers as one. */
  kind: "gateway" | "program"
  version?: string
  process?: { pid: number; name: string }
}

const ASK_MS = 1_000
const MAX_ANSWER = 64 * 1024

/** Undefined when the port is free, or when it cannot be opened for another reason (which a start will tell). */
export async function portHolder(host: string, port: number): Promise<PortHolder | undefined> {
  if (port === 0 || (await problemAt(host, port)) !== "EADDRINUSE") return undefined
  const near = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host
  const health = await healthAt(near, port)
  const process = listener(port)
  const version = typeof health?.["version"] === "string" ? health["version"] : undefined
  return {
    kind: health?.["ok"] === true ? "gateway" : "program",
    ...(version === undefined ? {} : { version }),
    ...(process ? { process } : {}),
  }
}

/** "node (pid 1234)", or what is known instead. */
export function holderName({ kind, version, process }: PortHolder): string {
  const who = process ? `${process.name} (pid ${process.pid})` : "another program"
  if (kind === "program") return who
  return `another gateway${version === undefined ? "" : ` (version ${version})`}${process ? `, ${who}` : ""}`
}

/** Undefined when it can be listened at, else the system's word. */
export function problemAt(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

/** What GET /health says, if what listens speaks HTTP and JSON. */
function healthAt(host: string, port: number): Promise<Record<string, unknown> | undefined> {
  return new Promise((resolve) => {
    const request = get({ host, port, path: "/health", timeout: ASK_MS, headers: { accept: "application/json" } })
    const give = (value?: Record<string, unknown>) => {
      clearTimeout(timer)
      resolve(value)
      request.destroy()
    }
    // Also for a peer that sends a byte now and then.
    const timer = setTimeout(() => give(), ASK_MS)
    request.on("error", () => give())
    request.on("response", (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
        if (text.length > MAX_ANSWER) give()
      })
      response.on("error", () => give())
      response.on("end", () => give(objectIn(text)))
    })
  })
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    // Not JSON: no gateway of our kind.
    return undefined
  }
}

/** The process that listens at a TCP port of this machine, where /proc tells and it may be looked at. */
function listener(port: number): { pid: number; name: string } | undefined {
  const wanted = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => inodesOf(read(file), port)))
  if (wanted.size === 0) return undefined
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name)))
    for (const fd of list(`/proc/${pid}/fd`))
      if (wanted.has(link(`/proc/${pid}/fd/${fd}`)))
        return { pid: Number(pid), name: read(`/proc/${pid}/comm`).trim() || "a program" }
  return undefined
}

/** "socket:[12345]" of each socket that listens (state 0A) at the port. */
function inodesOf(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) === true && fields[3] === "0A")
    .map((fields) => `socket:[${fields[9]}]`)
}

/** Processes come and go while they are looked at, and some are not ours to look at: then nothing is known of them. */
function orNothing<T>(look: () => T, nothing: T): T {
  try {
    return look()
  } catch {
    return nothing
  }
}

const read = (path: string) => orNothing(() => readFileSync(path, "utf8"), "")
const list = (path: string) => orNothing(() => readdirSync(path), [])
const link = (path: string) => orNothing(() => readlinkSync(path), "")
