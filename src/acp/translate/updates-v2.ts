// What is shown, as the updates of ACP v2, a draft (acp.md §11): upserts by id, terminals of the agent's own, states. Pure.
import type { SessionUpdate, ToolCallContent } from "@agentclientprotocol/sdk/experimental/v2"
import type { ToolContent, ToolStatus, ToolView } from "../../protocol/tool-view.ts"
import { blockOf } from "./blocks.ts"
import type { Shown } from "./shown.ts"
import { stopReasonOf } from "./stop.ts"
import { entriesOf, type Viewing } from "./updates.ts"
import { gitPatch } from "./whole-patch.ts"

export function updatesV2(shown: Shown, viewing: Viewing): SessionUpdate[] {
  switch (shown.type) {
    case "said":
      return saidOf(shown, viewing)
    case "call":
      return [...terminalsOf(shown), callOf(shown.callId, shown.view, viewing)]
    case "output":
      return viewing.tools === "off" ? [] : outputOf(shown)
    case "plan": {
      const { plan, planId } = shown
      return [{ sessionUpdate: "plan_update", plan: { type: "items", planId, entries: plan ? entriesOf(plan) : [] } }]
    }
    case "usage": {
      if (viewing.usage === "off") return []
      const { costUsd, size, used } = shown
      const cost = costUsd === null || viewing.usage !== "full" ? {} : { cost: { amount: costUsd, currency: "USD" } }
      return [{ sessionUpdate: "usage_update", used, size, ...cost }]
    }
    case "notice":
      return [
        {
          sessionUpdate: "agent_message",
          messageId: shown.id,
          content: [{ type: "text", text: `[${shown.text}]` }],
        },
      ]
    case "facts": {
      const { title } = shown.facts
      return title === undefined ? [] : [{ sessionUpdate: "session_info_update", title }]
    }
    case "taken-back":
      return []
    case "began":
      return viewing.replay ? [] : [{ sessionUpdate: "state_update", state: "running" }]
    case "ended":
      return viewing.replay ? [] : [endOf(shown)]
    default:
      return shown satisfies never
  }
}

function saidOf({ who, messageId, part }: Extract<Shown, { type: "said" }>, viewing: Viewing): SessionUpdate[] {
  if (who === "thought" && !viewing.thoughts) return []
  const content = blockOf(part)
  if (!content) return []
  switch (who) {
    case "user":
      return [{ sessionUpdate: "user_message_chunk", content, messageId }]
    case "agent":
      return [{ sessionUpdate: "agent_message_chunk", content, messageId }]
    case "thought":
      return [{ sessionUpdate: "agent_thought_chunk", content, messageId }]
    default:
      return who satisfies never
  }
}

function endOf({ outcome }: Extract<Shown, { type: "ended" }>): SessionUpdate {
  const stop = stopReasonOf(outcome)
  // The union has a member for each reason, and one for any other text.
  if (typeof stop === "string")
    return { sessionUpdate: "state_update", state: "idle", stopReason: stop } as SessionUpdate
  const { code, message, data } = stop
  return { sessionUpdate: "state_update", state: "idle", stopReason: "error", error: { code, message, data } }
}

const STATUS: Readonly<Record<ToolStatus, string>> = {
  pending: "pending",
  in_progress: "in_progress",
  completed: "completed",
  failed: "failed",
  canceled: "cancelled",
}

/** A view as an upsert of the call. */
export function callOf(toolCallId: string, view: ToolView, viewing: Viewing) {
  const { title, kind, status, content, locations, rawInput, rawOutput } = view
  const full = viewing.tools === "full"
  return {
    sessionUpdate: "tool_call_update" as const,
    toolCallId,
    ...(title === undefined ? {} : { title }),
    ...(kind === undefined ? {} : { kind }),
    ...(status === undefined ? {} : { status: STATUS[status] }),
    ...(locations === undefined ? {} : { locations }),
    ...(content === undefined || viewing.tools === "off"
      ? {}
      : { content: content === null ? null : content.flatMap(contentOf) }),
    ...(rawInput === undefined || !full ? {} : { rawInput }),
    ...(rawOutput === undefined || !full ? {} : { rawOutput }),
  }
}

function contentOf(content: ToolContent): ToolCallContent[] {
  switch (content.type) {
    case "content": {
      const block = blockOf(content.part)
      return block ? [{ type: "content", content: block }] : []
    }
    case "diff": {
      const { path, oldText, newText } = content
      const change = oldText === null ? { operation: "add" as const, path } : { operation: "modify" as const, path }
      const text = gitPatch(path, oldText, newText)
      return [{ type: "diff", changes: [change], patch: { format: "git_patch", text } }]
    }
    case "terminal":
      return [{ type: "terminal", terminalId: content.terminalId }]
    case "other":
      return []
    default:
      return content satisfies never
  }
}

const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64")

/** The terminals that a change of the call shows, whole. */
function terminalsOf({ view }: Extract<Shown, { type: "call" }>): SessionUpdate[] {
  return (view.content ?? []).flatMap((one): SessionUpdate[] => {
    if (one.type !== "terminal") return []
    const { terminalId, command, cwd, output, exitCode, signal } = one
    const ended = exitCode !== undefined || signal !== undefined
    return [
      {
        sessionUpdate: "terminal_update",
        terminalId,
        ...(command === undefined ? {} : { command }),
        ...(cwd === undefined ? {} : { cwd }),
        ...(output === undefined ? {} : { output: { data: base64(output) } }),
        ...(ended ? { exitStatus: { exitCode: exitCode ?? null, signal: signal ?? null } } : {}),
      },
    ]
  })
}

function outputOf({ callId, text, added, whole }: Extract<Shown, { type: "output" }>): SessionUpdate[] {
  const terminal = whole.content?.find((one) => one.type === "terminal")
  if (!terminal)
    return [
      {
        sessionUpdate: "tool_call_update",
        toolCallId: callId,
        content: [{ type: "content", content: { type: "text", text } }],
      },
    ]
  const { terminalId } = terminal
  return added === undefined
    ? [{ sessionUpdate: "terminal_update", terminalId, output: { data: base64(text) } }]
    : [{ sessionUpdate: "terminal_output_chunk", terminalId, data: base64(added) }]
}
