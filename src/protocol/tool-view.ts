// How a tool call looks to those who watch: kind, places, content, raw input and output. Shaped after ACP v2: a view is an upsert, so
// absent means unchanged, null clears, arrays replace. Wires translate down at their edge.
import type { Part } from "./message.ts"

export const TOOL_KINDS = [
  "read",
  "edit",
  "delete",
  "move",
  "search",
  "execute",
  "think",
  "fetch",
  "switch_mode",
  "other",
] as const
export type ToolKind = (typeof TOOL_KINDS)[number]

export type ToolStatus = "pending" | "in_progress" | "completed" | "failed" | "canceled"

export interface ToolLocation {
  /** Absolute. */
  path: string
  /** From 1. */
  line?: number
}

/** Something that a call shows, in the order in which it is shown. */
export type ToolContent =
  | { type: "content"; part: Extract<Part, { type: "text" | "image" | "audio" | "link" | "resource" }> }
  /** A file before and after. `oldText` null: the file is new. `cut`: a text is shortened, for it was too long to keep. */
  | { type: "diff"; path: string; oldText: string | null; newText: string; cut?: true }
  | TerminalContent
  /** What an agent sent that this house has no word for, as it came. */
  | { type: "other"; value: Record<string, unknown> }

/** A command's terminal. Its output stands here, so that it can be shown when the terminal itself is gone. */
export interface TerminalContent {
  type: "terminal"
  terminalId: string
  /** Whose terminal it is: of the client that shows it, or of the agent that ran it. */
  owner: "client" | "agent"
  command?: string
  cwd?: string
  output?: string
  truncated?: boolean
  exitCode?: number | null
  signal?: string | null
}

export interface ToolView {
  title?: string
  kind?: ToolKind
  status?: ToolStatus
  content?: ToolContent[] | null
  locations?: ToolLocation[] | null
  rawInput?: unknown
  rawOutput?: unknown
  /** What else came with it: `_meta` of an agent's own. */
  meta?: Record<string, unknown>
}

/** A view after a change to it. */
export function changedView(view: ToolView, change: ToolView): ToolView {
  const next: ToolView = { ...view, ...change }
  if (change.content === null) delete next.content
  if (change.locations === null) delete next.locations
  if (view.meta && change.meta) next.meta = { ...view.meta, ...change.meta }
  return next
}
