// A small ACP client for trying an agent by hand: starts it, opens one session, says things, answers its requests for leave. It offers
// neither files nor terminals. The agent lives in a process group of its own, which ends with the client.
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { endGroup } from "../../base/process.ts"
import { after } from "../../protocol/link.ts"
import { LineReader } from "../lines.ts"
import { RPC, RpcFailure, RpcPeer, saidBy } from "../peer.ts"

export interface ClientOptions {
  /** Program and arguments. */
  argv: readonly [string, ...string[]]
  /** Of the session, absolute; the program is started there, too. */
  cwd: string
  /** Its whole environment. */
  env: Record<string, string>
  version: string
  /** One `update` of session/update, as it came. */
  heard(update: Record<string, unknown>): void
  /** `params` of session/request_permission. The id of the chosen option; undefined: cancelled. Never throws. */
  permit(params: Record<string, unknown>): Promise<string | undefined>
  /** Told every message of both directions. */
  tap?(direction: "in" | "out", text: string): void
}

export interface DebugClient {
  readonly sessionId: string
  /** "pincer 0.1.0", as it says itself. */
  readonly agent: string
  /** Resolves with the stop reason. Throws PincerError. */
  prompt(text: string): Promise<string>
  cancel(): void
  /** The exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** Ends the agent: first by the end of its input, then its whole process group. */
  close(): Promise<void>
}

const MAX_LINE = 64 * 1024 * 1024
const START_MS = 60_000
const CLOSE_MS = 3_000

/** Throws UNAVAILABLE when it cannot be started, ends, or does not answer. */
export async function openClient(options: ClientOptions): Promise<DebugClient> {
  const child = await start(options)
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve))
  const peer = connect(child, options)
  void exited.then((code) => peer.end(ended(options.argv[0], code)))
  const close = () => end(child, exited, peer)
  try {
    const first = await ask(peer, "initialize", {
      protocolVersion: 1,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
      clientInfo: { name: "pincer-acp-client", title: "Pincer ACP client", version: options.version },
    })
    if (first["protocolVersion"] !== 1)
      throw new PincerError("UNAVAILABLE", `It speaks protocol version ${String(first["protocolVersion"])}, not 1`)
    const opened = await ask(peer, "session/new", { cwd: options.cwd, mcpServers: [] })
    const { sessionId } = opened
    if (typeof sessionId !== "string") throw new PincerError("UNAVAILABLE", "It opened a session without an id")
    return {
      sessionId,
      agent: agentName(first["agentInfo"]),
      async prompt(text) {
        const answer = await ask(peer, "session/prompt", { sessionId, prompt: [{ type: "text", text }] }, null)
        return typeof answer["stopReason"] === "string" ? answer["stopReason"] : "unknown"
      },
      cancel: () => peer.notify("session/cancel", { sessionId }),
      exited,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function start({ argv, cwd, env }: ClientOptions): Promise<ChildProcess> {
  const [program, ...args] = argv
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ["pipe", "pipe", "inherit"] })
  try {
    await once(child, "spawn")
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error)
    throw new PincerError("UNAVAILABLE", `Cannot start ${program}: ${why}`, { cause: error, retryable: false })
  }
  child.on("error", () => undefined)
  return child
}

function connect(child: ChildProcess, options: ClientOptions): RpcPeer {
  const { stdin, stdout } = child
  if (!stdin || !stdout) throw new TypeError("The agent was started without pipes")
  const peer = new RpcPeer(
    {
      send: (text) => stdin.write(`${text}\n`),
      async onRequest({ method, params }) {
        if (method !== "session/request_permission")
          throw new RpcFailure(RPC.methodNotFound, `${method} is not offered by this client`)
        const optionId = await options.permit(params)
        return { outcome: optionId === undefined ? { outcome: "cancelled" } : { outcome: "selected", optionId } }
      },
      onNotification(method, params) {
        if (method === "session/update" && isObject(params["update"])) options.heard(params["update"])
      },
      ...(options.tap ? { tap: options.tap } : {}),
    },
    after,
  )
  // Whoever is gone reads nothing more: the exit says so.
  stdin.on("error", () => undefined)
  const reader = new LineReader(MAX_LINE, {
    line: (text) => peer.receive(text),
    tooLong: (bytes) => peer.refuseTooLong(bytes),
  })
  stdout.on("data", (chunk: Buffer) => reader.push(chunk))
  stdout.on("end", () => reader.end())
  return peer
}

async function ask(
  peer: RpcPeer,
  method: string,
  params: Record<string, unknown>,
  timeoutMs: number | null = START_MS,
): Promise<Record<string, unknown>> {
  try {
    const answer = await peer.request(method, params, timeoutMs === null ? {} : { timeoutMs })
    return isObject(answer) ? answer : {}
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error
    const auth = error.code === RPC.authRequired
    throw new PincerError(auth ? "AUTH_REQUIRED" : "UNAVAILABLE", `${method}: ${saidBy(error)}`, {
      cause: error,
      retryable: false,
    })
  }
}

function agentName(info: unknown): string {
  if (!isObject(info)) return "an agent without a name"
  return [info["title"] ?? info["name"], info["version"]].filter((word) => typeof word === "string").join(" ")
}

function ended(program: string, code: number | null): PincerError {
  const how = code === null ? "a signal" : `exit code ${code}`
  return new PincerError("UNAVAILABLE", `${program} ended with ${how}`, { retryable: false })
}

async function end(child: ChildProcess, exited: Promise<number | null>, peer: RpcPeer): Promise<void> {
  child.stdin?.end()
  const pause = Promise.withResolvers<void>()
  const stop = after(CLOSE_MS, pause.resolve)
  await Promise.race([exited, pause.promise])
  stop()
  if (child.pid !== undefined) await endGroup(child.pid)
  peer.end(new PincerError("UNAVAILABLE", "The client was closed"))
}
