// What one attempt of one run carries from step to step: its fence, its signal, what it prints, and the writes that may still be on their way.

import type { RunStepStatus, StepKind } from "../../protocol/workflow.ts"
import type { RunFact, RunFence } from "../../store/run-rows.ts"
import { FAILED } from "../../store/runs.ts"
import type { Effect } from "../../store/steps.ts"
import type { Command } from "../command.ts"
import type { Definition, StepDefinition } from "../definition.ts"
import type { StepResult } from "../language/reference.ts"
import type { StartRun } from "./engine.ts"
import type { RunKind } from "./gates.ts"
import type { EnginePorts, StepAddress } from "./ports.ts"

export interface RunContext {
  ports: EnginePorts
  fence: RunFence
  kind: RunKind
  title: string
  startedBy: string
  agentId: string
  identity: StartRun["identity"]
  caller: StartRun["caller"]
  commands: ReadonlyMap<string, Command>
  signal: AbortSignal
  print(text: string): void
  warn(text: string): void
  spent: Spent
  log: StepLog
  walk: StepWalk
}

/** How steps within steps are run. */
export interface StepWalk {
  steps(run: RunContext, steps: readonly StepDefinition[], frame: StepFrame): Promise<void>
  step(run: RunContext, step: StepDefinition, frame: StepFrame): Promise<void>
}

/** Where a list of steps runs. */
export interface StepFrame {
  args: Readonly<Record<string, unknown>>
  /** Results that steps here can name; a loop's frame begins with those around it. */
  results: Map<string, StepResult>
  env: Readonly<Record<string, string>>
  cwd: string
  /** Stands before the paths of the steps here: "each[3]." */
  prefix: string
  /** The file that relative paths begin at. */
  file: string | undefined
  /** Real paths of the workflows around this one. */
  files: readonly string[]
  /** Which of the steps here completed last: what a workflow gives. */
  last: { result: StepResult | undefined }
}

export function addressOf(run: RunContext, path: string): StepAddress {
  const { agentId, caller, fence, startedBy, title } = run
  return { runId: fence.runId, path, title, startedBy, agentId, ...(caller ? { caller } : {}) }
}

/**
 * The journal of a run as its steps use it. Outcomes are not waited for: whatever is written next is behind them, and an intent, which is waited for,
 * goes to disk in one commit with the outcome before it.
 */
export class StepLog {
  readonly #ports: EnginePorts
  readonly #fence: RunFence
  /** Nothing can be known of a first attempt's steps but what it wrote itself. */
  readonly #fresh: boolean
  readonly #written = new Set<string>()
  #pending: Promise<unknown>[] = []

  constructor(ports: EnginePorts, fence: RunFence) {
    this.#ports = ports
    this.#fence = fence
    this.#fresh = fence.epoch === 1
  }

  async state(key: string): ReturnType<EnginePorts["runs"]["state"]> {
    // Only its own writes may still be on their way.
    if (this.#written.has(key)) await this.flush()
    else if (this.#fresh) return { type: "new" }
    return this.#ports.runs.state(this.#fence, key)
  }

  /** What an earlier attempt left under this key. */
  async known<T>(key: string): Promise<T | undefined> {
    const state = await this.state(key)
    return state.type === "done" ? (state.value as T) : undefined
  }

  /** On disk once it resolves. Reads leave no intent. */
  async intend(key: string, effect: Effect): Promise<void> {
    if (effect === "read") return
    this.#written.add(key)
    await this.#ports.runs.intend(this.#fence, key, effect)
    this.#ports.checkpoint("step.intended")
  }

  /** Not waited for. `under`: an idempotency key. */
  settle(key: string, effect: Effect, value: unknown, facts: readonly RunFact[], under?: string): void {
    const { runs } = this.#ports
    this.#written.add(key)
    const written = runs.settle(this.#fence, key, effect, value, facts, under).then((events) => {
      this.#show(events)
      if (effect !== "read") this.#ports.checkpoint("step.recorded")
    })
    this.#keep(written)
  }

  /** What a step of any run left under an idempotency key. */
  async keyed(key: string): Promise<unknown> {
    await this.flush()
    return this.#ports.runs.keyed(key)
  }

  async forget(key: string): Promise<void> {
    await this.#ports.runs.forget(this.#fence, key)
  }

  /** These steps with all that lies below them, and their gates. */
  async forgetAll(paths: readonly string[]): Promise<void> {
    await this.#ports.runs.forgetFrom(this.#fence, paths, [])
  }

  /** A step failed for good. `below`: as belowOf() gives it. */
  async fail(path: string, message: string, below: readonly string[], facts: readonly RunFact[]): Promise<void> {
    this.#written.add(`${path}${FAILED}`)
    this.#written.delete(path)
    this.#show(await this.#ports.runs.fail(this.#fence, path, message, below, facts))
  }

  /** Why a step failed for good. */
  async failure(path: string): Promise<string | undefined> {
    return (await this.known<{ message: string }>(`${path}${FAILED}`))?.message
  }

  /** What failed or was cut off below is to be done anew. */
  async forgetOpen(below: readonly string[]): Promise<void> {
    if (below.length > 0) await this.#ports.runs.forgetOpen(this.#fence, below)
  }

  async tell(facts: readonly RunFact[]): Promise<void> {
    if (facts.length > 0) this.#keep(this.#ports.runs.tell(this.#fence, facts).then((events) => this.#show(events)))
  }

  /** A gate opens; the walk is left, and the run rests in the same commit. */
  openGate(gate: Parameters<EnginePorts["runs"]["openGate"]>[1], facts: readonly RunFact[]): void {
    const opened = this.#ports.runs.openGate(this.#fence, gate, facts).then((events) => {
      this.#show(events)
      this.#ports.checkpoint("gate.opened")
    })
    this.#keep(opened)
  }

  /** Resolves once everything is on disk. */
  async flush(): Promise<void> {
    if (this.#pending.length > 0) this.#ports.runs.flush()
    await this.settled()
  }

  /** Resolves once everything is on disk that went there with a write behind it. */
  async settled(): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    await Promise.all(pending)
  }

  #keep(written: Promise<unknown>): void {
    // A failure is told by flush(); until then it must not count as unhandled.
    written.catch(() => undefined)
    this.#pending.push(written)
  }

  #show(events: Awaited<ReturnType<EnginePorts["runs"]["append"]>>): void {
    for (const event of events) this.#ports.publish(event)
  }
}

/** Money that the run's steps say they spent, against its limit. */
export class Spent {
  readonly limit: Definition["costLimit"]
  usd = 0
  warned = false

  constructor(limit: Definition["costLimit"]) {
    this.limit = limit
  }
}

export function stopIfTold({ signal }: RunContext): void {
  if (signal.aborted) throw signal.reason
}

/** How the keys of a step's own steps begin. Branches stand beside what holds them. */
export function belowOf({ body, id }: StepDefinition, prefix: string): string[] {
  if (body.type !== "parallel") return body.type === "for_each" || body.type === "workflow" ? inside(prefix + id) : []
  return body.branches.flatMap((branch) => [
    prefix + branch.id,
    `${prefix}${branch.id}!`,
    ...inside(prefix + branch.id),
    ...belowOf(branch, prefix),
  ])
}

function inside(path: string): string[] {
  return [`${path}[`, `${path}.`]
}

export function ended(
  path: string,
  kind: StepKind,
  status: RunStepStatus,
  durationMs: number,
  message?: string,
): RunFact {
  return { type: "step.ended", path, kind, status, durationMs, ...(message === undefined ? {} : { message }) }
}
