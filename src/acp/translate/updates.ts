// What is shown, as the updates of ACP v1 (acp.md §4). Pure. A replay never names a terminal of the client: it is long gone, and one
// unknown id makes an editor drop the whole update.
import type { SessionUpdate, ToolCall, ToolCallContent, ToolCallStatus } from "@agentclientprotocol/sdk"
import type { Plan, PlanEntry } from "../../protocol/plan.ts"
import type { ToolContent, ToolStatus, ToolView } from "../../protocol/tool-view.ts"
import { blockOf } from "./blocks.ts"
import type { Shown } from "./shown.ts"

/** How much a session shows (its settings), and what its client can show. */
export interface Viewing {
  /** History is told again; else it happens now. */
  replay: boolean
  /** Tool calls: all, without raw input and output, or only title and status. */
  tools: "full" | "on" | "off"
  /** Thoughts are shown. */
  thoughts: boolean
  /** Tokens and money, only tokens, or nothing. */
  usage: "full" | "tokens" | "off"
  /** The client shows notices. */
  notices: boolean
  /** The client shows terminals that it did not make, when `_meta` tells of them. */
  terminals: boolean
  /** What the user says is echoed: in a replay, and for those who did not say it. */
  echo: boolean
}

export function updatesOf(shown: Shown, viewing: Viewing): SessionUpdate[] {
  switch (shown.type) {
    case "said":
      return saidOf(shown, viewing)
    case "call":
      return [callOf(shown, viewing)]
    case "output":
      return viewing.tools === "off" ? [] : [outputOf(shown, viewing)]
    case "plan":
      return [{ sessionUpdate: "plan", entries: shown.all.flatMap(entriesOf) }]
    case "usage":
      return viewing.usage === "off" ? [] : [usageOf(shown, viewing)]
    case "notice":
      return [noticeOf(shown, viewing)]
    case "facts":
      return shown.facts.title === undefined ? [] : [{ sessionUpdate: "session_info_update", title: shown.facts.title }]
    case "taken-back":
    case "began":
    case "ended":
      return []
    default:
      return shown satisfies never
  }
}

const KINDS = { user: "user_message_chunk", agent: "agent_message_chunk", thought: "agent_thought_chunk" } as const

function saidOf({ who, messageId, part }: Extract<Shown, { type: "said" }>, viewing: Viewing): SessionUpdate[] {
  if (who === "user" && !viewing.echo) return []
  if (who === "thought" && !viewing.thoughts) return []
  const content = blockOf(part)
  if (!content) return []
  // Thoughts and words of one answer are two messages to a client.
  const id = who === "thought" ? `${messageId}:thought` : messageId
  return [{ sessionUpdate: KINDS[who], content, messageId: id }]
}

const STATUS: Readonly<Record<ToolStatus, ToolCallStatus>> = {
  pending: "pending",
  in_progress: "in_progress",
  completed: "completed",
  failed: "failed",
  canceled: "failed",
}

function callOf(shown: Extract<Shown, { type: "call" }>, viewing: Viewing): SessionUpdate {
  const { callId, first, name, view } = shown
  const fields = callFields(view, viewing)
  const meta = terminalMeta(shown, viewing)
  const rest = { ...fields, ...(meta ? { _meta: meta } : {}) }
  if (!first) return { sessionUpdate: "tool_call_update", toolCallId: callId, ...rest }
  const title = view.title ?? (name === "" ? callId : name)
  return { sessionUpdate: "tool_call", toolCallId: callId, ...rest, title }
}

/** A view as the fields of a call; what is absent did not change. */
export function callFields(view: ToolView, viewing: Viewing): Partial<Omit<ToolCall, "toolCallId">> {
  const full = viewing.tools === "full"
  const { title, kind, status, content, locations, rawInput, rawOutput } = view
  return {
    ...(title === undefined || title === "" ? {} : { title }),
    ...(kind === undefined ? {} : { kind }),
    ...(status === undefined ? {} : { status: STATUS[status] }),
    ...(locations === undefined ? {} : { locations: locations ?? [] }),
    ...(content === undefined || viewing.tools === "off"
      ? {}
      : { content: (content ?? []).flatMap((one) => contentOf(one, viewing)) }),
    ...(rawInput === undefined || !full ? {} : { rawInput }),
    ...(rawOutput === undefined || !full ? {} : { rawOutput }),
  }
}

