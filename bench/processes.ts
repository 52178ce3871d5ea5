// Starting what is measured, and reading the kernel's account of it: CPU time and resident memory of another process (Linux /proc).
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import WebSocket from "ws"

export const ENTRY = join(import.meta.dirname, "..", "bin", "pincer.js")
export const TOKEN = "bench-token-0123456789abcdef0123456789"
const TICKS_PER_SECOND = 100

export interface Running {
  child: ChildProcess
  pid: number
  url: string
  stop(): Promise<void>
}

/** CPU milliseconds (user and system) that a process has used. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

/** Resident memory in MiB: all of it, and the part that no file backs (heap and stacks, not the program's own pages). */
export function residentMiB(pid: number): { all: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]) / 1024
  return { all: field("VmRSS"), anonymous: field("RssAnon") }
}

function running(child: ChildProcess, url: string): Running {
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  return {
    child,
    pid: child.pid!,
    url,
    async stop() {
      child.kill("SIGTERM")
      await gone
    },
  }
}

/** Starts a script that prints its URL in its first line. */
export async function startScript(file: string, args: string[] = []): Promise<Running> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "inherit"] })
  const line = await new Promise<string>((resolve, reject) => {
    let text = ""
    child.stdout!.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")))
    })
    child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)))
  })
  return running(child, /https?:\/\/[^\s"]+|wss?:\/\/[^\s"]+/.exec(line)![0])
}

/** An empty home whose only model service is the fake one. */
export function makeHome(fakeUrl: string): string {
  const home = mkdtempSync(join(tmpdir(), "pincer-bench-"))
  const config = {
    gateway: { port: 0 },
    models: { discover: false },
    agents: { defaults: { model: "fake/test-model" } },
    providers: { fake: { wire: "openai-chat", baseUrl: `${fakeUrl}/v1`, apiKey: "k", models: ["test-model"] } },
  }
  writeFileSync(join(home, "pincer.json"), JSON.stringify(config))
  return home
}

/** The environment of a bench process: built code, its own home, none of the user's keys. */
export function benchEnv(home: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    PINCER_HOME: home,
    PINCER_GATEWAY_TOKEN: TOKEN,
    PINCER_DIST: "1",
  }
}

/** Starts a gateway; resolves when an authenticated RPC has been answered, with how long that took (ms). */
export async function startGateway(home: string): Promise<Running & { readyMs: number }> {
  const info = join(home, "gateway.json")
  const began = performance.now()
  // By its name, as a shell starts it, and without lines for a terminal, as it runs in the background and as a service.
  const child = spawn(ENTRY, ["gateway", "run", "--quiet"], {
    env: benchEnv(home),
    stdio: ["ignore", "ignore", "inherit"],
  })
  while (!existsSync(info)) {
    if (child.exitCode !== null) throw new Error(`The gateway ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const { url } = JSON.parse(readFileSync(info, "utf8")) as { url: string }
  const socket = await connect(url)
  await socket.call("health", {})
  const readyMs = performance.now() - began
  socket.close()
  return { ...running(child, url.replace(/^ws/, "http")), readyMs }
}

export interface Caller {
  call(method: string, params: unknown): Promise<unknown>
  close(): void
}

/** A bare control-plane client: connects with the token, answers by request id. */
export async function connect(url: string): Promise<Caller> {
  const socket = new WebSocket(url.replace(/^http/, "ws"))
  const waiting = new Map<string, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let next = 0
  socket.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as {
      type: string
      id: string
      ok: boolean
      payload: unknown
      error?: { message: string }
    }
    if (frame.type !== "res") return
    const one = waiting.get(frame.id)
    waiting.delete(frame.id)
    if (frame.ok) one?.resolve(frame.payload)
    else one?.reject(new Error(frame.error?.message))
  })
  const call = (method: string, params: unknown): Promise<unknown> => {
    const id = String((next += 1))
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      socket.send(JSON.stringify({ type: "req", id, method, params }))
    })
  }
  await new Promise<void>((resolve, reject) => {
    socket.once("message", () => resolve())
    socket.once("error", reject)
  })
  const client = { id: "test", version: "1", platform: "linux", mode: "test" }
  await call("connect", {
    minProtocol: 4,
    maxProtocol: 4,
    client,
    role: "operator",
    scopes: ["operator.admin"],
    auth: { token: TOKEN },
  })
  return { call, close: () => socket.close() }
}
