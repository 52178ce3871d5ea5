// Views of calls as they are kept: no secrets in them, and no text so long that the log would grow without bound.
import { isObject } from "../base/json.ts"
import type { Redactor } from "../base/redact.ts"
import { cut } from "../base/text.ts"
import type { ToolResultPart } from "../protocol/message.ts"
import type { TerminalContent, ToolContent, ToolView } from "../protocol/tool-view.ts"
import { diffOf } from "../tools/diff.ts"

const KIB = 1024
const DIFF_CHARS = 256 * KIB
const OUTPUT_CHARS = 256 * KIB
const RAW_CHARS = 64 * KIB
const RAW_STRING_CHARS = 4 * KIB
const TITLE_CHARS = 1_000
const BINARY_CHARS = 7_000_000
const MAX_CONTENT = 100
const MAX_LOCATIONS = 200
/** Texts of a result that go into the transcript, for people, models and search. */
const RESULT_CHARS = 64 * KIB
const DIFF_LINES_CHARS = 100_000

/** What we know of a terminal that we run; undefined for one that is not ours. */
export type TerminalLook = (terminalId: string) => Partial<TerminalContent> | undefined

/** The view (or change of one) as it is kept and shown. */
export function keptView(view: ToolView, redactor: Redactor, terminal: TerminalLook): ToolView {
  const { content, locations, meta, rawInput, rawOutput, title } = view
  const kept: ToolView = {
    ...view,
    ...(title === undefined ? {} : { title: cut(title, TITLE_CHARS) }),
    ...(content ? { content: content.slice(0, MAX_CONTENT).map((one) => keptContent(one, terminal)) } : {}),
    ...(locations ? { locations: locations.slice(0, MAX_LOCATIONS) } : {}),
    ...(rawInput === undefined ? {} : { rawInput: bounded(rawInput) }),
    ...(rawOutput === undefined ? {} : { rawOutput: bounded(rawOutput) }),
  }
  if (meta && tooLong(meta)) delete kept.meta
  return redactor.value(kept)
}

function keptContent(content: ToolContent, terminal: TerminalLook): ToolContent {
  switch (content.type) {
    case "content":
      return { type: "content", part: keptPart(content.part) }
    case "diff": {
      const oldText = content.oldText === null ? null : cut(content.oldText, DIFF_CHARS)
      const newText = cut(content.newText, DIFF_CHARS)
      const whole = oldText === content.oldText && newText === content.newText
      return { ...content, oldText, newText, ...(whole ? {} : { cut: true as const }) }
    }
    case "terminal":
      return keptTerminal({ ...content, ...terminal(content.terminalId) })
    case "other":
      return tooLong(content.value) ? { type: "other", value: { cut: true } } : content
    default:
      throw new TypeError(`Unknown content ${JSON.stringify(content satisfies never)}`)
  }
}

function keptTerminal(content: TerminalContent): TerminalContent {
  const { output } = content
  if (output === undefined || output.length <= OUTPUT_CHARS) return content
  return { ...content, output: newest(output, OUTPUT_CHARS), truncated: true }
}

/** The end of a text, never beginning within a character. */
function newest(text: string, max: number): string {
  const tail = text.slice(-max)
  const first = tail.charCodeAt(0)
  return first >= 0xdc00 && first <= 0xdfff ? tail.slice(1) : tail
}

type ShownPart = Extract<ToolContent, { type: "content" }>["part"]

function keptPart(part: ShownPart): ShownPart {
  switch (part.type) {
    case "text":
      return part.text.length <= DIFF_CHARS ? part : { ...part, text: cut(part.text, DIFF_CHARS) }
    case "image":
    case "audio":
      return part.data.length <= BINARY_CHARS ? part : { type: "text", text: `[${part.mimeType}, too large to keep]` }
    case "resource": {
      if (part.text !== undefined) return { ...part, text: cut(part.text, DIFF_CHARS) }
      const fits = (part.data?.length ?? 0) <= BINARY_CHARS
      return fits ? part : { type: "text", text: `[${part.uri}, too large to keep]` }
    }
    case "link":
      return part
    default:
      throw new TypeError(`Unknown part ${JSON.stringify(part satisfies never)}`)
  }
}

export function tooLong(value: unknown, max = RAW_CHARS): boolean {
  return (JSON.stringify(value) ?? "").length > max
}

/** Raw input or output of at most 64 KiB: long strings are cut first, and when that does not help only the beginning is kept as text. */
export function bounded(value: unknown): unknown {
  if (!tooLong(value)) return value
  const shorter = shortened(value, 0)
  return tooLong(shorter) ? { cut: true, text: cut(JSON.stringify(shorter), RAW_CHARS / 2) } : shorter
}

function shortened(value: unknown, depth: number): unknown {
  if (typeof value === "string")
    return value.length <= RAW_STRING_CHARS ? value : `${cut(value, RAW_STRING_CHARS)}… (${value.length} characters)`
  if (depth > 20) return null
  if (Array.isArray(value)) return value.map((one) => shortened(one, depth + 1))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shortened(one, depth + 1)]))
}

/** A kept view as what the transcript holds of a call's result. */
export function resultContent(view: ToolView): ToolResultPart["content"] {
  const content: ToolResultPart["content"] = []
  let left = RESULT_CHARS
  for (const one of view.content ?? []) {
    if (one.type === "content" && one.part.type === "image") content.push(one.part)
    const text = left > 0 ? cut(textOfContent(one), left) : ""
    left -= text.length
    if (text !== "") content.push({ type: "text", text })
  }
  if (content.length === 0 && view.rawOutput !== undefined && view.rawOutput !== null) {
    const text = typeof view.rawOutput === "string" ? view.rawOutput : JSON.stringify(view.rawOutput)
    content.push({ type: "text", text: cut(text, RESULT_CHARS) })
  }
  return content
}

function textOfContent(content: ToolContent): string {
  switch (content.type) {
    case "content": {
      const { part } = content
      if (part.type === "text") return part.text
      if (part.type === "resource") return part.text ?? part.uri
      return part.type === "link" ? part.uri : ""
    }
    case "diff":
      return `${content.path}\n${diffText(content.oldText ?? "", content.newText)}`
    case "terminal":
      return content.output ?? ""
    case "other":
      return ""
    default:
      throw new TypeError(`Unknown content ${JSON.stringify(content satisfies never)}`)
  }
}

function diffText(before: string, after: string): string {
  return before.length + after.length > DIFF_LINES_CHARS ? cut(after, RESULT_CHARS) : diffOf(before, after).text
}
