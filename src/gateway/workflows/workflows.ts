// Workflows in this house: starts runs, answers their gates, takes up what an earlier life left, and tells whoever watches. One attempt of a run at
// a time: what is to go on waits for the attempt that is under way.
import { readFile, realpath } from "node:fs/promises"
import { isAbsolute, resolve } from "node:path"
import { openWorkspace } from "../../agent/call.ts"
import type { Ports } from "../../agent/ports.ts"
import { agentTools } from "../../agent/turn-tools.ts"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { isInside } from "../../policy/places.ts"
import type { Envelope, RunEvent } from "../../protocol/workflow.ts"
import type { WorkflowPlan } from "../../protocol/workflow-plan.ts"
import { checkPipeline } from "../../workflow/check/pipelines.ts"
import { commands } from "../../workflow/commands/index.ts"
import type { Definition, Problem, StepDefinition } from "../../workflow/definition.ts"
import type { GateReply, GoOn, StartRun } from "../../workflow/engine/engine.ts"
import { commandTable } from "../../workflow/engine/pipeline.ts"
import { WorkflowEngine } from "../../workflow/engine/workflow-engine.ts"
import { type RunCaller, recoveryOf } from "./caller.ts"
import { DeskGates } from "./gates.ts"
import { removeOutputs } from "./output-file.ts"
import { type HouseParts, type HousePorts, housePorts, outputsOf } from "./ports.ts"

const MAX_TEXT = 4_000_000
const MAX_SAID = 200_000

export type Source = { file: string } | { pipeline: string } | { definition: string | Record<string, unknown> }

export interface RunWish {
  source: Source
  args: Record<string, unknown>
  /** Absolute. */
  cwd: string
  caller: Omit<RunCaller, "workspace">
  startedBy: string
  identity?: StartRun["identity"]
  runId?: string
  signal?: AbortSignal
}

/** What a run said to people. */
export interface SaidByRun {
  printed: string
  warnings: string[]
}

export interface Started extends SaidByRun {
  runId: string
  /** Rejects never: what goes wrong is in the envelope. */
  ended: Promise<Envelope>
}

export interface CheckedWorkflow {
  definition: Definition | undefined
  problems: Problem[]
}

type Parts = Omit<HouseParts, "publish">

export class Workflows {
  readonly engine: WorkflowEngine
  readonly runs: HousePorts["runs"]
  readonly #ports: Ports
  readonly #house: HousePorts
  readonly #gates: DeskGates
  readonly #active = new Map<string, Promise<unknown>>()
  readonly #listeners = new Map<string, Set<(event: RunEvent) => void>>()
  readonly #never = new AbortController().signal
  #closed = false

