// A turn's body: open it (what the first attempt writes), run the loop, end it once. The body may be dropped (parked) and run again.

import { asPincerError, PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import { type Message, NO_USAGE, type Part } from "../protocol/message.ts"
import type { UserQuestion } from "../protocol/question.ts"
import type { TurnOutcome, TurnRecord, TurnRequest, TurnTask } from "../protocol/turn.ts"
import type { Draft } from "../store/drafts.ts"
import type { SessionRow } from "../store/store.ts"
import { FencedError, type Opening } from "../store/turns.ts"
import type { AgentProfile } from "./agent.ts"
import { canAskUser } from "./ask-user.ts"
import { openWorkspace } from "./call.ts"
import { runCompact } from "./compact-turn.ts"
import { HostedQuestions } from "./hosted-ask.ts"
import type { Holds } from "./hosted-holds.ts"
import { hostedOf } from "./hosted-profile.ts"
import { resumesHosted, runHosted } from "./hosted-turn.ts"
import { type LoopResult, runLoop } from "./loop.ts"
import type { Ports } from "./ports.ts"
import { systemPrompt } from "./prompt.ts"
import { Parked, TurnAbort, type TurnScope } from "./scope.ts"
import { taintOfOrigin } from "./taint.ts"
import { agentTools, lentTo, offeredSpecs, tellRedefined, withLent } from "./turn-tools.ts"

/** The newest so many messages are loaded; what fits into the model's window is decided later. */
const MAX_MESSAGES = 2_000

export type BodyEnd = "ended" | "parked" | "interrupted"

/** What the body works on, made by the opening write. */
export interface Conversation {
  messages: Message[]
}

const GO_ON_HOSTED =
  "Pincer was restarted while you were working on this. What you had done stays done: look at how things stand, do not do it again, and go on to the end. You were asked:"

const GO_ON =
  "Pincer was restarted while you were answering. What you had written so far is above and the user has seen it. Go on exactly where it stopped; do not repeat it."

/**
 * What the first commit of an attempt writes. The returned conversation is filled when that commit has run.
 * `drafts`: unfinished answers that a crash left.
 */
export function openTurn(
  ports: Ports,
  record: TurnRecord,
  drafts: readonly Draft[] = [],
): { opening: Opening; conversation: Conversation } {
  const conversation: Conversation = { messages: [] }
  const opening: Opening = (session, load) => {
    const events =
      record.attempt === 0
        ? firstAttempt(ports, record.request, session, load, conversation)
        : nextAttempt(ports, record, drafts, load, conversation)
    return [{ type: "turn.started", attempt: record.attempt + 1 }, ...events]
  }
  return { opening, conversation }
}

function firstAttempt(
  ports: Ports,
  request: TurnRequest,
  session: SessionRow,
  load: () => Message[],
  conversation: Conversation,
): RecordedEvent[] {
  const at = ports.clock.now()
  const turnId = request.turnId
  const past = session.lastSeq === 0 ? [] : load().slice(-MAX_MESSAGES)
  const events: RecordedEvent[] = []
  const add = (message: Message) => {
    events.push({ type: "message.added", message })
    past.push(message)
  }
  conversation.messages = past
  if (request.task) {
    if (request.task.type === "call") for (const message of calledByHand(request, request.task, at)) add(message)
    return events
  }
  let input = request.input
  if (request.replay) {
    const from = past.findLastIndex((message) => message.role === "user" && !message.synthetic)
    if (from < 0) throw new PincerError("CONFLICT", "There is no user message to send again in this session")
    const cutOff = past.splice(from)
    // What was summarised before is not taken back with what was said since.
    const isKept = ({ summary }: Message) => summary && !cutOff.some((message) => message.id === summary.through)
    const taken = cutOff.filter((message) => !isKept(message))
    past.push(...cutOff.filter(isKept))
    if (request.replay === "resend") input = taken[0]!.content
    events.push({ type: "messages.dropped", messageIds: taken.map((message) => message.id) })
  }
  if (past.length === 0)
    for (const message of request.history ?? []) add({ ...message, id: uuid(at), at: message.at || at })
  const answers = input.filter((part) => part.type === "tool.result")
  const words = input.filter((part) => part.type !== "tool.result")
  if (answers.length > 0) add({ id: uuid(at), role: "tool", content: answers, at, turnId })
  const taint = [...taintOfOrigin(request.origin), ...(request.outside ?? [])]
  const marks = taint.length > 0 ? { taint } : {}
  if (words.length > 0) add({ id: uuid(at), role: "user", content: words, at, turnId, ...marks })
  return events
}

const BY_HAND = "The user called a tool by hand. The call and its result follow; nothing is asked of you."

/** What the transcript holds of a call that no model made: models know calls as an assistant's only. */
function calledByHand({ turnId }: TurnRequest, task: Extract<TurnTask, { type: "call" }>, at: number): Message[] {
  const call: Part = { type: "tool.call", callId: `hand-${turnId}`, name: task.tool, args: task.args }
  return [
    { id: uuid(at), role: "user", content: [{ type: "text", text: BY_HAND }], at, turnId, synthetic: true },
    { id: uuid(at), role: "assistant", content: [call], at, turnId, stopReason: "tool_calls" },
  ]
}

function nextAttempt(
  ports: Ports,
  record: TurnRecord,
  drafts: readonly Draft[],
  load: () => Message[],
  conversation: Conversation,
): RecordedEvent[] {
  const at = ports.clock.now()
  const { turnId } = record.request
  const messages = load().slice(-MAX_MESSAGES)
  const isHosted = hostedIn(ports, record)
  // Of an external agent nothing is left that could wait.
  const cutOff = record.status === "running" || (isHosted && record.status === "waiting")
  const events: RecordedEvent[] = cutOff ? [{ type: "turn.interrupted", reason: "crash" }] : []
  const known = new Set(messages.map((message) => message.id))
  for (const draft of drafts) {
    const content: Part[] = []
    if (draft.thinking !== "") content.push({ type: "thinking", text: draft.thinking })
    if (draft.text !== "") content.push({ type: "text", text: draft.text })
    if (content.length === 0 || known.has(draft.messageId)) continue
    const message: Message = { id: draft.messageId, role: "assistant", content, at, turnId, partial: true }
    events.push({ type: "message.added", message })
    messages.push(message)
  }
  const last = messages.at(-1)
  const goesOn = isHosted ? resumesHosted(record.request) : last?.partial && last.turnId === turnId
  if (goesOn) {
    const message: Message = {
      id: uuid(at),
      role: "user",
      content: isHosted ? goOn(record.request) : [{ type: "text", text: GO_ON }],
      at,
      turnId,
      synthetic: true,
    }
    events.push({ type: "message.added", message })
    messages.push(message)
  }
  conversation.messages = messages
  return events
}

/** What an external agent is told when its turn goes on. */
function goOn({ input }: TurnRequest): Part[] {
  return [{ type: "text", text: GO_ON_HOSTED }, ...input]
}

/** Whether an external agent runs this turn. */
export function hostedIn(ports: Ports, { agentId, request }: Pick<TurnRecord, "agentId" | "request">): boolean {
  const profile = ports.agents.get(agentId)
  return profile !== undefined && hostedOf(profile, request) !== undefined
}

export interface BodyInput {
  ports: Ports
  record: TurnRecord
  scope: TurnScope
  /** Approvals that it waits for without being parked. */
  holds: Holds
  conversation: Conversation
  live: { text: string; thinking: string }
}

/** Runs the turn until it ends, parks, or is cut off by a shutdown. Never throws. */
export async function runBody(input: BodyInput): Promise<BodyEnd> {
  const { ports, scope, record } = input
  try {
    const result = await runLimited(input)
    await finish(input, result)
    return "ended"
  } catch (error) {
    if (error instanceof FencedError) {
      ports.log.warn({ turnId: record.turnId, reason: error.message }, "An attempt was overtaken")
      return "ended"
    }
    try {
      if (error instanceof Parked) {
        scope.show(await ports.books.turns.mark(scope.fence, "waiting", []))
        return "parked"
      }
      if (error instanceof TurnAbort && error.kind === "shutdown") {
        const { recovery } = record.request
        if (recovery === "mark" || recovery === "mark-begun") await finish(input, markedResult())
        else
          scope.show(
            await ports.books.turns.mark(scope.fence, "interrupted", [
              { type: "turn.interrupted", reason: "shutdown" },
            ]),
          )
        return "interrupted"
      }
      await finish(input, { outcome: failure(error, ports, record.turnId), events: [] })
    } catch (second) {
      ports.log.error({ err: second, turnId: record.turnId }, "The end of a turn could not be recorded")
    }
    return "ended"
  }
}

async function finish(input: BodyInput, result: LoopResult): Promise<void> {
  const { ports, scope } = input
  ports.books.drafts.drop(scope.fence.turnId)
  scope.show(await ports.books.turns.finish(scope.fence, result.events, result.outcome))
}

/** How a turn ends that was cut off and is not to be resumed. */
export function markedResult(): LoopResult {
  const error = {
    code: "UNAVAILABLE",
    message: "Pincer was stopped while this turn ran: send it again",
    kind: "interrupted",
  }
  return { outcome: { status: "failed", stop: "interrupted", text: "", usage: NO_USAGE, error }, events: [] }
}

function failure(error: unknown, ports: Ports, turnId: string): TurnOutcome {
  const known = asPincerError(error)
  if (!(error instanceof PincerError)) ports.log.error({ err: error, turnId }, "A turn failed unexpectedly")
  return {
    status: "failed",
    stop: "error",
    text: "",
    usage: NO_USAGE,
    error: { code: known.code, message: ports.redactor.text(known.message) },
  }
}

async function runLimited(input: BodyInput): Promise<LoopResult> {
  const { ports, record, scope, conversation, live } = input
  const { request } = record
  const profile = ports.agents.get(record.agentId)
  if (!profile)
    throw new PincerError(
      "NOT_FOUND",
      `Unknown agent "${record.agentId}": add it to agents.entries in the configuration`,
    )
  const session = scope.session
  const ownPlace = request.cwd === undefined && session.cwd === null
  const cwd = await openWorkspace(request.cwd ?? session.cwd ?? profile.workspace, ownPlace, ports.workspaceMade)
  const hosted = hostedOf(profile, request)
  if (hosted) return runHostedTurn(input, { ...profile, hosted }, cwd)
  const refs = modelRefs(ports, profile, request, session)
  if (request.task?.type === "compact")
    return runCompact({ ports, scope, refs, turnId: record.turnId }, request, conversation.messages)
  const lent = await lentTo(ports, scope, request)
  const own = await agentTools(ports, profile, cwd, scope.signal)
  await tellRedefined(ports, scope, profile.id)
  const tools = withLent(own, lent?.tools ?? [])
  const notes = await ports.books.notes.of(session.key)
  const sampling = { ...profile.sampling, ...sessionSampling(session), ...request.sampling }
  const room = {
    ports,
    scope,
    request,
    messages: conversation.messages,
    tools: tools.byName,
    cwd,
    notes,
    ...(lent ? { lent } : {}),
    // Whoever calls by hand learns that it waits, and can find somebody to answer.
    expectsReturn: (scope.fence.epoch > 1 && request.attended === true) || request.task?.type === "call",
  }
  const questions = new HostedQuestions({ ...room, profile, holds: input.holds, signal: scope.signal })
  const asking = { ...room, ask: (question: UserQuestion) => questions.ask(question) }
  const specs = offeredSpecs(tools, canAskUser(room))
  return runLoop({
    room: asking,
    request: { ...request, sampling },
    messages: conversation.messages,
    refs,
    system: systemPrompt(profile, cwd, request.systemPrompt, ports.clock.now()),
    specs: sampling.toolChoice === "none" && !request.clientTools ? [] : specs,
    limits: { ...profile.limits, ...request.limits },
    live,
  })
}

function runHostedTurn(input: BodyInput, profile: AgentProfile, cwd: string): Promise<LoopResult> {
  const { conversation, holds, live, ports, record, scope } = input
  if (record.request.task)
    throw new PincerError("INVALID_PARAMS", `Agent "${profile.id}" keeps its own memory and tools: ask it itself`)
  const request = scope.fence.epoch > 1 ? { ...record.request, input: goOn(record.request) } : record.request
  return runHosted({ ports, scope, profile, request, messages: conversation.messages, cwd, holds, live })
}

function sessionSampling(session: SessionRow): TurnRequest["sampling"] {
  const level = session.settings["thinkingLevel"]
  if (
    level === "off" ||
    level === "minimal" ||
    level === "low" ||
    level === "medium" ||
    level === "high" ||
    level === "xhigh"
  )
    return { thinking: level }
  return {}
}

function modelRefs(ports: Ports, profile: AgentProfile, request: TurnRequest, session: SessionRow) {
  const usual = session.model ?? profile.model
  const asked = request.model ?? (request.provider === undefined ? usual : undefined)
  return ports.catalogue.fallbacks(ports.catalogue.resolve(asked, request.provider), profile.fallbacks)
}
