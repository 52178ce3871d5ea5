// What is counted while the gateway runs: plain numbers, kept by listening to turn events, so that counting costs next to nothing and
// the library that writes them out is loaded only when somebody asks. Everything is bounded: label values come from closed lists or
// from the configuration, latencies keep their last thousand.
import type { TurnEnvelope } from "../../protocol/event.ts"

/** Samples kept of each latency (IM-MET-01). */
const SAMPLES = 1_000
/** Different labels of one counter; what comes after counts as "other". */
const MAX_LABELS = 200
/** Turns and calls whose start is remembered. */
const MAX_OPEN = 50_000

/** The last thousand durations, and the count and sum of all. */
export class Latency {
  readonly #ring: number[] = []
  #at = 0
  count = 0
  sumMs = 0

  add(ms: number): void {
    this.count += 1
    this.sumMs += ms
    this.#ring[this.#at] = ms
    this.#at = (this.#at + 1) % SAMPLES
  }

  /** min, max, average and percentiles of the last thousand, in ms; null before the first. */
  summary(): { min: number; max: number; avg: number; p50: number; p95: number; p99: number } | null {
    if (this.#ring.length === 0) return null
    const sorted = [...this.#ring].sort((a, b) => a - b)
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
    const sum = sorted.reduce((a, b) => a + b, 0)
    return {
      min: sorted[0]!,
      max: sorted.at(-1)!,
      avg: sum / sorted.length,
      p50: at(0.5),
      p95: at(0.95),
      p99: at(0.99),
    }
  }
}

/** A counter by one label. */
export class Counts {
  readonly #by = new Map<string, number>()

  /** Negative amounts are left out (IM-MET-02). */
  add(label: string, amount = 1): void {
    if (!(amount > 0)) return
    const key = this.#by.has(label) || this.#by.size < MAX_LABELS ? label : "other"
    this.#by.set(key, (this.#by.get(key) ?? 0) + amount)
  }

  get total(): number {
    let total = 0
    for (const value of this.#by.values()) total += value
    return total
  }

  entries(): [string, number][] {
    return [...this.#by]
  }
}

export class Tally {
  /** By final status. */
  readonly turns = new Counts()
  /** By tool. */
  readonly calls = new Counts()
  readonly callErrors = new Counts()
  /** Calls that were not permitted, by tool. */
  readonly denials = new Counts()
  /** By decision, and "asked". */
  readonly approvals = new Counts()
  /** By provider/model. */
  readonly inputTokens = new Counts()
  readonly outputTokens = new Counts()
  readonly costUsd = new Counts()
  /** By provider. */
  readonly modelCalls = new Counts()
  readonly modelFailures = new Counts()
  readonly outputBytes = new Counts()
  readonly turnLatency = new Latency()
  readonly firstText = new Latency()
  readonly callLatency = new Latency()
  readonly #open = new Map<string, { at: number; spoke: boolean }>()

  hear({ at, event, turnId }: TurnEnvelope): void {
    switch (event.type) {
      case "turn.started":
        if (this.#open.size < MAX_OPEN && !this.#open.has(turnId)) this.#open.set(turnId, { at, spoke: false })
        break
      case "text.delta":
        this.#spoke(turnId, at)
        break
      case "message.added": {
        const { model, provider, role, usage } = event.message
        if (role !== "assistant" || provider === undefined) break
        const name = `${provider}/${model ?? "?"}`
        this.modelCalls.add(name)
        if (!usage) break
        this.inputTokens.add(name, usage.inputTokens)
        this.outputTokens.add(name, usage.outputTokens)
        this.costUsd.add(name, usage.costUsd ?? 0)
        break
      }
      case "tool.ended":
        this.calls.add(event.name)
        if (event.isError) this.callErrors.add(event.name)
        if (isDenial(event.details)) this.denials.add(event.name)
        this.callLatency.add(event.durationMs)
        this.outputBytes.add(event.name, event.text.length)
        break
      case "approval.requested":
        this.approvals.add("asked")
        break
      case "approval.resolved":
        this.approvals.add(event.approval.decision ?? "open")
        break
      case "turn.ended":
        this.#ended(turnId, at, event.outcome)
        break
      default:
        break
    }
  }

  #spoke(turnId: string, at: number): void {
    const turn = this.#open.get(turnId)
    if (!turn || turn.spoke) return
    turn.spoke = true
    this.firstText.add(at - turn.at)
  }

  #ended(turnId: string, at: number, outcome: { status: string; provider?: string; error?: { kind?: string } }): void {
    this.turns.add(outcome.status)
    if (outcome.error?.kind !== undefined) this.modelFailures.add(outcome.error.kind)
    const turn = this.#open.get(turnId)
    if (turn) this.turnLatency.add(at - turn.at)
    this.#open.delete(turnId)
  }
}

function isDenial(details: unknown): boolean {
  return typeof details === "object" && details !== null && "denied" in details && details.denied === true
}
