// Remind: an agent has itself called back into this session once, at a time. A reminder is a schedule like any other: in the ledger, switched
// off with autonomy, removable. Its turn may do no more than a turn of the clock may, and no more than the one that asked for it.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import type { Config } from "../../config/schema.ts"
import { resolvePermissions, widens } from "../../policy/permissions.ts"
import type { Permissions } from "../../protocol/permission.ts"
import type { ScheduleSpec } from "../../protocol/schedule.ts"
import { type CallingTurn, type Tool, textResult } from "../../tools/tool.ts"
import { configuredPermissions } from "../policy/rights.ts"
import { zoneOf } from "./heartbeat-settings.ts"
import type { Schedules } from "./schedules.ts"

const args = z.strictObject({
  message: z.string().trim().min(1).max(4_000).describe("What you are to be told then"),
  time_expr: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .describe("10m, 1h30m, 18:30 (the next one), 2026-05-01 09:00, or an ISO time"),
})
type Args = z.infer<typeof args>

/** Reminders of one session that wait, at most. */
const MAX_WAITING = 20
/** Further ahead is a slip of the pen. */
const MAX_AHEAD_MS = 10 * 366 * 86_400_000

export interface RemindParts {
  schedules: Pick<Schedules, "desk">
  config: () => Config
}

export function remindTool(parts: () => RemindParts): Tool<Args> {
  return {
    name: "Remind",
    aliases: ["remind"],
    class: "control",
    effect: "once",
    description:
      "Reminds you in this session, once: at that time a turn of yours begins with the message. Nobody is there to approve anything then.",
    args,
    title: ({ message, time_expr }) => excerpt(`${time_expr}: ${message}`, 200),
    touch: async () => ({ reads: [], writes: [], hosts: [] }),
    async run({ message, time_expr }, { clock, turn }) {
      if (!turn) throw new PincerError("PERMISSION_DENIED", "A reminder is set by a turn, not by a workflow")
      const { config, schedules } = parts()
      const { momentIn } = await import("../../jobs/schedule-words.ts")
      const now = clock.now()
      const zone = zoneOf(config())
      const atMs = momentIn(time_expr, now, zone)
      if (atMs <= now || atMs - now > MAX_AHEAD_MS)
        throw new PincerError(
          "INVALID_PARAMS",
          `"${time_expr}" is ${atMs <= now ? "over" : "too far ahead"}: give a time to come`,
        )
      const desk = await schedules.desk()
      const clientId = `remind:${turn.sessionKey}`
      const waiting = (await desk.list()).filter((one) => one.spec.clientId === clientId && one.nextAt !== null)
      if (waiting.length >= MAX_WAITING)
        throw new PincerError("RATE_LIMITED", `${MAX_WAITING} reminders of this session wait already`)
      const { id } = await desk.add(specOf(message, atMs, turn, clientId, config()), true)
      const when = new Date(atMs).toISOString()
      const off = config().autonomy.enabled
        ? ""
        : " Autonomy is off now: unless it is on again by then, nothing will happen."
      const alone =
        turn.taint.length === 0
          ? ""
          : " It will be a note without a turn, as this conversation has read text from outside."
      return textResult(`You will be reminded at ${when}.${alone}${off}`, { scheduleId: id, at: when })
    },
  }
}

/** What outsiders may have put into the agent's head does not begin turns later: then the words alone are told. */
function specOf(message: string, atMs: number, turn: CallingTurn, clientId: string, config: Config): ScheduleSpec {
  const { agentId, sessionKey, taint } = turn
  const base = {
    name: excerpt(`Reminder: ${message}`, 80),
    agentId,
    when: { kind: "at" as const, atMs },
    catchUp: "last" as const,
    deleteAfterRun: true,
    clientId,
  }
  if (taint.length > 0)
    return { ...base, task: { kind: "text", text: message }, deliver: { kind: "session", sessionKey } }
  const permissions = narrowed(turn, config)
  const task = { kind: "turn" as const, message, session: sessionKey, event: true }
  return { ...base, task: permissions === undefined ? task : { ...task, permissions } }
}

/** What its turn is kept to beyond what counts for every turn of the clock. */
function narrowed({ agentId, permissions }: CallingTurn, config: Config): Permissions | undefined {
  if (!permissions) return undefined
  const layers = configuredPermissions(config, agentId, { door: "schedule" })
  const own = resolvePermissions([...layers, { source: "turn", permissions }])
  if (!widens(resolvePermissions(layers), own)) return permissions
  const { deniedTools } = permissions
  const mode = own.mode === "deny-all" ? { mode: own.mode } : {}
  return { ...mode, ...(deniedTools === undefined ? {} : { deniedTools }) }
}
