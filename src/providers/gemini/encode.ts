// Our conversation in the words of the Gemini API (ai.google.dev/api/generate-content). Pure.
//
// Thought signatures go back unchanged to the service that gave them; calls of another model carry the documented word that
// skips their check, because Gemini 3 refuses a call without a signature (ai.google.dev/gemini-api/docs/thought-signatures).
import type { Message, Part, ToolResultPart } from "../../protocol/message.ts"
import type { Sampling, ToolChoice } from "../../protocol/turn.ts"
import type { ModelRequest } from "../provider.ts"
import { spoken } from "../spoken.ts"
import { cleanSchema } from "./schema.ts"

type Wire = Record<string, unknown>
interface Turn {
  role: "user" | "model"
  parts: Wire[]
}

const NO_SIGNATURE = "skip_thought_signature_validator"

/** "gemini-2.5-pro" -> 2.5; aliases such as "gemini-flash-latest" mean the newest; undefined for other families (Gemma). */
export function versionOf(model: string): number | undefined {
  if (!model.includes("gemini")) return undefined
  const match = /gemini-(\d+(?:\.\d+)?)/.exec(model)
  return match ? Number(match[1]) : Number.POSITIVE_INFINITY
}

/** `provider`: whose signatures may be sent along. */
export function encodeGemini(request: ModelRequest, provider: string): Wire {
  const body: Wire = { contents: encodeTurns(request, provider) }
  if (request.system?.trim()) body["systemInstruction"] = { parts: [{ text: request.system }] }
  if (request.tools.length > 0) {
    const functionDeclarations = request.tools.map((tool) => ({
      name: tool.name,
      description: tool.description,
      parametersJsonSchema: cleanSchema({ type: "object", ...tool.inputSchema }),
    }))
    body["tools"] = [{ functionDeclarations }]
    const choice = request.sampling.toolChoice
    if (choice !== undefined) body["toolConfig"] = { functionCallingConfig: encodeChoice(choice) }
  }
  const config = encodeConfig(request.sampling, request.model)
  if (Object.keys(config).length > 0) body["generationConfig"] = config
  return body
}

function encodeChoice(choice: ToolChoice): Wire {
  if (typeof choice === "object") return { mode: "ANY", allowedFunctionNames: [choice.name] }
  return { mode: { auto: "AUTO", none: "NONE", required: "ANY" }[choice] }
}

function encodeConfig(sampling: Sampling, model: string): Wire {
  const config: Wire = {}
  if (sampling.temperature !== undefined) config["temperature"] = sampling.temperature
  if (sampling.topP !== undefined) config["topP"] = sampling.topP
  if (sampling.maxOutputTokens !== undefined) config["maxOutputTokens"] = sampling.maxOutputTokens
  if (sampling.stop !== undefined && sampling.stop.length > 0) config["stopSequences"] = sampling.stop
  if (sampling.seed !== undefined) config["seed"] = sampling.seed
  if (sampling.presencePenalty !== undefined) config["presencePenalty"] = sampling.presencePenalty
  if (sampling.frequencyPenalty !== undefined) config["frequencyPenalty"] = sampling.frequencyPenalty
  const format = sampling.responseFormat
  if (format) config["responseMimeType"] = "application/json"
  if (format?.type === "json_schema") config["responseJsonSchema"] = cleanSchema(format.schema)
  const thinking = encodeThinking(sampling.thinking, model)
  if (thinking) config["thinkingConfig"] = thinking
  return config
}

const LEVELS = { off: "MINIMAL", minimal: "MINIMAL", low: "LOW", medium: "MEDIUM", high: "HIGH", xhigh: "HIGH" }
const BUDGETS = { minimal: 512, low: 2_048, medium: 8_192, high: 24_576, xhigh: 24_576 }

