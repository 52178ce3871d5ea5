// The loop of a turn: ask the model, run what it calls, until it rests or a limit is hit. It keeps no state that the transcript
// lacks, so it can start in the middle: after a crash it looks at what the turn has recorded and goes on from there.
import { uuid } from "../base/id.ts"
import type { Redactor } from "../base/redact.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import {
  addUsage,
  callsOf,
  type Message,
  NO_USAGE,
  type Part,
  type ToolCallPart,
  textOf,
  type Usage,
} from "../protocol/message.ts"
import type { ToolSpec, TurnError, TurnLimits, TurnOutcome, TurnRequest, TurnStop } from "../protocol/turn.ts"
import type { ModelRef } from "../providers/catalogue.ts"
import type { ModelEvent, ModelFailure, ModelRequest } from "../providers/provider.ts"
import { runCalls } from "./call.ts"
import { afterOverflow, type CompactRoom, makeRoom, windowOf } from "./compact.ts"
import { answerText, fit, repair } from "./prompt.ts"
import type { CallRoom } from "./scene.ts"
import { TurnAbort } from "./scope.ts"
import { inView, tokensOf } from "./summary.ts"

export interface LoopInput {
  room: CallRoom
  request: TurnRequest
  /** The session's messages, this turn's included; the loop adds to it. */
  messages: Message[]
  refs: ModelRef[]
  system: string
  specs: ToolSpec[]
  limits: TurnLimits
  /** The answer so far, for whoever looks in while it is written. */
  live: { text: string; thinking: string }
}

/** How it ended, and the events that are to be recorded together with the end. */
export interface LoopResult {
  outcome: TurnOutcome
  events: RecordedEvent[]
}

/** Runs until the turn ends. Throws Parked, TurnAbort("shutdown") and FencedError; nothing else is expected to. */
export async function runLoop(input: LoopInput): Promise<LoopResult> {
  const { messages, request, room } = input
  for (;;) {
    const open = openCalls(messages, request)
    if (open.ours.length > 0) {
      if (room.scope.signal.aborted) return stopped(input, room.scope.signal.reason, [])
      try {
        messages.push(...(await runCalls(room, open.ours)))
      } catch (error) {
        if (error instanceof TurnAbort && error.kind !== "shutdown") return stopped(input, error, [])
        throw error
      }
      continue
    }
    if (open.theirs > 0) return ended(input, "tool_calls", [])
    // Called by hand: the result is all that was wanted.
    if (request.task?.type === "call") return ended(input, "end_turn", [])
    const limit = limitReached(input)
    if (limit) return ended(input, limit, [])
    if (room.scope.signal.aborted) {
      const { reason } = room.scope.signal
      // A turn that was stopped asks no model any more.
      if (reason instanceof TurnAbort && reason.kind === "shutdown") throw reason
      return stopped(input, reason, [])
    }
    const result = await askModel(input)
    if (result) return result
  }
}

/** Calls of this turn's last assistant message that have no result yet: ours to run, and how many are the caller's. */
function openCalls(
  messages: readonly Message[],
  request: TurnRequest,
): { ours: { call: ToolCallPart; key: string }[]; theirs: number } {
  const none = { ours: [], theirs: 0 }
  let at = messages.length - 1
  while (at >= 0 && messages[at]!.role === "tool") at -= 1
  const last = messages[at]
  if (last?.role !== "assistant" || last.turnId !== request.turnId || last.partial) return none
  const answered = new Set<string>()
  for (const message of messages.slice(at + 1))
    for (const part of message.content) if (part.type === "tool.result") answered.add(part.callId)
  const client = new Set(request.clientTools?.map((tool) => tool.name))
  const ours: { call: ToolCallPart; key: string }[] = []
  let theirs = 0
  for (const [i, call] of callsOf(last.content).entries()) {
    if (client.has(call.name)) theirs += 1
    else if (!answered.has(call.callId)) ours.push({ call, key: `call:${last.id}:${i}` })
  }
  return { ours, theirs }
}

function ofTurn(input: LoopInput): Message[] {
  return input.messages.filter((message) => message.turnId === input.request.turnId)
}

