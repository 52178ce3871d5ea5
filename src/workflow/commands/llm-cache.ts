// Answers of models that were given before. They lie in the state of workflows, in a fixed number of slots: what is older makes room.
import type { CommandContext, StageArgs } from "../command.ts"
import { isRecord, textArg } from "./items.ts"
import { stateKey } from "./state.ts"

const PER_SLOT = 4
const MAX_CHARS = 256 * 1024

interface Kept {
  key: string
  item: Record<string, unknown>
}

/** No key of a command looks like these. */
function slotOf(cacheKey: string): string {
  return `llm/${cacheKey.slice(0, 2)}`
}

function ownOf(args: StageArgs, env: CommandContext["env"]): string | undefined {
  const key = textArg(args, "state-key") ?? env["LOBSTER_RUN_STATE_KEY"]
  return key === undefined || key === "" ? undefined : `llm/own/${stateKey(key)}`
}

/** An answer to exactly this, as an item; undefined when there is none. */
export async function remembered(
  cacheKey: string,
  args: StageArgs,
  { env, state }: CommandContext,
  cache: boolean,
): Promise<Record<string, unknown> | undefined> {
  const own = ownOf(args, env)
  const last = own === undefined ? [] : keptOf([await state.get(own)])
  const found = last.find(({ key }) => key === cacheKey)
  if (found) return { ...found.item, source: "run_state", cached: true, replayed: true }
  if (!cache) return undefined
  const slot = keptOf(await state.get(slotOf(cacheKey))).find(({ key }) => key === cacheKey)
  return slot && { ...slot.item, source: "cache", cached: true, replayed: true }
}

export async function remember(
  cacheKey: string,
  item: Record<string, unknown>,
  args: StageArgs,
  { env, state }: CommandContext,
  cache: boolean,
): Promise<void> {
  if (JSON.stringify(item).length > MAX_CHARS) return
  const own = ownOf(args, env)
  if (own !== undefined) await state.set(own, { key: cacheKey, item })
  if (!cache) return
  const others = keptOf(await state.get(slotOf(cacheKey))).filter(({ key }) => key !== cacheKey)
  await state.set(slotOf(cacheKey), [{ key: cacheKey, item }, ...others].slice(0, PER_SLOT))
}

function keptOf(value: unknown): Kept[] {
  if (!Array.isArray(value)) return []
  return value.filter((one): one is Kept => isRecord(one) && typeof one["key"] === "string" && isRecord(one["item"]))
}
