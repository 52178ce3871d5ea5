// How a finished call is told: as a result that the model reads, and as an event for everybody who watches.
import { uuid } from "../base/id.ts"
import type { TaintMark } from "../protocol/decision.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Message, ToolCallPart } from "../protocol/message.ts"
import type { ToolResult } from "../tools/tool.ts"
import type { CallRoom } from "./scene.ts"
import { afterView } from "./view.ts"

/** How much of a result's text goes into the tool.ended event; the whole is in the message. */
const EVENT_TEXT = 4_000

/** `taint`: what the result brings into the conversation from outside. */
export function tell(
  room: CallRoom,
  call: ToolCallPart,
  name: string,
  result: ToolResult,
  durationMs: number,
  taint: TaintMark[],
): { message: Message; ended: RecordedEvent } {
  const at = room.ports.clock.now()
  const { content, isError, details } = result
  const text = content.map((part) => (part.type === "text" ? part.text : `[${part.mimeType} image]`)).join("\n")
  const marks = taint.length > 0 ? { taint } : {}
  const shown = details || taint.length > 0 ? { details: room.ports.redactor.value({ ...details, ...marks }) } : {}
  const view = afterView(result, call.callId, room.ports, room.scope.signal.aborted)
  return {
    message: {
      id: uuid(at),
      role: "tool",
      content: [{ type: "tool.result", callId: call.callId, name, content, isError, ...marks }],
      at,
      turnId: room.scope.fence.turnId,
    },
    ended: {
      type: "tool.ended",
      callId: call.callId,
      name,
      isError,
      text: text.length > EVENT_TEXT ? `${text.slice(0, EVENT_TEXT)}…` : text,
      durationMs,
      ...shown,
      ...(view ? { view } : {}),
    },
  }
}
