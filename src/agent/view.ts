// How our own calls look to those who watch: kind and places from what the tool is and would touch, content from what it gave.
import type { CallFacts } from "../policy/scene.ts"
import type { ToolContent, ToolKind, ToolView } from "../protocol/tool-view.ts"
import type { ToolResult } from "../tools/tool.ts"
import { keptView } from "./kept-view.ts"
import type { Ports } from "./ports.ts"

const MAX_PLACES = 20

/** What is known before a call runs. */
export function beforeView(facts: CallFacts): ToolView {
  const paths = [...new Set([...facts.writes, ...facts.reads])].slice(0, MAX_PLACES)
  const line = facts.class === "read" ? lineOf(facts.args) : undefined
  const locations = paths.map((path) => ({ path, ...(line === undefined ? {} : { line }) }))
  return { kind: kindOf(facts), ...(locations.length > 0 ? { locations } : {}) }
}

function kindOf(facts: CallFacts): ToolKind {
  switch (facts.class) {
    case "read":
      return "read"
    case "search":
      return "search"
    case "write":
      return "edit"
    case "exec":
      return "execute"
    case "network":
      return facts.from === "builtin" ? "fetch" : "other"
    case "control":
      return facts.tool === "TodoWrite" ? "think" : "other"
  }
}

function lineOf(args: Readonly<Record<string, unknown>>): number | undefined {
  const { offset } = args
  return typeof offset === "number" && Number.isInteger(offset) && offset > 0 ? offset : undefined
}

/** What a call gave, as it is kept; undefined when the text of its result says all of it. `canceled`: it was cut off with its turn. */
export function afterView(
  result: ToolResult,
  callId: string,
  { redactor }: Pick<Ports, "redactor">,
  canceled: boolean,
): ToolView | undefined {
  const status = canceled && result.isError ? ({ status: "canceled" } as const) : undefined
  if (!result.view) return status
  const content = result.view.content?.map(
    (one): ToolContent => (one.type === "terminal" && one.terminalId === "" ? { ...one, terminalId: callId } : one),
  )
  return keptView({ ...result.view, ...status, ...(content ? { content } : {}) }, redactor, () => undefined)
}
