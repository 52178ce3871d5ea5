// Heartbeats: an agent is asked at intervals whether something needs attention. Each is a tick of a schedule that this file keeps in step
// with the configuration, so that the ledger says of each what became of it. No model is asked while there is nothing to do.
import type { AgentProfile, Lanes } from "../../agent/agent.ts"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { cut } from "../../base/text.ts"
import type { Config } from "../../config/schema.ts"
import { newsOf } from "../../jobs/quiet-answer.ts"
import type { ScheduleDesk } from "../../jobs/schedule-desk.ts"
import { offsetsOf } from "../../jobs/schedule-times.ts"
import { type Message, textOf } from "../../protocol/message.ts"
import type { ScheduleSpec, TickReason, TickRecord } from "../../protocol/schedule.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import type { Books } from "../../store/open.ts"
import { agentFile } from "../agents/agent-files.ts"
import { heartbeatOf, zoneOf } from "./heartbeat-settings.ts"

export interface HeartbeatParts {
  books: Pick<Books, "ticks" | "transcript">
  config: () => Config
  agents: () => ReadonlyMap<string, AgentProfile>
  lanes: Pick<Lanes, "active">
  /** Whether a language model answers by default: fixed rules have nothing to say by themselves. */
  hasModel: () => boolean
  clock: Clock
}

/** What one heartbeat asks, or why it is left out. */
export type HeartbeatPlan = { prompt: string; session: "main" | "isolated" } | { skip: TickReason }

const PREFIX = "heartbeat-"
const FILE = "HEARTBEAT.md"
/** Of the file, and of the notes: a heartbeat is to stay cheap. */
const ORDERS_CHARS = 6_000
const NOTES_CHARS = 4_000
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

export function heartbeatId(agentId: string): string {
  return `${PREFIX}${agentId}`
}

export function isHeartbeat(scheduleId: string): boolean {
  return scheduleId.startsWith(PREFIX)
}

export class Heartbeats {
  readonly #parts: HeartbeatParts
  /** False: they were switched off until the next start. */
  isOn = true

  constructor(parts: HeartbeatParts) {
    this.#parts = parts
  }

  /** Agents that have one, and how often at the least somebody has to look whether there is something to do. */
  wanted(): { agentIds: string[]; lookMs: number } {
    const { agents, config } = this.#parts
    const now = config()
    const ids = [...new Set([now.agents.default, ...Object.keys(now.agents.entries)])].filter((id) => agents().has(id))
    const agentIds = ids.filter((id) => heartbeatOf(now, id).enabled)
    return { agentIds, lookMs: Math.min(DAY_MS, ...agentIds.map((id) => heartbeatOf(now, id).everyMs)) }
  }

