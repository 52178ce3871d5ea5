// The contract of this room: what a model may call. A tool parses its own arguments, says what it will touch before it acts
// (for policy), and acts within its context. Failures that the model should see are results with isError, not exceptions.
import type { z } from "zod"
import type { Clock } from "../base/clock.ts"
import type { CommandFacts } from "../policy/command.ts"
import type { ToolClass } from "../policy/scene.ts"
import type { TaintMark } from "../protocol/decision.ts"
import type { ToolResultPart } from "../protocol/message.ts"
import type { Permissions } from "../protocol/permission.ts"
import type { Plan } from "../protocol/plan.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import type { ToolView } from "../protocol/tool-view.ts"
import type { Origin } from "../protocol/turn.ts"
import type { Confined, Program } from "../sandbox/sandbox.ts"
import type { Editor } from "./editor.ts"

/** What a tool starts, and what is started instead of it where policy placed the call. */
export type { Confined, Program }

/** What one call is about to touch, worked out from its arguments by us, never told by the model. */
export interface Touch {
  /** Absolute paths after symlinks, in the order given. Parents of files that do not exist yet are resolved. */
  reads: string[]
  writes: string[]
  /** Hosts that are contacted. */
  hosts: string[]
  /** The exact command line, for exec. */
  command?: string
  /** What that line would start, for exec. Absent when nobody said which shell and environment it would run with. */
  facts?: CommandFacts
  /** People who would get a message: "telegram:@ann", an address. */
  messages?: string[]
}

export interface ToolContext {
  /** Working directory, absolute and real (symlinks resolved). */
  cwd: string
  /** What policy judged of this call: paths beyond it are refused, should they resolve differently by now. */
  judged?: Touch
  /** The session's own scratch state across turns (todo list); JSON-able, stored by the agent. */
  notes: Map<string, unknown>
  signal: AbortSignal
  clock: Clock
  /** Programs are started only as this answers: confined, where policy wants it. `close()` once it has ended. Throws UNAVAILABLE. */
  launch(program: Program): Promise<Confined>
  /** Live output for display, at most a few times a second; not part of the result. */
  progress(output: string): void
  settings: ToolSettings
  /** What the client that started the turn lends; its terminals only where the call was placed on the host. */
  editor?: Editor
  /** More is known of what the call shows while it runs: recorded, and told at once. */
  show?(view: ToolView): Promise<void>
  /** A sentence for the model about how the result came about; it stands after it. */
  remark?(text: string): void
  /** To the tool's question; undefined when nobody could be asked. */
  answer?: UserAnswer
  /** Asks the user something while the call runs; declined when nobody can be asked. Absent where nobody ever can. */
  ask?(question: UserQuestion, signal: AbortSignal): Promise<UserAnswer>
  /** The turn that called; absent where something else did. */
  turn?: CallingTurn
}

/** For tools that start work of their own in the name of a turn: it may do no more than the turn. */
export interface CallingTurn {
  turnId: string
  sessionKey: string
  agentId: string
  origin: Origin
  permissions?: Permissions
  /** What the conversation has read from outside. */
  taint: readonly TaintMark[]
  /** Which service and model wanted the call. */
  provider?: string
  model?: string
}

/** The configuration slice of this room. */
export interface ToolSettings {
  /** Characters of output handed to the model per call. */
  maxOutputChars: number
  exec: { timeoutMs: number; maxTimeoutMs: number; shell: string; env: Record<string, string> }
  fetch: { timeoutMs: number; maxBytes: number; allowHosts: string[] }
  search: { service: "duckduckgo" | "brave" | "tavily"; apiKey: () => string | undefined; baseUrl?: string }
}

export interface ToolResult {
  content: ToolResultPart["content"]
  isError: boolean
  /** For people and programs that watch: a diff, an exit code, a list. JSON-able, at most a few KB. */
  details?: Record<string, unknown>
  /** Text from outside that came in with it, beyond what the call itself says that it touches. */
  taint?: readonly TaintMark[]
  /** What those see who watch: diffs, a terminal, places. A terminal without an id gets the call's. */
  view?: ToolView
  /** The plan that the agent follows from now on. */
  plan?: Plan
}

export interface Tool<Args = Record<string, unknown>> {
  /** Canonical name: "Bash", "Read", … */
  readonly name: string
  readonly aliases: readonly string[]
  /** What models call it, where its name has characters that they do not take. */
  readonly spoken?: string
  readonly class: ToolClass
  /** Where it comes from; default "builtin". What others bring is text from outside. */
  readonly from?: "builtin" | "mcp" | "acp" | "skill" | "node"
  /** The owner said that what it brings is no text from outside. */
  readonly trusted?: boolean
  /** After a crash: "read" and "idempotent" calls are done again; "once" never silently. */
  readonly effect: "read" | "idempotent" | "once"
  readonly description: string
  readonly args: z.ZodType<Args>
  /** What a model is shown of the arguments; default: the JSON Schema of `args`. For tools whose arguments others describe. */
  readonly inputSchema?: Readonly<Record<string, unknown>>
  /** Stands for what the tool says of itself, when others say it and may change it: leave that was given is for this text alone. */
  readonly fingerprint?: string
  /** One line for people: `git status`, `src/app.ts (lines 1-40)`. */
  title(args: Args): string
  /** Pure but for resolving paths on disk. */
  touch(args: Args, cwd: string, settings?: ToolSettings): Promise<Touch>
  /** What the user is asked before it runs; `run` gets the answer. Asked again after a crash, until somebody answers. */
  question?(args: Args): UserQuestion
  run(args: Args, context: ToolContext): Promise<ToolResult>
}

export function textResult(text: string, details?: Record<string, unknown>): ToolResult {
  return { content: [{ type: "text", text }], isError: false, ...(details ? { details } : {}) }
}

export function errorResult(text: string, details?: Record<string, unknown>): ToolResult {
  return { content: [{ type: "text", text }], isError: true, ...(details ? { details } : {}) }
}
