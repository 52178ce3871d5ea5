// Tokens and money by day, provider and model.
import type { TurnOutcome } from "../protocol/turn.ts"
import type { Database } from "./database.ts"
import { int, text } from "./row.ts"
import { decodeUsage } from "./sessions.ts"
import type { UsageDay, UsageLedger } from "./store.ts"

export class UsageTable implements UsageLedger {
  readonly #add
  readonly #days
  readonly #hours

  constructor(db: Database) {
    this.#add = db.statement(
      `INSERT INTO usage_days VALUES (?1,?2,?3,1,?4,?5,?6,?7,?8,?9) ON CONFLICT (date,provider,model) DO UPDATE SET
       turns=turns+1,input_tokens=input_tokens+?4,output_tokens=output_tokens+?5,cache_read_tokens=cache_read_tokens+?6,
       cache_write_tokens=cache_write_tokens+?7,reasoning_tokens=reasoning_tokens+?8,
       cost_usd=CASE WHEN ?9 IS NULL THEN cost_usd ELSE coalesce(cost_usd,0)+?9 END`,
    )
    this.#days = db.statement("SELECT * FROM usage_days WHERE date>=? ORDER BY date,provider,model")
    this.#hours = db.statement(
      `SELECT (ended_at/3600000)%24 AS hour,count(*) AS turns,
       coalesce(sum(json_extract(outcome,'$.usage.inputTokens')+json_extract(outcome,'$.usage.outputTokens')),0) AS tokens
       FROM turns WHERE ended_at>=? AND outcome IS NOT NULL GROUP BY hour ORDER BY hour`,
    )
  }

  async hours(since: number): Promise<{ hour: number; turns: number; tokens: number }[]> {
    return this.#hours.all(since).map((row) => ({
      hour: int(row, "hour"),
      turns: int(row, "turns"),
      tokens: int(row, "tokens"),
    }))
  }

  /** Within a write. */
  add(at: number, outcome: TurnOutcome): void {
    if (outcome.model === undefined) return
    const u = outcome.usage
    this.#add.run(
      new Date(at).toISOString().slice(0, 10),
      outcome.provider ?? "",
      outcome.model,
      u.inputTokens,
      u.outputTokens,
      u.cacheReadTokens,
      u.cacheWriteTokens,
      u.reasoningTokens,
      u.costUsd,
    )
  }

  async days(since: number): Promise<UsageDay[]> {
    return this.#days.all(new Date(since).toISOString().slice(0, 10)).map((row) => ({
      date: text(row, "date"),
      provider: text(row, "provider"),
      model: text(row, "model"),
      turns: int(row, "turns"),
      usage: decodeUsage(row),
    }))
  }
}
