// What an agent asks of us while it works: leave, files, terminals, questions. Everything is judged by the turn that it works for; without
// one nothing is done. Answers are strict, whatever the question looked like.
import type { HostedCall, HostedCommand, HostedTerminal, TerminalExit } from "../../agent/harness.ts"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { type PeerRequest, RPC, RpcFailure } from "../peer.ts"
import { questionAnswer, questionOf } from "./elicitation.ts"
import type { HostSession, TurnEar } from "./host-session.ts"
import { leaveAnswer, optionsOf } from "./leave-answer.ts"
import type { Update } from "./session-book.ts"
import { toldTool } from "./tool-told.ts"

export interface Served {
  /** The turns that run in the agent's process. */
  readonly ears: TurnEar[]
}

const CANCELLED = { outcome: { outcome: "cancelled" } }

/** Throws RpcFailure and PincerError, which are answered. */
export async function serve(
  request: PeerRequest,
  sessionOf: (id: unknown) => HostSession | undefined,
  served: Served,
): Promise<unknown> {
  const { method, params } = request
  const session = sessionOf(params["sessionId"])
  const ear = session?.ear
  switch (method) {
    case "session/request_permission":
      return session && ear ? permission(params, session, ear) : CANCELLED
    case "elicitation/create":
      return elicitation(params, ear ?? onlyOne(served, params))
    case "fs/read_text_file":
      return { content: await readText(params, working(ear, params)) }
    case "fs/write_text_file":
      return writeText(params, working(ear, params))
    case "terminal/create":
      return createTerminal(params, working(ear, params))
    case "terminal/output":
    case "terminal/wait_for_exit":
    case "terminal/kill":
    case "terminal/release":
      return useTerminal(request, working(ear, params))
    default:
      throw new RpcFailure(RPC.methodNotFound, `Pincer has no method "${method}"`)
  }
}

function working(ear: TurnEar | undefined, params: Update): TurnEar {
  if (ear && !ear.signal.aborted) return ear
  const id = typeof params["sessionId"] === "string" ? ` "${params["sessionId"].slice(0, 100)}"` : ""
  throw new RpcFailure(RPC.invalidParams, `No turn of session${id} runs: nothing was done`)
}

/** Outside of a session (while it logs in): the turn that waits for it, when there is only one. */
function onlyOne({ ears }: Served, params: Update): TurnEar | undefined {
  return params["sessionId"] === undefined && ears.length === 1 ? ears[0] : undefined
}

async function permission(params: Update, session: HostSession, ear: TurnEar): Promise<unknown> {
  const options = optionsOf(params["options"])
  const call = callOf(params, session)
  if (!call || ear.signal.aborted) return CANCELLED
  const offersAlways = options.some((one) => one.kind === "allow_always")
  const leave = await untilAborted(ear.turn.leave({ ...call, offersAlways }), ear.signal)
  if (!leave) return CANCELLED
  return leaveAnswer(leave, options)
}

type AskedCall = Omit<HostedCall, "offersAlways">

function callOf(params: Update, session: HostSession): AskedCall | undefined {
  const telling = { version: session.version, memory: session.toolMemory }
  if (session.version === 1) return isObject(params["toolCall"]) ? toldTool(params["toolCall"], telling) : undefined
  const { subject, title } = params
  const said = typeof title === "string" ? title : undefined
  if (!isObject(subject)) return undefined
  if (subject["type"] === "tool_call" && isObject(subject["toolCall"])) {
    const told = toldTool(subject["toolCall"], telling)
    return told ? { ...told, view: { ...(said === undefined ? {} : { title: said }), ...told.view } } : undefined
  }
  const { command, cwd, toolCallId } = subject
  if (subject["type"] !== "command" || typeof command !== "string") return undefined
  const rawInput = { command, ...(typeof cwd === "string" ? { cwd } : {}) }
  const callId = typeof toolCallId === "string" ? toolCallId : `command:${command.slice(0, 200)}`
  return { callId, view: { title: said ?? command, kind: "execute", rawInput } }
}

