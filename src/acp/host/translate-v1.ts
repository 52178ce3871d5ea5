// Updates of version 1 as events of ours. Everything comes through: what we have no word for is told as it came.
import type { HostedEvent } from "../../agent/harness.ts"
import { isObject } from "../../base/json.ts"
import { MAIN_PLAN, type Plan, type PlanEntry } from "../../protocol/plan.ts"
import { partOf } from "./content.ts"
import { commandsOf, type SessionBook, type Update } from "./session-book.ts"
import type { ToolMemory } from "./tool-memory.ts"
import { toldTool } from "./tool-told.ts"

export interface Translation {
  book: SessionBook
  memory: ToolMemory
}

/** Undefined for what is of no interest: an echo of the user's words. */
export function translateV1(update: Update, translation: Translation): HostedEvent | undefined {
  switch (update["sessionUpdate"]) {
    case "agent_message_chunk":
      return chunk("answer", update)
    case "agent_thought_chunk":
      return chunk("thought", update)
    case "user_message_chunk":
      return undefined
    case "tool_call":
    case "tool_call_update": {
      const told = toldTool(update, { version: 1, memory: translation.memory })
      return told ? { type: "tool", ...told } : other(update)
    }
    case "plan":
      return planEvent({ ...update, planId: MAIN_PLAN, type: "items" }) ?? other(update)
    case "current_mode_update":
      return facts(translation.book.modeIs(update["currentModeId"])) ?? other(update)
    default:
      return translateShared(update, translation.book)
  }
}

/** What both versions have alike. */
export function translateShared(update: Update, book: SessionBook): HostedEvent {
  switch (update["sessionUpdate"]) {
    case "plan_update":
      return (isObject(update["plan"]) ? planEvent(update["plan"]) : undefined) ?? other(update)
    case "plan_removed": {
      const { planId } = update
      return typeof planId === "string" ? { type: "plan", planId, plan: null } : other(update)
    }
    case "available_commands_update": {
      const list = update["availableCommands"]
      return Array.isArray(list) ? { type: "facts", facts: { commands: commandsOf(list) } } : other(update)
    }
    case "config_option_update":
      return facts(book.configOptions(update["configOptions"])) ?? other(update)
    case "session_info_update": {
      const { title } = update
      return typeof title === "string" || title === null ? { type: "facts", facts: { title } } : other(update)
    }
    case "usage_update":
      return contextEvent(update) ?? other(update)
    case "notice":
      return noticeEvent(update) ?? other(update)
    default:
      return other(update)
  }
}

export function other(update: Update): HostedEvent {
  return { type: "other", update }
}

function facts(said: ReturnType<SessionBook["configOptions"]>): HostedEvent | undefined {
  return said ? { type: "facts", facts: said } : undefined
}

export function chunk(of: "answer" | "thought", update: Update): HostedEvent {
  const id = typeof update["messageId"] === "string" ? { messageId: update["messageId"] } : {}
  const { content } = update
  // The common case, without looking twice.
  if (isObject(content) && content["type"] === "text" && typeof content["text"] === "string")
    return { type: "text", of, text: content["text"], ...id }
  const part = partOf(content)
  return part && of === "answer" ? { type: "part", part, ...id } : other(update)
}

function planEvent(plan: Update): HostedEvent | undefined {
  const { content, entries, planId, type, uri } = plan
  if (typeof planId !== "string") return undefined
  const event = (more: Omit<Plan, "planId">): HostedEvent => ({ type: "plan", planId, plan: { planId, ...more } })
  if (type === "items" && Array.isArray(entries)) return event({ entries: entries.flatMap(planEntry) })
  if (type === "markdown" && typeof content === "string") return event({ entries: [], markdown: content })
  if (type === "file" && typeof uri === "string") return event({ entries: [], file: uri })
  return undefined
}

function planEntry(value: unknown): PlanEntry[] {
  if (!isObject(value) || typeof value["content"] !== "string") return []
  const { content, priority, status } = value
  return [
    {
      content,
      priority: priority === "high" || priority === "low" ? priority : "medium",
      status: status === "in_progress" || status === "completed" ? status : "pending",
    },
  ]
}

function contextEvent({ cost, size, used }: Update): HostedEvent | undefined {
  if (typeof used !== "number" || !(used >= 0)) return undefined
  const amount = isObject(cost) && cost["currency"] === "USD" ? cost["amount"] : undefined
  return {
    type: "context",
    usedTokens: used,
    windowTokens: typeof size === "number" && size > 0 ? size : null,
    costUsd: typeof amount === "number" && amount >= 0 ? amount : null,
  }
}

function noticeEvent({ description, severity, title }: Update): HostedEvent | undefined {
  if (typeof title !== "string" || title === "") return undefined
  return {
    type: "notice",
    level: severity === "warning" || severity === "error" ? "warning" : "info",
    code: "agent_notice",
    text: typeof description === "string" && description !== "" ? `${title}: ${description}` : title,
  }
}
