// The configuration as it may be shown: every secret replaced by a fixed mark. References ({env}, {file}) name a secret without
// being one and stay. Judged by the names and patterns of the one redactor (base/redact.ts), and more strictly in
// free-form parts (headers, env).
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { nameKind, patternsOnly, REDACTED } from "../base/redact.ts"
import { jsonc } from "./document.ts"

export { REDACTED } from "../base/redact.ts"

/** In headers and command environments anything long and random-looking is taken for a credential. */
const RANDOM_LOOKING = /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=_.~-]{20,}$/
/** How a secret is named without being shown. */
const REFERENCES: ReadonlySet<string> = new Set(["env", "file", "exec", "keyring"])
/** "Bearer x": a credential even where it is short. */
const SCHEME = /^(?:bearer|basic|token)\s+\S{6,}$/i

/** A deep copy of any JSON value with every secret replaced by "[redacted]". */
export function redact<T>(value: T): T
export function redact(value: unknown): unknown {
  return redactAt(value, [])
}

/** The text of a config file with its secrets replaced; comments that look as if they held one lose their text. */
export function redactText(text: string): string {
  const { visit, applyEdits } = jsonc
  const edits: import("jsonc-parser").Edit[] = []
  visit(
    text,
    {
      onLiteralValue(value, offset, length, _line, _column, path) {
        const shown = redactAt(value, path().map(String))
        if (shown !== value) edits.push({ offset, length, content: JSON.stringify(shown) })
      },
      onComment(offset, length) {
        const comment = text.slice(offset, offset + length)
        if (!isTellingComment(comment)) return
        edits.push({ offset, length, content: comment.startsWith("/*") ? `/* ${REDACTED} */` : `// ${REDACTED}` })
      },
    },
    { allowTrailingComma: true, allowEmptyContent: true },
  )
  return applyEdits(text, edits)
}

/** Whether a configuration holds a secret itself, rather than a reference to one. */
export function holdsPlainSecret(value: unknown): boolean {
  return JSON.stringify(redact(value)) !== JSON.stringify(value)
}

/** The item that a masked one was: at its place in a list as long as before, else the only one that looks like it. */
function counterpart(item: unknown, at: number, shown: unknown[], known: unknown[], path: readonly string[]): unknown {
  if (shown.length === known.length) return known[at]
  const mask = JSON.stringify(item)
  const alike = known.filter((one, i) => JSON.stringify(redactAt(one, [...path, String(i)])) === mask)
  return alike.length === 1 ? alike[0] : undefined
}

/**
 * What somebody who saw only the mask writes back: each mask becomes the secret that it stands for. `real`: what stands there now.
 * Throws INVALID_PARAMS where there is none.
 */
export function withRealSecrets(shown: unknown, real: unknown, path: readonly string[]): unknown {
  if (typeof shown === "string") {
    if (!shown.includes(REDACTED)) return shown
    if (typeof real === "string" && redactAt(real, path) === shown) return real
    throw new PincerError(
      "INVALID_PARAMS",
      `${path.join(".")}: "${REDACTED}" stands for a secret that is not there: write the secret, or {"env": "NAME"}`,
    )
  }
  if (Array.isArray(shown)) {
    const known: unknown[] = Array.isArray(real) ? real : []
    return shown.map((item, i) => withRealSecrets(item, counterpart(item, i, shown, known, path), [...path, String(i)]))
  }
  if (!isObject(shown)) return shown
  const known = isObject(real) ? real : {}
  return Object.fromEntries(
    Object.entries(shown).map(([key, item]) => [key, withRealSecrets(item, known[key], [...path, key])]),
  )
}

/**
 * The same for a whole text: masks in values and in remarks become what stands in `before`. `known`: what `before` says. Remarks are told
 * apart by their order, so only where none came or went.
 */
export function withRealSecretsInText(text: string, before: string | undefined, known: unknown): string {
  if (!text.includes(REDACTED)) return text
  const { applyEdits, getNodeValue, parseTree, visit } = jsonc
  const root = parseTree(text, [], { allowTrailingComma: true })
  const whole: unknown = root && withRealSecrets(getNodeValue(root), known, [])
  const old = before === undefined ? [] : commentsOf(before)
  const edits: import("jsonc-parser").Edit[] = []
  visit(
    text,
    {
      onLiteralValue(value, offset, length, _line, _column, path) {
        if (typeof value !== "string" || !value.includes(REDACTED)) return
        edits.push({ offset, length, content: JSON.stringify(valueAt(whole, path())) })
      },
    },
    { allowTrailingComma: true, allowEmptyContent: true },
  )
  const comments = commentsOf(text)
  if (comments.length === old.length)
    for (const [i, { length, offset, said }] of comments.entries())
      if (said.includes(REDACTED)) edits.push({ offset, length, content: old[i]?.said ?? said })
  return applyEdits(
    text,
    edits.sort((a, b) => a.offset - b.offset),
  )
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let here = value
  for (const step of path) here = Array.isArray(here) ? here[Number(step)] : isObject(here) ? here[step] : undefined
  return here
}

function commentsOf(text: string): { offset: number; length: number; said: string }[] {
  const found: { offset: number; length: number; said: string }[] = []
  jsonc.visit(
    text,
    { onComment: (offset, length) => void found.push({ offset, length, said: text.slice(offset, offset + length) }) },
    { allowTrailingComma: true, allowEmptyContent: true },
  )
  return found
}

/** The same for what stands at a path. */
export function redactAt(value: unknown, path: readonly string[]): unknown {
  if (typeof value === "string") return isSecret(value, path) ? REDACTED : patternsOnly.text(withoutCredentials(value))
  if (Array.isArray(value)) return value.map((item) => redactAt(item, path))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactAt(item, [...path, key])]))
}

function isSecret(value: string, path: readonly string[]): boolean {
  const steps = path.filter((step) => !/^\d+$/.test(step))
  const key = steps.at(-1) ?? ""
  if (value === "") return false
  // {env: NAME}, {file: path}, {exec: [program]} and {keyring: account} below a secret's key.
  if (REFERENCES.has(key) && nameKind(steps.at(-2) ?? "")) return false
  if (nameKind(key) || SCHEME.test(value)) return true
  // Named by the method of logging in, which may be any word.
  if (steps.at(-2) === "credentials") return true
  const free = steps.at(-2) === "headers" || steps.at(-2) === "env"
  return free && RANDOM_LOOKING.test(value)
}

/** A URL without its user part and without the values of telling query parameters; other text unchanged. */
function withoutCredentials(value: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return value
  return value
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, `$1${REDACTED}@`)
    .replace(/([?&](?:key|[^=&#]*(?:token|secret|password|api[-_]?key|signature|sig))=)[^&#]+/gi, `$1${REDACTED}`)
}

function isTellingComment(comment: string): boolean {
  if (patternsOnly.text(comment) !== comment) return true
  return /(token|secret|password|api[-_]?key|authorization|cookie)["']?\s*[:=]\s*["']?[^\s"'{]{4,}/i.test(comment)
}
