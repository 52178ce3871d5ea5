// A chat/completions body in our words. Fields that would change the answer and cannot be honoured are refused by name; the rest of
// what OpenAI defines is accepted. Source: platform.openai.com/docs/api-reference/chat/create.
import { z } from "zod"
import { parseWith } from "../../base/schema.ts"
import type { Part } from "../../protocol/message.ts"
import type { Sampling, ToolChoice, ToolSpec } from "../../protocol/turn.ts"
import { ClientConversation, callPart, filePart, imagePart } from "./client-conversation.ts"
import { badField } from "./refusal.ts"

const NAME = /^[a-zA-Z0-9_-]{1,128}$/
const MAX_TOOLS = 512

export const effort = z.enum(["none", "minimal", "low", "medium", "high", "xhigh"])
export const unitFraction = z.number().min(0).max(1)
export const positive = z.number().int().min(1)
/** Longest `user`: it becomes part of a session's key. */
export const userName = z.string().max(256)

const part = z.looseObject({ type: z.string() })
const content = z.union([z.string(), z.array(part)], { error: "must be text or a list of parts" })
const call = z.looseObject({
  id: z.string().min(1),
  type: z.string().optional(),
  function: z.looseObject({ name: z.string().min(1), arguments: z.string() }),
})
const chatMessage = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool"], {
    error: "must be system, developer, user, assistant or tool",
  }),
  content: content.nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(call).nullish(),
  tool_call_id: z.string().nullish(),
})
const tool = z.looseObject({
  type: z.literal("function", { error: "only function tools are supported: the agent has its own tools" }),
  function: z.looseObject({
    name: z.string().regex(NAME, "must be 1 to 128 of a-z, A-Z, 0-9, _ and -"),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
})
const toolChoice = z.union(
  [
    z.enum(["none", "auto", "required"]),
    z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) }),
  ],
  { error: 'must be "none", "auto", "required" or {"type":"function","function":{"name":…}}' },
)
export const schemaFormat = z.looseObject({
  name: z.string().regex(NAME, "must be 1 to 128 of a-z, A-Z, 0-9, _ and -"),
  schema: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
})
const responseFormat = z.union(
  [
    z.looseObject({ type: z.literal("text") }),
    z.looseObject({ type: z.literal("json_object") }),
    z.looseObject({ type: z.literal("json_schema"), json_schema: schemaFormat }),
  ],
  { error: 'must be {"type":"text"}, {"type":"json_object"} or {"type":"json_schema","json_schema":{…}}' },
)

const chatSchema = z.looseObject({
  model: z.string().nullish(),
  messages: z.array(chatMessage).min(1, { error: "must hold at least one message" }),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  tools: z.array(tool).max(MAX_TOOLS).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: responseFormat.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: unitFraction.nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(16)]).nullish(),
  seed: z.number().int().nullish(),
  max_tokens: positive.nullish(),
  max_completion_tokens: positive.nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  reasoning_effort: effort.nullish(),
  user: userName.nullish(),
  n: z.literal(1, { error: "only one choice is given: leave n out" }).nullish(),
  logprobs: z.literal(false, { error: "log probabilities are not available" }).nullish(),
  top_logprobs: z.literal(0, { error: "log probabilities are not available" }).nullish(),
  logit_bias: z.record(z.string(), z.never({ error: "is not supported" })).nullish(),
  functions: z.null({ error: "is outdated: use tools" }).optional(),
  function_call: z.null({ error: "is outdated: use tool_choice" }).optional(),
  modalities: z.array(z.literal("text", { error: "only text is given" })).nullish(),
})

type ChatBody = z.infer<typeof chatSchema>

/** What a caller asks of a model, whichever endpoint it came through. */
export interface Asked {
  model: string | undefined
  user: string | undefined
  stream: boolean
  conversation: ClientConversation
  sampling: Sampling
  tools: ToolSpec[]
}

export interface ChatAsked extends Asked {
  includeUsage: boolean
}

/** Throws INVALID_PARAMS with `details.param`. */
export function decodeChat(body: Record<string, unknown>): ChatAsked {
  const chat = parseWith(chatSchema, body, "Invalid request")
  const tools = (chat.tools ?? []).map(({ function: fn }) => toolSpec(fn))
  return {
    model: chat.model ?? undefined,
    user: chat.user ?? undefined,
    stream: chat.stream ?? false,
    includeUsage: chat.stream_options?.include_usage ?? false,
    conversation: conversationOf(chat.messages),
    sampling: { ...samplingOf(chat), ...toolSampling(choiceOf(chat.tool_choice), chat.parallel_tool_calls, tools) },
    tools,
  }
}

export function toolSpec(fn: {
  name: string
  description?: string | null
  parameters?: Record<string, unknown> | null
  strict?: boolean | null
}): ToolSpec {
  return {
    name: fn.name,
    description: fn.description ?? "",
    inputSchema: fn.parameters ?? { type: "object", properties: {} },
    ...(fn.strict === undefined || fn.strict === null ? {} : { strict: fn.strict }),
  }
}

