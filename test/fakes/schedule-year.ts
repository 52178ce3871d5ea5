// Years of schedules, seeded: a gateway that is suspended, restarted and killed in the middle of ticks, while clocks change. What must
// be due is worked out here from the calendar alone, minute by minute, and held against the ledger.
import assert from "node:assert/strict"
import type { AttemptOutcome, TickAttempt } from "../../src/jobs/schedule.ts"
import type { ScheduleWhen } from "../../src/protocol/schedule.ts"
import { machineClock } from "./machine-clock.ts"
import { openScheduleRoom, type ScheduleRoom, spec } from "./schedule-room.ts"
import { seeded } from "./seeded.ts"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export interface YearRule {
  when: ScheduleWhen
  /** Whether a minute is due, by the wall clock of its zone. */
  due: (wall: Wall) => boolean
  tz: string
  /** At a fixed time of the day: once a day, whatever the clock does. */
  daily?: boolean
}

export interface Wall {
  date: string
  month: number
  day: number
  weekday: string
  hour: number
  minute: number
}

const cron = (expr: string, tz: string): ScheduleWhen => ({ kind: "cron", expr, tz })
const daily = (expr: string, tz: string, hour: number, minute: number): YearRule => ({
  when: cron(expr, tz),
  due: (wall) => wall.hour === hour && wall.minute === minute,
  tz,
  daily: true,
})

/** In the gap, in the hour that comes twice, beside both, and on the leap day. */
export const SPARSE: readonly YearRule[] = [
  daily("30 2 * * *", "America/New_York", 2, 30),
  daily("30 1 * * *", "America/New_York", 1, 30),
  daily("15 2 * * *", "Europe/Berlin", 2, 15),
  {
    when: cron("0 12 29 2 *", "UTC"),
    due: (w) => w.month === 2 && w.day === 29 && w.hour === 12 && w.minute === 0,
    tz: "UTC",
  },
  {
    when: cron("0 9 * * 1-5", "Australia/Sydney"),
    due: (w) => !["Sat", "Sun"].includes(w.weekday) && w.hour === 9 && w.minute === 0,
    tz: "Australia/Sydney",
  },
]
export const DENSE: readonly YearRule[] = [
  ...SPARSE,
  { when: cron("5 * * * *", "Europe/Berlin"), due: (wall) => wall.minute === 5, tz: "Europe/Berlin" },
  { when: cron("*/30 * * * *", "America/New_York"), due: (wall) => wall.minute % 30 === 0, tz: "America/New_York" },
]

/** Every moment in (from, to] that is due. */
export function dueMoments({ daily: once, due, tz }: YearRule, from: number, to: number): number[] {
  const walls = wallsOf(tz)
  const found: number[] = []
  let lastDate = ""
  let before = walls(from)
  for (let at = Math.ceil((from + 1) / MINUTE) * MINUTE; at <= to; at += MINUTE) {
    const wall = walls(at)
    const isGap = minutesOf(wall) - minutesOf(before) > 1 && wall.date === before.date
    const inGap = once && isGap && skipped(before, wall).some(due)
    before = wall
    if (!due(wall) && !inGap) continue
    if (once && wall.date === lastDate) continue
    lastDate = wall.date
    found.push(at)
  }
  return found
}

function minutesOf({ hour, minute }: Wall): number {
  return hour * 60 + minute
}

function skipped(before: Wall, after: Wall): Wall[] {
  const walls: Wall[] = []
  for (let at = minutesOf(before) + 1; at < minutesOf(after); at++)
    walls.push({ ...after, hour: Math.floor(at / 60), minute: at % 60 })
  return walls
}

