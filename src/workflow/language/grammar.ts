// A pipeline's text as stages: split at "|", then into words, then into arguments (workflow-lobster.md §4). Pure. There are no variables, no
// globs and no substitution of any kind.

import type { PipelineStage, StageArgs } from "../command.ts"
import { UnreadableText } from "../failure.ts"

const BLANK = /[ \t\r\n]/

interface Word {
  text: string
  offset: number
}

/** Throws UnreadableText. */
export function parsePipeline(text: string): PipelineStage[] {
  const parts = split(text)
  if (parts.at(-1)?.text.trim() === "") parts.pop()
  if (parts.length === 0) throw new UnreadableText("The pipeline is empty: name a command", 0)
  return parts.map((part) => {
    const words = wordsOf(part)
    const [first, ...rest] = words
    if (!first) throw new UnreadableText('A command is missing between two "|"', part.offset)
    return { name: first.text, args: argumentsOf(first.text, rest), raw: part.text.trim(), offset: first.offset }
  })
}

/** Parts between "|" outside quotes. Throws for a quote that is not closed. */
function split(text: string): Word[] {
  const parts: Word[] = []
  let start = 0
  let quote: string | undefined
  let opened = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (quote !== undefined) {
      if (char === "\\") i += 1
      else if (char === quote) quote = undefined
    } else if (char === "'" || char === '"') {
      quote = char
      opened = i
    } else if (char === "|") {
      parts.push({ text: text.slice(start, i), offset: start })
      start = i + 1
    }
  }
  if (quote !== undefined) throw new UnreadableText(`Unclosed quote ${quote}`, opened)
  parts.push({ text: text.slice(start), offset: start })
  return parts
}

function wordsOf(part: Word): Word[] {
  const { text, offset } = part
  const words: Word[] = []
  let i = 0
  while (i < text.length) {
    if (BLANK.test(text[i]!)) {
      i += 1
      continue
    }
    const start = i
    let word = ""
    while (i < text.length && !BLANK.test(text[i]!)) {
      const char = text[i]!
      if (char === "'" || char === '"') {
        const read = quoted(text, i, char)
        word += read.text
        i = read.end
      } else {
        word += char
        i += 1
      }
    }
    words.push({ text: word, offset: offset + start })
  }
  return words
}

/** What stands between the quotes that open at `at`, and the index after the closing one. */
function quoted(text: string, at: number, quote: string): { text: string; end: number } {
  let out = ""
  let i = at + 1
  for (; i < text.length && text[i] !== quote; i++) {
    const next = text[i + 1]
    if (text[i] !== "\\" || next === undefined) out += text[i]
    else if (quote === "'") {
      if (next === "'") i += 1
      out += next === "'" ? "'" : "\\"
    } else if ('"\\$`'.includes(next)) {
      out += next
      i += 1
    } else if (next === "\n") i += 1
    else out += "\\"
  }
  return { text: out, end: i + 1 }
}

/** Options that belong to exec itself; whatever else begins with "--" behind its program is the program's. */
const EXEC_OPTIONS: Readonly<Record<string, "switch" | "value">> = { json: "switch", shell: "value", stdin: "value" }

function argumentsOf(command: string, words: readonly Word[]): StageArgs {
  const positional: string[] = []
  const named: Record<string, string | true> = Object.create(null)
  const isExec = command === "exec"
  for (let i = 0; i < words.length; i++) {
    const { text } = words[i]!
    if (!text.startsWith("--")) {
      positional.push(text)
      continue
    }
    const equals = text.indexOf("=")
    const key = text.slice(2, equals < 0 ? undefined : equals)
    if (isExec && key === "" && equals < 0) {
      positional.push(...words.slice(i + 1).map((word) => word.text))
      break
    }
    const own = isExec && Object.hasOwn(EXEC_OPTIONS, key) ? EXEC_OPTIONS[key] : undefined
    if (isExec && own === undefined && positional.length > 0) {
      positional.push(text)
      continue
    }
    const next = words[i + 1]?.text
    if (equals >= 0) named[key] = text.slice(equals + 1)
    else if (own === "switch" || next === undefined || next.startsWith("--")) named[key] = true
    else {
      named[key] = next
      i += 1
    }
  }
  return Object.assign(Object.create(null) as object, named, { _: positional }) as StageArgs
}
