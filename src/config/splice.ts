// Inserting and removing one key in JSONC text. jsonc-parser's modify() replaces values well, but moves the remark behind the last
// key to the new one, and leaves a lone comma when the last key goes; these two are done here, token by token.
import type { Edit, Node } from "jsonc-parser"
import { jsonc } from "./document.ts"

// SyntaxKind numbers of jsonc-parser: a const enum, which type stripping cannot inline.
const COMMA = 5
const LINE_COMMENT = 12
const BLOCK_COMMENT = 13
const SPACE = 15

/** Edits that put `"key": value` behind the last key of an object that is spread over lines; undefined where that does not fit. */
export function insertion(
  text: string,
  object: Node,
  key: string,
  value: unknown,
  unit: string,
  eol: string,
): Edit[] | undefined {
  const last = object.children?.at(-1)
  const indent = last && indentAt(text, last.offset)
  if (!last || indent === undefined) return undefined
  const end = last.offset + last.length
  const comma = commaAfter(text, end)
  const at = endOfLineTrivia(text, comma === undefined ? end : comma + 1)
  const json = JSON.stringify(value, null, unit).replaceAll("\n", `${eol}${indent}`)
  const edits: Edit[] = comma === undefined ? [{ offset: end, length: 0, content: "," }] : []
  edits.push({
    offset: at,
    length: 0,
    content: `${eol}${indent}${JSON.stringify(key)}: ${json}${comma === undefined ? "" : ","}`,
  })
  return edits
}

/** Edits that take out a property or list item together with its comma; the remarks around it stay. */
export function removal(text: string, item: Node): Edit[] {
  const siblings = item.parent?.children ?? []
  const before = siblings[siblings.indexOf(item) - 1]
  const comma = commaAfter(text, item.offset + item.length)
  let start = item.offset
  let end = comma === undefined ? item.offset + item.length : comma + 1
  const indent = indentAt(text, start)
  const restOfLine = /[ \t]*(\r?\n)/y
  restOfLine.lastIndex = end
  if (indent !== undefined && restOfLine.test(text)) {
    start -= indent.length
    end = restOfLine.lastIndex
  }
  const orphan = comma === undefined && before ? commaAfter(text, before.offset + before.length) : undefined
  if (orphan === undefined) return [{ offset: start, length: end - start, content: "" }]
  if (text.slice(orphan + 1, start).trim() === "")
    return [{ offset: orphan, length: item.offset + item.length - orphan, content: "" }]
  return [
    { offset: orphan, length: 1, content: "" },
    { offset: start, length: end - start, content: "" },
  ]
}

/** The white space before `offset` when nothing else precedes it on its line. */
function indentAt(text: string, offset: number): string | undefined {
  const start = text.lastIndexOf("\n", offset - 1) + 1
  const before = text.slice(start, offset)
  return start > 0 && /^[ \t]*$/.test(before) ? before : undefined
}

/** The offset of the comma that follows, past white space and comments. */
function commaAfter(text: string, offset: number): number | undefined {
  const scanner = jsonc.createScanner(text, true)
  scanner.setPosition(offset)
  return scanner.scan() === COMMA ? scanner.getTokenOffset() : undefined
}

/** Past the remarks on the rest of this line. */
function endOfLineTrivia(text: string, offset: number): number {
  const scanner = jsonc.createScanner(text, false)
  scanner.setPosition(offset)
  let end = offset
  for (;;) {
    const token: number = scanner.scan()
    if (token === LINE_COMMENT || token === BLOCK_COMMENT) end = scanner.getTokenOffset() + scanner.getTokenLength()
    else if (token !== SPACE) return end
  }
}