function usageOf(input: LoopInput): Usage {
  let usage: Usage = NO_USAGE
  for (const message of ofTurn(input)) if (message.usage) usage = addUsage(usage, message.usage)
  return usage
}

function limitReached(input: LoopInput): TurnStop | undefined {
  const { limits } = input
  const calls = ofTurn(input).filter((message) => message.role === "assistant" && !message.partial).length
  const usage = usageOf(input)
  if (calls >= limits.maxModelCalls) return "max_model_calls"
  if (limits.maxTokens !== null && usage.inputTokens + usage.outputTokens >= limits.maxTokens) return "token_limit"
  if (limits.maxCostUsd !== null && (usage.costUsd ?? 0) >= limits.maxCostUsd) return "cost_limit"
  return undefined
}

async function askModel(input: LoopInput): Promise<LoopResult | undefined> {
  const { room, request, live } = input
  const { ports, scope } = room
  const messageId = uuid(ports.clock.now())
  live.text = ""
  live.thinking = ""
  let ref = input.refs[0]!
  const modelRequest = await buildRequest(input, ref)
  const answer: Answer = {
    messageId,
    text: ports.redactor.stream(),
    thinking: ports.redactor.stream(),
  }
  for await (const event of ports.catalogue.stream(input.refs, modelRequest, scope.signal)) {
    if (event.type === "attempt") {
      ref = event.ref
      if (event.after) await scope.record([ports.redactor.value(tookOver(event.after, ref))])
      scope.live({ type: "model.started", provider: ref.provider, model: ref.model })
    } else if (event.type === "text.delta" || event.type === "thinking.delta") onDelta(input, answer, event)
    else if (event.type === "done") return onDone(input, answer, ref, event)
    else if (event.type === "failed") {
      if (event.failure.kind === "context_length" && (await shrink(input))) return undefined
      return onFailed(input, answer, ref, event.failure)
    }
  }
  return onFailed(input, answer, ref, {
    kind: "truncated",
    message: `${request.model ?? ref.model} ended its answer without saying so`,
    retryable: true,
    received: [],
  })
}

/** The message that is being written, and what takes the secrets out of its words as they come. */
interface Answer {
  messageId: string
  text: ReturnType<Redactor["stream"]>
  thinking: ReturnType<Redactor["stream"]>
}

/** Called for every token: the only place where a model's words come in, so the place where secrets are taken out of them. */
function onDelta(
  input: LoopInput,
  answer: Answer,
  event: Extract<ModelEvent, { type: "text.delta" | "thinking.delta" }>,
): void {
  const kind = event.type === "text.delta" ? "text" : "thinking"
  grow(input, answer.messageId, kind, answer[kind].push(event.text))
}

/** Publish first, then keep. */
function grow(input: LoopInput, messageId: string, kind: "text" | "thinking", delta: string): void {
  if (delta === "") return
  const { room, live } = input
  const offset = live[kind].length
  room.scope.live({ type: kind === "text" ? "text.delta" : "thinking.delta", messageId, delta, offset })
  live[kind] += delta
  room.ports.books.drafts.add(room.scope.fence, messageId, kind, delta)
  if (offset === 0) room.ports.checkpoint("model.streaming")
}

/** No more will come: what was held back is shown. */
function flush(input: LoopInput, answer: Answer): void {
  for (const kind of ["thinking", "text"] as const) grow(input, answer.messageId, kind, answer[kind].end())
}

/** The words of an answer as they are recorded. The arguments of its calls stay: the tools need them as they were written. */
function withoutSecrets(content: readonly Part[], redactor: Redactor): Part[] {
  return content.map((part) => {
    if (part.type === "text") {
      const text = redactor.text(part.text)
      return text === part.text ? part : { ...part, text }
    }
    if (part.type !== "thinking") return part
    const text = redactor.text(part.text)
    // A service takes back only what it signed.
    return text === part.text ? part : { type: "thinking", text }
  })
}

