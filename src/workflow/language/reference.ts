// References into what steps left: "$id.path.path" (workflow-lobster.md §6.3). Only own properties are ever looked at.

/** What a step left for later ones. */
export interface StepResult {
  id: string
  stdout?: string
  json?: unknown
  /** The whole output, where `stdout` is only its beginning. */
  spilled?: { file: string; bytes: number }
  approved?: boolean
  approvedBy?: string
  initiatedBy?: string
  response?: unknown
  subject?: unknown
  skipped?: boolean
  error?: boolean
  errorMessage?: string
}

export type StepResults = ReadonlyMap<string, StepResult>

export interface Reference {
  id: string
  path: string[]
}

const NAME = "[A-Za-z0-9_-]+"
/** Within a text a hyphen ends the path: "$item.json-$index.json". */
export const REFERENCE = new RegExp(`\\$(${NAME})((?:\\.[A-Za-z0-9_]+)+)`, "g")
const WHOLE = new RegExp(`^\\$(${NAME})((?:\\.${NAME})*)$`)
/** Fields that are false until a step has set them. */
const FLAGS: readonly string[] = ["approved", "skipped"]

/** The reference that a text is from its first to its last character; undefined for any other text. */
export function wholeReference(text: string): Reference | undefined {
  const match = WHOLE.exec(text)
  return match ? reference(match[1]!, match[2]!) : undefined
}

export function reference(id: string, dotted: string): Reference {
  return { id, path: dotted === "" ? [] : dotted.slice(1).split(".") }
}

/** The value, undefined where the path leads nowhere. `known` false: there is no such step. */
export function lookUp({ id, path }: Reference, results: StepResults): { known: boolean; value: unknown } {
  const result = results.get(id)
  if (!result) return { known: false, value: undefined }
  let value: unknown = result
  for (const key of path) value = own(value, key)
  if (value === undefined && path.length === 1 && FLAGS.includes(path[0]!)) value = false
  return { known: true, value }
}

/** An own property of an object or an element of an array; nothing of anything else. */
export function own(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined
  if (Array.isArray(value) && key === "length") return undefined
  return (value as Record<string, unknown>)[key]
}

export function referenceText({ id, path }: Reference): string {
  return [`$${id}`, ...path].join(".")
}
