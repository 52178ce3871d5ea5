// Which text from outside a conversation has read. The marks lie on the messages that brought it, so a turn is tainted exactly while
// its model sees such a message: also in later turns, and no more once the message is gone (reset, edit).

import { isInside } from "../policy/decide.ts"
import type { CallFacts } from "../policy/scene.ts"
import type { Decision, TaintMark } from "../protocol/decision.ts"
import type { Message } from "../protocol/message.ts"
import type { Origin } from "../protocol/turn.ts"

/** More marks say nothing new. */
const MAX_MARKS = 20

/** The marks of all messages, each source and detail once, the newest so many. */
export function taintOf(messages: readonly Message[]): TaintMark[] {
  const marks = new Map<string, TaintMark>()
  const add = (mark: TaintMark) => {
    const key = `${mark.source} ${mark.detail}`
    marks.delete(key)
    marks.set(key, mark)
  }
  for (const message of messages) {
    for (const mark of message.taint ?? []) add(mark)
    for (const part of message.content) if (part.type === "tool.result") for (const mark of part.taint ?? []) add(mark)
  }
  return [...marks.values()].slice(-MAX_MARKS)
}

/** What a carried-out call brings into the conversation. */
export function taintOfCall(call: CallFacts, decision: Decision, workspace: string, callId: string): TaintMark[] {
  const marks: TaintMark[] = []
  if (call.from === "mcp" && !call.trusted) marks.push({ source: "mcp", detail: call.tool, callId })
  for (const host of call.hosts) marks.push({ source: "web", detail: host, callId })
  for (const path of call.reads) if (!isInside(path, workspace)) marks.push({ source: "outside", detail: path, callId })
  if (call.class === "exec" && decision.placement.type === "host")
    marks.push({ source: "host", detail: call.command?.text.slice(0, 120) ?? call.tool, callId })
  return marks.slice(0, MAX_MARKS)
}

/** What a message of the user brings in by where it comes from. */
export function taintOfOrigin(origin: Origin): TaintMark[] {
  if (!origin.stranger) return []
  return [{ source: "channel", detail: [origin.channel, origin.sender].filter(Boolean).join(":") || origin.door }]
}
