// Allow-list entries against what a command would do. An entry is the resolved path of a binary and a pattern for each argument; then,
// in any order, "sha256:<hex>" for the content of scripts (or "sha256:*" for any), and ">pattern" for files that may be written
// through a redirection. "**" as the last argument stands for any more. In doubt nothing matches, and a person is asked.

import type { CommandFacts, CommandSegment, Redirection } from "../command.ts"
import { isPlainVariable } from "../dangerous-variables.ts"
import { literalPattern, matchesWord } from "./pattern.ts"
import { readsOnlySegment } from "./readers.ts"

/** Builtins that touch nothing beyond the shell that runs the line; facts say so in `unknown` when they are used for more. */
const HARMLESS_BUILTINS: ReadonlySet<string> = new Set([
  ...[
    "true",
    "false",
    ":",
    "echo",
    "printf",
    "pwd",
    "test",
    "[",
    "cd",
    "exit",
    "return",
    "break",
    "continue",
    "wait",
    "set",
  ],
  ...["type", "times", "jobs", "export", "readonly", "local", "declare", "typeset", "command", "builtin", "umask"],
])

interface Entry {
  program: string
  args: string[]
  anyMore: boolean
  hashes: string[]
  writes: string[]
}

function parseEntry(entry: readonly string[]): Entry | undefined {
  const [program, ...rest] = entry
  if (program === undefined || !program.startsWith("/")) return undefined
  const isHash = (word: string) => word.startsWith("sha256:")
  const isWrite = (word: string) => word.startsWith(">")
  const args = rest.filter((word) => !isHash(word) && !isWrite(word))
  const anyMore = args.at(-1) === "**"
  return {
    program,
    args: anyMore ? args.slice(0, -1) : args,
    anyMore,
    hashes: rest.filter(isHash).map((word) => word.slice(7)),
    writes: rest.filter(isWrite).map((word) => word.slice(1)),
  }
}

/** Whether this entry allows this segment. Never for what interprets code, sets variables that matter, or writes where it does not say. */
export function matchesEntry(segment: CommandSegment, entry: readonly string[]): boolean {
  const parsed = parseEntry(entry)
  if (!parsed || segment.program === null || segment.builtin || segment.interprets !== null) return false
  if (segment.cwd === null || !plainAssignments(segment)) return false
  if (!matchesWord(parsed.program, segment.program)) return false
  return (
    argsMatch(segment.argv.slice(1), parsed) &&
    segment.scripts.every((script) => parsed.hashes.some((hash) => hash === "*" || hash === script.sha256)) &&
    segment.redirections.every((one) => redirectionAllowed(one, segment, parsed))
  )
}

function argsMatch(args: readonly (string | null)[], { args: patterns, anyMore }: Entry): boolean {
  if (anyMore ? args.length < patterns.length : args.length !== patterns.length) return false
  return args.every((word, at) => word !== null && (at >= patterns.length || matchesWord(patterns[at]!, word)))
}

/** Writing needs its own words in the entry; reading a file is allowed inside the folder, or where any more arguments are. */
function redirectionAllowed({ operator, target, writes }: Redirection, { cwd }: CommandSegment, entry: Entry): boolean {
  if (writes) return target !== null && entry.writes.some((pattern) => matchesWord(pattern, target))
  if (operator === "<<" || operator === "<<-" || operator === "<<<") return true
  if (target === null) return false
  return entry.anyMore || target === "/dev/null" || inside(target, cwd)
}

