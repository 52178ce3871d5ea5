// The built-in model that needs no service: fixed rules that turn plain English and Chinese requests into real tool calls and show
// their results. It keeps no state: what is still to do follows from the request and the results that are in the messages.
import { isDeepStrictEqual } from "node:util"
import { estimateTokens } from "../../base/text.ts"
import { callsOf, type Message, type Part, type ToolResultPart, textOf, type Usage } from "../../protocol/message.ts"
import type { Sampling } from "../../protocol/turn.ts"
import type { ModelEvent, ModelFailure, ModelInfo, ModelRequest, Provider } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import type { Action } from "./intents.ts"
import { makePlan, type ReplyPlan } from "./plan.ts"
import { answerTopic, footer, leftOver, noTool, notUnderstood, noWords, showResult, skipped } from "./replies.ts"

/** The one model of this provider. */
export const OFFLINE_MODEL = "rules"

type CallAction = Extract<Action, { type: "call" }>

export function offline(settings: Pick<ProviderSettings, "id">): Provider {
  const info: ModelInfo = {
    id: OFFLINE_MODEL,
    provider: settings.id,
    name: "Built-in rules (no language model)",
    contextWindow: 1_000_000,
    reasoning: false,
    images: false,
    tools: true,
  }
  return {
    id: settings.id,
    wire: "offline",
    stream: (request, signal) => answer(request, signal, settings.id),
    listModels: async () => [info],
  }
}

async function* answer(request: ModelRequest, signal: AbortSignal, provider: string): AsyncGenerator<ModelEvent> {
  if (signal.aborted) return yield failed("aborted", "The request was aborted", "")
  if (request.model !== OFFLINE_MODEL)
    return yield failed(
      "not_found",
      `Unknown model "${request.model}": the offline provider has only "${OFFLINE_MODEL}"`,
      "",
    )
  const turn = readTurn(request.messages)
  const next = nextCalls(turn, request)
  if (next.length > 0) {
    yield* callTools(next, request)
    return
  }
  yield* speak(compose(turn, request, provider), request, signal)
}

/** The request that is to be followed, and what has been done for it so far. */
interface Turn {
  plan: ReplyPlan
  /** When it was asked, ms since 1970. */
  at: number
  hasWords: boolean
  /** Calls made since, each with its result where there is one. */
  made: { call: CallAction; result: ToolResultPart | undefined }[]
}

function readTurn(messages: readonly Message[]): Turn {
  const start = messages.findLastIndex((message) => message.role === "user" && !message.synthetic)
  const asked = messages[start]
  const text = asked ? textOf(asked.content) : ""
  const results = new Map<string, ToolResultPart>()
  const made: Turn["made"] = []
  const later = messages.slice(start + 1)
  for (const message of later)
    for (const part of message.content) if (part.type === "tool.result") results.set(part.callId, part)
  for (const message of later)
    for (const call of callsOf(message.content))
      made.push({ call: { type: "call", tool: call.name, args: call.args ?? {} }, result: results.get(call.callId) })
  return { plan: makePlan(text), at: asked?.at ?? 0, hasWords: text.trim() !== "", made }
}

/** A planned step with what became of it. `done` is undefined while it has not been called. */
interface Step {
  action: CallAction
  done: Turn["made"][number] | undefined
}

/** Matches the plan with the calls that were made; another model may have made some before this one took over. */
function stepsOf(turn: Turn): Step[] {
  const left = [...turn.made]
  return turn.plan.actions
    .filter((action) => action.type === "call")
    .map((action) => {
      const at = left.findIndex(({ call }) => call.tool === action.tool && isDeepStrictEqual(call.args, action.args))
      return { action, done: at < 0 ? undefined : left.splice(at, 1)[0] }
    })
}

/** Tools that may be called side by side; any other is called alone, and what follows waits for its success. */
const SIDE_BY_SIDE = new Set(["LS", "Read", "Glob", "Grep"])

function nextCalls(turn: Turn, request: ModelRequest): CallAction[] {
  const next: CallAction[] = []
  for (const { action, done } of stepsOf(turn)) {
    const alone = !SIDE_BY_SIDE.has(action.tool)
    if (done) {
      if (alone && done.result?.isError !== false) return next
      continue
    }
    if (!offers(request, action.tool)) {
      if (alone) return next
      continue
    }
    if (!alone) next.push(action)
    else return next.length > 0 ? next : [action]
  }
  return next
}

function offers(request: ModelRequest, tool: string): boolean {
  return request.sampling.toolChoice !== "none" && request.tools.some((spec) => spec.name === tool)
}

