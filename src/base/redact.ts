// The one place where secrets are taken out of text: by value (what the configuration and the environment hold) and by pattern (what
// looks like a key). Logs, events, errors, the audit, transcripts shown to clients and diagnostics all go through it.
import { isObject } from "./json.ts"
import { looksRandom, nameKind } from "./redact-names.ts"
import { RedactionStream } from "./redact-stream.ts"
import { SecretValues } from "./redact-values.ts"

export { looksRandom, nameKind } from "./redact-names.ts"
export { isPlainPath } from "./redact-rules.ts"

/** What stands in a secret's place. */
export const REDACTED = "[redacted]"

export interface Redactor {
  /** The text with every secret replaced by "[redacted]". */
  text(text: string): string
  /** A deep copy of a JSON value with every string so treated; keys that name secrets lose their value. The same object when nothing changed. */
  value<T>(value: T): T
  /** For text that comes in pieces: what may be shown so far; `end()` gives the rest. A secret split over pieces is found. */
  stream(): { push(piece: string): string; end(): string }
  /** Adds a secret by value from now on (shorter than 6 characters are not taken). */
  add(secret: string): void
}

export interface RedactorOptions {
  /** Secrets known by value; their base64, URL, JSON, hex and HTML forms are found too. */
  secrets?: Iterable<string>
}

/** Values nest no deeper than this; what lies below is replaced as a whole. */
const MAX_DEPTH = 80

export function openRedactor(options: RedactorOptions = {}): Redactor {
  const values = new SecretValues()
  for (const secret of options.secrets ?? []) values.add(secret)
  const text = (whole: string): string => {
    const stream = new RedactionStream(values, REDACTED)
    const start = stream.push(whole)
    return start.length === whole.length && start === whole ? whole : start + stream.end()
  }
  return {
    text,
    value: <T>(value: T): T => redactValue(value, text, 0) as T,
    stream: () => new RedactionStream(values, REDACTED),
    add: (secret) => values.add(secret),
  }
}

/** Finds only what looks like a secret; knows none by value. */
export const patternsOnly: Redactor = openRedactor()

function redactValue(value: unknown, text: (whole: string) => string, depth: number): unknown {
  if (typeof value === "string") return text(value)
  if (Array.isArray(value)) {
    if (depth >= MAX_DEPTH) return REDACTED
    let copy: unknown[] | undefined
    for (const [i, item] of value.entries()) {
      const shown = redactValue(item, text, depth + 1)
      if (shown === item) continue
      copy ??= [...value]
      copy[i] = shown
    }
    return copy ?? value
  }
  if (!isObject(value) || !isPlain(value)) return value
  return depth >= MAX_DEPTH ? REDACTED : redactObject(value, text, depth)
}

function redactObject(
  value: Record<string, unknown>,
  text: (whole: string) => string,
  depth: number,
): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined
  const binary = typeof value["data"] === "string" && (typeof value["mimeType"] === "string" || isSource(value))
  for (const [key, item] of Object.entries(value)) {
    // Pictures and files are not text.
    if (binary && key === "data") continue
    const shown = typeof item === "string" && hidesAt(key, item) ? REDACTED : redactValue(item, text, depth + 1)
    const shownKey = text(key)
    if (shown === item && shownKey === key) continue
    copy ??= { ...value }
    if (shownKey !== key) delete copy[key]
    copy[shownKey] = shown
  }
  return copy ?? value
}

/** Whether a string under this key is a secret for its key's sake. */
function hidesAt(key: string, item: string): boolean {
  if (item === "" || item === REDACTED) return false
  const kind = nameKind(key)
  return kind === "strong" || (kind === "weak" && looksRandom(item))
}

function isSource(value: Record<string, unknown>): boolean {
  return value["type"] === "base64" || typeof value["media_type"] === "string"
}

/** Errors, dates, maps and the like are left to whoever writes them out. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
