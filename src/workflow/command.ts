// The contract of a pipeline command: takes a stream of JSON items, gives a stream of JSON items. Commands know no engine and no store; what
// they may touch is handed in. One file a command in commands/, one literal list in commands/index.ts.
import type { Clock } from "../base/clock.ts"

/** A stage's arguments as the grammar gives them: `_` holds the positional words, the others their last value. */
export interface StageArgs {
  readonly _: readonly string[]
  readonly [key: string]: string | true | readonly string[]
}

export interface PipelineStage {
  name: string
  args: StageArgs
  /** The words as they were written. */
  raw: string
  /** Where it begins in the pipeline's text, in UTF-16 units. */
  offset: number
}

/** What a command does beyond looking at its items; the words that Lobster's callers read. */
export type SideEffect =
  | "local_exec"
  | "reads_state"
  | "writes_state"
  | "calls_llm"
  | "calls_clawd_tool"
  | "calls_openclaw_agent"
  | "reads_email"
  | "sends_email"

export interface Argument {
  type: "string" | "number" | "boolean" | "json"
  description: string
  required?: true
  default?: string | number | boolean
  enum?: readonly string[]
}

export interface Command {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly description: string
  /** Named arguments; checked before anything runs. */
  readonly args: Readonly<Record<string, Argument>>
  /** What positional words mean; absent: none are taken. */
  readonly positional?: { description: string; required?: true; many?: true }
  /** Takes arguments that it does not name (exec, map). */
  readonly open?: true
  readonly examples: readonly { text: string; description: string }[]
  readonly sideEffects: readonly SideEffect[]
  /** May stop the line for a human: it gets its items whole, and is begun again with them. */
  readonly gates?: true
  /** What doing it twice would mean, for the journal. */
  readonly effect: "read" | "idempotent" | "once"
  run(input: StageInput, context: CommandContext): Promise<StageResult> | StageResult
}

export interface StageInput {
  items: AsyncIterable<unknown>
  args: StageArgs
}

export interface StageResult {
  items?: Iterable<unknown> | AsyncIterable<unknown>
  /** The line ends here. */
  halt?: true
  /** It wrote text for people and yields nothing. */
  rendered?: true
}

/** A program that a command or step starts; where it runs is decided by whoever handed the context in. */
export interface ProgramRun {
  /** `shell` with a line, or argv without one. */
  line: { shell: string } | { argv: readonly string[] }
  cwd: string
  env: Readonly<Record<string, string>>
  stdin?: string
  timeoutMs?: number
  /** Bytes of stdout that are kept in memory; beyond it the rest goes to a file. */
  maxBytes: number
}

export interface ProgramResult {
  exitCode: number | null
  killedBy: string | null
  stdout: string
  stderr: string
  timedOut: boolean
  /** Set when stdout was longer than `maxBytes`: `stdout` is a preview. */
  spilled?: { file: string; bytes: number }
}

export interface CommandContext {
  /** Variables of the step, already merged; commands see no others. */
  env: Readonly<Record<string, string>>
  cwd: string
  clock: Clock
  signal: AbortSignal
  /** Text for people: what `json` and `table` print. */
  print(text: string): void
  /** Warnings, retries: never part of the result. */
  warn(text: string): void
  run(program: ProgramRun): Promise<ProgramResult>
  /** A text file; whether it may be read is decided by whoever handed the context in. */
  readText(path: string): Promise<string>
  fetch(request: {
    url: string
    method: string
    headers: Record<string, string>
    body?: string
  }): Promise<{ status: number; text: string }>
  /** Values that outlive the run. */
  state: { get(key: string): Promise<unknown>; set(key: string, value: unknown): Promise<void> }
  /** Stops the line until a human has answered. Resolves with the answer when the run goes on. */
  gate(request: GateRequest): Promise<GateAnswer>
  /** An answer of a model, typed when a schema is given. */
  model(request: ModelAsk): Promise<ModelAnswer>
  /** What a model cost that the command asked by itself, not through `model`. */
  charge(spent: { model: string; inputTokens: number; outputTokens: number }): Promise<void>
  /** One tool of the house by name. */
  tool(name: string, args: Record<string, unknown>): Promise<unknown>
  /** One turn of an agent. */
  agent(request: AgentAsk): Promise<{ text: string; runId: string; data?: unknown }>
  /** The commands there are. */
  commands(): readonly Command[]
}

export type GateRequest =
  | {
      type: "approval"
      prompt: string
      items: unknown[]
      preview?: string
      initiatedBy?: string
      requiredApprover?: string
      requireDifferentApprover?: boolean
    }
  | { type: "input"; prompt: string; responseSchema: unknown; defaults?: unknown; subject?: unknown }

export type GateAnswer =
  | { type: "approved"; by?: string }
  | { type: "rejected"; by?: string; reason?: string }
  | { type: "answered"; response: unknown; by?: string }

export interface ModelAsk {
  prompt: string
  model?: string
  artifacts: readonly unknown[]
  schema?: Record<string, unknown>
  temperature?: number
  maxOutputTokens?: number
  maxRetries: number
}

export interface ModelUsage {
  inputTokens: number
  outputTokens: number
  costUsd: number | null
}

export interface ModelAnswer {
  text: string
  data: unknown
  model: string
  usage?: ModelUsage
  attempts: number
}

export interface AgentAsk {
  agent?: string
  sessionKey?: string
  message: string
  model?: string
  thinking?: string
  timeoutMs?: number
  schema?: Record<string, unknown>
  /** Further tries when the answer does not fit the schema. */
  maxRetries?: number
}