function choiceOf(choice: ChatBody["tool_choice"]): ToolChoice | undefined {
  if (choice === undefined || choice === null || typeof choice === "string") return choice ?? undefined
  return { name: choice.function.name }
}

/** Throws INVALID_PARAMS for a choice among tools that were not sent. */
export function toolSampling(
  choice: ToolChoice | undefined,
  parallel: boolean | null | undefined,
  tools: readonly ToolSpec[],
): Pick<Sampling, "toolChoice" | "parallelToolCalls"> {
  if (choice === "required" && tools.length === 0) throw badField("tool_choice", '"required" needs tools')
  if (typeof choice === "object" && !tools.some((one) => one.name === choice.name))
    throw badField("tool_choice", `names "${choice.name}", which is not among the tools`)
  return {
    ...(choice === undefined ? {} : { toolChoice: choice }),
    ...(parallel === undefined || parallel === null ? {} : { parallelToolCalls: parallel }),
  }
}

function samplingOf(chat: ChatBody): Sampling {
  const sampling: Sampling = {}
  const max = chat.max_completion_tokens ?? chat.max_tokens
  if (typeof chat.temperature === "number") sampling.temperature = chat.temperature
  if (typeof chat.top_p === "number") sampling.topP = chat.top_p
  if (typeof max === "number") sampling.maxOutputTokens = max
  if (chat.stop) sampling.stop = typeof chat.stop === "string" ? [chat.stop] : chat.stop
  if (typeof chat.seed === "number") sampling.seed = chat.seed
  if (typeof chat.presence_penalty === "number") sampling.presencePenalty = chat.presence_penalty
  if (typeof chat.frequency_penalty === "number") sampling.frequencyPenalty = chat.frequency_penalty
  if (chat.reasoning_effort) sampling.thinking = thinkingOf(chat.reasoning_effort)
  const format = chat.response_format
  if (format?.type === "json_object") sampling.responseFormat = { type: "json_object" }
  else if (format?.type === "json_schema") sampling.responseFormat = jsonFormat(format.json_schema)
  return sampling
}

export function thinkingOf(word: z.infer<typeof effort>): Sampling["thinking"] {
  return word === "none" ? "off" : word
}

export function jsonFormat(format: z.infer<typeof schemaFormat>): Sampling["responseFormat"] {
  const { name, schema, strict } = format
  return {
    type: "json_schema",
    name,
    schema: schema ?? { type: "object" },
    ...(strict === undefined || strict === null ? {} : { strict }),
  }
}

function conversationOf(messages: ChatBody["messages"]): ClientConversation {
  const conversation = new ClientConversation()
  for (const [i, one] of messages.entries()) {
    const at = `messages.${i}`
    if (one.role === "system" || one.role === "developer") conversation.system.push(plainText(one.content, at))
    else if (one.role === "user") conversation.user(userParts(one.content, at))
    else if (one.role === "assistant") conversation.assistant(assistantParts(one, at))
    else {
      if (!one.tool_call_id) throw badField(`${at}.tool_call_id`, "a tool message names the call that it answers")
      conversation.result(one.tool_call_id, [{ type: "text", text: plainText(one.content, at) }])
    }
  }
  return conversation
}

type Content = ChatBody["messages"][number]["content"]

function plainText(content: Content, at: string): string {
  if (content === undefined || content === null) return ""
  if (typeof content === "string") return content
  return content
    .map((one, i) => {
      const text = one["text"] ?? one["refusal"]
      if ((one.type === "text" || one.type === "refusal") && typeof text === "string") return text
      throw badField(`${at}.content.${i}`, `a part of type "${one.type}" is not accepted here: send text`)
    })
    .join("\n")
}

function userParts(content: Content, at: string): Part[] {
  if (content === undefined || content === null) return []
  if (typeof content === "string") return [{ type: "text", text: content }]
  return content.map((one, i): Part => {
    const where = `${at}.content.${i}`
    if (one.type === "text" && typeof one["text"] === "string") return { type: "text", text: one["text"] }
    if (one.type === "image_url") {
      const image = one["image_url"]
      return imagePart(typeof image === "object" && image !== null && "url" in image ? image.url : image, where)
    }
    if (one.type === "file") {
      const file: unknown = one["file"]
      const { file_data, filename } = (typeof file === "object" && file !== null ? file : {}) as Record<string, unknown>
      return filePart(file_data, filename, where)
    }
    throw badField(where, `a part of type "${one.type}" is not supported: send text, image_url or file`)
  })
}

function assistantParts(message: ChatBody["messages"][number], at: string): Part[] {
  const text = plainText(message.content, at) || (message.refusal ?? "")
  const parts: Part[] = text === "" ? [] : [{ type: "text", text }]
  for (const { id, function: fn } of message.tool_calls ?? []) parts.push(callPart(id, fn.name, fn.arguments))
  return parts
}
