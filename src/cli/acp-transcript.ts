// What an ACP agent tells of its work, as plain lines for the debug client: text as it comes, everything else in brackets.
import { isObject } from "../base/json.ts"
import { inert, inertLine } from "./inert.ts"
import type { Screen } from "./screen.ts"
import { stringOf } from "./turn.ts"

export class ClientTranscript {
  readonly #out: Screen
  #open: "text" | "thought" | undefined
  /** What came before the first line: agents tell of a session before its id has arrived. */
  #early: Record<string, unknown>[] | undefined = []

  constructor(out: Screen) {
    this.#out = out
  }

  /** The first line; what came before it follows. */
  begin(text: string): void {
    const early = this.#early ?? []
    this.#early = undefined
    this.line(text)
    for (const update of early) this.update(update)
  }

  /** A line of its own, after whatever text stands there. */
  line(text: string): void {
    this.#endText()
    this.#out.line(inertLine(text))
  }

  /** One `update` of session/update, as it came. */
  update(update: Record<string, unknown>): void {
    if (this.#early) {
      this.#early.push(update)
      return
    }
    const kind = update["sessionUpdate"]
    const text = textOf(update["content"])
    if (text !== undefined && kind === "agent_message_chunk") this.#text("text", text)
    else if (text !== undefined && kind === "agent_thought_chunk") this.#text("thought", text)
    else for (const line of linesOf(update)) this.line(line)
  }

  #text(kind: "text" | "thought", text: string): void {
    if (this.#open !== kind) this.#endText()
    this.#open = kind
    this.#out.write(kind === "thought" ? this.#out.paint(inert(text), "dim") : inert(text))
  }

  #endText(): void {
    if (this.#open !== undefined) this.#out.line()
    this.#open = undefined
  }
}

function linesOf(update: Record<string, unknown>): string[] {
  const { content, entries, sessionUpdate, status } = update
  switch (sessionUpdate) {
    case "agent_message_chunk":
    case "agent_thought_chunk":
      return [`[${isObject(content) ? word(content["type"]) : "content"}]`]
    case "tool_call":
      return [`[tool] ${word(update["title"])} (${word(status, "pending")})`]
    case "tool_call_update":
      return status === undefined ? [] : [`[tool update] ${word(update["toolCallId"])}: ${word(status)}`]
    case "plan":
      return listOf(entries).map((entry) => `[plan] [${mark(entry["status"])}] ${word(entry["content"])}`)
    case "available_commands_update":
      return [
        `[commands] ${listOf(update["availableCommands"])
          .map((one) => `/${word(one["name"])}`)
          .join(" ")}`,
      ]
    case "current_mode_update":
      return [`[mode] ${word(update["currentModeId"])}`]
    case "session_info_update":
      return update["title"] === undefined ? [] : [`[title] ${word(update["title"])}`]
    case "usage_update":
      return [`[usage] ${word(update["used"])} of ${word(update["size"])} tokens`]
    case "user_message_chunk":
    case "config_option_update":
      return []
    default:
      return [`[${word(sessionUpdate, "update")}]`]
  }
}

function textOf(content: unknown): string | undefined {
  return isObject(content) && content["type"] === "text" ? stringOf(content["text"]) : undefined
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function mark(status: unknown): string {
  if (status === "completed") return "x"
  return status === "in_progress" ? ">" : " "
}

function word(value: unknown, otherwise = "?"): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : otherwise
}