function contentOf(content: ToolContent, viewing: Viewing): ToolCallContent[] {
  switch (content.type) {
    case "content": {
      const block = blockOf(content.part)
      return block ? [{ type: "content", content: block }] : []
    }
    case "diff": {
      const { path, oldText, newText } = content
      return [{ type: "diff", path, oldText, newText }]
    }
    case "terminal":
      return terminalOf(content, viewing)
    case "other":
      return []
    default:
      return content satisfies never
  }
}

function terminalOf(content: Extract<ToolContent, { type: "terminal" }>, viewing: Viewing): ToolCallContent[] {
  const { owner, terminalId, output = "" } = content
  const mine = owner === "client" || viewing.terminals
  const embedded: ToolCallContent[] = mine && !viewing.replay ? [{ type: "terminal", terminalId }] : []
  if (owner === "client" && !viewing.replay) return embedded
  return output === "" ? embedded : [...embedded, { type: "content", content: { type: "text", text: output } }]
}

function ownTerminal(whole: ToolView) {
  const terminal = whole.content?.find((one) => one.type === "terminal")
  return terminal?.owner === "agent" ? terminal : undefined
}

/** How agents tell of terminals of their own (acp.md §6): what it is, what more it wrote, how it ended. */
function terminalMeta(
  { output: shown, view, whole }: Extract<Shown, { type: "call" }>,
  viewing: Viewing,
): Record<string, unknown> | undefined {
  if (viewing.replay || viewing.tools === "off" || view.content === undefined) return undefined
  const terminal = ownTerminal(whole)
  if (!terminal) return undefined
  const { terminalId: terminal_id, cwd, output = "", exitCode, signal } = terminal
  const ended = exitCode !== undefined || signal !== undefined
  const data = output.startsWith(shown) ? output.slice(shown.length) : ""
  return {
    terminal_info: { terminal_id, ...(cwd === undefined ? {} : { cwd }) },
    ...(data === "" ? {} : { terminal_output: { terminal_id, data } }),
    ...(ended ? { terminal_exit: { terminal_id, exit_code: exitCode ?? null, signal: signal ?? null } } : {}),
  }
}

function outputOf({ callId, text, added, whole }: Extract<Shown, { type: "output" }>, viewing: Viewing): SessionUpdate {
  const terminal = ownTerminal(whole)
  const told = terminal && added !== undefined
  return {
    sessionUpdate: "tool_call_update",
    toolCallId: callId,
    // A client that shows the terminal itself has the text there.
    ...(told && viewing.terminals ? {} : { content: [{ type: "content", content: { type: "text", text } }] }),
    _meta: told ? { terminal_output: { terminal_id: terminal.terminalId, data: added } } : { partial: true },
  }
}

export function entriesOf({ entries, markdown, file }: Plan): PlanEntry[] {
  if (entries.length > 0) return entries
  const content = markdown ?? file
  return content === undefined ? [] : [{ content, priority: "medium", status: "in_progress" }]
}

function usageOf({ used, size, costUsd }: Extract<Shown, { type: "usage" }>, viewing: Viewing): SessionUpdate {
  const cost = costUsd === null || viewing.usage !== "full" ? {} : { cost: { amount: costUsd, currency: "USD" } }
  return { sessionUpdate: "usage_update", used, size, ...cost }
}

function noticeOf({ id, level, text }: Extract<Shown, { type: "notice" }>, viewing: Viewing): SessionUpdate {
  if (viewing.notices && !viewing.replay) return { sessionUpdate: "notice", severity: level, title: text }
  return { sessionUpdate: "agent_message_chunk", messageId: id, content: { type: "text", text: `\n[${text}]\n` } }
}
