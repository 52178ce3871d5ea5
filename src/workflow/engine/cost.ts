// What a run has spent on models, against its limit. Totals lie in the journal, so they outlive gates and restarts; what was paid for stays paid,
// also when its step is done again. Answers out of a cache and items that only pass through cost nothing.
import { canonicalJson } from "../../base/json.ts"
import type { StepDefinition } from "../definition.ts"
import type { StepResult } from "../language/reference.ts"
import type { RunContext, StepFrame } from "./run-context.ts"
import { RunLimit } from "./signals.ts"
import { inputOf, itemsOf, itemsOfResult, jsonOf } from "./values.ts"

const KEY = "!cost"

export interface Charge {
  model: string
  inputTokens: number
  outputTokens: number
  /** Null or absent: as the prices say. */
  costUsd?: number | null
}

interface Kept {
  usd: number
  warned: boolean
}

/** Takes up what earlier attempts spent. */
export async function recallCost(run: RunContext): Promise<void> {
  const known = await run.log.known<Kept>(KEY)
  if (known) Object.assign(run.spent, known)
}

/** Adds up and writes down. */
export async function charge(run: RunContext, charges: readonly Charge[], env: StepFrame["env"]): Promise<void> {
  let usd = 0
  for (const one of charges) usd += one.costUsd ?? (await priceOf(run, one, env))
  if (usd === 0) return
  run.spent.usd += usd
  await keep(run)
}

/** Warns or stops once the limit is passed. Called after every step. */
export async function checkCost(run: RunContext): Promise<void> {
  const { limit, usd, warned } = run.spent
  if (!limit || usd <= limit.maxUsd) return
  const text = `Cost limit exceeded: $${usd.toFixed(4)} > $${limit.maxUsd.toFixed(4)} limit`
  if (limit.action === "stop") throw new RunLimit(text)
  if (warned) return
  run.spent.warned = true
  run.warn(text)
  await keep(run)
}

async function keep(run: RunContext): Promise<void> {
  const { usd, warned } = run.spent
  run.log.settle(KEY, "read", { usd, warned }, [])
}

/** What the items of a step say that they cost. Agents and models of the house are charged where they are asked. */
export function chargesOf(step: StepDefinition, result: StepResult, frame: StepFrame): Charge[] {
  const { type } = step.body
  if (type !== "shell" && type !== "argv" && type !== "http" && type !== "tool" && type !== "pipeline") return []
  const found = itemsOfResult(result).filter((item) => type !== "pipeline" || !isModelItem(item))
  const charges = found.flatMap((item) => {
    const one = chargeOf(item)
    return one ? [{ item, one }] : []
  })
  if (charges.length === 0) return []
  const passed = new Set(givenTo(step, frame).map((item) => canonicalJson(item)))
  return charges.filter(({ item }) => !passed.has(canonicalJson(item))).map(({ one }) => one)
}

/** The items that a step was given, which it may only have handed on. */
function givenTo(step: StepDefinition, frame: StepFrame): unknown[] {
  if (step.stdin === undefined) return []
  const input = inputOf(step.stdin, frame)
  return itemsOf(typeof input === "string" ? (jsonOf(input) ?? input) : input)
}

/** Made by a command that is charged where it asks. */
function isModelItem(item: unknown): boolean {
  return typeof item === "object" && item !== null && "kind" in item && /^llm/.test(String(item.kind))
}

/** The charge that an item tells of; undefined when it tells of none, or comes out of a cache. */
export function chargeOf(item: unknown): Charge | undefined {
  if (typeof item !== "object" || item === null || !("usage" in item)) return undefined
  if ("cached" in item && item.cached === true) return undefined
  const { usage } = item
  if (typeof usage !== "object" || usage === null) return undefined
  const tokens = (...names: string[]) => {
    const values = usage as Record<string, unknown>
    const found = names.map((name) => values[name]).find((value) => typeof value === "number" && value >= 0)
    return typeof found === "number" && Number.isFinite(found) ? found : 0
  }
  const inputTokens = tokens("inputTokens", "input_tokens", "promptTokens", "prompt_tokens")
  const outputTokens = tokens("outputTokens", "output_tokens", "completionTokens", "completion_tokens")
  if (inputTokens + outputTokens === 0) return undefined
  const model = "model" in item && typeof item.model === "string" ? item.model : ""
  return { model, inputTokens, outputTokens }
}

async function priceOf(run: RunContext, one: Charge, env: StepFrame["env"]): Promise<number> {
  const given = ownPrices(env)
  const own = given && Object.hasOwn(given, one.model) ? given[one.model] : undefined
  if (own) return (one.inputTokens * own.input + one.outputTokens * own.output) / 1_000_000
  const known = await run.ports.price?.(one)
  if (typeof known === "number") return known
  if (run.spent.limit)
    run.warn(`No price is known for the model "${one.model}": it counts as free. LOBSTER_LLM_PRICING_JSON can give one`)
  return 0
}

/** US dollars for a million tokens, by model. */
function ownPrices(env: StepFrame["env"]): Record<string, { input: number; output: number }> | undefined {
  const text = env["PINCER_LLM_PRICING_JSON"] ?? env["LOBSTER_LLM_PRICING_JSON"]
  const value = text === undefined ? undefined : jsonOf(text)
  if (typeof value !== "object" || value === null) return undefined
  const rows = Object.entries(value).filter(
    (entry): entry is [string, { input: number; output: number }] =>
      typeof entry[1] === "object" &&
      entry[1] !== null &&
      Number.isFinite((entry[1] as { input?: unknown }).input) &&
      Number.isFinite((entry[1] as { output?: unknown }).output),
  )
  return Object.fromEntries(rows)
}
