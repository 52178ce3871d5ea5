// An activity list as recorded events again: the inverse of ActivityLog, so that a session that was exported, imported and exported
// again is the same. Pure.
import { isObject, parseJson } from "../../base/json.ts"
import type { RecordedEvent } from "../../protocol/event.ts"
import { type Message, NO_USAGE, type Part } from "../../protocol/message.ts"
import type { Activity } from "./activity.ts"
import type { StreamEvent } from "./stream.ts"

export interface Restored {
  turnId: string
  /** ms since 1970. */
  at: number
  event: RecordedEvent
}

/** What a turn has told so far. */
interface Teller {
  thinking: string
  /** What the next call was shown as. */
  title: string
  open: { callId: string; name: string } | undefined
  ended: boolean
}

export function restore(activities: readonly Activity[]): Restored[] {
  const out: Restored[] = []
  const tellers = new Map<string, Teller>()
  for (const [i, activity] of activities.entries()) {
    const turnId = activity.request_id ?? `imported-${i}`
    const at = Date.parse(activity.timestamp) || 0
    const put = (event: RecordedEvent) => out.push({ turnId, at, event })
    let teller = tellers.get(turnId)
    // What was said after the end belongs to the turn and begins no other.
    if (!teller || (teller.ended && activity.type !== "event")) {
      teller = { thinking: "", title: "", open: undefined, ended: false }
      tellers.set(turnId, teller)
      put({ type: "turn.started", attempt: 1 })
    }
    const id = `${turnId}:${i}`
    if (activity.type === "prompt")
      put({
        type: "message.added",
        message: said(id, "user", [{ type: "text", text: activity.prompt ?? "" }], at, turnId),
      })
    else if (activity.type === "event" && activity.event) tell(put, teller, activity.event, id, at, turnId)
    else if (activity.type !== "event") {
      teller.ended = true
      put(ending(activity))
    }
  }
  return out
}

function said(id: string, role: Message["role"], content: Part[], at: number, turnId: string): Message {
  return { id, role, content, at, turnId }
}

function ending({ content, error, type }: Activity): RecordedEvent {
  const end =
    type === "result"
      ? { status: "completed" as const, stop: "end_turn" as const, text: content ?? "" }
      : {
          status: "failed" as const,
          stop: "error" as const,
          text: "",
          error: { code: "UNKNOWN", message: error ?? "" },
        }
  return { type: "turn.ended", outcome: { ...end, usage: NO_USAGE } }
}

function tell(
  put: (event: RecordedEvent) => void,
  teller: Teller,
  event: StreamEvent,
  id: string,
  at: number,
  turnId: string,
): void {
  const add = (role: Message["role"], content: Part[]) =>
    put({ type: "message.added", message: said(id, role, content, at, turnId) })
  const thought = (): Part[] => {
    const text = teller.thinking
    teller.thinking = ""
    return text === "" ? [] : [{ type: "thinking", text }]
  }
  switch (event.type) {
    case "thinking_delta":
      teller.thinking += event.content
      break
    case "output_final":
      add("assistant", [...thought(), { type: "text", text: event.content }])
      break
    case "tool_start":
      teller.title = event.content
      break
    case "tool_input": {
      const name = event.name ?? "tool"
      const callId = `${id}:call`
      const args = argsOf(event.input)
      teller.open = { callId, name }
      add("assistant", [...thought(), { type: "tool.call", callId, name, args }])
      put({ type: "tool.started", callId, name, args, title: teller.title })
      break
    }
    case "tool_output":
    case "error": {
      const { open } = teller
      if (!open) break
      teller.open = undefined
      const isError = event.type === "error"
      const text = event.output ?? event.content
      put({ type: "tool.ended", callId: open.callId, name: open.name, isError, text, durationMs: 0 })
      add("tool", [{ type: "tool.result", ...open, content: [{ type: "text", text }], isError }])
      break
    }
    default:
      break
  }
}

function argsOf(input: string | undefined): Record<string, unknown> {
  try {
    const value = parseJson(input ?? "{}")
    return isObject(value) ? value : { input: value }
  } catch (error) {
    if (error instanceof SyntaxError) return { input }
    throw error
  }
}