  /** Whether an agent's heartbeat would have something to do, as things are. */
  async hasReason(agentId: string): Promise<boolean> {
    return (await this.#orders(agentId)) !== "" || (await this.#notes(agentId)).length > 0
  }

  /** Its schedules are as the configuration says; one that is missing is made once there is something to do. */
  async keep(desk: Pick<ScheduleDesk, "keep" | "list">): Promise<void> {
    const { agentIds } = this.wanted()
    const known = new Set((await desk.list()).map(({ id }) => id).filter(isHeartbeat))
    for (const agentId of agentIds) {
      const id = heartbeatId(agentId)
      if (known.delete(id) || (await this.hasReason(agentId))) await desk.keep(id, this.#spec(agentId))
    }
    for (const id of known) await desk.keep(id, undefined)
  }

  #spec(agentId: string): ScheduleSpec {
    const { everyMs, timeoutMs } = heartbeatOf(this.#parts.config(), agentId)
    return {
      name: `Heartbeat of ${agentId}`,
      description: 'Set by "heartbeat" in agents.defaults and agents.entries',
      agentId,
      when: { kind: "every", everyMs, anchorMs: 0 },
      task: { kind: "heartbeat" },
      catchUp: "none",
      overlap: "skip",
      retries: 0,
      timeoutMs,
      clientId: "gateway",
    }
  }

  /** Looked at when its time has come. */
  async plan(agentId: string): Promise<HeartbeatPlan> {
    const { clock, config, lanes } = this.#parts
    const { enabled, prompt, quietHours, session } = heartbeatOf(config(), agentId)
    const now = clock.now()
    const zone = zoneOf(config())
    if (!this.isOn || !enabled) return { skip: "heartbeats-off" }
    if (isQuiet(quietHours, now, zone)) return { skip: "quiet-hours" }
    if (lanes.active(mainOf(agentId)).length > 0) return { skip: "busy" }
    if (!this.#thinks(agentId)) return { skip: "no-model" }
    const orders = await this.#orders(agentId)
    const notes = await this.#notes(agentId)
    if (orders === "" && notes.length === 0) return { skip: "nothing-to-do" }
    const told = session === "isolated" ? notes.map(({ content }) => `- ${textOf(content)}`).join("\n") : ""
    const parts = [
      prompt,
      ...(orders === "" ? [] : [`${FILE}:\n${cut(orders, ORDERS_CHARS)}`]),
      ...(told === "" ? [] : [`Noted since the last one:\n${cut(told, NOTES_CHARS)}`]),
      `It is ${wallTime(now, zone)} (${zone}).`,
    ]
    return { prompt: parts.join("\n\n"), session }
  }

  #thinks(agentId: string): boolean {
    const agent = this.#parts.agents().get(agentId)
    return agent?.hosted !== undefined || agent?.model !== undefined || this.#parts.hasModel()
  }

  /** The text of HEARTBEAT.md, or "" where it says nothing: headings and comments are no orders. */
  async #orders(agentId: string): Promise<string> {
    const workspace = this.#parts.agents().get(agentId)?.workspace
    if (workspace === undefined) return ""
    let text = ""
    try {
      const file = await agentFile(workspace, FILE)
      if (file?.encoding === "utf8") text = file.content.replace(/<!--[\s\S]*?-->/g, "").trim()
    } catch (error) {
      // A folder in its place, or far too big: no orders that anybody could follow.
      if (!(error instanceof PincerError)) throw error
    }
    const says = text.split("\n").some((line) => !/^\s*(?:#.*|[-*+]\s*(?:\[[ xX]?\]\s*)?)?$/.test(line))
    return says ? text : ""
  }

  /** What `wake` left in the main session since anybody, or an earlier heartbeat, had its turn. */
  async #notes(agentId: string): Promise<Message[]> {
    const { books } = this.#parts
    const messages = await books.transcript.messages(mainOf(agentId))
    const last = messages.findLastIndex((one) => !isNote(one))
    const notes = messages.slice(last + 1)
    if (notes.length === 0) return []
    const [before] = await books.ticks.list({ scheduleId: heartbeatId(agentId), states: ["ran", "failed"], limit: 1 })
    return notes.filter(({ at }) => at > (before?.attemptAt ?? 0))
  }

  /** The last one of any agent, whatever became of it; undefined before the first. */
  async last(): Promise<TickRecord | undefined> {
    const { books } = this.#parts
    const ends = ["ran", "skipped", "failed", "missed"] as const
    const all = await Promise.all(
      this.wanted().agentIds.map((id) =>
        books.ticks.list({ scheduleId: heartbeatId(id), states: ends, limit: 1 }).then(([tick]) => tick),
      ),
    )
    return all.filter((tick) => tick !== undefined).sort((a, b) => b.n - a.n)[0]
  }

  /** The payload of the event `heartbeat`, and of last-heartbeat. */
  shown(tick: TickRecord): { ts: number } & Record<string, unknown> {
    const { agentId, attemptAt, endedAt, error, reason, recordedAt, ref, startedAt, state, summary } = tick
    const ts = endedAt ?? attemptAt ?? recordedAt
    const base = { ts, agentId, ...(ref.sessionKey === undefined ? {} : { sessionKey: ref.sessionKey }) }
    const took = startedAt === null || endedAt === null ? {} : { durationMs: endedAt - startedAt }
    if (state === "failed") return { ...base, status: "failed", ...took, reason: error ?? reason ?? "" }
    if (state !== "ran") return { ...base, status: "skipped", reason: reason ?? "" }
    const { ackMaxChars } = heartbeatOf(this.#parts.config(), agentId)
    const status = newsOf(summary ?? "", ackMaxChars)
    const preview = status === "sent" ? { preview: cut(summary ?? "", 200) } : { silent: true }
    return { ...base, status, ...took, ...preview, indicatorType: status === "sent" ? "alert" : "ok" }
  }
}

function mainOf(agentId: string): string {
  return parseSessionKey("main", agentId).key
}

/** Written by `wake`: of no turn, and by no person. */
function isNote({ role, summary, synthetic, turnId }: Message): boolean {
  return role === "user" && synthetic === true && turnId === undefined && summary === undefined
}

/** Hours that end before they begin go over midnight. */
export function isQuiet(hours: readonly string[], now: number, zone: string): boolean {
  if (hours.length === 0) return false
  const local = now + offsetsOf(zone)(now)
  const minute = Math.floor((((local % DAY_MS) + DAY_MS) % DAY_MS) / MINUTE_MS)
  return hours.some((one) => {
    const [from = 0, to = 0] = one.split("-").map((time) => {
      const [hour = 0, minutes = 0] = time.split(":").map(Number)
      return hour * 60 + minutes
    })
    return from <= to ? minute >= from && minute < to : minute >= from || minute < to
  })
}

function wallTime(now: number, zone: string): string {
  return new Date(now + offsetsOf(zone)(now)).toISOString().slice(0, 16).replace("T", " ")
}
