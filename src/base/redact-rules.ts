// What a secret looks like when nobody told us its value. Each rule is asked at one telling character (the "-" of "sk-", the ":" of
// "://", the "=" of "TOKEN=") and looks a bounded way back and forth, so that all of it is linear in the length of the text.
import { looksRandom, nameKind } from "./redact-names.ts"

/** What goes on after a secret that was recognised before its end was seen. */
export type Rest = { type: "run"; chars: RegExp } | { type: "block" }

export type Suspicion =
  /** A secret from `from` to `to`; `rest` when it may go on in the next piece. */
  | { type: "found"; from: number; to: number; rest?: Rest }
  /** Cannot be told yet: ask again when more is there, and show nothing from `hold` on until then. */
  | { type: "maybe"; hold: number }

/** Undecided after so many characters: decided by what is there. Bounds what a stream holds back. */
const MAX_UNDECIDED = 64
const MAX_TOKEN_UNDECIDED = 512

interface TokenRule {
  body: RegExp
  min: number
  check?: (body: string) => boolean
}

// Runs are looked at in bounded pieces; a secret that was found is followed to its end (`found`).
const alnum = /[A-Za-z0-9]{0,512}/y
const wide = /[A-Za-z0-9_-]{0,512}/y
const dashed = /[A-Za-z0-9-]{0,512}/y
const dotted = /[A-Za-z0-9_.-]{0,512}/y
const scored = /[A-Za-z0-9_]{0,512}/y
const base64 = /[A-Za-z0-9+/=_.~-]{0,512}/y

/** A slug of words ("sk-learn-pipeline") has no long run of letters and digits. */
const keyLike = (body: string) => /\d/.test(body) && /[A-Za-z0-9]{10}/.test(body)

/** By the word before the separator and the separator itself. */
const TOKENS: ReadonlyMap<string, TokenRule> = new Map([
  ...words(["sk-", "pk-", "rk-"], { body: wide, min: 16, check: keyLike }),
  ...words(["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"], { body: alnum, min: 16 }),
  ...words(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], { body: alnum, min: 16 }),
  ...words(["github_pat_"], { body: scored, min: 16 }),
  ...words(["glpat-", "gldt-", "glrt-", "glptt-"], { body: wide, min: 16 }),
  ...words(["xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"], { body: dashed, min: 10 }),
  ...words(["hf_", "gsk_", "npm_", "xai-", "r8_", "pplx-", "dop_v1_", "shpat_", "clh_"], {
    body: alnum,
    min: 16,
    check: (body) => /\d/.test(body),
  }),
  ...words(["pypi-"], { body: wide, min: 32 }),
])

function words(names: readonly string[], rule: TokenRule): [string, TokenRule][] {
  return names.map((name) => [name, rule])
}

const LONGEST_WORD = 12

/** Characters at which a rule may have something to say. */
export const TELLING: Uint8Array = telling("-_:=AaJrc：")

function telling(characters: string): Uint8Array {
  const table = new Uint8Array(1 << 16)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}

/** Asks the rules about the telling character at `at`. `final`: nothing follows the text. */
export function judge(text: string, at: number, final: boolean): Suspicion | undefined {
  switch (text[at]) {
    case "-":
      return token(text, at, final) ?? privateKey(text, at, final)
    case "_":
      return token(text, at, final)
    case ":":
      return text.startsWith("//", at + 1)
        ? userInfo(text, at, final)
        : (named(text, at, final) ?? bot(text, at, final))
    case "=":
    case "：":
      return named(text, at, final)
    case "A":
      return text.startsWith("AKI", at - 3) || text.startsWith("ASI", at - 3)
        ? run(text, at - 3, at + 1, final, { body: /[A-Z0-9]{0,512}/y, min: 16 })
        : undefined
    case "a":
      return text.startsWith("AIz", at - 3) ? run(text, at - 3, at + 1, final, { body: wide, min: 30 }) : undefined
    case "J":
      return text.startsWith("ey", at - 2) ? webToken(text, at - 2, final) : undefined
    case "r":
      return /[Bb]eare$/.test(text.slice(Math.max(0, at - 5), at)) ? bearer(text, at + 1, final) : undefined
    case "c":
      return /[Bb]asi$/.test(text.slice(Math.max(0, at - 4), at)) ? basic(text, at + 1, final) : undefined
    default:
      return undefined
  }
}

