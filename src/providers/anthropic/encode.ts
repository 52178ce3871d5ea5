// Our conversation in the words of Anthropic's Messages API (platform.claude.com/docs/en/api/messages). Pure.
//
// Kept: roles alternate and the first is the user's; a tool result stands first in its message; no text is empty; signed thinking
// goes back only to the model that wrote it; cache breakpoints on the stable prefix and the last two user messages (at most 4).
import { isObject } from "../../base/json.ts"
import type { Message, Part, ToolResultPart } from "../../protocol/message.ts"
import type { Sampling } from "../../protocol/turn.ts"
import type { ModelRequest } from "../provider.ts"
import { spoken, unheard } from "../spoken.ts"
import { type Traits, traitsOf } from "./traits.ts"

type Wire = Record<string, unknown>
interface Turn {
  role: "user" | "assistant"
  content: Wire[]
}

/** Marks thinking that the service gave encrypted; such data is base64 and holds no colon. */
export const REDACTED = "redacted:"

const CACHE = { type: "ephemeral" }
const IMAGES = ["image/jpeg", "image/png", "image/gif", "image/webp"]

/** `provider`: whose signed thinking may be sent along. */
export function encodeAnthropic(request: ModelRequest, provider: string): Wire {
  const traits = traitsOf(request.model)
  const turns = encodeTurns(request, provider)
  const tools = encodeTools(request, turns)
  const body: Wire = {
    model: request.model,
    max_tokens: request.sampling.maxOutputTokens ?? traits.maxTokens,
    stream: true,
    messages: turns,
  }
  if (request.system?.trim()) body["system"] = [{ type: "text", text: request.system, cache_control: CACHE }]
  else if (tools.length > 0) tools.push({ ...tools.pop(), cache_control: CACHE })
  for (const turn of turns.filter((one) => one.role === "user").slice(-2)) cacheLast(turn)
  const choice = encodeChoice(request, traits)
  if (tools.length > 0) {
    body["tools"] = tools
    body["tool_choice"] = request.tools.length === 0 ? { type: "none" } : choice
  }
  Object.assign(body, encodeThinking(request.sampling, traits, turns, choice))
  Object.assign(body, encodeSampling(request.sampling, traits, body["thinking"] !== undefined))
  return withFormat(body, request)
}

function cacheLast(turn: Turn): void {
  const last = turn.content.pop()
  if (last) turn.content.push({ ...last, cache_control: CACHE })
}

/** A history that holds calls needs their tools declared even when none may be called now. */
function encodeTools(request: ModelRequest, turns: readonly Turn[]): Wire[] {
  if (request.tools.length > 0)
    return request.tools.map((tool) => ({
      name: tool.name,
      description: tool.description,
      input_schema: inputSchema(tool.inputSchema),
      ...(tool.strict ? { strict: true } : {}),
    }))
  const blocks = turns.flatMap((turn) => turn.content)
  const names = new Set(blocks.filter((block) => block["type"] === "tool_use").map((block) => block["name"]))
  return [...names].map((name) => ({ name, input_schema: { type: "object" } }))
}

/** Combinators are refused at the top: their members' properties are all offered, and whoever runs the tool checks which go together. */
function inputSchema(schema: Wire): Wire {
  const { anyOf, oneOf, allOf, ...rest } = schema
  const members = [anyOf, oneOf, allOf].flatMap((list) => (Array.isArray(list) ? list.filter(isObject) : []))
  if (members.length === 0) return { type: "object", ...rest }
  const properties = [...members, rest].map((one) => (isObject(one["properties"]) ? one["properties"] : {}))
  return { type: "object", ...rest, properties: Object.assign({}, ...properties) }
}

function encodeChoice(request: ModelRequest, traits: Traits): Wire {
  const { toolChoice = "auto", parallelToolCalls } = request.sampling
  const single = parallelToolCalls === false ? { disable_parallel_tool_use: true } : {}
  if (toolChoice === "none") return { type: "none" }
  if (toolChoice === "auto" || !traits.forcedTools) return { type: "auto", ...single }
  return toolChoice === "required" ? { type: "any", ...single } : { type: "tool", name: toolChoice.name, ...single }
}

const BUDGETS = { minimal: 1_024, low: 4_096, medium: 10_000, high: 20_000, xhigh: 32_000 }
/** The least that the service takes as a budget. */
const MIN_BUDGET = 1_024

function encodeThinking(sampling: Sampling, traits: Traits, turns: readonly Turn[], choice: Wire): Wire {
  const level = sampling.thinking
  const forced = choice["type"] === "any" || choice["type"] === "tool"
  if (traits.off === "disabled" && (forced || level === "off")) return { thinking: { type: "disabled" } }
  if (level === undefined || forced || traits.thinking === "none") return {}
  if (level === "off") return traits.off === "never" ? { output_config: { effort: "low" } } : {}
  if (traits.thinking === "adaptive") {
    const effort = level === "minimal" ? "low" : level === "xhigh" && !traits.xhigh ? "max" : level
    return { thinking: { type: "adaptive", display: "summarized" }, output_config: { effort } }
  }
  const room = (sampling.maxOutputTokens ?? traits.maxTokens) - MIN_BUDGET
  const budget = Math.min(BUDGETS[level], room)
  if (budget < MIN_BUDGET || answersUnthought(turns)) return {}
  return { thinking: { type: "enabled", budget_tokens: budget } }
}

