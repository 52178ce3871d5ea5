// Workflows as a library: `import { runWorkflow } from "pincer/workflow"`. The same engine, store, policy and sandbox as on the command line, in the
// caller's own process and without a gateway.
import { readFileSync, realpathSync } from "node:fs"
import { resolve } from "node:path"
import { PincerError } from "../../base/errors.ts"
import type { Envelope, RunEvent } from "../../protocol/workflow.ts"
import { checkWorkflow } from "../../workflow/check/check.ts"
import type { Command } from "../../workflow/command.ts"
import { commands as ownCommands } from "../../workflow/commands/index.ts"
import type { Definition, Problem } from "../../workflow/definition.ts"
import type { GateReply } from "../../workflow/engine/engine.ts"
import { commandTable } from "../../workflow/engine/pipeline.ts"
import { readWorkflow } from "../../workflow/file/read.ts"
import { type Alone, openAlone } from "./alone.ts"

export type { Command, Definition, Envelope, GateReply, Problem, RunEvent }

/** Where runs are kept and how they act. */
export interface WorkflowPlace {
  /** Pincer's home, with its configuration and database. Default: that of `env`. */
  home?: string
  /** What steps find in their environment. Default: nothing. */
  env?: Readonly<Record<string, string | undefined>>
  /** Where runs work, and what their programs may write to. Default: the current folder. */
  cwd?: string
  /** Programs on the host, as far as `tools.elevated` of the configuration lets the command line have that. */
  unsandboxed?: boolean
  /** Further commands for pipelines; one of a name that is there takes its place. */
  commands?: readonly Command[]
  /** Asked where a rule wants a human's word. Default: such a step is refused. */
  confirm?: (question: string) => Promise<boolean>
  /** Told every fact once it is on disk. */
  onEvent?: (event: RunEvent) => void
  onWarning?: (text: string) => void
  signal?: AbortSignal
}

export interface WorkflowWish extends WorkflowPlace {
  /** A file, a definition as it stands in one, or the text of a pipeline: one of them. */
  file?: string
  definition?: Readonly<Record<string, unknown>> | string
  pipeline?: string
  args?: Readonly<Record<string, unknown>>
  startedBy?: string
}

/** Runs until the end or the first gate. Throws PincerError, with `details.problems`, for what cannot be run; whatever fails later is in the envelope. */
export async function runWorkflow(wish: WorkflowWish): Promise<Envelope> {
  const { args = {}, pipeline, startedBy = "library" } = wish
  const cwd = resolve(wish.cwd ?? process.cwd())
  const commands = commandsOf(wish)
  const source =
    pipeline === undefined
      ? { type: "workflow" as const, definition: definitionOf(wish, commands, cwd) }
      : { type: "pipeline" as const, text: pipeline }
  const who = { startedBy, agentId: "main", identity: {}, cwd, args: { ...args } }
  return within(wish, ({ engine }, how) => engine.start({ source, ...who, ...how }))
}

/** Answers a gate by its token or short id, and goes on. A refused answer throws and leaves the gate as it was. */
export async function answerWorkflow(
  tokenOrId: string,
  reply: GateReply,
  place: WorkflowPlace = {},
): Promise<Envelope> {
  return within(place, ({ engine }, how) => engine.answer(tokenOrId, reply, how))
}

/** Goes on with a run that was cut off, after its last finished step. */
export async function resumeWorkflow(runId: string, place: WorkflowPlace = {}): Promise<Envelope> {
  return within(place, ({ engine }, how) => engine.resume(runId, how))
}

/** Everything that can be said of a workflow before anything acts. */
export function checkWorkflowText(text: string, place: WorkflowPlace & { file?: string } = {}): Problem[] {
  const cwd = resolve(place.cwd ?? process.cwd())
  return checkWorkflow(readWorkflow(text, place.file), { commands: commandTable(commandsOf(place)), cwd })
}

function commandsOf({ commands = [] }: WorkflowPlace): readonly Command[] {
  const names = new Set(commands.map(({ name }) => name))
  return [...ownCommands.filter(({ name }) => !names.has(name)), ...commands]
}

function definitionOf(wish: WorkflowWish, commands: readonly Command[], cwd: string): Definition {
  const { definition, file } = wish
  if ((definition === undefined) === (file === undefined))
    throw new PincerError("INVALID_PARAMS", "Give exactly one of file, definition and pipeline")
  const path = file === undefined ? undefined : realpathSync(resolve(cwd, file))
  const text =
    path !== undefined
      ? readFileSync(path, "utf8")
      : typeof definition === "string"
        ? definition
        : JSON.stringify(definition)
  const read = readWorkflow(text, path)
  const problems = checkWorkflow(read, { commands: commandTable(commands), cwd })
  const errors = problems.filter(({ level }) => level === "error")
  for (const { message } of problems.filter(({ level }) => level !== "error")) wish.onWarning?.(message)
  if (errors.length === 0 && read.definition) return read.definition
  throw new PincerError("INVALID_PARAMS", errors.map(({ message }) => message).join("; "), {
    details: { problems: errors },
  })
}

type How = { print(text: string): void; warn(text: string): void; signal: AbortSignal }

async function within(place: WorkflowPlace, act: (alone: Alone, how: How) => Promise<Envelope>): Promise<Envelope> {
  const { confirm, home, onEvent, onWarning, signal, unsandboxed = false } = place
  const alone = openAlone({
    env: place.env ?? {},
    flags: home === undefined ? {} : { home },
    cwd: resolve(place.cwd ?? process.cwd()),
    durability: "full",
    unsandboxed,
    commands: commandsOf(place),
    ...(confirm ? { confirm } : {}),
    ...(onEvent ? { publish: onEvent } : {}),
  })
  try {
    return await act(alone, {
      print: () => undefined,
      warn: (text) => onWarning?.(text),
      signal: signal ?? new AbortController().signal,
    })
  } finally {
    alone.close()
  }
}
