// The tool calls of an external agent as they happen: each begun and ended once in the log, what changes between in bounded bursts, and
// the transcript gets the call with its result. Everything here runs in the order in which the agent said it.
import { uuid } from "../base/id.ts"
import { cut } from "../base/text.ts"
import type { CallFacts } from "../policy/scene.ts"
import type { TaintMark } from "../protocol/decision.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Message } from "../protocol/message.ts"
import { changedView, type ToolView } from "../protocol/tool-view.ts"
import type { HostedEvent } from "./harness.ts"
import { argsOf, hostedFacts } from "./hosted-facts.ts"
import type { HostedRoom } from "./hosted-room.ts"
import { bounded, keptView, resultContent, type TerminalLook } from "./kept-view.ts"

const CHANGED_MS = 100
const EVENT_TEXT = 4_000
/** Calls of one turn that are remembered; an agent that makes more has gone astray. */
const MAX_CALLS = 10_000

export type ToolEvent = Extract<HostedEvent, { type: "tool" }>

/** One call while it runs. */
export interface HostedEntry {
  readonly callId: string
  /** As it stands in the log: the canonical name, or the agent's own. */
  readonly name: string
  readonly startedAt: number
  /** The agent's own name of the tool. */
  told: string | undefined
  /** All that the agent said of it, whole. */
  view: ToolView
  /** What is kept and shown of that. */
  shown: ToolView
  /** What has not been recorded yet. */
  unrecorded: ToolView | undefined
  recordedAt: number
  cancelTimer: (() => void) | undefined
}

/** Looks at every change of a call. */
export interface CallWatch {
  changed(entry: HostedEntry): Promise<void>
  ended(entry: HostedEntry): Promise<CallEnd>
}

export interface CallEnd {
  /** What its result brings in from outside. */
  taint: TaintMark[]
  /** Why leave was refused; the agent's own words for that may say anything. */
  denied?: string
}

export interface CallLog {
  /** Records these facts now, behind the message that was being written. */
  begin(events: RecordedEvent[]): Promise<void>
  record(events: RecordedEvent[]): Promise<void>
  /** Runs it in its turn. */
  later(task: () => Promise<void>): void
  by(): { provider: string; model?: string }
}

/** The facts of a call as far as its agent has told of it. */
export function toldFacts(
  { cwd, ports, request }: HostedRoom,
  { name, view }: { name?: string | undefined; view: ToolView },
): Promise<CallFacts> {
  const room = { agentId: request.agentId, cwd, settings: ports.toolSettings }
  return hostedFacts({ ...(name === undefined ? {} : { name }), view }, room)
}

export class HostedCalls {
  readonly #room: HostedRoom
  readonly #log: CallLog
  readonly #watch: CallWatch
  readonly #terminal: TerminalLook
  readonly #open = new Map<string, HostedEntry>()
  readonly #ended = new Set<string>()

  constructor(room: HostedRoom, log: CallLog, watch: CallWatch, terminal: TerminalLook) {
    this.#room = room
    this.#log = log
    this.#watch = watch
    this.#terminal = terminal
  }

  entry(callId: string): HostedEntry | undefined {
    return this.#open.get(callId)
  }

