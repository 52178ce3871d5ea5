// A request in the words of OpenAI chat completions as a conversation of node-llama-cpp, and what shall be generated: free text, text
// in a given form, or a call that has to be made. Pure.
import { isObject } from "../../base/json.ts"
import { grammarOf, paramsOf, withoutNulls } from "./grammar.ts"
import type { Functions, GenerateOptions, HistoryCall, HistoryItem } from "./llama.ts"

export interface Ask {
  history: HistoryItem[]
  /** Offered to the model, which may call them. */
  functions?: Functions
  /** Must be called: which, and the form of the answer that is one such call. */
  forced?: { schema: object }
  /** The form of the answer. */
  form?: object
  sampling: Pick<GenerateOptions, "maxTokens" | "temperature" | "topP" | "seed" | "customStopTriggers">
  parallel: boolean
  includeUsage: boolean
  stream: boolean
  /** Schemas of the functions as they were given. */
  schemas: ReadonlyMap<string, unknown>
}

/** A request that cannot be understood; the message is for whoever sent it. */
export class BadRequest extends Error {
  override readonly name = "BadRequest"
}

export function readAsk(body: unknown): Ask {
  if (!isObject(body) || !Array.isArray(body["messages"])) throw new BadRequest("messages is required")
  const { tool_choice: choice, response_format: format } = body
  const tools = choice === "none" ? [] : readTools(body["tools"])
  const schemas = new Map(tools.map((tool) => [tool.name, tool.parameters] as const))
  const named = isObject(choice) && isObject(choice["function"]) ? choice["function"]["name"] : undefined
  const wanted = tools.filter((tool) => named === undefined || tool.name === named)
  const forced = choice === "required" || named !== undefined
  if (forced && wanted.length === 0)
    throw new BadRequest(`tool_choice names ${String(named ?? "a tool")}, which is not among the tools`)
  return {
    history: readHistory(body["messages"]),
    ...(forced
      ? { forced: { schema: callSchema(wanted) } }
      : tools.length > 0
        ? { functions: functionsOf(tools) }
        : {}),
    ...formOf(format),
    sampling: readSampling(body),
    parallel: body["parallel_tool_calls"] !== false,
    includeUsage: isObject(body["stream_options"]) && body["stream_options"]["include_usage"] === true,
    stream: body["stream"] === true,
    schemas,
  }
}

interface ToolOffer {
  name: string
  description?: string
  parameters: unknown
}

function readTools(tools: unknown): ToolOffer[] {
  if (!Array.isArray(tools)) return []
  return tools.flatMap((tool): ToolOffer[] => {
    const offer: unknown = isObject(tool) ? tool["function"] : undefined
    if (!isObject(offer) || typeof offer["name"] !== "string") return []
    const { name, description, parameters } = offer
    return [{ name, parameters, ...(typeof description === "string" ? { description } : {}) }]
  })
}

function functionsOf(tools: readonly ToolOffer[]): Functions {
  return Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      { ...(description === undefined ? {} : { description }), params: paramsOf(parameters) },
    ]),
  )
}

/** One call as JSON: {"name": …, "arguments": {…}}. */
function callSchema(tools: readonly ToolOffer[]): object {
  const calls = tools.map(({ name, parameters }) => ({
    type: "object",
    properties: { name: { const: name }, arguments: paramsOf(parameters) },
  }))
  return calls.length === 1 ? calls[0]! : { oneOf: calls }
}

function formOf(format: unknown): { form?: object } {
  if (!isObject(format)) return {}
  if (format["type"] === "json_object") return { form: grammarOf({ type: "object" }) }
  const given = format["type"] === "json_schema" && isObject(format["json_schema"]) ? format["json_schema"] : undefined
  return given ? { form: grammarOf(given["schema"]) } : {}
}

function readSampling(body: Record<string, unknown>): Ask["sampling"] {
  const maxTokens = body["max_tokens"] ?? body["max_completion_tokens"]
  const { stop, temperature, top_p: topP, seed } = body
  const stops = (Array.isArray(stop) ? stop : [stop]).filter((one) => typeof one === "string" && one !== "")
  return {
    ...(typeof maxTokens === "number" ? { maxTokens } : {}),
    ...(typeof temperature === "number" ? { temperature } : {}),
    ...(typeof topP === "number" ? { topP } : {}),
    ...(typeof seed === "number" ? { seed } : {}),
    ...(stops.length > 0 ? { customStopTriggers: stops } : {}),
  }
}

/** Ends in a turn of the model, which is what is generated. */
function readHistory(messages: readonly unknown[]): HistoryItem[] {
  const history: HistoryItem[] = []
  const calls = new Map<string, HistoryCall>()
  const model = () => {
    const last = history.at(-1)
    if (last?.type === "model") return last.response
    const response: (string | HistoryCall)[] = []
    history.push({ type: "model", response })
    return response
  }
  for (const message of messages) {
    if (!isObject(message)) throw new BadRequest("each message has to be an object")
    const text = textOf(message["content"])
    switch (message["role"]) {
      case "system":
      case "developer":
        history.push({ type: "system", text })
        break
      case "user":
        history.push({ type: "user", text })
        break
      case "assistant":
        if (text !== "") model().push(text)
        for (const [i, one] of callsOf(message["tool_calls"]).entries()) {
          const call: HistoryCall = { ...one.call, ...(i === 0 ? { startsNewChunk: true } : {}) }
          calls.set(one.id, call)
          model().push(call)
        }
        break
      case "tool": {
        const call = calls.get(String(message["tool_call_id"]))
        if (!call) throw new BadRequest("a tool message answers no call of this conversation")
        call.result = text
        break
      }
      default:
        throw new BadRequest(`a message has the unknown role "${String(message["role"])}"`)
    }
  }
  model()
  return history
}

function callsOf(calls: unknown): { id: string; call: HistoryCall }[] {
  if (!Array.isArray(calls)) return []
  return calls.flatMap((one) => {
    const made: unknown = isObject(one) ? one["function"] : undefined
    if (!isObject(one) || !isObject(made) || typeof made["name"] !== "string") return []
    const call: HistoryCall = {
      type: "functionCall",
      name: made["name"],
      params: jsonOf(made["arguments"]),
      result: "",
    }
    return [{ id: String(one["id"]), call }]
  })
}

function jsonOf(text: unknown): unknown {
  if (typeof text !== "string") return {}
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

/** Pictures and sound are named, not shown: these models read text. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content
  if (!Array.isArray(content)) return ""
  return content
    .map((part) => {
      if (!isObject(part)) return ""
      if (typeof part["text"] === "string") return part["text"]
      return `[${String(part["type"])}: this model reads text only]`
    })
    .join("\n")
}

/** A call as the caller gets it. */
export function madeCall(ask: Ask, name: string, params: unknown): { name: string; arguments: string } {
  const given = withoutNulls(isObject(params) ? params : {}, ask.schemas.get(name))
  return { name, arguments: JSON.stringify(given) }
}
