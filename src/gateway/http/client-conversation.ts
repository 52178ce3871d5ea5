// A stateless caller's conversation in our shapes, whatever wire it came on: what was said before becomes history, what came after
// the last answer is new. A session that holds messages already uses only what is new.
import { isObject, parseJson } from "../../base/json.ts"
import type { Message, Part, ToolCallPart, ToolResultPart } from "../../protocol/message.ts"
import type { Store } from "../../store/store.ts"
import { attachmentParts } from "../attachments.ts"
import { badField } from "./refusal.ts"

/** Messages that are looked through for the call that a result answers. */
const RECENT = 100

/** Builds messages in order; neighbours of one role that belong together become one message. */
export class ClientConversation {
  readonly system: string[] = []
  readonly messages: Message[] = []
  readonly #names = new Map<string, string>()

  user(content: Part[]): void {
    if (content.length > 0) this.messages.push(message("user", content))
  }

  /** Text and calls of an answer; calls join the answer that they follow. */
  assistant(content: Part[]): void {
    for (const part of content) if (part.type === "tool.call") this.#names.set(part.callId, part.name)
    const last = this.messages.at(-1)
    if (last?.role === "assistant") last.content.push(...content)
    else this.messages.push(message("assistant", content))
  }

  result(callId: string, content: ToolResultPart["content"]): void {
    const name = this.#names.get(callId) ?? ""
    const part: ToolResultPart = { type: "tool.result", callId, name, content, isError: false }
    const last = this.messages.at(-1)
    if (last?.role === "tool") last.content.push(part)
    else this.messages.push(message("tool", [part]))
  }

  get systemPrompt(): string | undefined {
    const text = this.system.filter((one) => one.trim() !== "").join("\n\n")
    return text === "" ? undefined : text
  }
}

/** Ids and times are given when it is recorded. */
function message(role: Message["role"], content: Part[]): Message {
  return { id: "", role, content, at: 0 }
}

export interface Split {
  history: Message[]
  /** Tool results first, then words. */
  input: Part[]
}

/** Throws INVALID_PARAMS when nothing new was said. `param`: the field that the messages came in. */
export function splitInput(messages: readonly Message[], param: string): Split {
  const last = messages.findLastIndex((one) => one.role === "assistant")
  const news = messages.slice(last + 1).flatMap((one) => one.content)
  const input = [
    ...news.filter((part) => part.type === "tool.result"),
    ...news.filter((part) => part.type !== "tool.result" && !(part.type === "text" && part.text === "")),
  ]
  if (input.length === 0) throw badField(param, "ends without anything to answer: add a user message or a tool result")
  return { history: messages.slice(0, last + 1), input }
}

/** Results whose call the caller did not send along get its name from the session. */
export async function nameResults(input: Part[], sessionKey: string, store: Store): Promise<Part[]> {
  if (!input.some((part) => part.type === "tool.result" && part.name === "")) return input
  const names = new Map<string, string>()
  for (const stored of await store.transcript.messages(sessionKey, { limit: RECENT }))
    for (const part of stored.content) if (part.type === "tool.call") names.set(part.callId, part.name)
  return input.map((part) =>
    part.type === "tool.result" && part.name === "" ? { ...part, name: names.get(part.callId) ?? "" } : part,
  )
}

/** Arguments as a client sends them back: JSON text. What is no JSON object stays as it was written. */
export function callPart(callId: string, name: string, args: string): ToolCallPart {
  try {
    const value = parseJson(args === "" ? "{}" : args)
    if (isObject(value)) return { type: "tool.call", callId, name, args: value }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return { type: "tool.call", callId, name, raw: args }
}

/** An image by data URL. Throws INVALID_PARAMS for any other URL: nothing is fetched on a caller's word. */
export function imagePart(url: unknown, param: string): Extract<Part, { type: "image" }> {
  if (typeof url !== "string") throw badField(param, "an image needs a data URL")
  if (!/^data:/i.test(url))
    throw badField(param, "images are not fetched from elsewhere: send a data URL (data:image/png;base64,…)")
  const [part] = attachmentParts([{ type: "image", fileName: param, url }])
  if (part?.type !== "image") throw badField(param, "is not an image")
  return part
}

/** A file by data URL or base64. */
export function filePart(data: unknown, name: unknown, param: string): Part {
  if (typeof data !== "string" || data === "")
    throw badField(param, "a file needs its bytes (file_data): uploaded files and URLs are not looked up")
  const fileName = typeof name === "string" && name !== "" ? name : "file"
  return attachmentParts([{ fileName, content: data }])[0]!
}