async function buildRequest(input: LoopInput, ref: ModelRef): Promise<Omit<ModelRequest, "model">> {
  const { room, messages } = input
  // Who sends the whole history along with each request sends it again with the next.
  if (!input.request.history) {
    const events = await makeRoom(compactRoom(input), messages)
    if (events.length > 0) await room.scope.record(events)
  }
  const view = inView(messages)
  const summary = view.slice(0, view[0]?.summary ? 1 : 0)
  const fitted = fit(repair(view.slice(summary.length)), windowOf(room.ports, ref).room - tokensOf(summary))
  if (fitted.left > 0)
    await room.scope.record([
      {
        type: "notice.posted",
        level: "info",
        code: "history-shortened",
        text: `The oldest ${fitted.left} messages did not fit into the model's window and were not sent. They are still in the session.`,
      },
    ])
  return {
    system: input.system,
    messages: [...summary, ...fitted.messages],
    tools: offered(input),
    sampling: input.request.sampling ?? {},
    cacheKey: room.scope.session.id,
    cwd: room.cwd,
  }
}

/** True when there is less to send now: the model is asked again. */
async function shrink(input: LoopInput): Promise<boolean> {
  if (input.request.history) return false
  const events = await afterOverflow(compactRoom(input), input.messages)
  if (events.length > 0) await input.room.scope.record(events)
  return events.length > 0
}

function compactRoom({ refs, request, room }: LoopInput): CompactRoom {
  return { ports: room.ports, scope: room.scope, refs, turnId: request.turnId }
}

/** A caller's tool stands in front of ours of the same name: services refuse a name that comes twice. */
function offered({ specs, request }: LoopInput): ToolSpec[] {
  if (!request.clientTools) return specs
  const theirs = new Set(request.clientTools.map((tool) => tool.name))
  return [...specs.filter((tool) => !theirs.has(tool.name)), ...request.clientTools]
}

function tookOver(after: { ref: ModelRef; message: string }, ref: ModelRef): RecordedEvent {
  const from = `${after.ref.provider}/${after.ref.model}`
  return {
    type: "notice.posted",
    level: "warning",
    code: "model-fallback",
    text: `${from} did not answer (${after.message}); ${ref.provider}/${ref.model} takes over.`,
  }
}

async function onDone(
  input: LoopInput,
  answer: Answer,
  ref: ModelRef,
  event: Extract<ModelEvent, { type: "done" }>,
): Promise<LoopResult | undefined> {
  const { room, messages, request } = input
  flush(input, answer)
  const usage: Usage = {
    ...event.usage,
    costUsd: event.usage.costUsd ?? (await room.ports.catalogue.cost(ref, event.usage)),
  }
  const message: Message = {
    id: answer.messageId,
    role: "assistant",
    content: uniqueCalls(withoutSecrets(event.content, room.ports.redactor), messages),
    at: room.ports.clock.now(),
    turnId: request.turnId,
    provider: ref.provider,
    model: event.model ?? ref.model,
    stopReason: event.stop,
    usage,
  }
  messages.push(message)
  room.ports.books.drafts.drop(request.turnId)
  room.ports.checkpoint("turn.answered")
  const added: RecordedEvent = { type: "message.added", message }
  const measured = measure(input, ref, usage)
  if (callsOf(message.content).length === 0) return ended(input, restReason(event.stop), [added, measured])
  await room.scope.record([added, measured])
  room.scope.live({ type: "usage.updated", usage: usageOf(input) })
  return undefined
}

/** How full the model's window was, and what the session has cost with this call. */
function measure(input: LoopInput, ref: ModelRef, usage: Usage): RecordedEvent {
  const { ports, scope } = input.room
  const before = scope.session.usage.costUsd
  const turn = usageOf(input).costUsd
  return {
    type: "context.measured",
    usedTokens: usage.inputTokens + usage.outputTokens,
    windowTokens: ports.catalogue.info(ref)?.contextWindow ?? null,
    costUsd: before === null && turn === null ? null : (before ?? 0) + (turn ?? 0),
  }
}

/** Some services number their calls anew in every answer; results are matched by id, so ids must not repeat within a turn. */
function uniqueCalls(content: readonly Part[], messages: readonly Message[]): Part[] {
  const used = new Set(messages.flatMap((message) => callsOf(message.content).map((call) => call.callId)))
  return content.map((part) => {
    if (part.type !== "tool.call") return part
    const callId = used.has(part.callId) || part.callId === "" ? `call_${uuid()}` : part.callId
    used.add(callId)
    return callId === part.callId ? part : { ...part, callId }
  })
}