/** Gemini 3 takes levels (Pro none below "low"), 2.5 a budget of tokens (Pro cannot do without); older ones do not think. */
function encodeThinking(level: Sampling["thinking"], model: string): Wire | undefined {
  const version = versionOf(model)
  if (level === undefined || version === undefined || version < 2.5) return undefined
  const pro = /\bpro\b/.test(model)
  const includeThoughts = level !== "off"
  if (version >= 3) {
    const word = LEVELS[level]
    return { includeThoughts, thinkingLevel: pro && word === "MINIMAL" ? "LOW" : word }
  }
  const budget = level === "off" ? (pro ? 128 : 0) : pro && level === "xhigh" ? 32_768 : BUDGETS[level]
  return { includeThoughts, thinkingBudget: budget }
}

function encodeTurns(request: ModelRequest, provider: string): Turn[] {
  const signs = (versionOf(request.model) ?? 0) >= 3
  const turns: Turn[] = []
  const called = new Map<string, string>()
  for (const message of request.messages) {
    const role = message.role === "assistant" ? "model" : "user"
    for (const part of message.content) if (part.type === "tool.call") called.set(part.callId, part.name)
    const parts = encodeMessage(asCalled(message, called), message.provider === provider, signs)
    if (parts.length === 0) continue
    const last = turns.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else turns.push({ role, parts })
  }
  if (turns[0]?.role !== "user") turns.unshift({ role: "user", parts: [{ text: "(Go on.)" }] })
  return turns
}

/** A response bears the name that the model called, which a tool's own may not be. */
function asCalled(message: Message, called: ReadonlyMap<string, string>): Message {
  if (message.role !== "tool") return message
  const content = message.content.map((part) =>
    part.type === "tool.result" ? { ...part, name: called.get(part.callId) ?? part.name } : part,
  )
  return { ...message, content }
}

function encodeMessage(message: Message, own: boolean, signs: boolean): Wire[] {
  let called = false
  return message.content
    .flatMap((part): Wire[] => {
      if (part.type !== "tool.call") return encodePart(part, own)
      const first = !called
      called = true
      const signature = own && part.opaque !== undefined ? part.opaque : signs && first ? NO_SIGNATURE : undefined
      return [
        {
          functionCall: { ...(signs ? { id: part.callId } : {}), name: part.name, args: part.args ?? {} },
          ...(signature === undefined ? {} : { thoughtSignature: signature }),
        },
      ]
    })
    .map((part) => (signs ? part : withoutId(part)))
}

/** Models before Gemini 3 match calls and responses by name and order. */
function withoutId(part: Wire): Wire {
  const response = part["functionResponse"]
  if (typeof response !== "object" || response === null) return part
  const { id: _, ...rest } = response as Wire
  return { ...part, functionResponse: rest }
}

function encodePart(part: Exclude<Part, { type: "tool.call" }>, own: boolean): Wire[] {
  switch (part.type) {
    case "text":
      return part.text === "" ? [] : [{ text: part.text }]
    case "thinking":
      if (!own || part.opaque === undefined) return []
      // A signature that came without a thought belongs to the text before it.
      return [{ text: part.text, ...(part.text === "" ? {} : { thought: true }), thoughtSignature: part.opaque }]
    case "image":
    case "file":
    case "audio":
      return [{ inlineData: { mimeType: part.mimeType, data: part.data } }]
    case "link":
    case "resource":
      return encodePart(spoken(part), own)
    case "tool.result":
      return encodeResult(part)
  }
}

/** A response is an object; images that a tool gave follow it as parts of their own. */
function encodeResult(part: ToolResultPart): Wire[] {
  const text = part.content.map((piece) => (piece.type === "text" ? piece.text : "[image: see below]")).join("\n")
  const response = part.isError ? { error: text } : { output: text }
  const images = part.content.flatMap((piece): Wire[] =>
    piece.type === "image" ? [{ inlineData: { mimeType: piece.mimeType, data: piece.data } }] : [],
  )
  return [{ functionResponse: { id: part.callId, name: part.name, response } }, ...images]
}
