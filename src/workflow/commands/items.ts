// What several commands do with their items.
import { PincerError } from "../../base/errors.ts"
import type { StageArgs } from "../command.ts"

/** Items that are all there: whoever can take them at once need not wait a turn for each. */
export class Listed implements AsyncIterable<unknown> {
  readonly list: readonly unknown[]

  constructor(list: readonly unknown[]) {
    this.list = list
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    for (const item of this.list) yield item
  }
}

/** What `turn` makes of each item: at once when they are all there, else as they come. `turn` must not depend on when it is called. */
export function turned(
  items: AsyncIterable<unknown>,
  turn: (item: unknown, give: (result: unknown) => void) => void,
): unknown[] | AsyncIterable<unknown> {
  if (!(items instanceof Listed)) return turnedOneByOne(items, turn)
  const all: unknown[] = []
  const give = (result: unknown) => void all.push(result)
  for (const item of items.list) turn(item, give)
  return all
}

async function* turnedOneByOne(
  items: AsyncIterable<unknown>,
  turn: (item: unknown, give: (result: unknown) => void) => void,
): AsyncGenerator<unknown> {
  for await (const item of items) {
    const results: unknown[] = []
    turn(item, (result) => void results.push(result))
    yield* results
  }
}

export async function collected(items: AsyncIterable<unknown>): Promise<unknown[]> {
  if (items instanceof Listed) return [...items.list]
  const all: unknown[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Reads to the end and keeps nothing. */
export async function drained(items: AsyncIterable<unknown>): Promise<void> {
  if (items instanceof Listed) return
  for await (const item of items) void item
}

/** A named argument as text; undefined when it is absent. A bare switch counts as "true", as Lobster has it. */
export function textArg(args: StageArgs, name: string): string | undefined {
  const value = Object.hasOwn(args, name) ? args[name] : undefined
  if (value === undefined || Array.isArray(value)) return undefined
  return value === true ? "true" : (value as string)
}

export function requiredArg(args: StageArgs, name: string, command: string): string {
  const value = textArg(args, name)
  if (value !== undefined && value !== "") return value
  throw new PincerError("INVALID_PARAMS", `${command} needs --${name}`)
}

export function isSet(args: StageArgs, name: string): boolean {
  const value = Object.hasOwn(args, name) ? args[name] : undefined
  return value === true || (typeof value === "string" && value !== "false")
}

/** One item as itself, several as a list, none as null. */
export function single(items: readonly unknown[]): unknown {
  return items.length === 1 ? items[0] : items.length === 0 ? null : items
}

/** A list as its elements, anything else as one item. */
export function spread(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value]
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
