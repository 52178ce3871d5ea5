// Rules about how often. What was used is counted by whoever puts the scene together; rateQueries() says what there is to count.
import { denial, type Objection } from "./objection.ts"
import type { PolicyLayer, RateRule } from "./rules.ts"
import type { CallCounts, Scene } from "./scene.ts"
import { matchesAny, toolsOf } from "./tool-names.ts"

export interface RateQuery {
  /** Under which the answer is looked up in `Scene.counts.byRule`. */
  key: string
  /** All calls of these are counted together. */
  tools: readonly string[]
  per: NonNullable<RateRule["per"]>
}

/** What must be counted before a call of this tool is decided. */
export function rateQueries(layers: readonly PolicyLayer[], tool: string): RateQuery[] {
  return layers.flatMap(({ rates = [], source }) =>
    rates.flatMap((rule, at) => {
      if (!matchesAny(rule.tools, tool)) return []
      const tools = [...new Set(rule.tools.flatMap((pattern) => toolsOf(pattern, tool)))]
      return [{ key: keyOf(source, at), tools, per: rule.per ?? "sender" }]
    }),
  )
}

function keyOf(source: string, at: number): string {
  return `${source}.rates[${at}]`
}

export function rateObjections({ call, counts }: Scene, { rates = [], source }: PolicyLayer): Objection[] {
  return rates.flatMap((rule, at) => {
    if (!matchesAny(rule.tools, call.tool)) return []
    const key = keyOf(source, at)
    const over = exceeded(rule, counts.byRule?.[key] ?? counts)
    if (!over) return []
    const reason = `${call.tool} reached its limit: ${over.used} of ${over.limit} calls ${over.words} (${key})`
    return [denial(`rate.${over.name}`, `${key}.${over.name}`, reason, over.cure)]
  })
}

function exceeded(rule: RateRule, { day, minute, turn }: Omit<CallCounts, "byRule">) {
  const limits = [
    { name: "perTurn", limit: rule.perTurn, used: turn, words: "in this turn", cure: "go on in a new turn" },
    { name: "perMinute", limit: rule.perMinute, used: minute, words: "in a minute", cure: "wait a minute" },
    { name: "perDay", limit: rule.perDay, used: day, words: "in 24 hours", cure: "wait, or raise the limit" },
  ]
  for (const { limit, ...rest } of limits) if (limit !== undefined && rest.used >= limit) return { limit, ...rest }
  return undefined
}