  constructor(parts: Parts) {
    this.#ports = parts.ports
    this.#house = housePorts({ ...parts, publish: (event) => this.#publish(event) })
    this.runs = this.#house.runs
    this.engine = new WorkflowEngine(this.#house)
    this.#gates = new DeskGates({
      desk: parts.desk,
      runs: this.runs,
      leaves: this.#house.leaves,
      log: parts.ports.log,
      now: () => parts.ports.clock.now(),
      goOn: (runId) => void this.#goOn(runId),
    })
  }

  /**
   * After a crash or a stop: what may go on by itself does, unless `resume` is false; everything else is listed as interrupted and can be
   * resumed.
   */
  async start({ resume = true }: { resume?: boolean } = {}): Promise<void> {
    await this.runs.expire()
    for (const { runId } of await this.runs.list({ status: ["running"], limit: 10_000 })) {
      const stored = await this.runs.get(runId)
      if (!stored || (stored.holder && this.#house.isAlive(stored.holder))) continue
      const fence = await this.runs.take(runId, this.#house.holder, ["running"], this.#house.isAlive)
      await this.runs.rest(fence, "waiting")
    }
    await this.#gates.start()
    if (!resume) return
    for (const { runId } of await this.runs.list({ status: ["waiting"], limit: 10_000 }))
      if ((await this.isInterrupted(runId)) && recoveryOf((await this.runs.get(runId))?.settings ?? {}) === "resume")
        void this.#goOn(runId)
  }

  /** Stops what runs; each run can be resumed. */
  async close(): Promise<void> {
    this.#closed = true
    this.engine.stop()
    await Promise.allSettled(this.#active.values())
  }

  /** What a run has read from outside. */
  marksOf(runId: string): ReturnType<HousePorts["rooms"]["marksOf"]> {
    return this.#house.rooms.marksOf(runId)
  }

  /** Waits for nobody: cut off between two steps, or while the process stopped. */
  async isInterrupted(runId: string): Promise<boolean> {
    const stored = await this.runs.get(runId)
    if (stored?.record.status === "running") return !(stored.holder && this.#house.isAlive(stored.holder))
    if (stored?.record.status !== "waiting") return false
    return (await this.runs.gatesOf(runId)).every((gate) => gate.status !== "waiting")
  }

  /** Told every fact of a run once it is on disk. The returned function ends it. */
  onRun(runId: string, listener: (event: RunEvent) => void): () => void {
    const known = this.#listeners.get(runId) ?? new Set()
    this.#listeners.set(runId, known.add(listener))
    return () => {
      known.delete(listener)
      if (known.size === 0 && this.#listeners.get(runId) === known) this.#listeners.delete(runId)
    }
  }

  /** What can be said of a workflow before anything acts. `within`: files outside of it are not looked at. */
  async check(source: Source, cwd: string, within?: string, agentId?: string): Promise<CheckedWorkflow> {
    if ("pipeline" in source) {
      const found = checkPipeline(source.pipeline, commandTable(commands))
      return { definition: undefined, problems: found.map((one) => ({ ...one, pointer: "" })) }
    }
    const { file, text } = await textOf(source, cwd, within)
    // What reads YAML is no part of a start.
    const [{ readWorkflow }, { checkWorkflow }] = await Promise.all([
      import("../../workflow/file/read.ts"),
      import("../../workflow/check/check.ts"),
    ])
    const read = readWorkflow(text, file)
    const mayRead = within === undefined ? {} : { mayRead: (real: string) => isInside(real, within) }
    const tools = await this.#toolsFor(read.definition, cwd, agentId)
    const problems = checkWorkflow(read, {
      commands: commandTable(commands),
      cwd,
      ...mayRead,
      ...(tools ? { tools } : {}),
    })
    return { definition: read.definition, problems }
  }

  /** The names of the agent's tools, where a step may call one. MCP servers are asked only then. */
  async #toolsFor(
    definition: Definition | undefined,
    cwd: string,
    agentId: string | undefined,
  ): Promise<ReadonlySet<string> | undefined> {
    const profile = agentId === undefined ? undefined : this.#ports.agents.get(agentId)
    if (!profile || !definition) return undefined
    const { finally: last, onFailure, steps } = definition
    if (![...steps, ...last, ...onFailure].some(callsTools)) return undefined
    return new Set((await agentTools(this.#ports, profile, cwd, this.#never)).byName.keys())
  }

  /** What it would do, unless it cannot be run. Throws INVALID_PARAMS for arguments that do not fit. */
  async plan(
    source: Source,
    args: Readonly<Record<string, unknown>>,
    cwd: string,
    agentId: string,
  ): Promise<CheckedWorkflow & { plan?: WorkflowPlan }> {
    const checked = await this.check(source, cwd, undefined, agentId)
    const { definition, problems } = checked
    if (problems.some(({ level }) => level === "error")) return checked
    const { planned } = await import("./planned.ts")
    const what = "pipeline" in source ? source : definition && { definition }
    if (!what) return checked
    const { price } = this.#house
    return { ...checked, plan: await planned(what, args, { cwd, commands, ...(price ? { price } : {}) }) }
  }

  /** Resolves once the run is on disk. Throws INVALID_PARAMS with every problem, and nothing was run. */
  async begin(wish: RunWish, within?: string): Promise<Started> {
    const own = this.#ports.agents.get(wish.caller.agentId)?.workspace === wish.cwd
    const workspace = own ? await openWorkspace(wish.cwd, true, this.#ports.workspaceMade) : await folderOf(wish.cwd)
    const { definition, problems } = await this.check(wish.source, workspace, within, wish.caller.agentId)
    const errors = problems.filter(({ level }) => level === "error")
    if (errors.length > 0 || (!definition && !("pipeline" in wish.source)))
      throw new PincerError("INVALID_PARAMS", problemText(errors), { details: { problems: errors.slice(0, 100) } })
    const runId = wish.runId ?? uuid(this.#ports.clock.now())
    if (await this.runs.get(runId))
      throw new PincerError("CONFLICT", `Run id "${runId}" was used before: give another one, or none`)
    const said: SaidByRun = { printed: "", warnings: [] }
    const caller: RunCaller = { ...wish.caller, workspace }
    const begun = Promise.withResolvers<void>()
    const ended = this.#track(
      runId,
      this.engine.start({
        runId,
        source:
          "pipeline" in wish.source
            ? { type: "pipeline", text: wish.source.pipeline }
            : { type: "workflow", definition: definition! },
        args: wish.args,
        cwd: workspace,
        startedBy: wish.startedBy,
        agentId: caller.agentId,
        identity: wish.identity ?? {},
        caller,
        begun: () => begun.resolve(),
        ...hearing(said, wish.signal ?? this.#never),
      }),
    )
    await Promise.race([begun.promise, ended])
    return Object.assign(said, { runId, ended: ended.catch((error: unknown) => broken(runId, error)) })
  }

  /** Answers a gate and goes on. */
  async answer(tokenOrId: string, reply: GateReply, said: SaidByRun, signal?: AbortSignal): Promise<Envelope> {
    const gate = await this.runs.gate(tokenOrId)
    const how = hearing(said, signal ?? this.#never)
    if (!gate) return this.engine.answer(tokenOrId, reply, how)
    const busy = this.#active.get(gate.runId)
    try {
      const answered = this.engine.answer(tokenOrId, reply, how)
      return await (busy ? answered : this.#track(gate.runId, answered))
    } catch (error) {
      const now = await this.runs.gate(gate.id)
      const isOurs = gate.status === "waiting" && now?.status !== "waiting" && now?.status !== "expired"
      if (!busy || !isOurs || !(error instanceof PincerError) || error.code !== "CONFLICT") throw error
      // Other branches of the run are still at work: it goes on from the gate when they have come to rest.
      return await this.resume(gate.runId, said, signal)
    } finally {
      await this.#gates.withdrawn(gate.runId)
    }
  }

  /** Goes on with a run that was cut off, once the attempt that is under way has ended. */
  async resume(runId: string, said: SaidByRun, signal?: AbortSignal): Promise<Envelope> {
    await Promise.allSettled([this.#active.get(runId)])
    return this.#track(runId, this.engine.resume(runId, hearing(said, signal ?? this.#never)))
  }

  async retry(runId: string, said: SaidByRun, from?: string, signal?: AbortSignal): Promise<Envelope> {
    const how = hearing(said, signal ?? this.#never)
    return this.#track(runId, this.engine.retry(runId, { ...how, ...(from === undefined ? {} : { from }) }))
  }

  async cancel(runId: string, by: string): Promise<boolean> {
    const ended = await this.engine.cancel(runId, by)
    await Promise.allSettled([this.#active.get(runId)])
    await this.#gates.withdrawn(runId)
    return ended
  }

  /** A run that has ended, and all that it left. */
  async delete(runId: string): Promise<boolean> {
    const stored = await this.runs.get(runId)
    if (!stored) return false
    const { status } = stored.record
    if (status === "running" || status === "waiting" || status === "uncertain")
      throw new PincerError("CONFLICT", `Run ${runId} is ${status}: cancel it first`)
    await this.#gates.withdrawn(runId)
    removeOutputs(outputsOf(this.#ports.home), runId)
    return this.runs.delete(runId)
  }

  async #goOn(runId: string): Promise<void> {
    try {
      await Promise.allSettled([this.#active.get(runId)])
      if (this.#closed) return
      await this.resume(runId, { printed: "", warnings: [] })
    } catch (error) {
      // It has ended meanwhile, or somebody else has taken it up.
      if (error instanceof PincerError && (error.code === "CONFLICT" || error.code === "NOT_FOUND")) return
      this.#ports.log.error({ err: error, runId }, "A run could not go on")
    }
  }

  #track<T>(runId: string, attempt: Promise<T>): Promise<T> {
    this.#active.set(runId, attempt)
    const done = () => {
      if (this.#active.get(runId) === attempt) this.#active.delete(runId)
    }
    attempt.then(done, done)
    return attempt
  }

  #publish(event: RunEvent): void {
    this.#gates.hear(event)
    for (const listener of this.#listeners.get(event.runId) ?? []) {
      try {
        listener(event)
      } catch (error) {
        this.#ports.log.error({ err: error, runId: event.runId }, "A listener of a run failed")
      }
    }
  }
}

function hearing(said: SaidByRun, signal: AbortSignal): GoOn {
  return {
    print: (text) => {
      if (said.printed.length < MAX_SAID) said.printed += text
    },
    warn: (text) => {
      if (said.warnings.length < 100) said.warnings.push(text)
    },
    signal,
  }
}

function broken(runId: string, error: unknown): Envelope {
  const message = error instanceof Error ? error.message : String(error)
  return { protocolVersion: 1, ok: false, error: { type: "runtime_error", message }, runId }
}

export function problemText(problems: readonly Problem[]): string {
  const [first] = problems
  if (!first) return "The workflow cannot be read"
  const where = first.place ? ` (line ${first.place.line}, column ${first.place.column})` : ""
  const more = problems.length > 1 ? `; and ${problems.length - 1} more problems: run "pincer workflow check"` : ""
  return `${first.message}${where}${more}`
}

async function folderOf(cwd: string): Promise<string> {
  if (!isAbsolute(cwd)) throw new PincerError("INVALID_PARAMS", `cwd "${cwd}" is relative: give an absolute path`)
  try {
    return await realpath(cwd)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `Working directory "${cwd}" does not exist: name one that does`, {
      cause: error,
    })
  }
}

async function textOf(
  source: Exclude<Source, { pipeline: string }>,
  cwd: string,
  within: string | undefined,
): Promise<{ text: string; file?: string }> {
  if ("definition" in source) {
    const { definition } = source
    return { text: typeof definition === "string" ? definition : JSON.stringify(definition) }
  }
  const file = resolve(cwd, source.file)
  const missing = (cause?: unknown) => new PincerError("NOT_FOUND", `There is no workflow file ${file}`, { cause })
  // Whoever may not read there is not told what is there.
  if (within !== undefined && !isInside(file, within)) throw missing()
  let real: string
  try {
    real = await realpath(file)
  } catch (error) {
    throw missing(error)
  }
  if (within !== undefined && !isInside(real, within)) throw missing()
  const text = await readFile(real, "utf8")
  if (text.length > MAX_TEXT) throw new PincerError("TOO_LARGE", `${file} has more than ${MAX_TEXT} characters`)
  return { text, file: real }
}

/** Whether a tool may be called by it: also from a file that it names. */
function callsTools({ body }: StepDefinition): boolean {
  if (body.type === "for_each") return body.steps.some(callsTools)
  if (body.type === "parallel") return body.branches.some(callsTools)
  return body.type === "tool" || body.type === "workflow"
}