function isWordAt(text: string, at: number): boolean {
  return at >= 0 && at < text.length && /[A-Za-z0-9_]/.test(text[at]!)
}

function token(text: string, at: number, final: boolean): Suspicion | undefined {
  let from = at
  while (from > 0 && at - from <= LONGEST_WORD && isWordAt(text, from - 1)) from -= 1
  const rule = TOKENS.get(text.slice(from, at + 1))
  return rule && run(text, from, at + 1, final, rule)
}

/** A prefix from `from` and its body from `start`. */
function run(text: string, from: number, start: number, final: boolean, rule: TokenRule): Suspicion | undefined {
  if (isWordAt(text, from - 1)) return undefined
  const to = start + lengthOf(rule.body, text, start)
  const open = to === text.length && !final
  const body = text.slice(start, to)
  if (body.length >= rule.min && (rule.check?.(body) ?? true)) return found(text, from, to, final, rule.body)
  return open && body.length < MAX_UNDECIDED ? { type: "maybe", hold: from } : undefined
}

function lengthOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length ?? 0
}

/** A secret from `from` to at least `to`, followed as far as `chars` go. */
function found(text: string, from: number, to: number, final: boolean, chars: RegExp): Suspicion {
  let end = to
  for (let more = lengthOf(chars, text, end); more > 0; more = lengthOf(chars, text, end)) end += more
  const open = end === text.length && !final
  return open ? { type: "found", from, to: end, rest: { type: "run", chars } } : { type: "found", from, to: end }
}

const WEB_TOKEN = /^eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/

function webToken(text: string, from: number, final: boolean): Suspicion | undefined {
  if (isWordAt(text, from - 1)) return undefined
  const to = from + lengthOf(dotted, text, from)
  const open = to === text.length && !final
  if (WEB_TOKEN.test(text.slice(from, to))) return found(text, from, to, final, dotted)
  return open && to - from < MAX_TOKEN_UNDECIDED ? { type: "maybe", hold: from } : undefined
}

/** "-----BEGIN RSA PRIVATE KEY" and all up to its end. */
function privateKey(text: string, at: number, final: boolean): Suspicion | undefined {
  if (!text.startsWith("PRIVATE KEY", at - 11) && !text.startsWith("PRIVATE KEY BLOCK", at - 17)) return undefined
  const before = /-----BEGIN [A-Z ]*$/.exec(text.slice(Math.max(0, at - 60), at))
  if (!before) return undefined
  const end = endOfBlock(text, at)
  const from = at - before[0].length
  return end.closed || final
    ? { type: "found", from, to: end.to }
    : { type: "found", from, to: end.to, ...(end.to === text.length ? { rest: { type: "block" } } : {}) }
}

