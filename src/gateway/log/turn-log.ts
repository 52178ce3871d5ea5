// One line of the log for each turn that begins or ends, with sizes and never with words: what was said stays in the session. The names
// of these fields are those that operators of the original look for (CG-LOG-02).
import type { Logger } from "../../base/log.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { Message, Part } from "../../protocol/message.ts"

interface Sizes {
  startedAt: number
  channel: string
  message_content_length: number
  assistant_content_length: number
  output_content_length: number
  /** Messages that this turn added. */
  transcript_length: number
}

/** Turns that are measured at once, at most. */
const MAX_OPEN = 10_000

/** Listens to turns and writes them down. The returned function is what the hub calls. */
export function turnLog(log: Logger): (envelope: TurnEnvelope) => void {
  const open = new Map<string, Sizes>()
  return (envelope) => {
    const { turnId, at, event } = envelope
    const address = { sessionKey: envelope.sessionKey, agentId: envelope.agentId, turnId }
    if (event.type === "turn.started") {
      if (open.size < MAX_OPEN && !open.has(turnId)) open.set(turnId, emptySizes(at, envelope.sessionKey))
      log.debug({ ...address, component: "turn", attempt: event.attempt }, "A turn began")
      return
    }
    const sizes = open.get(turnId)
    if (sizes && event.type === "message.added") measure(sizes, event.message)
    if (sizes && event.type === "tool.ended") sizes.output_content_length += event.text.length
    if (event.type === "turn.interrupted") {
      open.delete(turnId)
      log.warn({ ...address, component: "turn", reason: event.reason }, "A turn was cut off")
    }
    if (event.type !== "turn.ended") return
    open.delete(turnId)
    const { outcome } = event
    const { startedAt, ...counted } = sizes ?? { startedAt: undefined }
    const fields = {
      ...address,
      component: "turn",
      status: outcome.status,
      ...(startedAt === undefined ? {} : { durationMs: at - startedAt }),
      ...counted,
      ...(outcome.error ? { error: outcome.error.message } : {}),
    }
    if (outcome.status === "failed") log.warn(fields, "A turn failed")
    else log.info(fields, "A turn ended")
  }
}

function emptySizes(startedAt: number, sessionKey: string): Sizes {
  return {
    startedAt,
    channel: channelOf(sessionKey),
    message_content_length: 0,
    assistant_content_length: 0,
    output_content_length: 0,
    transcript_length: 0,
  }
}

/** The kind of a session stands after its agent: "agent:main:telegram:…". */
function channelOf(sessionKey: string): string {
  return sessionKey.split(":")[2] ?? sessionKey
}

function measure(sizes: Sizes, message: Message): void {
  sizes.transcript_length += 1
  const length = message.content.reduce((sum, part) => sum + lengthOf(part), 0)
  if (message.role === "user") sizes.message_content_length += length
  if (message.role === "assistant") sizes.assistant_content_length += length
}

function lengthOf(part: Part): number {
  return part.type === "text" ? part.text.length : 0
}
