// Our conversation in the words of OpenAI chat completions (platform.openai.com/docs/api-reference/chat). Pure.
import { callsOf, type Message, type Part, type ToolResultPart } from "../../protocol/message.ts"
import type { Sampling, ToolChoice } from "../../protocol/turn.ts"
import type { ModelRequest } from "../provider.ts"
import type { Quirks } from "../settings.ts"

type Wire = Record<string, unknown>

export function encodeChat(request: ModelRequest, quirks: Quirks): Wire {
  const body: Wire = {
    model: request.model,
    messages: encodeMessages(request),
    stream: true,
    ...encodeSampling(request.sampling, quirks),
  }
  if (!quirks.noStreamUsage) body["stream_options"] = { include_usage: true }
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

function encodeChoice(choice: ToolChoice): unknown {
  return typeof choice === "string" ? choice : { type: "function", function: { name: choice.name } }
}

function encodeSampling(sampling: Sampling, quirks: Quirks): Wire {
  const body: Wire = {}
  if (sampling.temperature !== undefined) body["temperature"] = sampling.temperature
  if (sampling.topP !== undefined) body["top_p"] = sampling.topP
  if (sampling.maxOutputTokens !== undefined) body[quirks.maxTokensField ?? "max_tokens"] = sampling.maxOutputTokens
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

function encodeMessages(request: ModelRequest): Wire[] {
  const messages: Wire[] = request.system ? [{ role: "system", content: request.system }] : []
  for (const message of request.messages) messages.push(...encodeMessage(message))
  return messages
}

function encodeMessage(message: Message): Wire[] {
  if (message.role === "user") return [{ role: "user", content: encodeUser(message.content) }]
  if (message.role === "tool") return encodeResults(message.content.filter((part) => part.type === "tool.result"))
  const calls = callsOf(message.content)
  let text = ""
  for (const part of message.content) if (part.type === "text") text += part.text
  const wire: Wire = { role: "assistant", content: text === "" && calls.length > 0 ? null : text }
  if (calls.length > 0)
    wire["tool_calls"] = calls.map((call) => ({
      id: call.callId,
      type: "function",
      function: { name: call.name, arguments: call.args ? JSON.stringify(call.args) : "{}" },
    }))
  return [wire]
}

function encodeUser(content: readonly Part[]): unknown {
  if (content.every((part) => part.type === "text"))
    return content.map((part) => (part.type === "text" ? part.text : "")).join("\n")
  return content.flatMap((part): Wire[] => {
    if (part.type === "text") return [{ type: "text", text: part.text }]
    if (part.type === "image") return [image(part)]
    if (part.type === "file")
      return [{ type: "file", file: { filename: part.name, file_data: `data:${part.mimeType};base64,${part.data}` } }]
    return []
  })
}

function image(part: Extract<Part, { type: "image" }>): Wire {
  return { type: "image_url", image_url: { url: `data:${part.mimeType};base64,${part.data}` } }
}

/** Tool messages carry text only; images that a tool gave follow in a user message. */
function encodeResults(results: readonly ToolResultPart[]): Wire[] {
  const wires: Wire[] = []
  const images: Wire[] = []
  for (const result of results) {
    const text = result.content.map((part) => (part.type === "text" ? part.text : "[image: see below]")).join("\n")
    wires.push({ role: "tool", tool_call_id: result.callId, content: text })
    for (const part of result.content) if (part.type === "image") images.push(image(part))
  }
  if (images.length > 0) wires.push({ role: "user", content: images })
  return wires
}
