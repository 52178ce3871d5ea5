// From the events of a session to what its watchers see, free of any version of ACP. The fold is deterministic: the recorded events
// alone give the same picture as the recorded and the live ones together, which is what makes a replay equal to having been there.
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { Message, Part } from "../../protocol/message.ts"
import type { Plan } from "../../protocol/plan.ts"
import type { SessionFacts } from "../../protocol/session-facts.ts"
import { changedView, type ToolView } from "../../protocol/tool-view.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { kindOf, locationsOf } from "./kind.ts"

export type Shown =
  /** More of a message. `first`: nothing of it was shown before. */
  | { type: "said"; who: "user" | "agent" | "thought"; messageId: string; part: Part; first: boolean }
  /** A call was seen for the first time, or more is known of it. `view`: what changed; `whole`: all that is known; `output`: shown before. */
  | { type: "call"; callId: string; name: string; first: boolean; view: ToolView; whole: ToolView; output: string }
  /** Output of a running call so far, and the part of it that is new; undefined when the text began anew. */
  | { type: "output"; callId: string; text: string; added: string | undefined; whole: ToolView }
  /** All plans of the session after one of them changed. */
  | { type: "plan"; planId: string; plan: Plan | null; all: Plan[] }
  | { type: "usage"; used: number; size: number; costUsd: number | null }
  | { type: "notice"; id: string; level: "info" | "warning"; text: string }
  | { type: "facts"; facts: SessionFacts }
  | { type: "taken-back"; messageIds: string[] }
  | { type: "began"; turnId: string }
  | { type: "ended"; turnId: string; outcome: TurnOutcome }

interface Growing {
  text: number
  thinking: number
  parts: number
}

interface Call {
  turnId: string
  name: string
  view: ToolView
  output: string
  /** The text that was told at the end, and whether the tool said itself what to show. */
  told?: string
  ownContent: boolean
}

const isOpen = ({ view }: Call) => view.status === "pending" || view.status === "in_progress"

export class SessionFold {
  readonly #growing = new Map<string, Growing>()
  readonly #calls = new Map<string, Call>()
  readonly #plans = new Map<string, Plan>()

