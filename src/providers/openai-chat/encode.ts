// Our conversation in the words of OpenAI chat completions (platform.openai.com/docs/api-reference/chat). Pure. Fields that are not
// part of the common subset go only where they are known to be welcome: several services refuse a request for one they do not know.
import { callsOf, type Message, type Part, type ToolResultPart } from "../../protocol/message.ts"
import type { Sampling, ToolChoice } from "../../protocol/turn.ts"
import type { ModelRequest } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { spoken, unheard } from "../spoken.ts"

type Wire = Record<string, unknown>
type Service = Pick<ProviderSettings, "id" | "baseUrl" | "quirks">

export function encodeChat(request: ModelRequest, service: Service): Wire {
  const body: Wire = {
    model: request.model,
    messages: encodeMessages(request, service),
    stream: true,
    ...encodeSampling(request.sampling, service),
  }
  if (!service.quirks.noStreamUsage) body["stream_options"] = { include_usage: true }
  // Groq and others answer 400 to a field that they do not know.
  if (request.cacheKey !== undefined && isOpenAI(service)) body["prompt_cache_key"] = request.cacheKey
  if (request.tools.length > 0) {
    body["tools"] = request.tools.map((tool) => ({
      type: "function",
      function: {
        name: tool.name,
        description: tool.description,
        parameters: tool.inputSchema,
        ...(tool.strict === undefined ? {} : { strict: tool.strict }),
      },
    }))
    const choice = request.sampling.toolChoice
    if (choice !== undefined) body["tool_choice"] = encodeChoice(choice)
    if (request.sampling.parallelToolCalls !== undefined)
      body["parallel_tool_calls"] = request.sampling.parallelToolCalls
  }
  return body
}

/** OpenAI itself, not one that speaks its wire. */
function isOpenAI({ baseUrl }: Service): boolean {
  return URL.parse(baseUrl)?.hostname === "api.openai.com"
}

function encodeChoice(choice: ToolChoice): unknown {
  return typeof choice === "string" ? choice : { type: "function", function: { name: choice.name } }
}

function encodeSampling(sampling: Sampling, service: Service): Wire {
  const body: Wire = {}
  const maxTokens = service.quirks.maxTokensField ?? (isOpenAI(service) ? "max_completion_tokens" : "max_tokens")
  if (sampling.temperature !== undefined) body["temperature"] = sampling.temperature
  if (sampling.topP !== undefined) body["top_p"] = sampling.topP
  if (sampling.maxOutputTokens !== undefined) body[maxTokens] = sampling.maxOutputTokens
  if (sampling.stop !== undefined) body["stop"] = sampling.stop
  if (sampling.seed !== undefined) body["seed"] = sampling.seed
  if (sampling.presencePenalty !== undefined) body["presence_penalty"] = sampling.presencePenalty
  if (sampling.frequencyPenalty !== undefined) body["frequency_penalty"] = sampling.frequencyPenalty
  if (sampling.thinking !== undefined && sampling.thinking !== "off") body["reasoning_effort"] = sampling.thinking
  const format = sampling.responseFormat
  if (format?.type === "json_object") body["response_format"] = { type: "json_object" }
  else if (format?.type === "json_schema") {
    const { name, schema, strict } = format
    body["response_format"] = {
      type: "json_schema",
      json_schema: { name, schema, ...(strict === undefined ? {} : { strict }) },
    }
  }
  return body
}

function encodeMessages(request: ModelRequest, service: Service): Wire[] {
  const messages: Wire[] = request.system ? [{ role: "system", content: request.system }] : []
  const images: Wire[] = []
  // Nothing may stand between the results of one round: their images wait until the last of them.
  const showImages = () => {
    if (images.length > 0) messages.push({ role: "user", content: images.splice(0) })
  }
  for (const message of request.messages) {
    if (message.role === "tool") {
      for (const part of message.content) if (part.type === "tool.result") messages.push(encodeResult(part, images))
      continue
    }
    showImages()
    if (message.role === "user") messages.push({ role: "user", content: encodeUser(message.content) })
    else messages.push(...encodeAssistant(message, request.model, service))
  }
  showImages()
  return messages
}

function encodeAssistant(message: Message, model: string, service: Service): Wire[] {
  const calls = callsOf(message.content)
  let text = ""
  for (const part of message.content) if (part.type === "text") text += part.text
  // Nothing but thoughts is nothing to show: services refuse an empty message.
  if (text === "" && calls.length === 0) return []
  const wire: Wire = {
    role: "assistant",
    content: text === "" ? null : text,
    ...encodeThinking(message, model, service),
  }
  if (calls.length > 0)
    wire["tool_calls"] = calls.map((call) => ({
      id: call.callId,
      type: "function",
      function: { name: call.name, arguments: call.args ? JSON.stringify(call.args) : "{}" },
    }))
  return [wire]
}

/** Fields in which services send reasoning text. */
export const REASONING_FIELDS = ["reasoning_content", "reasoning"]

/**
 * Reasoning goes back to the service it came from, in the field it came in: DeepSeek refuses a conversation whose tool calls lack it
 * (api-docs.deepseek.com/guides/thinking_mode), others refuse the field when they did not send it.
 */
function encodeThinking(message: Message, model: string, { id, quirks }: Service): Wire {
  const wire: Record<string, string> = {}
  for (const part of message.content) {
    if (part.type !== "thinking" || part.provider !== id || part.opaque === undefined) continue
    const field = part.opaque
    if (REASONING_FIELDS.includes(field) || field === quirks.reasoningField)
      wire[field] = (wire[field] ?? "") + part.text
  }
  // It must be there even when the message is another model's.
  if (model.startsWith("deepseek-")) wire["reasoning_content"] ??= ""
  return wire
}

function encodeUser(content: readonly Part[]): unknown {
  if (content.every((part) => part.type === "text"))
    return content.map((part) => (part.type === "text" ? part.text : "")).join("\n")
  return encodeParts(content)
}

function encodeParts(content: readonly Part[]): Wire[] {
  return content.flatMap((part): Wire[] => {
    if (part.type === "text") return [{ type: "text", text: part.text }]
    if (part.type === "image") return [image(part)]
    if (part.type === "file")
      return [{ type: "file", file: { filename: part.name, file_data: `data:${part.mimeType};base64,${part.data}` } }]
    if (part.type === "audio") return [audio(part)]
    if (part.type === "link" || part.type === "resource") return encodeParts([spoken(part)])
    return []
  })
}

/** Chat Completions hears two formats (platform.openai.com/docs/guides/audio). */
function audio(part: Extract<Part, { type: "audio" }>): Wire {
  const format = /^audio\/(?:x-)?wav$/.test(part.mimeType)
    ? "wav"
    : /^audio\/(?:mpeg|mp3)$/.test(part.mimeType)
      ? "mp3"
      : ""
  if (format === "") return { type: "text", text: unheard(part).text }
  return { type: "input_audio", input_audio: { data: part.data, format } }
}

function image(part: Extract<Part, { type: "image" }>): Wire {
  return { type: "image_url", image_url: { url: `data:${part.mimeType};base64,${part.data}` } }
}

/** Tool messages carry text only; images that a tool gave follow in a user message. */
function encodeResult(result: ToolResultPart, images: Wire[]): Wire {
  const text = result.content.map((part) => (part.type === "text" ? part.text : "[image: see below]")).join("\n")
  for (const part of result.content) if (part.type === "image") images.push(image(part))
  return { role: "tool", tool_call_id: result.callId, content: text }
}
