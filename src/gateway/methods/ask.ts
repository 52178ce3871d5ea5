// ask and ask_stream: IMClaw's way to talk to an agent (IM-RPC-01 … 03). Both wait for the whole answer; ask_stream tells what happens
// meanwhile as `event` and `stream`. A stream belongs to its session, not to the connection: it goes on when the caller leaves.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { SessionName } from "../../protocol/session.ts"
import { isFinal, type TurnRecord, type TurnRequest } from "../../protocol/turn.ts"
import { promptedInput, requireAgent, resolveSession, turnRequest } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { type AskParams, askParams, normalizeAsk } from "../rpc/ask-options.ts"
import { agentOf, sessionId } from "../rpc/session-view.ts"
import { TurnStream } from "../rpc/stream.ts"
import { saidParts } from "../said-parts.ts"
import { failureOf, unfinished } from "../sessions/outcome.ts"
import { type Method, type MethodContext, method } from "./method.ts"

const READERS = new Set(["Read", "LS", "Glob", "Grep"])

const KEPT: ReadonlySet<string> = new Set(["PERMISSION_DENIED", "TIMEOUT", "INVALID_PARAMS", "NOT_FOUND"])

const answer = () =>
  z.looseObject({ content: z.string().optional(), session_id: z.string(), agent: z.string().optional() })

/** The session that is meant: the one named, else the connection's own. */
export async function namedOrOwn(session: string | undefined, { caller, parts }: MethodContext): Promise<SessionName> {
  return resolveSession({ sessionKey: session?.trim() || caller.ownSession || "default" }, parts)
}

async function requestOf(params: AskParams, context: MethodContext): Promise<TurnRequest> {
  const { caller, parts } = context
  if (params.content.trim() === "" && params.parts === undefined)
    throw new PincerError("INVALID_PARAMS", "Missing required param: content")
  const name = await namedOrOwn(params.session, context)
  const row = await parts.store.sessions.get(name.key)
  const agentId = params.agent?.trim() || (row ? agentOf(row) : name.agentId)
  requireAgent(agentId, parts)
  const words = params.parts ? saidParts(params.parts) : [{ type: "text" as const, text: params.content }]
  const said = {
    ...(await promptedInput(words, { agentId }, params.cwd, context)),
    idempotencyKey: params.idempotencyKey,
    model: params.model,
    cwd: params.cwd,
    permissions: params.permissions,
    agentCommand: params.agentCommand,
    ttl: params.ttl,
    lender: params.lender,
    timeoutMs: params.timeout === undefined ? undefined : Math.round(params.timeout * 1000),
  }
  const request = turnRequest({ ...name, agentId }, said, caller, parts)
  if (params.maxTurns !== undefined) request.limits = { ...request.limits, maxModelCalls: params.maxTurns }
  return request
}

/** Runs the turn, again when it failed and the caller wants that. */
async function run(params: AskParams, context: MethodContext, first: TurnRequest, onTurn: (turnId: string) => void) {
  const { caller, parts } = context
  for (let left = params.promptRetries ?? 0, request = first; ; left -= 1) {
    onTurn(request.turnId)
    context.follow(request.turnId)
    const { record } = await parts.lanes.submit(request)
    const ended = isFinal(record.status) ? record : await parts.lanes.wait(record.turnId, { signal: caller.signal })
    if (!ended) throw unfinished(record.turnId)
    const failure = failureOf(ended)
    if (!failure) return answered(ended, parts)
    if (left === 0 || failure.code === "PERMISSION_DENIED" || failure.code === "INVALID_PARAMS")
      // A number for all that an agent may come to (IM-STR-08); the finer word is in the details.
      throw new PincerError(
        KEPT.has(failure.code) ? failure.code : "INTERNAL_ERROR",
        `Agent error: ${failure.message}`,
        {
          details: { code: failure.code, ...failure.details },
          retryAfterMs: failure.retryAfterMs,
          cause: failure,
        },
      )
    request = { ...first, turnId: uuid(parts.clock.now()), replay: "resend", input: [] }
  }
}

function answered(record: TurnRecord, parts: Parts) {
  if (record.status === "canceled")
    throw new PincerError("ABORTED", "The turn was canceled", { details: { runId: record.turnId } })
  return {
    content: record.outcome?.text ?? "",
    session_id: sessionId(record.sessionKey, parts),
    agent: record.agentId,
    run_id: record.turnId,
  }
}

/** `/agent NAME` and `/new`: the two words that mean something here (IM-RPC-02). Undefined for everything else. */
async function slash(params: AskParams, context: MethodContext) {
  const { parts } = context
  const words = params.content.trim().split(/\s+/)
  if (words[0] === "/new" && words.length === 1) {
    const name = await resolveSession({ sessionKey: uuid(parts.clock.now()) }, parts)
    await parts.store.sessions.ensure(name.key, name.agentId)
    return { session_id: sessionId(name.key, parts), message: "New session created" }
  }
  if (words[0] !== "/agent" || words.length !== 2) return undefined
  const agent = words[1]!
  requireAgent(agent, parts)
  const name = await namedOrOwn(params.session, context)
  const row = await parts.store.sessions.ensure(name.key, name.agentId)
  await parts.store.sessions.patch(name.key, { settings: { ...row.settings, agent } })
  return { agent, message: `Switched to agent: ${agent}`, session_id: sessionId(name.key, parts) }
}

const ask = method({
  name: "ask",
  summary: "Says something and answers with the whole reply. `/agent NAME` and `/new` switch agent and session.",
  scope: "operator.write",
  normalize: normalizeAsk,
  params: askParams,
  result: answer,
  async run(params, context) {
    const done = await slash(params, context)
    if (done) return done
    const request = await requestOf(params, context)
    return run(params, context, request, () => undefined)
  },
})

const askStream = method({
  name: "ask_stream",
  summary: "Like ask, with `event` and `stream` notifications while it works. Needs a connection that can be told.",
  scope: "operator.write",
  normalize: normalizeAsk,
  params: askParams,
  result: answer,
  async run(params, context) {
    const { caller, emit, parts, requestId } = context
    if (!emit) throw new PincerError("METHOD_NOT_FOUND", "ask_stream needs a WebSocket: use ask, or connect to /ws")
    const request = await requestOf(params, context)
    const id = requestId ?? request.turnId
    const base = { id, session_id: sessionId(request.sessionKey, parts) }
    let stop: () => void = () => undefined
    const listen = (turnId: string) => {
      stop()
      const stream = new TurnStream()
      stop = parts.hub.onTurn(turnId, ({ event }) => {
        if (caller.signal.aborted) return
        const told = stream.tell(event)
        for (const one of told.events) {
          if (params.suppressReads && one.type === "tool_output" && READERS.has(one.name ?? "")) continue
          void emit("event", JSON.stringify({ ...base, version: "v1", ...one }))
        }
        for (const chunk of told.chunks) void emit("stream", JSON.stringify({ ...base, ...chunk }))
      })
    }
    try {
      return await run(params, context, request, listen)
    } finally {
      stop()
    }
  },
})

export const askMethods: readonly Method[] = [ask, askStream]
