// Where two configurations differ, and a configuration in which some places keep what they had. Lists count as one place.
import { isObject } from "../base/json.ts"
import { formatPath } from "./document.ts"
import { redactAt } from "./redact.ts"

/** One changed place: dotted path as formatPath() writes it, `gateway.port`, `tools.mcpServers.files`. */
export interface ConfigChange {
  path: string
  before: unknown
  after: unknown
}

/** With the keys that lead there. */
export interface PlacedChange extends ConfigChange {
  steps: readonly string[]
}

/** Every place where `after` differs from `before`, in the order of the keys; a key that came or went is one place. */
export function changesBetween(before: unknown, after: unknown, steps: readonly string[] = []): PlacedChange[] {
  if (!isObject(before) || !isObject(after))
    return isSame(before, after) ? [] : [{ path: formatPath(steps), steps, before, after }]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => changesBetween(own(before, key), own(after, key), [...steps, key]))
}

/** As it may be shown; a secret that changed is two masks: that it changed is the news. */
export function shownChange({ after, before, path, steps }: PlacedChange): ConfigChange {
  return { path, before: redactAt(before, steps) ?? null, after: redactAt(after, steps) ?? null }
}

/** Whether a change lies at or below one of these paths. */
export function isBelow(change: Pick<PlacedChange, "path">, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => {
    if (!change.path.startsWith(prefix)) return false
    return prefix === "" || change.path.length === prefix.length || /[.[]/.test(change.path.charAt(prefix.length))
  })
}

/** A copy of `config` with what stood at these places before. */
export function keepBefore<T>(config: T, kept: readonly PlacedChange[]): T {
  let result: unknown = config
  for (const { steps, before } of kept) result = withValue(result, steps, before)
  // Only known places were given what they held in a configuration of the same type.
  return result as T
}

function withValue(here: unknown, [step, ...rest]: readonly string[], value: unknown): unknown {
  if (step === undefined) return value
  const copy: Record<string, unknown> = isObject(here) ? { ...here } : {}
  const inner = withValue(own(copy, step), rest, value)
  if (inner === undefined) delete copy[step]
  else copy[step] = inner
  return copy
}

function own(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined
}

function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => isSame(item, b[i]))
  if (isObject(a) && isObject(b)) return changesBetween(a, b).length === 0
  return Object.is(a, b)
}