  /** The call that shows this terminal. */
  showing(terminalId: string): { callId: string; name: string } | undefined {
    for (const { callId, name, view } of this.#open.values())
      if (view.content?.some((one) => one.type === "terminal" && one.terminalId === terminalId)) return { callId, name }
    return undefined
  }

  async upsert({ callId, name, view }: ToolEvent): Promise<void> {
    if (this.#ended.has(callId)) return
    const known = this.#open.get(callId)
    const entry = known ?? (await this.#begin(callId, name, view))
    if (!entry) return
    if (known) {
      known.told ??= name
      known.view = changedView(known.view, view)
    }
    await this.#watch.changed(entry)
    const { status } = entry.view
    if (status === "completed" || status === "failed" || status === "canceled") await this.#end(entry, status)
    else if (known) await this.#change(entry, view)
  }

  async #begin(callId: string, told: string | undefined, view: ToolView): Promise<HostedEntry | undefined> {
    if (this.#ended.size + this.#open.size >= MAX_CALLS) return undefined
    const { clock } = this.#room.ports
    const { tool: name } = await toldFacts(this.#room, { name: told, view })
    const shown = this.#kept(view)
    const now = clock.now()
    const args = this.#args(view)
    const title = shown.title ?? name
    await this.#log.begin([{ type: "tool.started", callId, name, args, title, view: shown }])
    const entry: HostedEntry = {
      ...{ callId, name, told, view, shown, startedAt: now, recordedAt: 0 },
      ...{ unrecorded: undefined, cancelTimer: undefined },
    }
    this.#open.set(callId, entry)
    return entry
  }

  #args(view: ToolView): Record<string, unknown> {
    return this.#room.ports.redactor.value(argsOf({ rawInput: bounded(view.rawInput) }))
  }

  #kept(view: ToolView): ToolView {
    return keptView(view, this.#room.ports.redactor, this.#terminal)
  }

  async #change(entry: HostedEntry, view: ToolView): Promise<void> {
    const change = this.#kept(view)
    const next = changedView(entry.shown, change)
    if (JSON.stringify(next) === JSON.stringify(entry.shown)) return
    entry.shown = next
    entry.unrecorded = { ...entry.unrecorded, ...change }
    const wait = entry.recordedAt + CHANGED_MS - this.#room.ports.clock.now()
    if (wait <= 0) return this.#flush(entry)
    entry.cancelTimer ??= this.#room.ports.clock.after(wait, () => this.#log.later(() => this.#flush(entry)))
  }

  async #flush(entry: HostedEntry): Promise<void> {
    entry.cancelTimer?.()
    entry.cancelTimer = undefined
    const { unrecorded: view } = entry
    if (!view || !this.#open.has(entry.callId)) return
    entry.unrecorded = undefined
    entry.recordedAt = this.#room.ports.clock.now()
    await this.#log.record([{ type: "tool.changed", callId: entry.callId, view }])
  }

  async #end(entry: HostedEntry, status: "completed" | "failed" | "canceled"): Promise<void> {
    const { callId, name, startedAt } = entry
    const { clock } = this.#room.ports
    entry.cancelTimer?.()
    this.#open.delete(callId)
    this.#ended.add(callId)
    entry.view = { ...entry.view, status }
    const { denied, taint } = await this.#watch.ended(entry)
    // Once more as a whole: what its terminals showed is known only now.
    const view = this.#kept(entry.view)
    const { call, result } = this.#told(entry, view, taint)
    const said = result.content.map((part) => (part.type === "tool.result" ? textOf(part.content) : "")).join("")
    const text = denied ?? said
    const details = { ...(denied === undefined ? {} : { denied: true }), ...(taint.length > 0 ? { taint } : {}) }
    const ended: RecordedEvent = {
      type: "tool.ended",
      callId,
      name,
      isError: status !== "completed",
      text: text.length > EVENT_TEXT ? `${cut(text, EVENT_TEXT)}…` : text,
      durationMs: clock.now() - startedAt,
      ...(Object.keys(details).length > 0 ? { details: this.#room.ports.redactor.value(details) } : {}),
      view,
    }
    this.#room.messages.push(call, result)
    await this.#log.record([
      { type: "message.added", message: call },
      ended,
      { type: "message.added", message: result },
    ])
  }

  /** The call and its result as messages, once its arguments are known for good. */
  #told({ callId, name }: HostedEntry, view: ToolView, taint: TaintMark[]): { call: Message; result: Message } {
    const at = this.#room.ports.clock.now()
    const { turnId } = this.#room.scope.fence
    const content = resultContent(view)
    const isError = view.status !== "completed"
    const marks = taint.length > 0 ? { taint } : {}
    return {
      call: {
        id: uuid(at),
        role: "assistant",
        content: [{ type: "tool.call", callId, name, args: this.#args(view) }],
        at,
        turnId,
        ...this.#log.by(),
      },
      result: {
        id: uuid(at),
        role: "tool",
        content: [{ type: "tool.result", callId, name, content, isError, ...marks }],
        at,
        turnId,
      },
    }
  }

  /** The turn is over: what still runs is canceled. */
  async endAll(): Promise<void> {
    for (const entry of [...this.#open.values()]) await this.#end(entry, "canceled")
  }
}

function textOf(content: readonly { type: string; text?: string; mimeType?: string }[]): string {
  return content.map((part) => part.text ?? `[${part.mimeType} image]`).join("\n")
}
