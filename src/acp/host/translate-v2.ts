// Updates of version 2 as events of ours. Messages may come whole after their pieces: what was told already is not told again.
import type { HostedEvent } from "../../agent/harness.ts"
import { isObject } from "../../base/json.ts"
import { partOf } from "./content.ts"
import type { Update } from "./session-book.ts"
import { toldContent, toldTool } from "./tool-told.ts"
import { chunk, other, type Translation, translateShared } from "./translate-v1.ts"

const MAX_MESSAGES = 50
const MAX_TOLD_CHARS = 1_000_000

/** What was told of each message so far. */
export class ToldMessages {
  readonly #told = new Map<string, string>()

  add(id: string, text: string): void {
    const told = (this.#told.get(id) ?? "") + text
    this.#told.delete(id)
    if (told.length <= MAX_TOLD_CHARS) this.#told.set(id, told)
    while (this.#told.size > MAX_MESSAGES) {
      const [oldest] = this.#told.keys()
      if (oldest === undefined) return
      this.#told.delete(oldest)
    }
  }

  of(id: string): string {
    return this.#told.get(id) ?? ""
  }
}

export interface TranslationV2 extends Translation {
  told: ToldMessages
}

export function translateV2(update: Update, translation: TranslationV2): HostedEvent[] {
  switch (update["sessionUpdate"]) {
    case "agent_message_chunk":
      return piece("answer", update, translation.told)
    case "agent_thought_chunk":
      return piece("thought", update, translation.told)
    case "agent_message":
      return whole("answer", update, translation.told)
    case "agent_thought":
      return whole("thought", update, translation.told)
    case "user_message":
    case "user_message_chunk":
    case "state_update":
      return []
    case "tool_call_update": {
      const told = toldTool(update, { version: 2, memory: translation.memory })
      return [told ? { type: "tool", ...told } : other(update)]
    }
    case "tool_call_content_chunk":
      return moreContent(update, translation)
    case "terminal_update":
    case "terminal_output_chunk":
      return terminal(update, translation)
    default:
      return [translateShared(update, translation.book)]
  }
}

function piece(of: "answer" | "thought", update: Update, told: ToldMessages): HostedEvent[] {
  const event = chunk(of, update)
  if (event.type === "text" && event.messageId !== undefined) told.add(event.messageId, event.text)
  return [event]
}

function whole(of: "answer" | "thought", update: Update, told: ToldMessages): HostedEvent[] {
  const { content, messageId } = update
  if (typeof messageId !== "string") return [other(update)]
  if (!Array.isArray(content)) return []
  const parts = content.map(partOf)
  const text = parts.map((part) => (part?.type === "text" ? part.text : "")).join("")
  const before = told.of(messageId)
  // Not the same message any more: it is told once again, as another one.
  const id = text.startsWith(before) ? messageId : `${messageId}#${before.length}`
  const rest = id === messageId ? text.slice(before.length) : text
  told.add(messageId, rest)
  const events: HostedEvent[] = rest === "" ? [] : [{ type: "text", of, text: rest, messageId: id }]
  if (of === "answer")
    for (const part of parts) if (part && part.type !== "text") events.push({ type: "part", part, messageId: id })
  return events
}

function moreContent(update: Update, { memory }: Translation): HostedEvent[] {
  const { content, toolCallId } = update
  if (typeof toolCallId !== "string") return [other(update)]
  const pieces = toldContent(content, { version: 2, memory })
  for (const one of pieces) memory.append(toolCallId, one)
  return pieces.length === 0
    ? [other(update)]
    : [{ type: "tool", callId: toolCallId, view: { content: memory.shown(toolCallId) } }]
}

function terminal(update: Update, { memory }: Translation): HostedEvent[] {
  const { command, cwd, data, exitStatus, output, terminalId } = update
  if (typeof terminalId !== "string") return [other(update)]
  const exit = isObject(exitStatus) ? exitStatus : undefined
  memory.terminal(terminalId, {
    ...(typeof command === "string" ? { command } : {}),
    ...(typeof cwd === "string" ? { cwd } : {}),
    ...(isObject(output) && typeof output["data"] === "string"
      ? { output: Buffer.from(output["data"], "base64").toString("utf8") }
      : {}),
    ...(exit
      ? {
          exitCode: typeof exit["exitCode"] === "number" ? exit["exitCode"] : null,
          signal: typeof exit["signal"] === "string" ? exit["signal"] : null,
        }
      : {}),
  })
  if (typeof data === "string") memory.output(terminalId, Buffer.from(data, "base64"))
  return memory
    .showing(terminalId)
    .map((callId) => ({ type: "tool", callId, view: { content: memory.shown(callId) } }) as const)
}
