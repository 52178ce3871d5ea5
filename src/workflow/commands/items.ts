// What several commands do with their items.
import { PincerError } from "../../base/errors.ts"
import type { StageArgs } from "../command.ts"

export async function collected(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Reads to the end and keeps nothing. */
export async function drained(items: AsyncIterable<unknown>): Promise<void> {
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
