// Further looks at what was used: by day and hour, by session, point by point within one, and by model service.
import { z } from "zod"
import { addUsage, NO_USAGE, type Usage } from "../../protocol/message.ts"
import { serviceOf } from "../../providers/services.ts"
import type { SessionRow } from "../../store/store.ts"
import { requireSession } from "../inbound.ts"
import { type Method, method } from "./method.ts"
import { count, renamed, sessionFields, tidy } from "./params.ts"
import { sumDays } from "./usage.ts"

const DAY_MS = 86_400_000
const RANGES = { "24h": 1, "7d": 7, "30d": 30, "90d": 90, "1y": 365, all: 3660 } as const
const range = () => z.enum(["24h", "7d", "30d", "90d", "1y", "all"]).optional().describe("Default 7d")

function since(wanted: keyof typeof RANGES | undefined, now: number): number {
  return now - RANGES[wanted ?? "7d"] * DAY_MS
}

const amount = () => ({
  input: z.number(),
  output: z.number(),
  cacheRead: z.number(),
  cacheWrite: z.number(),
  totalTokens: z.number(),
  totalCost: z.number().nullable().describe("US dollars; null when no price is known"),
})

function shown(usage: Usage) {
  return {
    input: usage.inputTokens,
    output: usage.outputTokens,
    cacheRead: usage.cacheReadTokens,
    cacheWrite: usage.cacheWriteTokens,
    totalTokens: usage.inputTokens + usage.outputTokens,
    totalCost: usage.costUsd,
  }
}

const daily = method({
  name: "usage.daily",
  summary: "Tokens and money day by day (UTC).",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ range: range() }),
  result: () =>
    z.object({
      range: z.string(),
      dailyBreakdown: z.array(z.object({ date: z.string(), turns: z.number(), ...amount() })),
    }),
  async run(params, { parts }) {
    const days = await parts.store.usage.days(since(params.range, parts.clock.now()) + DAY_MS)
    const dailyBreakdown = sumDays(days).map(({ date, turns, usage }) => ({ date, turns, ...shown(usage) }))
    return { range: params.range ?? "7d", dailyBreakdown }
  },
})

const hourly = method({
  name: "usage.hourly",
  summary: "At which hours of the day (UTC) turns ended and what they used, of the sessions that are still there.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ range: range() }),
  result: () =>
    z.object({
      range: z.string(),
      hourlyDistribution: z.array(z.object({ hour: z.number(), turns: z.number(), totalTokens: z.number() })),
    }),
  async run(params, { parts }) {
    const hours = await parts.store.usage.hours(since(params.range, parts.clock.now()))
    return {
      range: params.range ?? "7d",
      hourlyDistribution: Array.from({ length: 24 }, (_, hour) => {
        const { tokens = 0, turns = 0 } = hours.find((one) => one.hour === hour) ?? {}
        return { hour, turns, totalTokens: tokens }
      }),
    }
  },
})

const sessionUsage = () =>
  z.looseObject({
    key: z.string(),
    sessionId: z.string(),
    agentId: z.string(),
    label: z.string(),
    updatedAt: z.number(),
    usage: z.object(amount()),
    totalTokens: z.number(),
  })

function usageRow(session: SessionRow) {
  const { agentId, id: sessionId, key, label, messageCount, name, title, toldTitle, updatedAt } = session
  const usage = shown(session.usage)
  const called = label ?? name ?? toldTitle ?? title ?? key
  return { key, sessionId, agentId, label: called, updatedAt, messageCount, usage, totalTokens: usage.totalTokens }
}

const MAX_SESSIONS = 10_000

const bySession = method({
  name: "sessions.usage",
  aliases: ["usage.sessions"],
  summary: "What sessions used since they began or were reset: one, or those active in a time, most tokens first.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z.object({
      ...sessionFields(),
      range: range(),
      sort: z.enum(["tokens", "cost", "recent"]).optional(),
      limit: count(1000),
    }),
  result: () =>
    z.object({
      updatedAt: z.number(),
      sessions: z.array(sessionUsage()),
      count: z.number(),
      totals: z.object(amount()),
    }),
  async run({ limit = 50, range: wanted, sort = "tokens", ...named }, { parts }) {
    const now = parts.clock.now()
    const { agentId, ...session } = named
    const isOne = Object.values(session).some((one) => one !== undefined)
    const filter = {
      updatedAfter: since(wanted, now),
      limit: MAX_SESSIONS,
      ...(agentId === undefined ? {} : { agentId }),
    }
    const rows = isOne ? [await requireSession(named, parts)] : (await parts.store.sessions.list(filter)).sessions
    const by: Record<string, (row: SessionRow) => number> = {
      tokens: ({ usage }) => usage.inputTokens + usage.outputTokens,
      cost: ({ usage }) => usage.costUsd ?? 0,
      recent: ({ updatedAt }) => updatedAt,
    }
    const sorted = rows.toSorted((a, b) => by[sort]!(b) - by[sort]!(a))
    const totals = rows.reduce((sum, row) => addUsage(sum, row.usage), NO_USAGE)
    const sessions = sorted.slice(0, limit).map(usageRow)
    return { updatedAt: now, sessions, count: sessions.length, totals: shown(totals) }
  },
})

const series = method({
  name: "sessions.usage.timeseries",
  summary: "What the turns of a session used, one point for each that ended, oldest first, with sums so far.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () => z.object({ ...sessionFields(), limit: count(1000) }),
  result: () =>
    z.object({
      sessionId: z.string(),
      points: z.array(
        z.object({
          timestamp: z.number(),
          runId: z.string(),
          ...amount(),
          cumulativeTokens: z.number(),
          cumulativeCost: z.number().nullable(),
        }),
      ),
    }),
  async run({ limit = 200, ...named }, { parts }) {
    const session = await requireSession(named, parts)
    const turns = await parts.store.turns.list({ sessionKey: session.key, limit })
    let sum: Usage = NO_USAGE
    const points = []
    for (const { endedAt, outcome, sessionId, turnId } of turns.toReversed()) {
      if (!outcome || endedAt === null || sessionId !== session.id) continue
      sum = addUsage(sum, outcome.usage)
      const sums = { cumulativeTokens: sum.inputTokens + sum.outputTokens, cumulativeCost: sum.costUsd }
      points.push({ timestamp: endedAt, runId: turnId, ...shown(outcome.usage), ...sums })
    }
    return { sessionId: session.id, points }
  },
})

const status = method({
  name: "usage.status",
  summary: "Model services with what was used of each today (UTC). How much a service still grants, none of them says.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.object({
      updatedAt: z.number(),
      providers: z.array(
        z.object({
          provider: z.string(),
          displayName: z.string(),
          windows: z
            .array(z.object({ label: z.string(), usedPercent: z.number(), resetAt: z.number().optional() }))
            .describe("Quotas; empty: no service tells them"),
          today: z.object({ turns: z.number(), ...amount() }),
        }),
      ),
    }),
  async run(_params, { parts }) {
    const now = parts.clock.now()
    const days = await parts.store.usage.days(now)
    const providers = parts.catalogue.providers().map(({ id }) => {
      const own = days.filter(({ provider }) => provider === id)
      const usage = own.reduce((sum, day) => addUsage(sum, day.usage), NO_USAGE)
      const turns = own.reduce((sum, day) => sum + day.turns, 0)
      return { provider: id, displayName: serviceOf(id)?.name ?? id, windows: [], today: { turns, ...shown(usage) } }
    })
    return { updatedAt: now, providers }
  },
})

export const usageViewMethods: readonly Method[] = [daily, hourly, bySession, series, status]
