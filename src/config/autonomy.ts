// Work that nobody asked for just now: the switch of all of it, and the heartbeat of an agent.
import { z } from "zod"

export const autonomy = z.strictObject({
  /** False: ticks of schedules and heartbeats are written down as skipped; what a person starts runs. */
  enabled: z.boolean().default(true),
  /** When it was switched last, ISO 8601: written by "pincer gateway autonomy" and autonomy.set. */
  switchedAt: z.iso.datetime().optional(),
})

const HOURS = /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$/

const fields = {
  /** An agent is asked by itself whether something needs attention, where HEARTBEAT.md of its workspace or a note says so. */
  enabled: z.boolean(),
  everyMs: z.number().int().min(60_000).max(604_800_000),
  /** What it is asked; the text of HEARTBEAT.md and the time follow. */
  prompt: z.string().min(1).max(20_000),
  /** Where: the agent's main session, or a new one each time, which costs less. */
  session: z.enum(["main", "isolated"]),
  /** An answer that says HEARTBEAT_OK and no more than so many characters besides is not news. */
  ackMaxChars: z.number().int().min(0).max(10_000),
  /** No heartbeat begins then, for example "23:00-08:00", in the time zone of schedules. */
  quietHours: z.array(z.string().regex(HOURS, 'must be hours like "23:00-08:00"')).max(20),
  /** Longest heartbeat. */
  timeoutMs: z.number().int().min(1_000).max(86_400_000),
}

const PROMPT =
  "This is a heartbeat: nobody has written. Do what HEARTBEAT.md says, and look at what was noted since; do not take up old tasks. Answer HEARTBEAT_OK when nothing needs attention."

export const heartbeat = z.strictObject({
  enabled: fields.enabled.default(true),
  everyMs: fields.everyMs.default(1_800_000),
  prompt: fields.prompt.default(PROMPT),
  session: fields.session.default("main"),
  ackMaxChars: fields.ackMaxChars.default(64),
  quietHours: fields.quietHours.default([]),
  timeoutMs: fields.timeoutMs.default(600_000),
})

/** Of a single agent: what it says counts before the defaults. */
export const ownHeartbeat = z.strictObject(fields).partial()

export type HeartbeatSettings = z.infer<typeof heartbeat>
