// Our conversation in the words of the OpenAI Responses API (platform.openai.com/docs/api-reference/responses). Pure. Nothing is
// stored at the service: reasoning travels back and forth encrypted.
import type { Message, Part, ToolResultPart } from "../../protocol/message.ts"
import type { Sampling } from "../../protocol/turn.ts"
import type { ModelRequest } from "../provider.ts"
import { spoken, unheard } from "../spoken.ts"

type Wire = Record<string, unknown>

/** OpenAI's models from before reasoning, fine-tuned ones included. */
const NO_REASONING = /^(ft:)?(gpt-(3|4)|chatgpt-4o)/

export function encodeResponses(request: ModelRequest, providerId: string): Wire {
  const { sampling } = request
  const body: Wire = {
    model: request.model,
    input: request.messages.flatMap((message) => encodeMessage(message, providerId)),
    stream: true,
    store: false,
    ...encodeSampling(sampling),
  }
  // A model that does not reason refuses to be asked for it ("Encrypted content is not supported with this model").
  if (!NO_REASONING.test(request.model)) body["include"] = ["reasoning.encrypted_content"]
  if (request.system) body["instructions"] = request.system
  if (request.cacheKey) body["prompt_cache_key"] = request.cacheKey
  if (request.tools.length > 0) {
    body["tools"] = request.tools.map((tool) => ({
      type: "function",
      name: tool.name,
      description: tool.description,
      parameters: tool.inputSchema,
      strict: tool.strict ?? false,
    }))
    const choice = sampling.toolChoice
    if (choice !== undefined)
      body["tool_choice"] = typeof choice === "string" ? choice : { type: "function", name: choice.name }
    if (sampling.parallelToolCalls !== undefined) body["parallel_tool_calls"] = sampling.parallelToolCalls
  }
  return body
}

function encodeSampling(sampling: Sampling): Wire {
  const body: Wire = {}
  if (sampling.temperature !== undefined) body["temperature"] = sampling.temperature
  if (sampling.topP !== undefined) body["top_p"] = sampling.topP
  if (sampling.maxOutputTokens !== undefined) body["max_output_tokens"] = sampling.maxOutputTokens
  if (sampling.thinking !== undefined && sampling.thinking !== "off")
    body["reasoning"] = { effort: sampling.thinking, summary: "auto" }
  const format = sampling.responseFormat
  if (format?.type === "json_object") body["text"] = { format: { type: "json_object" } }
  else if (format?.type === "json_schema") {
    const { name, schema, strict } = format
    body["text"] = { format: { type: "json_schema", name, schema, ...(strict === undefined ? {} : { strict }) } }
  }
  return body
}

function encodeMessage(message: Message, providerId: string): Wire[] {
  if (message.role === "user") return [{ role: "user", content: message.content.flatMap(encodeInput) }]
  if (message.role === "tool")
    return message.content.filter((part) => part.type === "tool.result").flatMap(encodeResult)
  const items: Wire[] = []
  for (const part of message.content) {
    if (part.type === "text") items.push({ role: "assistant", content: [{ type: "output_text", text: part.text }] })
    else if (part.type === "tool.call")
      items.push({
        type: "function_call",
        call_id: part.callId,
        name: part.name,
        arguments: part.args ? JSON.stringify(part.args) : "{}",
      })
    // Another service cannot read it, and an item without its sealed form would have to be stored there.
    else if (part.type === "thinking" && part.opaque !== undefined && part.provider === providerId)
      items.push({
        type: "reasoning",
        summary: part.text === "" ? [] : [{ type: "summary_text", text: part.text }],
        encrypted_content: part.opaque,
      })
  }
  return items
}

function encodeInput(part: Part): Wire[] {
  if (part.type === "text") return [{ type: "input_text", text: part.text }]
  if (part.type === "image") return [{ type: "input_image", image_url: `data:${part.mimeType};base64,${part.data}` }]
  if (part.type === "file")
    return [{ type: "input_file", filename: part.name, file_data: `data:${part.mimeType};base64,${part.data}` }]
  if (part.type === "audio") return encodeInput(unheard(part))
  if (part.type === "link" || part.type === "resource") return encodeInput(spoken(part))
  return []
}

function encodeResult(result: ToolResultPart): Wire[] {
  const hasImage = result.content.some((part) => part.type === "image")
  const text = result.content.map((part) => (part.type === "text" ? part.text : "")).join("\n")
  return [
    {
      type: "function_call_output",
      call_id: result.callId,
      output: hasImage ? result.content.flatMap(encodeInput) : text,
    },
  ]
}