function* callTools(next: readonly CallAction[], request: ModelRequest): Generator<ModelEvent> {
  const before = request.messages.reduce((sum, message) => sum + callsOf(message.content).length, 0)
  const content: Part[] = next.map(({ tool, args }, i) => ({
    type: "tool.call",
    callId: `offline_${before + i + 1}`,
    name: tool,
    args,
  }))
  for (const call of callsOf(content)) yield { type: "tool.started", callId: call.callId, name: call.name }
  yield {
    type: "done",
    stop: "tool_calls",
    content,
    usage: usageOf(request, JSON.stringify(next)),
    model: OFFLINE_MODEL,
  }
}

/** The answer in full: what was found, what was said, what was not understood. */
function compose(turn: Turn, request: ModelRequest, provider: string): string {
  const { plan } = turn
  const { language } = plan
  if (!turn.hasWords) return noWords(language)
  if (plan.actions.length === 0) return notUnderstood(language, plan.unclear, plan.withheld.length)
  const sections: string[] = []
  const steps = stepsOf(turn)
  const untaken = steps.filter((step) => !step.done && offers(request, step.action.tool)).length
  for (const action of plan.actions) {
    if (action.type === "echo") sections.push(action.text)
    else if (action.type === "say")
      sections.push(answerTopic(action.topic, language, { at: turn.at, cwd: request.cwd }))
    else sections.push(...sectionOf(steps.shift(), request, plan))
  }
  if (untaken > 0) sections.push(skipped(untaken, language))
  if (plan.unclear.length > 0) sections.push(leftOver(language, plan.unclear))
  const spokenBefore = request.messages.some(
    (message) => message.provider === provider && textOf(message.content) !== "",
  )
  if (plan.actions.some((action) => action.type === "call") && !spokenBefore) sections.push(footer(language))
  return sections.join("\n\n")
}

function sectionOf(step: Step | undefined, request: ModelRequest, { language }: ReplyPlan): string[] {
  if (!step) return []
  const { tool, args } = step.action
  if (step.done?.result) return [showResult(tool, args, step.done.result, language)]
  return offers(request, tool) ? [] : [noTool(tool, language)]
}

/** UTF-16 units of one delta, about as much as a model sends at once. */
const DELTA = 12
/** After so many deltas the event loop gets a turn, so that an abort can be heard. */
const BREATH = 16

async function* speak(text: string, request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
  const { text: wanted, stop } = bounded(text, request.sampling)
  let said = ""
  let count = 0
  for (const delta of deltas(wanted)) {
    if (++count % BREATH === 0) await new Promise((resolve) => setImmediate(resolve))
    if (signal.aborted) return yield failed("aborted", "The request was aborted", said)
    said += delta
    yield { type: "text.delta", text: delta }
  }
  const content: Part[] = said === "" ? [] : [{ type: "text", text: said }]
  yield { type: "done", stop, content, usage: usageOf(request, said), model: OFFLINE_MODEL }
}

/** Cuts by code points, so that no delta ends inside a character. */
function* deltas(text: string): Generator<string> {
  let delta = ""
  for (const char of text) {
    delta += char
    if (delta.length >= DELTA) {
      yield delta
      delta = ""
    }
  }
  if (delta !== "") yield delta
}

/** Honours stop sequences and the output limit, like every model. */
function bounded(text: string, { stop = [], maxOutputTokens }: Sampling): { text: string; stop: "stop" | "length" } {
  const ends = stop
    .filter((end) => end !== "")
    .map((end) => text.indexOf(end))
    .filter((at) => at >= 0)
  const wanted = ends.length > 0 ? text.slice(0, Math.min(...ends)) : text
  if (maxOutputTokens === undefined || estimateTokens(wanted) <= maxOutputTokens) return { text: wanted, stop: "stop" }
  let fits = ""
  let tokens = 0
  for (const delta of deltas(wanted)) {
    tokens += estimateTokens(delta)
    if (tokens > maxOutputTokens) break
    fits += delta
  }
  return { text: fits, stop: "length" }
}

function failed(kind: ModelFailure["kind"], message: string, said: string): ModelEvent {
  const received: Part[] = said === "" ? [] : [{ type: "text", text: said }]
  return { type: "failed", failure: { kind, message, retryable: false, received } }
}

function usageOf(request: ModelRequest, output: string): Usage {
  let input = estimateTokens(request.system ?? "")
  for (const message of request.messages) input += estimateTokens(wordsOf(message.content))
  return {
    inputTokens: input,
    outputTokens: estimateTokens(output),
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    costUsd: 0,
    estimated: true,
  }
}

function wordsOf(content: readonly Part[]): string {
  return content
    .map((part) => {
      if (part.type === "text") return part.text
      if (part.type === "tool.call") return part.raw ?? JSON.stringify(part.args ?? {})
      return part.type === "tool.result" ? textOf(part.content) : ""
    })
    .join("\n")
}
