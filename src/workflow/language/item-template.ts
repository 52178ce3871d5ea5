// Templates over items: "{{path | filter args | …}}" (workflow-lobster.md §5). What leads nowhere is empty; a "}" cannot stand inside. Results were
// compared with Lobster's own.
import { PincerError } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"

type Filter = (value: unknown, args: readonly string[]) => unknown

const TEMPLATE = /\{\{([^}]+)\}\}/g
const WORD = /"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\S+)/g

/** Puts an item's values in. Throws INVALID_PARAMS for a filter that there is not. */
export function fill(template: string, item: unknown): string {
  return template.replace(TEMPLATE, (_, inside: string) => shown(evaluated(inside, item)))
}

/** Without filters, as `map` has it. */
export function fillPlain(template: string, item: unknown): string {
  return template.replace(TEMPLATE, (_, path: string) => shown(at(item, path.trim())))
}

/** The value under a dotted path; empty parts are passed over, "." and "" are the item itself. */
export function at(item: unknown, path: string): unknown {
  if (path === "." || path === "" || path === "this") return item
  let value = item
  for (const key of path.split(".")) {
    if (key === "") continue
    if (value === null || value === undefined) return undefined
    value = property(value, key)
  }
  return value
}

/** Own properties, elements, and the length of texts and lists; nothing that is inherited. */
function property(value: unknown, key: string): unknown {
  if (typeof value === "string") {
    if (key === "length") return value.length
    return /^\d+$/.test(key) ? value[Number(key)] : undefined
  }
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined
  return (value as Record<string, unknown>)[key]
}

function evaluated(inside: string, item: unknown): unknown {
  const [path = "", ...filters] = split(inside)
  let value = at(item, path.trim())
  for (const text of filters) {
    const [name = "", ...args] = wordsOf(text)
    const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined
    if (!filter)
      throw new PincerError(
        "INVALID_PARAMS",
        `Unknown template filter "${excerpt(name, 60)}": there are ${Object.keys(FILTERS).join(", ")}`,
      )
    value = filter(value, args)
  }
  return value
}

/** At "|" outside quotes. */
function split(text: string): string[] {
  const parts: string[] = [""]
  let quote: string | undefined
  for (const char of text) {
    if (quote === undefined && char === "|") {
      parts.push("")
      continue
    }
    if (quote === undefined && (char === '"' || char === "'")) quote = char
    else if (char === quote) quote = undefined
    parts[parts.length - 1] += char
  }
  return parts
}

function wordsOf(text: string): string[] {
  return [...text.trim().matchAll(WORD)].map(([, double, single, bare]) => double ?? single ?? bare ?? "")
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return ""
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

const onText =
  (change: (text: string, args: readonly string[]) => unknown): Filter =>
  (value, args) =>
    value === undefined || value === null ? value : change(String(value), args)

const FILTERS: Readonly<Record<string, Filter>> = {
  upper: onText((text) => text.toUpperCase()),
  lower: onText((text) => text.toLowerCase()),
  trim: onText((text) => text.trim()),
  truncate: onText((text, [limit = "80"]) => truncated(text, Number(limit))),
  replace: onText((text, [from = "", to = ""]) => (from === "" ? text : text.replaceAll(from, () => to))),
  split: onText((text, [separator = ","]) => text.split(separator)),
  first: (value) => (Array.isArray(value) ? value[0] : value),
  last: (value) => (Array.isArray(value) ? value.at(-1) : value),
  length: (value) => (Array.isArray(value) || typeof value === "string" ? value.length : 0),
  join: (value, [separator = ", "]) => (Array.isArray(value) ? value.join(separator) : value),
  json: (value) => JSON.stringify(value, null, 2),
  string: (value) => (value === undefined || value === null ? "" : String(value)),
  default: (value, [other = ""]) => (value === undefined || value === null || value === "" ? other : value),
  round: (value, [digits = "0"]) => rounded(value, Number(digits)),
  date: (value, [format]) => dated(value, format),
}

/** Never half a character. */
function truncated(text: string, limit: number): string {
  if (!Number.isFinite(limit) || limit < 0 || text.length <= limit) return text
  const cut = text.slice(0, limit)
  const last = cut.charCodeAt(cut.length - 1)
  return `${last >= 0xd800 && last <= 0xdbff ? cut.slice(0, -1) : cut}...`
}

function rounded(value: unknown, digits: number): unknown {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  if (typeof number !== "number" || !Number.isFinite(number) || !Number.isInteger(digits)) return value
  return Math.abs(digits) > 15 ? number : Number(`${Math.round(Number(`${number}e${digits}`))}e${-digits}`)
}

/** A number or a text of digits is a time in ms since 1970; parts are UTC. */
function dated(value: unknown, format: string | undefined): unknown {
  if (value === null || value === undefined) return value
  const ms = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value
  const date = new Date(ms as string | number)
  if (Number.isNaN(date.getTime())) return value
  const iso = date.toISOString()
  if (format === undefined) return iso
  const parts: Record<string, string> = {
    YYYY: String(date.getUTCFullYear()).padStart(4, "0"),
    MM: iso.slice(-19, -17),
    DD: iso.slice(-16, -14),
    HH: iso.slice(-13, -11),
    mm: iso.slice(-10, -8),
    ss: iso.slice(-7, -5),
  }
  return format.replace(/YYYY|MM|DD|HH|mm|ss/g, (token) => parts[token]!)
}