const BLOCK_END = /-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----/g
const BLOCK_CHARS = /[A-Za-z0-9+/=\s\\:,()>|#*"'-]*/y
export const MAX_BLOCK = 32_768

/** Where a private key's block ends when it begins before `at`. */
export function endOfBlock(text: string, at: number): { to: number; closed: boolean } {
  BLOCK_END.lastIndex = at
  const length = lengthOf(BLOCK_CHARS, text, at)
  const reach = at + Math.min(length, MAX_BLOCK)
  const end = BLOCK_END.exec(text.slice(0, reach))
  return end ? { to: BLOCK_END.lastIndex, closed: true } : { to: reach, closed: reach < text.length }
}

/** The credential after "Bearer": random-looking, so that "bearer of good news" stays. */
function bearer(text: string, at: number, final: boolean): Suspicion | undefined {
  if (isWordAt(text, at - 7)) return undefined
  const start = at + lengthOf(/[ \t:]{0,4}/y, text, at)
  const to = start + lengthOf(base64, text, start)
  const open = to === text.length && !final
  const body = text.slice(start, to)
  if (start > at && ((body.length >= 12 && /\d/.test(body)) || body.length >= 32))
    return found(text, start, to, final, base64)
  return open && body.length < MAX_UNDECIDED ? { type: "maybe", hold: start } : undefined
}

/** The credential after "Basic": base64 of printable text with a colon. */
function basic(text: string, at: number, final: boolean): Suspicion | undefined {
  if (isWordAt(text, at - 6)) return undefined
  const start = at + lengthOf(/[ \t]{0,4}/y, text, at)
  const to = start + lengthOf(base64, text, start)
  const open = to === text.length && !final
  const body = text.slice(start, to)
  if (open && body.length < MAX_UNDECIDED) return { type: "maybe", hold: start }
  if (start === at || body.length < 8) return undefined
  const words = Buffer.from(body, "base64").toString("latin1")
  return /^[ -~]+$/.test(words) && words.includes(":") ? found(text, start, to, final, base64) : undefined
}

const USER_INFO = /[^\s/?#"'<>`@\\]{0,512}/y

/** The password of "scheme://user:password@host". Without one, the user where it looks like a key. */
function userInfo(text: string, at: number, final: boolean): Suspicion | undefined {
  const start = at + 3
  const to = start + lengthOf(USER_INFO, text, start)
  const colon = text.indexOf(":", start)
  const from = colon >= 0 && colon < to ? colon + 1 : start
  if (text[to] === "@") {
    if (from === start) return looksRandom(text.slice(start, to)) ? { type: "found", from, to } : undefined
    return to > from ? { type: "found", from, to } : undefined
  }
  if (to < text.length || final || to - start >= MAX_TOKEN_UNDECIDED) return undefined
  // A host with its port needs no waiting; a name that is only a host is shown, and looked at again.
  return {
    type: "maybe",
    hold: from === start || /^\d{0,5}$/.test(text.slice(from, to)) ? Math.max(from, start) : from,
  }
}

/** Bot tokens: a number, a colon, and "AA" with more. */
function bot(text: string, at: number, final: boolean): Suspicion | undefined {
  let from = at
  while (from > 0 && at - from < 11 && /\d/.test(text[from - 1]!)) from -= 1
  if (at - from < 8 || at - from > 10) return undefined
  return run(text, from, at + 1, final, { body: wide, min: 30, check: (body) => body.startsWith("AA") })
}

const NAME_CHARS = /[\p{L}\p{N}_.$-]/u
const ASCII_NAME = telling("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.$-")
const BLANK = telling(" \t")
const CLOSING = telling("\"'`]\\")

/** Asked for every letter of every name: most are ASCII. */
function isNameChar(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code < 128 ? ASCII_NAME[code] === 1 : NAME_CHARS.test(text[at]!)
}

const MAX_NAME = 64
const QUERY_NAMES = /^(?:key|sig|code_verifier|auth|jwt|pat)$/i
const VALUE = /[^\s"'`,;\\<>()[\]{}&|，。；）]{0,512}/y
const ENV_VALUE = /[^\s"'`\\&|<>]{0,512}/y
const QUERY_VALUE = /[^&#\s"'<>`()\\]{0,512}/y
const HEADER_VALUE = /[^\r\n"'`\\]{0,512}/y
/** What refers to a secret instead of being one. */
const REFERENCE = /^(?:urn:|[$%<{[*]|process\.env|os\.(?:environ|getenv)|env\.|import\.meta|\[redacted)/

interface Naming {
  name: string
  /** What stands before the name. */
  before: string
}

/** "NAME=", '"name": ', "name: ": the name before the separator at `at`. */
function nameBefore(text: string, at: number): Naming | undefined {
  let end = at
  while (end > 0 && at - end < 4 && BLANK[text.charCodeAt(end - 1)] === 1) end -= 1
  while (end > 0 && at - end < 8 && CLOSING[text.charCodeAt(end - 1)] === 1) end -= 1
  let start = end
  while (start > 0 && end - start < MAX_NAME && isNameChar(text, start - 1)) start -= 1
  return start === end ? undefined : { name: text.slice(start, end), before: text.slice(Math.max(0, start - 1), start) }
}

function named(text: string, at: number, final: boolean): Suspicion | undefined {
  const naming = nameBefore(text, at)
  if (!naming) return undefined
  const { name, before } = naming
  // Comparisons and arrows are code.
  if (/[=>~]/.test(text[at + 1] ?? "") || (text[at] === ":" && text[at + 1] === ":")) return undefined
  const kind = nameKind(name)
  if (text[at] === "=" && /[?&;]/.test(before) && (kind !== undefined || QUERY_NAMES.test(name)))
    return queryValue(text, at + 1, final)
  if (kind === undefined) return undefined
  if (text[at] === ":" && /(?:authorization|cookie)$/i.test(name)) return header(text, at + 1, name, final)
  const lead = /([ \t]{0,4})(\\{0,3}["'`])?/y
  lead.lastIndex = at + 1
  const [skipped, blank, quote] = lead.exec(text) ?? ["", "", undefined]
  const start = at + 1 + (skipped?.length ?? 0)
  const isEnv = text[at] === "=" && blank === "" && kind === "strong" && /^[A-Z][A-Z0-9_]*$/.test(name)
  if (isEnv) return envValue(text, start, quote, final)
  const to = start + lengthOf(VALUE, text, start)
  const body = text.slice(start, to)
  const open = to === text.length && !final
  if (open && body.length < MAX_UNDECIDED) return { type: "maybe", hold: start }
  const next = text[to] ?? ""
  // "credential: X509Credential | undefined" is a type; what follows the blank tells.
  if (quote === undefined && next === " " && to + 1 === text.length && !final) return { type: "maybe", hold: start }
  if (quote === undefined && /^ [|&=?]/.test(text.slice(to, to + 2))) return undefined
  return isSecret(body, { kind, quoted: quote !== undefined, next }) ? found(text, start, to, final, VALUE) : undefined
}

function isSecret(body: string, how: { kind: "strong" | "weak"; quoted: boolean; next: string }): boolean {
  if (body.length < 6 || REFERENCE.test(body) || !/^[!-~]+$/.test(body)) return false
  if (looksRandom(body) && !/[([]/.test(how.next)) return true
  if (how.kind === "weak" || !/\d/.test(body)) return false
  if (how.quoted) return body.length >= 8 && /[A-Za-z]/.test(body) && /["'`\\]/.test(how.next)
  // Unquoted it may be code: a path of properties, an argument, a call.
  return /[^\d.]/.test(body) && !/^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/.test(body) && !/[,;()[\]{}]/.test(how.next)
}

/** A line of an .env file, or of what `env` prints. */
function envValue(text: string, start: number, quote: string | undefined, final: boolean): Suspicion | undefined {
  const chars = quote === undefined ? ENV_VALUE : HEADER_VALUE
  const to = start + lengthOf(chars, text, start)
  const open = to === text.length && !final
  const body = text.slice(start, to)
  if (open && body.length < MAX_UNDECIDED) return { type: "maybe", hold: start }
  if (body.length < 6 || REFERENCE.test(body) || /^[\w.$]+[([]/.test(body) || isPlainPath(body)) return undefined
  return found(text, start, to, final, chars)
}

/** A file's place, as in SSH_AUTH_SOCK or TOKEN_FILE. */
export function isPlainPath(text: string): boolean {
  return /^(?:~|\.{1,2})?(?:\/[\w.@+ -]+){1,}\/?$/.test(text) && !text.split("/").some(looksRandom)
}

function queryValue(text: string, start: number, final: boolean): Suspicion | undefined {
  const to = start + lengthOf(QUERY_VALUE, text, start)
  const open = to === text.length && !final
  const body = text.slice(start, to)
  if (REFERENCE.test(body)) return undefined
  if (body.length >= 6) return found(text, start, to, final, QUERY_VALUE)
  return open ? { type: "maybe", hold: start } : undefined
}

/** The value of an Authorization or Cookie header, to the end of its line. */
function header(text: string, at: number, name: string, final: boolean): Suspicion | undefined {
  const start = at + lengthOf(/[ \t]{0,4}\\{0,3}["'`]?/y, text, at)
  const to = start + lengthOf(HEADER_VALUE, text, start)
  const open = to === text.length && !final
  const body = text.slice(start, to)
  const isCookie = /cookie$/i.test(name)
  if (open && body.length < MAX_UNDECIDED) return { type: "maybe", hold: start }
  if (body.length < 6 || REFERENCE.test(body) || !/\d/.test(body)) return undefined
  if (isCookie) return /^[\w.-]+=[^\s;]{4,}/.test(body) ? found(text, start, to, final, HEADER_VALUE) : undefined
  return /^(?:[A-Za-z][\w-]* +)?[A-Za-z0-9+/=_.~:-]{6,}\s*$/.test(body)
    ? found(text, start, to, final, HEADER_VALUE)
    : undefined
}