/** With a budget, an assistant message that is being answered with tool results has to begin with its thinking. */
function answersUnthought(turns: readonly Turn[]): boolean {
  if (turns.at(-1)?.content[0]?.["type"] !== "tool_result") return false
  const first = turns.at(-2)?.content[0]?.["type"]
  return first !== "thinking" && first !== "redacted_thinking"
}

function encodeSampling(sampling: Sampling, traits: Traits, thinks: boolean): Wire {
  const body: Wire = {}
  if (traits.sampling && !thinks) {
    // Newer models refuse both at once; ours goes up to 2, theirs to 1.
    if (sampling.temperature !== undefined) body["temperature"] = Math.min(1, sampling.temperature)
    else if (sampling.topP !== undefined) body["top_p"] = sampling.topP
  }
  const stop = sampling.stop?.filter((text) => text.trim() !== "")
  if (stop && stop.length > 0) body["stop_sequences"] = stop
  return body
}

/** Structured output shares a field with the effort, so it is added to what is there. */
function withFormat(body: Wire, request: ModelRequest): Wire {
  const format = request.sampling.responseFormat
  if (format?.type !== "json_schema" || !traitsOf(request.model).structured) return body
  const config = body["output_config"]
  const base = typeof config === "object" ? config : {}
  return { ...body, output_config: { ...base, format: { type: "json_schema", schema: format.schema } } }
}

function encodeTurns(request: ModelRequest, provider: string): Turn[] {
  const turns: Turn[] = []
  for (const message of request.messages) {
    const role = message.role === "assistant" ? "assistant" : "user"
    const thought = message.provider === provider && sameModel(message.model, request.model)
    const content = message.content.flatMap((part) => encodePart(part, message, thought ? provider : undefined))
    if (content.length === 0) continue
    const last = turns.at(-1)
    if (last?.role === role) last.content.push(...content)
    else turns.push({ role, content })
  }
  if (turns[0]?.role !== "user") turns.unshift({ role: "user", content: [{ type: "text", text: "(Go on.)" }] })
  for (const turn of turns) if (turn.role === "user") resultsFirst(turn)
  return turns
}

function resultsFirst(turn: Turn): void {
  const results = turn.content.filter((block) => block["type"] === "tool_result")
  if (results.length === 0 || results.length === turn.content.length) return
  turn.content = [...results, ...turn.content.filter((block) => block["type"] !== "tool_result")]
}

/** "claude-x" and "claude-x-20260101" are one model: the service answers with the dated name. */
function sameModel(a: string | undefined, b: string): boolean {
  if (a === undefined) return false
  const bare = (name: string) => name.replace(/-(\d{8}|latest)$/, "")
  return bare(a) === bare(b)
}

function encodePart(part: Part, message: Message, thoughtOf: string | undefined): Wire[] {
  switch (part.type) {
    case "text":
      return text(part.text)
    case "thinking":
      return part.opaque !== undefined && message.role === "assistant" && part.provider === thoughtOf
        ? [thinking(part.text, part.opaque)]
        : []
    case "image":
      return [image(part)]
    case "file":
      return [file(part)]
    case "audio":
      return text(unheard(part).text)
    case "link":
    case "resource":
      return encodePart(spoken(part), message, thoughtOf)
    case "tool.call":
      return [{ type: "tool_use", id: safeId(part.callId), name: part.name, input: part.args ?? {} }]
    case "tool.result":
      return [result(part)]
  }
}

function text(value: string): Wire[] {
  return value.trim() === "" ? [] : [{ type: "text", text: value }]
}

function thinking(value: string, opaque: string): Wire {
  if (opaque.startsWith(REDACTED)) return { type: "redacted_thinking", data: opaque.slice(REDACTED.length) }
  return { type: "thinking", thinking: value, signature: opaque }
}

function image(part: Extract<Part, { type: "image" }>): Wire {
  if (!IMAGES.includes(part.mimeType)) return { type: "text", text: `[An image of type ${part.mimeType} is left out]` }
  return { type: "image", source: { type: "base64", media_type: part.mimeType, data: part.data } }
}

function file(part: Extract<Part, { type: "file" }>): Wire {
  const { mimeType, name, data } = part
  if (mimeType === "application/pdf")
    return { type: "document", source: { type: "base64", media_type: mimeType, data }, title: name }
  if (/^text\/|^application\/(json|xml|yaml)\b/.test(mimeType)) {
    const plain = Buffer.from(data, "base64").toString("utf8")
    if (plain.trim() !== "")
      return { type: "document", source: { type: "text", media_type: "text/plain", data: plain }, title: name }
  }
  return { type: "text", text: `[The file ${name} (${mimeType}) is left out]` }
}

function result(part: ToolResultPart): Wire {
  const content = part.content.flatMap((piece) => (piece.type === "text" ? text(piece.text) : [image(piece)]))
  return {
    type: "tool_result",
    tool_use_id: safeId(part.callId),
    ...(content.length > 0 ? { content } : {}),
    ...(part.isError ? { is_error: true } : {}),
  }
}

/** Ids that other services gave may hold characters that are refused here; a call and its result change alike. */
function safeId(id: string): string {
  return id.replace(/[^a-zA-Z0-9_-]/g, "_")
}
