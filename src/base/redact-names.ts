// Which names tell of a secret (keys of JSON, environment variables, headers, query parameters) and what looks random enough to be one.

const STRONG =
  /(?:token|secret|password|passwd|pass[-_]?phrase|pwd|authorization|credentials?|cookie|密码|密钥|口令|令牌|(?:api|access|private|auth|secret|subscription|signing|encryption|client|license|service|account|storage|shared|master|root)[-_ ]?keys?|[-_]pass)(?:[-_]?(?:\d{1,3}|prod|production|dev|test|staging|live|old|new|main|base64|b64))?$/i
const WEAK = /(?:[-_]key|[a-z]Key|signature|[-_]sig|[-_]auth|[-_]salt|[-_]pat)$/
/** Names that end as if they told of one: counts, kinds, places, and our own words. */
const HARMLESS =
  /(?:session|idempotency|cache|primary|foreign|public|partition|sort|row|group|object|hot|short)[-_]?key$|(?:max|min|num|next|page|total|input|output|context|first|last|per)[-_]?token$|^(?:no|is|has|use|show|keep)[-_]?(?:token|password|secret|cookie)$/i

type NameKind = "strong" | "weak" | undefined

/** The same names come again and again; more than so many are looked at anew. */
const MAX_KNOWN = 2_000
const known = new Map<string, NameKind>()

/** "strong": what stands there is a secret. "weak": it is one if it looks random. */
export function nameKind(name: string): NameKind {
  if (known.has(name)) return known.get(name)
  const kind = kindOfName(name)
  if (known.size < MAX_KNOWN && name.length <= 64) known.set(name, kind)
  return kind
}

function kindOfName(name: string): NameKind {
  if (name.length > 200 || HARMLESS.test(name)) return undefined
  if (STRONG.test(name)) return "strong"
  if (WEAK.test(name)) return "weak"
  return undefined
}

const MIN_RANDOM = 16
/** Share of neighbours of different kind (capital, small, digit): hex has about 0.47, base64 0.62, identifiers below 0.3. */
const MIN_CHANGES = 0.3

/** Whether this looks like random letters and digits of a key, not like a word, a path or an identifier. */
export function looksRandom(text: string): boolean {
  if (text.length < MIN_RANDOM || !/^[A-Za-z0-9+/=_.~-]+$/.test(text)) return false
  if (!/\d/.test(text) || !/[A-Za-z]/.test(text)) return false
  // Separators say nothing: a date or an identifier has many.
  const body = text.replace(/[^A-Za-z0-9]/g, "")
  let changes = 0
  for (let i = 1; i < body.length; i++) if (kindOf(body.charCodeAt(i)) !== kindOf(body.charCodeAt(i - 1))) changes += 1
  return body.length >= 12 && changes / (body.length - 1) >= MIN_CHANGES
}

function kindOf(code: number): "digit" | "capital" | "small" {
  if (code <= 57) return "digit"
  return code <= 90 ? "capital" : "small"
}