function wallsOf(tz: string): (ms: number) => Wall {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: tz,
    hourCycle: "h23",
    ...{ weekday: "short", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" },
  } as Intl.DateTimeFormatOptions)
  // One look-up an hour: within it only the minutes run, except where a zone changes by half an hour.
  let hourStart = Number.NaN
  let known: Wall | undefined
  return (ms) => {
    const start = Math.floor(ms / (30 * MINUTE)) * 30 * MINUTE
    if (start !== hourStart || !known) {
      const parts = Object.fromEntries(format.formatToParts(start).map(({ type, value }) => [type, value]))
      const [month, day] = [Number(parts["month"]), Number(parts["day"])]
      known = {
        date: `${parts["year"]}-${month}-${day}`,
        month,
        day,
        weekday: parts["weekday"] ?? "",
        hour: Number(parts["hour"]),
        minute: Number(parts["minute"]),
      }
      hourStart = start
    }
    return { ...known, minute: known.minute + Math.floor((ms - start) / MINUTE) }
  }
}

export interface YearResult {
  ticks: number
  ran: number
  kills: number
}

/** Lives from `from` to `to` with the rules, and holds the ledger against the calendar. Throws AssertionError. */
export async function liveThrough(
  rules: readonly YearRule[],
  from: number,
  to: number,
  seed: number,
  lookMs: number = 10 * MINUTE,
): Promise<YearResult> {
  const random = seeded(seed)
  const clock = machineClock(from)
  const policies = [
    { catchUp: "none" },
    { catchUp: "last" },
    { catchUp: "all", catchUpMax: 5, overlap: "queue" },
  ] as const
  const work = (): AttemptOutcome | undefined => ({ status: "done", summary: "ok" })
  const kills = () => random() < 0.02
  const tried = new Map<string, string[]>()
  const room = await openScheduleRoom({
    clock,
    settings: { lookMs },
    kills,
    work: (attempt: TickAttempt) => {
      tried.set(attempt.tick.id, [...(tried.get(attempt.tick.id) ?? []), attempt.key])
      return work()
    },
  })
  try {
    const ids: string[] = []
    for (const [at, { when }] of rules.entries()) {
      ids.push((await room.desk.add(spec(when, policies[at % policies.length]), true)).id)
      await room.risen()
    }
    const begun = clock.now()
    while (clock.now() < to) {
      await passTime(room, random, to)
      await room.risen()
    }
    await clock.advance(lookMs)
    await room.risen()
    await clock.advance(lookMs)
    return await holdAgainst(room, rules, ids, { begun, tried })
  } finally {
    await room.close()
  }
}

/** Some hours awake, a suspend, or a restart. */
async function passTime(room: ScheduleRoom, random: () => number, to: number): Promise<void> {
  const left = to - room.clock.now()
  const dice = random()
  if (dice < 0.7) await room.clock.advance(Math.min(left, Math.ceil(random() * 12 * HOUR)))
  else if (dice < 0.9) room.clock.jump(Math.min(left, Math.ceil(random() * 2 * DAY)))
  else await room.restart()
}

async function holdAgainst(
  room: ScheduleRoom,
  rules: readonly YearRule[],
  ids: readonly string[],
  { begun, tried }: { begun: number; tried: Map<string, string[]> },
): Promise<YearResult> {
  let ticks = 0
  let ran = 0
  for (const [at, rule] of rules.entries()) {
    const lines = (await room.desk.ticks({ scheduleId: ids[at]!, limit: 1_000_000, oldestFirst: true })).ticks
    const expected = dueMoments(rule, begun, room.clock.now())
    const shown = (times: readonly number[]) => times.map((time) => new Date(time).toISOString())
    assert.deepEqual(shown(lines.map((line) => line.scheduledFor)), shown(expected), JSON.stringify(rule.when))
    for (const line of lines) {
      assert.ok(line.state === "ran" || line.state === "missed" || line.state === "skipped", `${line.id} ${line.state}`)
      const keys = tried.get(line.id) ?? []
      assert.equal(
        keys.length,
        line.state === "ran" ? 1 : 0,
        `${line.id} is ${line.state} and was begun ${keys.length} times`,
      )
    }
    ticks += lines.length
    ran += lines.filter(({ state }) => state === "ran").length
  }
  return { ticks, ran, kills: room.kills }
}
