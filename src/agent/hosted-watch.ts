// What an external agent does without asking. Nobody can stop a call that its process has made; but one that policy denies ends the
// turn at once, one that it would have asked about is written down as such and told, and what it brings in from outside is marked.
// A question that nobody could have answered counts as a question here: there is nothing left to refuse.
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import type { CallFacts } from "../policy/scene.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { HostedCall, HostedLeave } from "./harness.ts"
import { type CallEnd, type CallWatch, type HostedCalls, type HostedEntry, toldFacts } from "./hosted-calls.ts"
import { auditCall, type HostedLeaves, summaryOf } from "./hosted-leave.ts"
import { actorOf, type HostedRoom } from "./hosted-room.ts"
import { type Judgement, judgeFacts } from "./scene.ts"
import { taintOfCall } from "./taint.ts"

/** What we did for the agent: files read and written, terminals run. Calls that only tell of that were judged then. */
export interface OwnDeeds {
  readonly paths: Set<string>
  readonly terminals: Set<string>
}

interface Standing {
  /** What it was allowed for. */
  leave?: Judgement
  /** Why leave was refused: by a rule, or by a human. */
  refused?: string
  /** The turn was ended for it. */
  reported?: boolean
}

export class HostedWatch implements CallWatch {
  readonly #room: HostedRoom
  readonly #leaves: HostedLeaves
  readonly #deeds: OwnDeeds
  readonly #record: (events: RecordedEvent[]) => Promise<void>
  readonly #standings = new Map<string, Standing>()
  #noticed = false

  constructor(
    room: HostedRoom,
    leaves: HostedLeaves,
    deeds: OwnDeeds,
    record: (events: RecordedEvent[]) => Promise<void>,
  ) {
    this.#room = room
    this.#leaves = leaves
    this.#deeds = deeds
    this.#record = record
  }

  /** Leave for a call that has been told of. */
  async leave({ callId, name, view }: HostedCall, calls: HostedCalls): Promise<HostedLeave> {
    const told = () => {
      const entry = calls.entry(callId)
      return entry ? { name: entry.told, view: entry.view } : { name, view }
    }
    const { content, kind, locations, title } = told().view
    const permission = await this.#leaves.permit({
      callId,
      facts: () => toldFacts(this.#room, told()),
      claims: { name: told().name, title, kind, content, locations },
      title: title ?? name ?? kind ?? "",
      by: actorOf(this.#room),
    })
    switch (permission.type) {
      case "allowed":
        this.#standings.set(callId, { leave: permission.verdict })
        return { type: "allowed", always: false }
      case "denied": {
        const reason = this.#room.ports.redactor.text(permission.reason)
        this.#standings.set(callId, { refused: reason })
        return { type: "denied", reason, always: false }
      }
      case "canceled":
        return { type: "canceled" }
      default:
        throw new TypeError(`Unknown permission ${JSON.stringify(permission satisfies never)}`)
    }
  }

  async changed(entry: HostedEntry): Promise<void> {
    if (entry.view.status === "in_progress") await this.#look(entry)
  }

  async ended(entry: HostedEntry): Promise<CallEnd> {
    const { status } = entry.view
    const standing = this.#standings.get(entry.callId)
    // What was refused and failed was not done.
    if (standing?.refused !== undefined && status !== "completed") return { taint: [], denied: standing.refused }
    if (status === "canceled" && !standing?.leave) return { taint: [] }
    const verdict = await this.#look(entry)
    if (verdict.decision.verdict === "deny") return { taint: [] }
    await this.#writeDown(entry, verdict)
    const { cwd } = this.#room
    return { taint: taintOfCall(verdict.facts, verdict.decision, cwd, entry.callId) }
  }

  /** Ends the turn when the call is one that is denied. */
  async #look(entry: HostedEntry): Promise<Judgement> {
    const standing = this.#standings.get(entry.callId) ?? {}
    const facts = await toldFacts(this.#room, { name: entry.told, view: entry.view })
    if (standing.leave && covers(standing.leave.facts, facts)) return standing.leave
    const verdict = await judgeFacts(this.#room, facts, true, actorOf(this.#room))
    if (verdict.decision.verdict !== "deny") {
      // Whoever allowed what nobody knew allowed what it turned out to be.
      return standing.leave?.facts.tool.startsWith("acp:") ? standing.leave : verdict
    }
    if (standing.reported) return verdict
    this.#standings.set(entry.callId, { ...standing, reported: true })
    const { reason, rule } = verdict.decision
    const wish = wishOf(entry)
    const what = excerpt(summaryOf(this.#room, wish, facts), 200)
    await auditCall(this.#room, wish, verdict, {
      type: "effect",
      verdict: "deny",
      outcome: "uncertain",
      rule,
      reason,
      details: { asked: false },
    })
    const text = `The agent did this without leave: ${what}. ${reason} (${rule}). The turn was ended`
    this.#room.stop({ type: "refused", error: new PincerError("PERMISSION_DENIED", text) })
    return verdict
  }

  /** The effect in the audit, and whether anybody was asked. */
  async #writeDown(entry: HostedEntry, verdict: Judgement): Promise<void> {
    if (isOurs(entry, verdict.facts, this.#deeds)) return
    const standing = this.#standings.get(entry.callId)
    const { status } = entry.view
    const outcome = status === "completed" ? "done" : status === "failed" ? "failed" : "canceled"
    const durationMs = this.#room.ports.clock.now() - entry.startedAt
    const unasked = verdict.decision.verdict === "ask" && standing?.leave !== verdict
    const { reason, rule } = verdict.decision
    const marks = unasked ? { rule, reason, details: { asked: standing?.refused !== undefined, allowed: false } } : {}
    await auditCall(this.#room, wishOf(entry), verdict, { type: "effect", outcome, durationMs, ...marks })
    if (!unasked) return
    const what = excerpt(summaryOf(this.#room, wishOf(entry), verdict.facts), 200)
    if (standing?.refused !== undefined)
      await this.#record([notice("agent-did-denied", `The agent did what was denied: ${what}.`)])
    else if (!this.#noticed) {
      this.#noticed = true
      const text = `The agent did this without asking, and Pincer would have asked: ${what}. More of the kind in this turn stands in the audit.`
      await this.#record([notice("agent-did-unasked", text)])
    }
  }
}

function notice(code: string, text: string): RecordedEvent {
  return { type: "notice.posted", level: "warning", code, text }
}

function wishOf(entry: HostedEntry): { callId: string; title: string } {
  return { callId: entry.callId, title: entry.view.title ?? entry.told ?? entry.name }
}

/** Whether leave that was given for some facts is leave for these: nothing more is touched, and the same is run. */
function covers(given: CallFacts, now: CallFacts): boolean {
  const files = [...given.reads, ...given.writes]
  return (
    (now.command === undefined || now.command.text === given.command?.text) &&
    (now.command !== undefined || now.class !== "exec" || given.class === "exec") &&
    now.writes.every((path) => given.writes.includes(path)) &&
    now.reads.every((path) => files.includes(path)) &&
    now.hosts.every((host) => given.hosts.includes(host))
  )
}

/** Whether the call only tells of what we did for the agent. */
function isOurs({ view }: HostedEntry, facts: CallFacts, deeds: OwnDeeds): boolean {
  const shown = (view.content ?? []).some((one) => one.type === "terminal" && deeds.terminals.has(one.terminalId))
  if (shown) return true
  const touched = [...facts.reads, ...facts.writes]
  return facts.class !== "exec" && touched.length > 0 && touched.every((path) => deeds.paths.has(path))
}
