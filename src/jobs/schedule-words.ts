// When, in the words that people and other programs use: durations, times with and without a zone, cron expressions, "every 10m".
import { PincerError } from "../base/errors.ts"
import type { ScheduleWhen } from "../protocol/schedule.ts"
import { offsetsOf } from "./schedule-times.ts"

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+$/
const DAY_MS = 86_400_000

/** "90s", "1h30m", "2d", or a bare number of seconds; undefined for other words. */
export function durationIn(text: string): number | undefined {
  const compact = text
    .trim()
    .toLowerCase()
    .replace(/\s+/g, "")
    .replace(/(\d)(?:milliseconds?|millis)/g, "$1ms")
    .replace(/(\d)(?:seconds?|secs?|秒)/g, "$1s")
    .replace(/(\d)(?:minutes?|mins?|分钟|分)/g, "$1m")
    .replace(/(\d)(?:hours?|hrs?|小时)/g, "$1h")
    .replace(/(\d)(?:days?|天)/g, "$1d")
    .replace(/(\d)(?:weeks?|周)/g, "$1w")
  if (/^\d+(?:\.\d+)?$/.test(compact)) return Math.round(Number(compact) * 1000)
  if (!DURATION.test(compact)) return undefined
  let ms = 0
  for (const [, size, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) ms += Number(size) * UNITS[unit!]!
  return Math.round(ms)
}

/** Throws INVALID_PARAMS. `name` is what the caller calls it. */
export function requireDuration(text: string, name: string): number {
  const ms = durationIn(text)
  if (ms !== undefined) return ms
  throw new PincerError(
    "INVALID_PARAMS",
    `${name}: "${text.slice(0, 60)}" is no duration: write it like 90s, 10m, 1h30m`,
  )
}

/** A moment: ISO, a date and time in `zone`, HH:MM (the next one), "tomorrow 9:00", "in 10m". Throws INVALID_PARAMS. */
export function momentIn(text: string, now: number, zone: string): number {
  const words = text.trim()
  const after = /^(?:in\s+|\+)(.+)$/i.exec(words)
  const duration = /^\d+$/.test(words) ? undefined : durationIn(after?.[1] ?? words)
  if (duration !== undefined) return now + duration
  if (/^\d{12,}$/.test(words)) return Number(words)
  const zoned = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})$/i.test(words)
  if (zoned) {
    const ms = Date.parse(words.replace(" ", "T").replace(/\s+/g, ""))
    if (Number.isFinite(ms)) return ms
  }
  const local = localTime(words, now, zone)
  if (local !== undefined) return local
  throw new PincerError(
    "INVALID_PARAMS",
    `"${words.slice(0, 60)}" is no time: write it like 2026-05-01T09:00:00Z, "2026-05-01 09:00", 09:00 or 10m`,
  )
}

function localTime(words: string, now: number, zone: string): number | undefined {
  const dated = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?$/.exec(words)
  if (dated) {
    const [year, month, day, hour = 0, minute = 0, second = 0] = dated.slice(1).map((part) => Number(part ?? 0))
    const wall = Date.UTC(year!, month! - 1, day!, hour, minute, second)
    const isReal = new Date(wall).getUTCDate() === day && hour < 24 && minute < 60 && second < 60
    return isReal ? instantOf(wall, zone) : undefined
  }
  const timed = /^(tomorrow|today|明天|今天)?\s*(?:at\s+)?(?:(\d{1,2}):(\d{2})(?::(\d{2}))?)?$/i.exec(words)
  if (!timed || words === "") return undefined
  const [, day, hour = "0", minute = "0", second = "0"] = timed
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const offset = offsetsOf(zone)
  const midnight = Math.floor((now + offset(now)) / DAY_MS) * DAY_MS
  const wall = midnight + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000
  if (day !== undefined && /tomorrow|明天/i.test(day)) return instantOf(wall + DAY_MS, zone)
  const today = instantOf(wall, zone)
  return day === undefined && today <= now ? instantOf(wall + DAY_MS, zone) : today
}

/** The moment at which a wall clock in `zone` shows what `wall` is in UTC; the first of two. */
function instantOf(wall: number, zone: string): number {
  const offset = offsetsOf(zone)
  const early = wall - offset(wall - DAY_MS)
  if (early + offset(early) === wall) return early
  const late = wall - offset(wall + DAY_MS)
  return late + offset(late) === wall ? late : Math.max(early, late)
}

/** A rule in one text: 5 or 6 fields, a nickname like @daily, "every 10m", or a moment. Throws INVALID_PARAMS. */
export function ruleIn(text: string, now: number, zone: string, tz?: string): ScheduleWhen {
  const words = text.trim()
  const every = /^(?:@every|every|每隔?)\s*(.+)$/i.exec(words)
  if (every) return { kind: "every", everyMs: requireDuration(every[1]!, "every"), anchorMs: now }
  const at = /^@at\s+(.+)$/i.exec(words)
  if (at) return { kind: "at", atMs: momentIn(at[1]!, now, tz ?? zone) }
  const fields = words.split(/\s+/).length
  const isCron = words.startsWith("@") || fields >= 5 || (fields > 2 && words.includes("*"))
  if (isCron) return { kind: "cron", expr: words, ...(tz === undefined ? {} : { tz }) }
  return { kind: "at", atMs: momentIn(words, now, tz ?? zone) }
}
