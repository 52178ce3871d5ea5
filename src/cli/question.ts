// What a person is asked, read from the wire and written so that nothing in it can mislead: exact words of each program, the folder,
// where it would run, what the conversation has read. Control, bidirectional and invisible characters are made visible (A42).
import { isObject } from "../base/json.ts"
import { type AgentQuestion, agentQuestionOf } from "./form.ts"
import { inert, inertLine } from "./inert.ts"
import type { Screen } from "./screen.ts"

/** An approval as the wire shows it. */
export interface Question {
  id: string
  /** "tool", "elevated", "workflow" … */
  kind: string
  tool: string
  sessionKey: string
  agentId: string
  /** The exact command, or the path and what happens to it. */
  summary: string
  reason: string
  cwd: string
  /** Exact words of each program that it starts, where they are known. */
  argv: string[][]
  placement: { type: string; profile?: string; because?: string } | undefined
  /** What text from outside this conversation has read. */
  taint: { source: string; detail: string }[]
  /** The rule that "always" would write. */
  offer: string | undefined
  /** Of kind "question": what is asked beside yes or no. */
  asks: AgentQuestion | undefined
  /** Elevated level of the session. */
  elevated: string
  expiresAtMs: number
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}

/** A row of exec.approval.list, or the payload of exec.approval.requested. */
export function questionOf(row: Readonly<Record<string, unknown>>): Question {
  const request = isObject(row["request"]) ? row["request"] : {}
  const { argv, placement, taint, offer, expiresAtMs } = row
  return {
    id: stringOf(row["id"]) ?? "",
    kind: stringOf(row["kind"]) ?? "tool",
    tool: stringOf(row["tool"]) ?? "",
    sessionKey: stringOf(request["sessionKey"]) ?? "",
    agentId: stringOf(request["agentId"]) ?? "",
    summary: stringOf(row["summary"]) ?? stringOf(request["command"]) ?? "",
    reason: stringOf(row["reason"]) ?? "",
    cwd: stringOf(request["cwd"]) ?? "",
    argv: Array.isArray(argv) ? argv.filter(Array.isArray).map((words) => words.map(String)) : [],
    placement: isObject(placement) ? placementOf(placement) : undefined,
    taint: Array.isArray(taint)
      ? taint.filter(isObject).map((mark) => ({ source: String(mark["source"]), detail: String(mark["detail"]) }))
      : [],
    offer: isObject(offer) ? stringOf(offer["text"]) : undefined,
    asks: agentQuestionOf(row["question"]),
    elevated: stringOf(row["elevated"]) ?? "off",
    expiresAtMs: typeof expiresAtMs === "number" ? expiresAtMs : Number.POSITIVE_INFINITY,
  }
}

function placementOf(value: Record<string, unknown>): Question["placement"] {
  const profile = stringOf(value["profile"])
  const because = stringOf(value["because"])
  return {
    type: stringOf(value["type"]) ?? "",
    ...(profile === undefined ? {} : { profile }),
    ...(because === undefined ? {} : { because }),
  }
}

/** Invisible characters that inert() leaves: joiners, soft hyphens, tags, fillers. */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

/** The text with everything visible that is in it; newlines stay. */
export function visible(text: string): string {
  return inert(text).replace(INVISIBLE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}

function visibleLine(text: string): string {
  return visible(inertLine(text))
}

/** A word as a shell would need it, so that its borders show. */
function quoted(word: string): string {
  const shown = visibleLine(word)
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`
}

/** Words in which letters of alphabets that look alike stand side by side. */
function twins(text: string): string[] {
  const words = text.split(/[^\p{L}\p{N}]+/u)
  const isMixed = (word: string) =>
    /\p{Script=Latin}/u.test(word) && /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}]/u.test(word)
  return [...new Set(words.filter(isMixed))].slice(0, 5)
}

/** The question in full. */
export function showQuestion(out: Screen, question: Question): void {
  const { argv, cwd, kind, reason, summary, tool } = question
  out.line()
  const asks =
    kind === "question"
      ? "Your agent asks you"
      : kind === "tool"
        ? `May ${visibleLine(tool)} do this?`
        : `May this be (${visibleLine(kind)})?`
  out.line(`${out.paint("?", "yellow", "bold")} ${out.paint(asks, "bold")}  ${out.paint(visibleLine(reason), "dim")}`)
  for (const line of visible(summary).split("\n")) out.line(`    ${out.paint(line, "yellow")}`)
  for (const words of argv) out.line(`    ${out.paint("runs", "dim")} ${words.map(quoted).join(" ")}`)
  if (cwd !== "") out.line(`    ${out.paint(`in ${visibleLine(cwd)}`, "dim")}`)
  for (const warning of warningsOf(question)) out.line(`    ${out.paint(`! ${warning}`, "red", "bold")}`)
  for (const note of notesOf(question)) out.line(`    ${out.paint(note, "dim")}`)
}

function warningsOf({ argv, elevated, kind, placement, summary, taint }: Question): string[] {
  const warnings: string[] = []
  if (placement?.type === "host" || kind === "elevated")
    warnings.push("on this machine, outside the sandbox, with all your rights")
  if (taint.length > 0) {
    const read = taint.map(({ source, detail }) => visibleLine(source === "web" ? detail : `${source} ${detail}`))
    warnings.push(`this conversation has read: ${read.join(", ")}`)
  }
  if (elevated !== "off") warnings.push(`this session is elevated (${visibleLine(elevated)})`)
  const alike = twins([summary, ...argv.flat()].join(" "))
  if (alike.length > 0)
    warnings.push(`letters of different alphabets in one word: ${alike.map(visibleLine).join(", ")}`)
  return warnings
}

function notesOf({ placement }: Question): string[] {
  if (placement?.type === "sandbox") return [`in the sandbox, profile ${visibleLine(placement.profile ?? "?")}`]
  return placement?.type === "inside" ? ["by Pincer itself"] : []
}

/** The rule that "always" writes, before it is written. */
export function showOffer(out: Screen, offer: string): void {
  out.line()
  out.line(`  ${out.paint("This rule would be written:", "bold")}`)
  for (const line of visible(offer).split("\n")) out.line(`    ${out.paint(line, "yellow")}`)
}
