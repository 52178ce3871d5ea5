// JSONC text (comments, trailing commas) as a plain value that remembers where each key stood. Strict where JSON parsers are lax:
// a key given twice and `__proto__` are problems, and nesting is bounded before anything recurses.

import type { JSONPath, Node } from "jsonc-parser"
import * as parser from "jsonc-parser"
import { MAX_JSON_DEPTH } from "../base/json.ts"

type Jsonc = typeof import("jsonc-parser")

/** One thing that is wrong. `path`: "gateway.port", or "" for the whole file. Line and column count from 1. */
export interface ConfigIssue {
  path: string
  message: string
  line?: number
  column?: number
}

export interface ConfigDocument {
  /** Undefined when the text does not parse; `issues` then says why. An empty file is {}. */
  value: unknown
  issues: ConfigIssue[]
  /** Where the value at this path stands in the text, if it is there. */
  position(path: readonly PropertyKey[]): { line: number; column: number } | undefined
}

/** Node itself takes the package's script, whose names come as one default; the build takes its module. */
export const jsonc: Jsonc = (parser as Jsonc & { default?: Jsonc }).default ?? parser

export function parseDocument(text: string): ConfigDocument {
  const nowhere = () => undefined
  const tooDeep = findTooDeep(text)
  if (tooDeep !== undefined) {
    const message = `nests deeper than ${MAX_JSON_DEPTH} levels`
    return { value: undefined, issues: [{ path: "", message, ...lineAndColumn(text, tooDeep) }], position: nowhere }
  }
  const { parseTree, findNodeAtLocation, printParseErrorCode } = jsonc
  const errors: import("jsonc-parser").ParseError[] = []
  const root = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true })
  const issues: ConfigIssue[] = errors.map((error) => ({
    path: "",
    message: `Syntax error: ${inWords(printParseErrorCode(error.error))}`,
    ...lineAndColumn(text, error.offset),
  }))
  if (issues.length > 0) return { value: undefined, issues, position: nowhere }
  const value = root ? toValue(root, [], text, issues) : {}
  return {
    value,
    issues,
    position(path) {
      const node =
        root &&
        findNodeAtLocation(
          root,
          path.filter((step) => typeof step !== "symbol"),
        )
      return node && lineAndColumn(text, startOf(node))
    },
  }
}

/** Keys joined as a person writes them: `models.prices["openai/gpt-4.1"].input`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = ""
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`
    else if (/^[\w-]+$/.test(String(step))) text += `${text === "" ? "" : "."}${String(step)}`
    else text += `[${JSON.stringify(String(step))}]`
  }
  return text
}

export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  const start = before.lastIndexOf("\n") + 1
  return { line: before.split("\n").length, column: before.length - start + 1 }
}

/** A property's key, not its value: that is where the eye should go. */
function startOf(node: Node): number {
  return node.parent?.type === "property" ? node.parent.offset : node.offset
}

function toValue(node: Node, path: JSONPath, text: string, issues: ConfigIssue[]): unknown {
  if (node.type === "array") return (node.children ?? []).map((child, i) => toValue(child, [...path, i], text, issues))
  if (node.type !== "object") return node.value
  const value: Record<string, unknown> = {}
  for (const property of node.children ?? []) {
    const [keyNode, valueNode] = property.children ?? []
    if (!keyNode || !valueNode) continue
    const key = String(keyNode.value)
    const at = [...path, key]
    const refuse = (message: string) =>
      issues.push({ path: formatPath(at), message, ...lineAndColumn(text, keyNode.offset) })
    if (key === "__proto__") refuse(`Unknown key ${formatPath(at)}`)
    else if (Object.hasOwn(value, key)) refuse(`Key ${formatPath(at)} is given twice: remove one of them`)
    else value[key] = toValue(valueNode, at, text, issues)
  }
  return value
}

/** The offset of the first bracket that nests too deep. Scans tokens, so comments and strings cannot hide brackets. */
function findTooDeep(text: string): number | undefined {
  const scanner = jsonc.createScanner(text, true)
  let depth = 0
  for (;;) {
    const token = scanner.scan()
    // SyntaxKind numbers of jsonc-parser: a const enum, which type stripping cannot inline. 1 { 2 } 3 [ 4 ] 17 end.
    if (token === 17) return undefined
    if (token === 1 || token === 3) {
      depth += 1
      if (depth > MAX_JSON_DEPTH) return scanner.getTokenOffset()
    } else if (token === 2 || token === 4) depth -= 1
  }
}

/** "PropertyNameExpected" -> "property name expected". */
function inWords(code: string): string {
  return code.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase()
}
