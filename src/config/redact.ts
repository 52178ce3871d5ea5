// The configuration as it may be shown: every secret replaced by a fixed mark. References ({env}, {file}) name a secret without
// being one and stay. Judged by key name and by the look of the value, so that free-form parts (headers, env) are covered too.
import { isObject } from "../base/json.ts"
import { jsonc } from "./document.ts"

export const REDACTED = "[redacted]"

/** Keys whose text is a secret: token, apiKey, GITHUB_TOKEN, x-api-key, client_secret, Authorization, Cookie … */
const SECRET_KEY =
  /(token|secret|password|passwd|passphrase|authorization|credentials?|cookie|signature|(api|access|private|auth|secret|subscription|signing|encryption|session|client|license)[-_]?key|[-_]key)$/i
/** Values that are credentials wherever they stand. */
const SECRET_VALUE = [
  /^(bearer|basic|token)\s+\S{6,}$/i,
  /\b(sk|pk|rk)[-_][A-Za-z0-9_-]{16,}/,
  /\b(ghp|gho|ghs|ghu|github_pat|glpat|xox[abposr]|AIza|AKIA|hf|gsk)[-_]?[A-Za-z0-9_-]{16,}/,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\./,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
]
/** In headers and command environments anything long and random-looking is taken for a credential. */
const RANDOM_LOOKING = /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=_.~-]{20,}$/

/** A deep copy of any JSON value with every secret replaced by "[redacted]". */
export function redact<T>(value: T): T
export function redact(value: unknown): unknown {
  return redactAt(value, [])
}

/** The text of a config file with its secrets replaced; comments that look as if they held one lose their text. */
export function redactText(text: string): string {
  const { visit, applyEdits } = jsonc()
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

function redactAt(value: unknown, path: readonly string[]): unknown {
  if (typeof value === "string") return isSecret(value, path) ? REDACTED : withoutCredentials(value)
  if (Array.isArray(value)) return value.map((item) => redactAt(item, path))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactAt(item, [...path, key])]))
}

function isSecret(value: string, path: readonly string[]): boolean {
  const steps = path.filter((step) => !/^\d+$/.test(step))
  const key = steps.at(-1) ?? ""
  if (value === "") return false
  // {env: NAME} and {file: path} below a secret's key.
  if ((key === "env" || key === "file") && SECRET_KEY.test(steps.at(-2) ?? "")) return false
  if (SECRET_KEY.test(key)) return true
  if (SECRET_VALUE.some((pattern) => pattern.test(value))) return true
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
  if (SECRET_VALUE.some((pattern) => pattern.test(comment))) return true
  return /(token|secret|password|api[-_]?key|authorization|cookie)["']?\s*[:=]\s*["']?[^\s"'{]{4,}/i.test(comment)
}