async function elicitation(params: Update, ear: TurnEar | undefined): Promise<unknown> {
  const question = questionOf(params)
  if (!question) throw new RpcFailure(RPC.invalidParams, "Pincer asks forms and shows pages; this question is neither")
  if (!ear || ear.signal.aborted) return { action: "cancel" }
  const answer = await untilAborted(ear.turn.ask(question), ear.signal)
  return questionAnswer(answer ?? { type: "canceled" })
}

function readText(params: Update, { turn }: TurnEar): Promise<string> {
  const { limit, line } = params
  return turn.readText(required(params, "path"), {
    ...(typeof line === "number" ? { line: Math.max(1, Math.floor(line)) } : {}),
    ...(typeof limit === "number" ? { limit: Math.max(0, Math.floor(limit)) } : {}),
  })
}

async function writeText(params: Update, { turn }: TurnEar): Promise<unknown> {
  const { content } = params
  if (typeof content !== "string") throw new RpcFailure(RPC.invalidParams, '"content" must be text')
  await turn.writeText(required(params, "path"), content)
  return {}
}

async function createTerminal(params: Update, ear: TurnEar): Promise<unknown> {
  const terminal = await ear.turn.openTerminal(commandOf(params))
  if (ear.signal.aborted) {
    await terminal.release()
    throw new PincerError("ABORTED", "The turn is over")
  }
  ear.terminals.set(terminal.id, terminal)
  return { terminalId: terminal.id }
}

function commandOf(params: Update): HostedCommand {
  const { args, cwd, env, outputByteLimit } = params
  const list = Array.isArray(args) ? args : []
  if (!list.every((one) => typeof one === "string")) throw new RpcFailure(RPC.invalidParams, '"args" must be texts')
  const variables = (Array.isArray(env) ? env : []).flatMap((one): [string, string][] =>
    isObject(one) && typeof one["name"] === "string" && typeof one["value"] === "string"
      ? [[one["name"], one["value"]]]
      : [],
  )
  return {
    command: required(params, "command"),
    args: list,
    env: Object.fromEntries(variables),
    ...(typeof cwd === "string" ? { cwd } : {}),
    ...(typeof outputByteLimit === "number" ? { outputByteLimit } : {}),
  }
}

async function useTerminal({ method, params, signal }: PeerRequest, ear: TurnEar): Promise<unknown> {
  const id = required(params, "terminalId")
  const terminal = ear.terminals.get(id)
  if (!terminal) throw new RpcFailure(RPC.notFound, `There is no terminal "${id}": it was released, or never created`)
  switch (method) {
    case "terminal/output":
      return shown(terminal)
    case "terminal/wait_for_exit": {
      const exit = await untilAborted(terminal.exited(), AbortSignal.any([signal, ear.signal]))
      if (!exit) throw new PincerError("ABORTED", "The wait was given up")
      return exitStatus(exit)
    }
    case "terminal/kill":
      await terminal.kill()
      return {}
    default:
      ear.terminals.delete(id)
      await terminal.release()
      return {}
  }
}

function shown(terminal: HostedTerminal): unknown {
  const { exit, output, truncated } = terminal.output()
  return { output, truncated, ...(exit ? { exitStatus: exitStatus(exit) } : {}) }
}

/** Exit codes on the wire are never negative. */
function exitStatus({ exitCode, signal }: TerminalExit): unknown {
  return { exitCode: exitCode === null ? null : exitCode >>> 0, signal }
}

function required(params: Update, name: string): string {
  const value = params[name]
  if (typeof value === "string" && value !== "") return value
  throw new RpcFailure(RPC.invalidParams, `"${name}" must be a text that is not empty`)
}

/** Undefined when the signal aborts first; what comes later is nobody's. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) {
    promise.catch(() => undefined)
    return Promise.resolve(undefined)
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(undefined)
    signal.addEventListener("abort", onAbort, { once: true })
    promise.then(
      (value) => {
        signal.removeEventListener("abort", onAbort)
        resolve(value)
      },
      (error: unknown) => {
        signal.removeEventListener("abort", onAbort)
        reject(error)
      },
    )
  })
}
