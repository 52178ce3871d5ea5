// usage.get: tokens and money by day, provider and model, from what was recorded with each turn.
import { z } from "zod"
import { addUsage, NO_USAGE, type Usage } from "../../protocol/message.ts"
import type { UsageDay } from "../../store/store.ts"
import { type Method, method } from "./method.ts"
import { tidy } from "./params.ts"

const DAY_MS = 86_400_000

interface Sum {
  turns: number
  usage: Usage
  missingCostEntries: number
}

const NOTHING: Sum = { turns: 0, usage: NO_USAGE, missingCostEntries: 0 }

function plus(sum: Sum, day: UsageDay): Sum {
  return {
    turns: sum.turns + day.turns,
    usage: addUsage(sum.usage, day.usage),
    missingCostEntries: sum.missingCostEntries + (day.usage.costUsd === null ? day.turns : 0),
  }
}

function grouped(days: readonly UsageDay[], by: (day: UsageDay) => string): Map<string, Sum> {
  const sums = new Map<string, Sum>()
  for (const day of days) sums.set(by(day), plus(sums.get(by(day)) ?? NOTHING, day))
  return sums
}

/** One row a day, whatever services and models. */
export function sumDays(days: readonly UsageDay[]): { date: string; turns: number; usage: Usage }[] {
  return [...grouped(days, (day) => day.date)].map(([date, { turns, usage }]) => ({ date, turns, usage }))
}

function shown({ turns, usage, missingCostEntries }: Sum) {
  return {
    turns,
    input: usage.inputTokens,
    output: usage.outputTokens,
    cacheRead: usage.cacheReadTokens,
    cacheWrite: usage.cacheWriteTokens,
    totalTokens: usage.inputTokens + usage.outputTokens,
    totalCost: usage.costUsd,
    missingCostEntries,
  }
}

const totals = () =>
  z.looseObject({
    turns: z.number(),
    input: z.number(),
    output: z.number(),
    cacheRead: z.number(),
    cacheWrite: z.number(),
    totalTokens: z.number(),
    totalCost: z.number().nullable().describe("US dollars; null when no price is known"),
    missingCostEntries: z.number().describe("Turns whose price is not known"),
  })

const get = method({
  name: "usage.get",
  aliases: ["usage.cost"],
  summary: "Tokens and money of the last days.",
  scope: "operator.read",
  normalize(params, caller) {
    const out = tidy(params)
    return caller.dialect === "py" ? { days: 7, ...out } : out
  },
  params: () =>
    z.object({
      days: z.number().int().min(1).max(3660).optional().describe("Default 30; 7 in the simple dialect"),
    }),
  result: () =>
    z.looseObject({
      updatedAt: z.number(),
      days: z.number(),
      daily: z.array(totals()),
      totals: totals(),
      byProvider: z.record(z.string(), totals()),
      byModel: z.record(z.string(), totals()),
      totalTokens: z.number(),
      estimatedCost: z.number().nullable(),
    }),
  async run(params, { parts }) {
    const now = parts.clock.now()
    const days = params.days ?? 30
    const found = await parts.store.usage.days(now - (days - 1) * DAY_MS)
    const all = found.reduce(plus, NOTHING)
    const table = (by: (day: UsageDay) => string) =>
      Object.fromEntries([...grouped(found, by)].map(([name, sum]) => [name, shown(sum)]))
    return {
      updatedAt: now,
      days,
      windowDays: days,
      daily: [...grouped(found, (day) => day.date)].map(([date, sum]) => ({ date, ...shown(sum) })),
      totals: shown(all),
      byProvider: table((day) => day.provider),
      byModel: table((day) => `${day.provider}/${day.model}`),
      sessions: (await parts.store.sessions.list({ updatedAfter: now - days * DAY_MS, limit: 0 })).total,
      calls: all.turns,
      inputTokens: all.usage.inputTokens,
      outputTokens: all.usage.outputTokens,
      totalTokens: all.usage.inputTokens + all.usage.outputTokens,
      estimatedCost: all.usage.costUsd,
      estimatedCostValue: all.usage.costUsd,
    }
  },
})

export const usageMethods: readonly Method[] = [get]
