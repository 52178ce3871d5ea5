// At which moments a rule is due. Pure arithmetic but for cron expressions, whose parser is imported when one is first met. A wall
// clock that jumps over a time is due when the jump is over; one that shows a time twice is due at the first of them, unless the
// rule says every hour.
import type { Cron } from "croner"
import { PincerError } from "../base/errors.ts"
import type { ScheduleWhen } from "../protocol/schedule.ts"

/** The moments of one rule. */
export interface Times {
  /** The first one after `ms`; null when there is none. */
  next(ms: number): number | null
}

/** Ticks that are due. `left`: so many more were due that only the newest are here. */
export interface DueTicks {
  ticks: number[]
  left: boolean
  /** The first tick that is not due. */
  next: number | null
}

const HOUR_MS = 3_600_000
/** Before others get a word in. */
const AT_ONCE = 200
const NICKNAMES = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"]

/** Throws INVALID_PARAMS naming what is wrong with a cron expression or time zone. `zone` counts where the rule names none. */
export async function timesOf(when: ScheduleWhen, zone: string): Promise<Times> {
  switch (when.kind) {
    case "at":
      return { next: (ms) => (when.atMs > ms ? when.atMs : null) }
    case "every":
      return { next: (ms) => nextOfEvery(when, ms) }
    case "cron":
      return cronTimes(when.expr, when.tz ?? zone)
  }
}

function nextOfEvery({ anchorMs, everyMs }: { anchorMs: number; everyMs: number }, ms: number): number {
  if (ms < anchorMs) return anchorMs
  return anchorMs + (Math.floor((ms - anchorMs) / everyMs) + 1) * everyMs
}

async function cronTimes(expr: string, zone: string): Promise<Times> {
  const offset = offsetsOf(zone)
  const cron = await parseCron(expr, zone)
  const following = (ms: number) => cron.nextRun(new Date(ms))?.getTime() ?? null
  const fields = expr.trim().split(/\s+/)
  const hours = fields.at(fields.length - 4) ?? "*"
  if (expr.startsWith("@") || hours.includes("*")) return { next: following }
  // At fixed hours: the second showing of a time is not another one.
  const isRepeat = (at: number): boolean => {
    const back = offset(at - 3 * HOUR_MS) - offset(at)
    if (back <= 0 || offset(at - back) - offset(at) !== back) return false
    return following(at - back - 1000) === at - back
  }
  const next = (ms: number): number | null => {
    const at = following(ms)
    return at !== null && isRepeat(at) ? next(at) : at
  }
  return { next }
}

async function parseCron(expr: string, zone: string): Promise<Cron> {
  const text = expr.trim()
  const refuse = (why: string, cause?: unknown) =>
    new PincerError(
      "INVALID_PARAMS",
      `Cron expression "${text.slice(0, 80)}": ${why}. Write minute, hour, day, month and weekday, like "0 9 * * 1-5"; seconds may stand before them`,
      { cause },
    )
  const count = text.split(/\s+/).length
  const isNickname = NICKNAMES.includes(text.toLowerCase())
  if (!isNickname && (text === "" || count < 5 || count > 6))
    throw refuse(`it has ${text === "" ? 0 : count} fields, not 5 or 6`)
  const { Cron } = await import("croner")
  try {
    return new Cron(text, { timezone: zone, paused: true, mode: isNickname ? "auto" : "5-or-6-parts" })
  } catch (error) {
    throw refuse(error instanceof Error ? error.message.replace(/^Cron\w+: /, "") : String(error), error)
  }
}

/** How far local time is ahead of UTC at a moment, ms. Throws INVALID_PARAMS for an unknown zone. */
export function offsetsOf(zone: string): (ms: number) => number {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" })
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `Unknown time zone "${zone.slice(0, 80)}": use a name like Europe/Berlin`, {
      cause: error,
    })
  }
  return (ms) => {
    const name = format.formatToParts(ms).find(({ type }) => type === "timeZoneName")?.value ?? ""
    const match = /([+-])(\d{2}):(\d{2})(?::(\d{2}))?/.exec(name)
    if (!match) return 0
    const size = (Number(match[2]) * 60 + Number(match[3])) * 60_000 + Number(match[4] ?? 0) * 1000
    return match[1] === "-" ? -size : size
  }
}

/** All ticks from `from`, which is the first, up to `now`; the newest `keep` of them when there are more. Lets others get a word in. */
export async function dueTicks(times: Times, from: number, now: number, keep: number): Promise<DueTicks> {
  const first = await walk(times, from, now, keep)
  if (!first.left) return first
  // Too many to look at: from a later place on, further back until there are enough.
  const span = Math.max(1000, first.ticks.at(-1)! - from)
  for (let back = span; ; back *= 2) {
    const start = now - back
    if (start <= from) break
    const begin = times.next(start)
    if (begin === null || begin > now) continue
    const found = await walk(times, begin, now, keep * 8)
    if (!found.left && found.ticks.length >= keep) return { ...found, ticks: found.ticks.slice(-keep), left: true }
    if (found.left) break
  }
  const whole = await walk(times, from, now, Number.POSITIVE_INFINITY)
  return { ...whole, ticks: whole.ticks.slice(-keep), left: true }
}

async function walk(times: Times, from: number, now: number, most: number): Promise<DueTicks> {
  const ticks: number[] = []
  let at: number | null = from
  while (at !== null && at <= now) {
    if (ticks.length >= most) return { ticks, left: true, next: null }
    ticks.push(at)
    if (ticks.length % AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve))
    const next: number | null = times.next(at)
    if (next !== null && next <= at) throw new RangeError(`A schedule does not come forward after ${at}`)
    at = next
  }
  return { ticks, left: false, next: at }
}