function restReason(stop: Extract<ModelEvent, { type: "done" }>["stop"]): TurnStop {
  if (stop === "length") return "max_output_tokens"
  if (stop === "content_filter" || stop === "refusal") return stop
  return "end_turn"
}

function ended(input: LoopInput, stop: TurnStop, events: RecordedEvent[]): LoopResult {
  return { outcome: outcomeOf(input, { status: "completed", stop }), events }
}

function outcomeOf(input: LoopInput, end: Pick<TurnOutcome, "status" | "stop" | "error">): TurnOutcome {
  const last = ofTurn(input).findLast((message) => message.role === "assistant")
  return {
    ...end,
    text: answerText(input.messages, input.request.turnId),
    usage: usageOf(input),
    ...(last?.provider === undefined ? {} : { provider: last.provider }),
    ...(last?.model === undefined ? {} : { model: last.model }),
  }
}

/** Keeps what had been received of an answer that did not come to its end. */
function keepPartial(input: LoopInput, answer: Answer, ref: ModelRef, failure: ModelFailure): RecordedEvent[] {
  const { live, messages, request, room } = input
  flush(input, answer)
  room.ports.books.drafts.drop(request.turnId)
  const received = failure.received.filter((part) => part.type !== "tool.call")
  const content = withoutSecrets(received, room.ports.redactor)
  if (textOf(content) === "" && live.text !== "") content.push({ type: "text", text: live.text })
  if (content.length === 0) return []
  const message: Message = {
    id: answer.messageId,
    role: "assistant",
    content,
    at: room.ports.clock.now(),
    turnId: request.turnId,
    provider: ref.provider,
    model: ref.model,
    partial: true,
    ...(failure.usage ? { usage: failure.usage } : {}),
  }
  messages.push(message)
  return [{ type: "message.added", message }]
}

async function onFailed(input: LoopInput, answer: Answer, ref: ModelRef, failure: ModelFailure): Promise<LoopResult> {
  const { scope } = input.room
  const events = keepPartial(input, answer, ref, failure)
  if (scope.signal.aborted) {
    if (scope.signal.reason instanceof TurnAbort && scope.signal.reason.kind === "shutdown") {
      await scope.record(events)
      throw scope.signal.reason
    }
    return stopped(input, scope.signal.reason, events)
  }
  const error = describe({ ...failure, message: input.room.ports.redactor.text(failure.message) }, ref)
  return {
    outcome: outcomeOf(input, { status: error.code === "TIMEOUT" ? "timeout" : "failed", stop: "error", error }),
    events,
  }
}

function stopped(input: LoopInput, reason: unknown, events: RecordedEvent[]): LoopResult {
  if (reason instanceof TurnAbort && reason.kind === "time_limit") {
    const error = { code: "TIMEOUT", message: `The turn reached its time limit of ${input.limits.maxTimeMs} ms` }
    return { outcome: outcomeOf(input, { status: "timeout", stop: "time_limit", error }), events }
  }
  return { outcome: outcomeOf(input, { status: "canceled", stop: "aborted" }), events }
}

const FAILURE_CODES: Readonly<Record<ModelFailure["kind"], string>> = {
  aborted: "ABORTED",
  stalled: "TIMEOUT",
  network: "UNAVAILABLE",
  truncated: "UNAVAILABLE",
  format: "UNAVAILABLE",
  auth: "UNAVAILABLE",
  billing: "UNAVAILABLE",
  rate_limit: "RATE_LIMITED",
  overloaded: "UNAVAILABLE",
  context_length: "INVALID_PARAMS",
  not_found: "NOT_FOUND",
  invalid_request: "INVALID_PARAMS",
  refusal: "PERMISSION_DENIED",
  server: "UNAVAILABLE",
}

/** A model's failure in the words of a turn's error. */
export function describe(failure: ModelFailure, ref: ModelRef): TurnError {
  return {
    code: FAILURE_CODES[failure.kind],
    message: `${ref.provider}/${ref.model}: ${failure.message}`,
    kind: failure.kind,
    ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
    ...(failure.status === undefined ? {} : { status: failure.status }),
  }
}
