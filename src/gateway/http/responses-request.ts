// A /v1/responses body in our words. Source: platform.openai.com/docs/api-reference/responses/create. Items of one answer (text,
// function calls) become one message again; reasoning items are not read: only the service that made them could.
import { z } from "zod"
import { parseWith } from "../../base/schema.ts"
import type { Part, ToolResultPart } from "../../protocol/message.ts"
import type { Sampling, ToolChoice } from "../../protocol/turn.ts"
import {
  type Asked,
  effort,
  jsonFormat,
  positive,
  schemaFormat,
  thinkingOf,
  toolSampling,
  toolSpec,
  unitFraction,
  userName,
} from "./chat-request.ts"
import { ClientConversation, callPart, filePart, imagePart } from "./client-conversation.ts"
import { badField } from "./refusal.ts"

const part = z.looseObject({ type: z.string() })
const content = z.union([z.string(), z.array(part)], { error: "must be text or a list of parts" })
const item = z.looseObject({ type: z.string().optional() })
const tool = z.looseObject({
  type: z.literal("function", { error: "only function tools are supported: the agent has its own tools" }),
  name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/, "must be 1 to 128 of a-z, A-Z, 0-9, _ and -"),
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
})
const toolChoice = z.union(
  [z.enum(["none", "auto", "required"]), z.looseObject({ type: z.literal("function"), name: z.string() })],
  { error: 'must be "none", "auto", "required" or {"type":"function","name":…}' },
)
const format = z.union([
  z.looseObject({ type: z.literal("text") }),
  z.looseObject({ type: z.literal("json_object") }),
  schemaFormat.extend({ type: z.literal("json_schema") }),
])

const responsesSchema = z.looseObject({
  model: z.string().nullish(),
  input: z.union([z.string(), z.array(item)], { error: "must be text or a list of items" }).optional(),
  instructions: z.string().nullish(),
  tools: z.array(tool).max(512).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  previous_response_id: z.string().min(1).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  max_output_tokens: positive.nullish(),
  max_tool_calls: positive.nullish(),
  reasoning: z.looseObject({ effort: effort.nullish() }).nullish(),
  text: z.looseObject({ format: format.nullish() }).nullish(),
  truncation: z.enum(["auto", "disabled"]).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: unitFraction.nullish(),
  user: userName.nullish(),
  background: z.literal(false, { error: "answers are not made in the background: use stream" }).nullish(),
  conversation: z.null({ error: "is not supported: use previous_response_id or user" }).optional(),
  prompt: z.null({ error: "stored prompts are not supported: use instructions" }).optional(),
})

export type ResponsesBody = z.infer<typeof responsesSchema>
type Item = z.infer<typeof item>

export interface ResponsesAsked extends Asked {
  body: ResponsesBody
}

/** Throws INVALID_PARAMS with `details.param`. */
export function decodeResponses(raw: Record<string, unknown>): ResponsesAsked {
  const body = parseWith(responsesSchema, raw, "Invalid request")
  const tools = (body.tools ?? []).map(toolSpec)
  const conversation = conversationOf(body.input ?? [])
  if (body.instructions) conversation.system.unshift(body.instructions)
  return {
    model: body.model ?? undefined,
    user: body.user ?? undefined,
    stream: body.stream ?? false,
    conversation,
    sampling: { ...samplingOf(body), ...toolSampling(choiceOf(body.tool_choice), body.parallel_tool_calls, tools) },
    tools,
    body,
  }
}

function choiceOf(choice: ResponsesBody["tool_choice"]): ToolChoice | undefined {
  if (choice === undefined || choice === null || typeof choice === "string") return choice ?? undefined
  return { name: choice.name }
}

function samplingOf(body: ResponsesBody): Sampling {
  const sampling: Sampling = {}
  if (typeof body.temperature === "number") sampling.temperature = body.temperature
  if (typeof body.top_p === "number") sampling.topP = body.top_p
  if (typeof body.max_output_tokens === "number") sampling.maxOutputTokens = body.max_output_tokens
  if (body.reasoning?.effort) sampling.thinking = thinkingOf(body.reasoning.effort)
  const wanted = body.text?.format
  if (wanted?.type === "json_object") sampling.responseFormat = { type: "json_object" }
  else if (wanted?.type === "json_schema") sampling.responseFormat = jsonFormat(wanted)
  return sampling
}

function conversationOf(input: string | Item[]): ClientConversation {
  const conversation = new ClientConversation()
  if (typeof input === "string") {
    conversation.user([{ type: "text", text: input }])
    return conversation
  }
  for (const [i, one] of input.entries()) addItem(conversation, one, `input.${i}`)
  return conversation
}

function addItem(conversation: ClientConversation, one: Item, at: string): void {
  switch (one.type ?? "message") {
    case "message":
      addMessage(conversation, one, at)
      return
    case "function_call":
      conversation.assistant([
        callPart(
          textField(one, "call_id", at),
          textField(one, "name", at),
          one["arguments"] === "" ? "" : textField(one, "arguments", at),
        ),
      ])
      return
    case "function_call_output":
      conversation.result(textField(one, "call_id", at), outputParts(one["output"], `${at}.output`))
      return
    case "reasoning":
      return
    default:
      throw badField(at, `items of type "${one.type}" are not supported here`)
  }
}

function textField(one: Item, name: string, at: string): string {
  const value = one[name]
  if (typeof value !== "string" || value === "") throw badField(`${at}.${name}`, "must be text that is not empty")
  return value
}

function addMessage(conversation: ClientConversation, one: Item, at: string): void {
  const parsed = content.safeParse(one["content"])
  if (!parsed.success) throw badField(`${at}.content`, "must be text or a list of parts")
  const parts = contentParts(parsed.data, `${at}.content`)
  switch (one["role"]) {
    case "user":
      conversation.user(parts)
      return
    case "assistant":
      conversation.assistant(parts.filter((part) => part.type === "text"))
      return
    case "system":
    case "developer":
      conversation.system.push(parts.map((part) => (part.type === "text" ? part.text : "")).join("\n"))
      return
    default:
      throw badField(`${at}.role`, "must be user, assistant, system or developer")
  }
}

function contentParts(given: z.infer<typeof content>, at: string): Part[] {
  if (typeof given === "string") return given === "" ? [] : [{ type: "text", text: given }]
  return given.map((one, i): Part => {
    const where = `${at}.${i}`
    const text = one["text"] ?? one["refusal"]
    if (["input_text", "output_text", "text", "refusal"].includes(one.type) && typeof text === "string")
      return { type: "text", text }
    if (one.type === "input_image") return imagePart(one["image_url"], where)
    if (one.type === "input_file") return filePart(one["file_data"], one["filename"], where)
    throw badField(where, `a part of type "${one.type}" is not supported: send input_text, input_image or input_file`)
  })
}

/** A tool's output: text, or parts; files of it become a line that names them. */
function outputParts(output: unknown, at: string): ToolResultPart["content"] {
  const parsed = content.safeParse(output)
  if (!parsed.success) throw badField(at, "must be text or a list of parts")
  if (typeof parsed.data === "string") return [{ type: "text", text: parsed.data }]
  return contentParts(parsed.data, at).map((one) => {
    if (one.type === "text" || one.type === "image") return one
    throw badField(at, "the output of a tool may hold text and images only")
  })
}