function inside(path: string, folder: string | null): boolean {
  return folder !== null && (path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`))
}

function plainAssignments({ assignments }: CommandSegment): boolean {
  return assignments.every(({ name, value }) => value !== null && isPlainVariable(name))
}

/** Whether a segment needs no entry: a harmless builtin, a plain assignment, or a wrapper whose inner program is judged by itself. */
export function needsNoEntry(segment: CommandSegment): boolean {
  if (segment.interprets !== null || segment.argv.includes(null) || !plainAssignments(segment)) return false
  if (segment.redirections.some((one) => (one.writes || one.target === null ? !hereText(one) : false))) return false
  if (segment.argv.length === 0) return segment.redirections.length === 0 && segment.assignments.length > 0
  if (segment.wraps) return segment.scripts.length === 0
  return segment.builtin && segment.name !== null && HARMLESS_BUILTINS.has(segment.name)
}

function hereText({ operator }: Redirection): boolean {
  return operator.startsWith("<<")
}

/** The whole judgement: the line is fully known, and each of its segments is allowed by an entry or needs none. */
export function matchesAll(facts: CommandFacts, entries: readonly (readonly string[])[]): boolean {
  if (facts.unknown.length > 0 || facts.segments.length === 0) return false
  return facts.segments.every((one) => needsNoEntry(one) || entries.some((entry) => matchesEntry(one, entry)))
}

/** Whether the line only reads: fully known, every program on the table of plain readers with safe options, nothing written. */
export function readsOnly(facts: CommandFacts): boolean {
  if (facts.unknown.length > 0 || facts.segments.length === 0) return false
  return facts.segments.every((one) => one.writes.length === 0 && (needsNoEntry(one) || readsOnlySegment(one)))
}

/** The entries that "allow always" would write: each program with exactly these arguments. Undefined when it cannot be offered. */
export function offerFor(facts: CommandFacts): string[][] | undefined {
  if (facts.unknown.length > 0) return undefined
  const entries: string[][] = []
  for (const segment of facts.segments) {
    if (needsNoEntry(segment)) continue
    const entry = entryFor(segment)
    if (entry === undefined || !matchesEntry(segment, entry)) return undefined
    entries.push(entry)
  }
  const seen = new Map(entries.map((entry) => [JSON.stringify(entry), entry]))
  return seen.size > 0 ? [...seen.values()] : undefined
}

function entryFor({ program, argv, scripts, redirections }: CommandSegment): string[] | undefined {
  if (program === null) return undefined
  const words: string[] = [literalPattern(program)]
  for (const word of argv.slice(1)) {
    if (word === null) return undefined
    words.push(literalPattern(word))
  }
  for (const { sha256 } of scripts) words.push(`sha256:${sha256}`)
  for (const { target, writes } of redirections) {
    if (writes && target === null) return undefined
    if (writes && target !== null) words.push(`>${target.replace(/[\\*]/g, "\\$&")}`)
  }
  return words
}

/** Short lines for a person: each program with its arguments, what is special about it, and what is not known. */
export function describe(facts: CommandFacts): string[] {
  const lines = facts.segments.filter((one) => one.argv.length > 0 || one.assignments.length > 0).map(describeSegment)
  return [...lines, ...facts.unknown.map((why) => `not known before it runs: ${why}`)]
}

function describeSegment(segment: CommandSegment): string {
  const { argv, program, builtin, assignments, redirections, interprets, scripts } = segment
  const sets = assignments.map(({ name, value }) => `${name}=${value === null ? "…" : shown(value)}`)
  const [first, ...rest] = argv
  const head = argv.length === 0 ? [] : [program ?? (typeof first === "string" ? shown(first) : "…")]
  const redirects = redirections.map(({ operator, target }) =>
    operator.startsWith("<<") ? operator : `${operator} ${target === null ? "…" : shown(target)}`,
  )
  const notes = [
    ...(builtin ? ["shell builtin"] : []),
    ...(interprets === null ? [] : [`runs code: ${interprets}`]),
    ...scripts.map(({ path, sha256 }) => `content of ${path} is ${sha256.slice(0, 12)}`),
  ]
  const words = [...sets, ...head, ...rest.map((word) => (word === null ? "…" : shown(word))), ...redirects].join(" ")
  return notes.length === 0 ? words : `${words} (${notes.join("; ")})`
}

/** A word as it can be read without doubt: quoted when it holds more than plain characters, cut when it is long. */
function shown(word: string): string {
  const short = word.length > 200 ? `${word.slice(0, 200)}…` : word
  return /^[\w@%+=:,./-]+$/.test(short) ? short : JSON.stringify(short)
}
