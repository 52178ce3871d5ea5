// Carrying settings over from another program's configuration: what is looked at is ticked off, so that what nobody looked at can be
// listed. Values are only ever moved, never shown.
import { isObject } from "../../base/json.ts"

export interface Mapped {
  from: string
  to: string
  /** How it differs there. */
  note?: string
}

export interface LeftOut {
  path: string
  why: string
}

export class Transfer {
  readonly #source: Record<string, unknown>
  readonly #used = new Set<string>()
  readonly patch: Record<string, unknown> = {}
  readonly mapped: Mapped[] = []
  readonly left: LeftOut[] = []

  constructor(source: Record<string, unknown>) {
    this.#source = source
  }

  /** What stands at a path of the source, without ticking it off. */
  peek(path: string): unknown {
    let here: unknown = this.#source
    for (const step of path.split(".")) here = isObject(here) && Object.hasOwn(here, step) ? here[step] : undefined
    return here
  }

  keys(path: string): string[] {
    const value = path === "" ? this.#source : this.peek(path)
    return isObject(value) ? Object.keys(value) : []
  }

  /** Moves a value. `as` makes ours of theirs; undefined: it has no counterpart, `why` says so. */
  move(
    from: string,
    to: readonly string[],
    options: { as?: (value: unknown) => unknown; note?: string; why?: string } = {},
  ): void {
    const value = this.peek(from)
    if (value === undefined) return
    this.#used.add(from)
    const made = options.as ? options.as(value) : value
    if (made === undefined) {
      this.left.push({ path: from, why: options.why ?? "this value has no counterpart" })
      return
    }
    this.set(to, made)
    this.mapped.push({ from, to: to.join("."), ...(options.note === undefined ? {} : { note: options.note }) })
  }

  set(to: readonly string[], value: unknown): void {
    let here = this.patch
    for (const step of to.slice(0, -1)) {
      const inner = Object.hasOwn(here, step) ? here[step] : undefined
      const next: Record<string, unknown> = isObject(inner) ? inner : {}
      here[step] = next
      here = next
    }
    const last = to.at(-1)
    if (last !== undefined) here[last] = value
  }

  /** Takes back what was moved to a place, because it would not be valid there. */
  refuse(to: string, why: string): boolean {
    const row = this.mapped.find((one) => to === one.to || to.startsWith(`${one.to}.`) || to.startsWith(`${one.to}[`))
    if (!row) return false
    this.mapped.splice(this.mapped.indexOf(row), 1)
    this.left.push({ path: row.from, why })
    remove(this.patch, row.to.split("."))
    return true
  }

  /** Ticks off what is known and needs no counterpart. */
  skip(path: string, why?: string): void {
    if (this.peek(path) === undefined) return
    this.#used.add(path)
    if (why !== undefined) this.left.push({ path, why })
  }

  /** Lists everything that nobody has looked at. */
  finish(): void {
    for (const path of restOf(this.#source, [], this.#used)) this.left.push({ path, why: "Pincer has no counterpart" })
  }
}

/** The largest parts of which nothing was used. */
function restOf(value: unknown, path: readonly string[], used: ReadonlySet<string>): string[] {
  const name = path.join(".")
  if (used.has(name)) return []
  const touched = [...used].some((one) => one.startsWith(`${name}.`))
  if (path.length > 0 && (!touched || !isObject(value))) return [name]
  return isObject(value) ? Object.entries(value).flatMap(([key, inner]) => restOf(inner, [...path, key], used)) : []
}

function remove(value: unknown, [step, ...rest]: readonly string[]): void {
  if (step === undefined || !isObject(value)) return
  if (rest.length === 0) delete value[step]
  else {
    remove(value[step], rest)
    if (isObject(value[step]) && Object.keys(value[step]).length === 0) delete value[step]
  }
}

/** A secret, or where it is read: "${NAME}" and {source: "env", id: "NAME"} name a variable. Undefined for what cannot be followed. */
export function secretOf(value: unknown): unknown {
  if (typeof value === "string") {
    const name = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(value)?.[1]
    return name === undefined ? value || undefined : { env: name }
  }
  if (isObject(value) && value["source"] === "env" && typeof value["id"] === "string") return { env: value["id"] }
  return undefined
}

export function textList(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined
}

export function milliseconds(unit: number): (value: unknown) => unknown {
  return (value) => (typeof value === "number" && value >= 0 ? Math.round(value * unit) : undefined)
}

/** An id as ours are written. */
export function idOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 64)
}
