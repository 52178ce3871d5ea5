// Decoders of rows: the only place where what SQLite returns becomes typed. A wrong type is our own mistake and throws.
import type { Row } from "./database.ts"

export function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== "string") throw new TypeError(`Column ${column} is not text`)
  return value
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column)
}

export function int(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== "number") throw new TypeError(`Column ${column} is not a number`)
  return value
}

export function intOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : int(row, column)
}

/** A JSON column that this program wrote. */
export function json<T>(row: Row, column: string): T {
  return JSON.parse(text(row, column)) as T
}