  /** What one event shows. Call it for every event of the turns that are shown, in their order. */
  apply({ event, turnId, seq }: TurnEnvelope): Shown[] {
    switch (event.type) {
      case "turn.started":
        return event.attempt === 1 ? [{ type: "began", turnId }] : []
      case "message.added":
        return this.#message(event.message)
      case "messages.dropped":
        return [{ type: "taken-back", messageIds: event.messageIds }]
      case "text.delta":
        return this.#delta(event.messageId, "text", event.delta, event.offset)
      case "thinking.delta":
        return this.#delta(event.messageId, "thinking", event.delta, event.offset)
      case "part.added":
        return this.#part(event.messageId, event.part)
      case "tool.started":
        return this.#call(turnId, event.callId, event.name, {
          title: event.title,
          ...guessed(event.name, event.args),
          ...event.view,
          status: "in_progress",
        })
      case "tool.changed":
        return this.#call(turnId, event.callId, "", event.view)
      case "tool.updated":
        return this.#output(event.callId, event.output)
      case "tool.ended":
        return this.#callEnded(turnId, event)
      case "approval.requested":
        return this.#asked(turnId, event.approval)
      case "notice.posted":
        return [{ type: "notice", id: `notice:${seq ?? turnId}`, level: event.level, text: event.text }]
      case "plan.updated":
        return this.#plan(event.planId, event.plan)
      case "context.measured": {
        const { usedTokens, windowTokens, costUsd } = event
        return windowTokens === null ? [] : [{ type: "usage", used: usedTokens, size: windowTokens, costUsd }]
      }
      case "session.described":
        return [{ type: "facts", facts: event.facts }]
      case "turn.ended":
        return [...this.#close(turnId), { type: "ended", turnId, outcome: event.outcome }]
      case "approval.resolved":
      case "turn.interrupted":
      case "update.received":
      // Shown when the session is loaded anew: what came before and after them is on the screen already.
      case "messages.restored":
      case "turn.queued":
      case "model.started":
      case "usage.updated":
        return []
      default:
        return event satisfies never
    }
  }

  #delta(messageId: string, kind: "text" | "thinking", delta: string, offset: number): Shown[] {
    const grown = this.#growing.get(messageId) ?? { text: 0, thinking: 0, parts: 0 }
    const known = grown[kind]
    // A gap: who came in the middle gets the message whole when it is recorded.
    if (offset > known || offset + delta.length <= known) return []
    this.#growing.set(messageId, grown)
    const text = delta.slice(known - offset)
    grown[kind] += text.length
    return [said(kind, messageId, text, known === 0)]
  }

  #part(messageId: string, part: Part): Shown[] {
    const grown = this.#growing.get(messageId) ?? { text: 0, thinking: 0, parts: 0 }
    this.#growing.set(messageId, grown)
    grown.parts += 1
    return [{ type: "said", who: "agent", messageId, part, first: grown.text === 0 && grown.parts === 1 }]
  }

  /** What of a recorded message was not shown as it came. */
  #message(message: Message): Shown[] {
    if (message.role === "tool") return message.content.flatMap((part) => this.#result(part))
    if (message.role === "user") return message.synthetic ? [] : userMessage(message)
    const grown = this.#growing.get(message.id) ?? { text: 0, thinking: 0, parts: 0 }
    this.#growing.delete(message.id)
    const shown: Shown[] = []
    const seen = { text: 0, thinking: 0, parts: 0 }
    for (const part of message.content) {
      if (part.type === "text" || part.type === "thinking") {
        const kind = part.type
        const text = part.text.slice(Math.max(0, grown[kind] - seen[kind]))
        if (text !== "") shown.push(said(kind, message.id, text, grown[kind] === 0 && seen[kind] === 0))
        seen[kind] += part.text.length
      } else if (part.type !== "tool.call" && part.type !== "tool.result") {
        seen.parts += 1
        const first = grown.text + grown.parts === 0 && seen.text === 0 && seen.parts === 1
        if (seen.parts > grown.parts) shown.push({ type: "said", who: "agent", messageId: message.id, part, first })
      }
    }
    return shown
  }

  /** A result holds more than the end of its call said: what was cut, and images. */
  #result(part: Part): Shown[] {
    if (part.type !== "tool.result") return []
    const call = this.#calls.get(part.callId)
    if (!call || call.ownContent) return []
    const text = part.content.map((one) => (one.type === "text" ? one.text : "")).join("\n")
    const images = part.content.some((one) => one.type === "image")
    if (!images && (text === "" || text === call.told)) return []
    return this.#call(call.turnId, part.callId, part.name, {
      content: part.content.map((one) => ({ type: "content", part: one })),
    })
  }

  #call(turnId: string, callId: string, name: string, change: ToolView): Shown[] {
    const known = this.#calls.get(callId)
    const view = known ? changedOnly(known.view, change) : change
    if (known && Object.keys(view).length === 0) return []
    const call = known ?? { turnId, name, view: {}, output: "", ownContent: false }
    call.view = changedView(call.view, change)
    if (name !== "") call.name = name
    this.#calls.set(callId, call)
    const { output } = call
    return [{ type: "call", callId, name: call.name, first: known === undefined, view, whole: call.view, output }]
  }

  #callEnded(
    turnId: string,
    { callId, name, isError, text, details, view }: Extract<TurnEnvelope["event"], { type: "tool.ended" }>,
  ): Shown[] {
    const before = this.#calls.get(callId)
    const ownContent = Array.isArray(view?.content) || (before?.ownContent ?? false) || hasRich(before?.view)
    const rawOutput = view?.rawOutput ?? (isRecord(details) ? { text, ...details } : { text })
    const shown = this.#call(turnId, callId, name, {
      ...(ownContent || (text === "" && !before?.output)
        ? {}
        : { content: text === "" ? [] : [{ type: "content", part: { type: "text", text } }] }),
      ...view,
      rawOutput,
      status: view?.status === "canceled" ? "canceled" : isError ? "failed" : "completed",
    })
    const call = this.#calls.get(callId)!
    call.told = text
    call.ownContent = ownContent
    return shown
  }

  #output(callId: string, text: string): Shown[] {
    const call = this.#calls.get(callId)
    if (!call || text === call.output) return []
    const added = text.startsWith(call.output) ? text.slice(call.output.length) : undefined
    call.output = text
    return [{ type: "output", callId, text, added, whole: call.view }]
  }

  #asked(
    turnId: string,
    approval: Extract<TurnEnvelope["event"], { type: "approval.requested" }>["approval"],
  ): Shown[] {
    const { callId, tool, args, summary, kind, view } = approval
    if (callId === "" || kind === "question" || this.#calls.has(callId)) return []
    return this.#call(turnId, callId, tool, { title: summary, ...guessed(tool, args), ...view, status: "pending" })
  }

  #plan(planId: string, plan: Plan | null): Shown[] {
    if (plan) this.#plans.set(planId, plan)
    else if (!this.#plans.delete(planId)) return []
    return [{ type: "plan", planId, plan, all: [...this.#plans.values()] }]
  }

  /** Nothing of a turn that has ended is still on its way. */
  #close(turnId: string): Shown[] {
    const shown: Shown[] = []
    for (const [callId, call] of this.#calls) {
      if (call.turnId !== turnId) continue
      if (isOpen(call)) shown.push(...this.#call(turnId, callId, "", { status: "canceled" }))
      this.#calls.delete(callId)
    }
    return shown
  }
}

function said(kind: "text" | "thinking", messageId: string, text: string, first: boolean): Shown {
  const who = kind === "text" ? "agent" : "thought"
  return { type: "said", who, messageId, part: { type: "text", text }, first }
}

function userMessage({ id, content }: Message): Shown[] {
  const parts = content.filter((part) => part.type !== "tool.call" && part.type !== "tool.result")
  return parts.map((part, i) => ({ type: "said", who: "user", messageId: id, part, first: i === 0 }))
}

function guessed(name: string, args: Record<string, unknown>): ToolView {
  const locations = locationsOf(args)
  return { kind: kindOf(name), rawInput: args, ...(locations.length > 0 ? { locations } : {}) }
}

function hasRich(view: ToolView | undefined): boolean {
  return view?.content?.some((one) => one.type !== "content") ?? false
}

/** Only what is not already so. */
function changedOnly(view: ToolView, change: ToolView): ToolView {
  const kept = Object.entries(change).filter(([key, value]) => {
    const now: unknown = Reflect.get(view, key)
    return value !== undefined && JSON.stringify(now ?? null) !== JSON.stringify(value)
  })
  return Object.fromEntries(kept)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
