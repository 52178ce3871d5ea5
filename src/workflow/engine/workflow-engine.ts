// The engine: begins attempts of runs, walks, and writes down how each attempt ended. Everything that it needs to go on lies in the store.
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { Envelope, EnvelopeError, RunStatus } from "../../protocol/workflow.ts"
import type { NewRun, RunFence, StoredRun } from "../../store/run-rows.ts"
import { FAILED, firstAttempt, RunFenced } from "../../store/runs.ts"
import type { Definition } from "../definition.ts"
import { envelopeError, UnreadableText } from "../failure.ts"
import { parsePipeline } from "../language/grammar.ts"
import { againFrom } from "./again.ts"
import { argumentsOf } from "./arguments.ts"
import { ownPlace } from "./body.ts"
import { recallCost } from "./cost.ts"
import { errorOf, type Over, overAfter, runEnds } from "./ends.ts"
import type { Engine, GateReply, GoOn, StartRun } from "./engine.ts"
import { envelopeOf } from "./envelope.ts"
import { answerOf, checkToken, isDoubt, type RunKind } from "./gates.ts"
import { commandOf, commandTable } from "./pipeline.ts"
import { runPipelineText } from "./pipeline-step.ts"
import type { EnginePorts } from "./ports.ts"
import { recall } from "./recall.ts"
import { type RunContext, Spent, type StepFrame, StepLog } from "./run-context.ts"
import { GateWaits, Refused, RunStopped } from "./signals.ts"
import { argumentVariables, itemsOfResult } from "./values.ts"
import { runStep, runSteps } from "./walk.ts"

/** How often a running process looks whether the run is still its own. */
const LOOK_MS = 1_000
const TITLE = 200
/** Where the one step of a run that is a pipeline stands in the journal. */
const PIPELINE = "pipeline"

interface Kept {
  source: { type: "pipeline"; text: string } | { type: "workflow" }
  agentId: string
  identity: StartRun["identity"]
  caller?: StartRun["caller"]
}

/** What is needed of a run to walk it. */
interface BegunRun extends Pick<StoredRun, "settings" | "definition"> {
  record: Pick<StoredRun["record"], "args" | "cwd" | "startedAt" | "startedBy" | "title">
}

/** As it will be read from the store. */
function asStored({ args, cwd, definition, settings, startedBy, title }: NewRun, startedAt: number): BegunRun {
  const plain = JSON.parse(JSON.stringify({ args, settings, definition })) as Pick<NewRun, "args" | "settings"> & {
    definition: unknown
  }
  const { args: given, ...rest } = plain
  return { record: { args: given, cwd, startedAt, startedBy, title }, ...rest }
}

export class WorkflowEngine implements Engine {
  readonly #ports: EnginePorts
  readonly #running = new Map<string, AbortController>()

  constructor(ports: EnginePorts) {
    this.#ports = ports
  }

  async start(run: StartRun): Promise<Envelope> {
    const { source } = run
    const definition = source.type === "workflow" ? source.definition : undefined
    const args = definition ? argumentsOf(definition, run.args) : run.args
    if (source.type === "pipeline")
      for (const stage of parsePipeline(source.text)) commandOf(stage, commandTable(this.#ports.commands))
    const runId = run.runId ?? uuid(this.#ports.clock.now())
    const title = (
      source.type === "pipeline" ? source.text : (definition?.name ?? definition?.file ?? "workflow")
    ).slice(0, TITLE)
    const kept: Kept = {
      source: source.type === "pipeline" ? source : { type: "workflow" },
      agentId: run.agentId,
      identity: run.identity,
      ...(run.caller ? { caller: run.caller } : {}),
    }
    const begun: NewRun = {
      runId,
      title,
      ...(definition?.file === undefined ? {} : { file: definition.file }),
      args,
      cwd: run.cwd,
      startedBy: run.startedBy,
      settings: { ...kept },
      definition: definition ?? null,
    }
    // Who names it, or wants to be told that it is on disk, waits for that. Nothing acts before its intent is, which lies behind this.
    const isAwaited = run.runId !== undefined || run.begun !== undefined
    const startedAt = this.#ports.clock.now()
    const created = this.#ports.runs
      .create(begun, this.#ports.holder, isAwaited ? "now" : "later")
      .then((events) => this.#publish(events))
    if (isAwaited) await created
    run.begun?.(runId)
    const ended = this.#attempt(firstAttempt(runId), run, asStored(begun, startedAt))
    const [envelope] = await Promise.all([ended, created])
    return envelope
  }

  async answer(tokenOrId: string, reply: GateReply, how: GoOn): Promise<Envelope> {
    const isId = /^[0-9a-f]{8}$/.test(tokenOrId)
    if (!isId) checkToken(tokenOrId)
    const { runs, holder, isAlive } = this.#ports
    await runs.expire()
    const found = await runs.gate(tokenOrId)
    const unknown = `Resume state not found for "${tokenOrId.slice(0, 40)}": run "pincer workflow pending" for what waits`
    // Whoever types an id may have mistyped it; a token is copied.
    if (!found && isId) throw new UnreadableText(unknown)
    if (!found) throw new PincerError("NOT_FOUND", unknown)
    if (found.status !== "waiting")
      throw new PincerError(
        "CONFLICT",
        `Resume state not found: this gate was ${found.status === "answered" ? "answered before" : found.status}`,
      )
    const answer = reply.type === "cancel" ? { ...reply } : { ...answerOf(found, reply) }
    const status = reply.type === "cancel" ? "canceled" : "answered"
    const { taken } = await runs.answerAndTake(tokenOrId, status, answer, holder, ["waiting", "uncertain"], isAlive)
    this.#ports.checkpoint("gate.answered")
    if (taken instanceof PincerError) throw taken
    await this.#tellBegin(taken)
    return this.#attempt(taken, how)
  }

  resume(runId: string, how: GoOn): Promise<Envelope> {
    return this.#goOn(runId, ["running", "waiting", "uncertain"], how)
  }

  async retry(runId: string, how: GoOn & { from?: string }): Promise<Envelope> {
    const stored = await this.#ports.runs.get(runId)
    if (stored && how.from !== undefined && !stored.record.steps.some((step) => step.path === how.from))
      throw new PincerError("NOT_FOUND", `Run ${runId} has no step "${how.from}": run "pincer workflow show ${runId}"`)
    return this.#goOn(runId, ["failed", "canceled"], how, how.from)
  }

  async cancel(runId: string, by: string): Promise<boolean> {
    const { runs, holder } = this.#ports
    const stored = await runs.get(runId)
    if (!stored) throw new PincerError("NOT_FOUND", `Unknown run "${runId}": run "pincer workflow list"`)
    const here = this.#running.get(runId)
    if (here) {
      here.abort(new RunStopped("canceled", `Canceled by ${by}`))
      return true
    }
    if (!["running", "waiting", "uncertain"].includes(stored.record.status)) return false
    // The process that runs it finds out within a second that it is not its own any more.
    const fence = await runs.take(runId, holder, ["running", "waiting", "uncertain"], () => false)
    this.#publish(await runs.finish(fence, { status: "canceled", output: [] }))
    return true
  }

  /** Stops every run of this process; each can be resumed. */
  stop(): void {
    for (const controller of this.#running.values())
      controller.abort(new RunStopped("shutdown", "Pincer is stopping: resume the run later"))
  }

  async #goOn(runId: string, from: readonly RunStatus[], how: GoOn, forget?: string): Promise<Envelope> {
    const { runs, holder, isAlive } = this.#ports
    await runs.expire()
    const fence = await runs.take(runId, holder, from, isAlive)
    if (from.includes("failed")) await this.#forgetEnd(fence, forget)
    await this.#tellBegin(fence)
    return this.#attempt(fence, how)
  }

  /** The write that began an attempt told it to nobody yet. */
  async #tellBegin({ runId, epoch }: RunFence): Promise<void> {
    const events = await this.#ports.runs.events(runId, 0, -1)
    this.#publish(events.filter((event) => event.type === "run.started" && event.attempt === epoch))
  }

  /** A run is tried again: its failures go, and what runs at the end runs at each end. `from`: a step that is done again with all after it. */
  async #forgetEnd(fence: RunFence, from: string | undefined): Promise<void> {
    const { runs } = this.#ports
    const definition = (await runs.get(fence.runId))?.definition as Definition | null | undefined
    await runs.forgetFailures(fence)
    const last = [...(definition?.finally ?? []), ...(definition?.onFailure ?? [])].map(({ id }) => id)
    const again = from === undefined ? { whole: [], own: [] } : againFrom(definition?.steps ?? [], from)
    await runs.forgetFrom(fence, [...last, ...again.whole], again.own)
  }

  async #attempt(fence: RunFence, how: GoOn, known?: BegunRun): Promise<Envelope> {
    const { clock, runs } = this.#ports
    const stored = known ?? (await runs.get(fence.runId))
    if (!stored) throw new PincerError("NOT_FOUND", `Run ${fence.runId} is gone`)
    const own = new AbortController()
    this.#running.set(fence.runId, own)
    const stops = [this.#watch(fence, own)]
    const definition = stored.definition as Definition | null
    if (definition?.timeoutMs !== undefined) {
      const left = stored.record.startedAt + definition.timeoutMs - clock.now()
      stops.push(
        clock.after(Math.max(0, left), () =>
          own.abort(new RunStopped("timeout", `The run took longer than ${definition.timeoutMs} ms`)),
        ),
      )
    }
    const onAbort = () =>
      own.abort(how.signal.reason instanceof RunStopped ? how.signal.reason : new RunStopped("canceled", "Canceled"))
    if (how.signal.aborted) onAbort()
    how.signal.addEventListener("abort", onAbort, { once: true })
    try {
      return await this.#walk(fence, stored, how, own.signal)
    } finally {
      how.signal.removeEventListener("abort", onAbort)
      for (const stop of stops) stop()
      this.#running.delete(fence.runId)
    }
  }

  async #walk(fence: RunFence, stored: BegunRun, how: GoOn, signal: AbortSignal): Promise<Envelope> {
    const definition = stored.definition as Definition | null
    const kept = stored.settings as unknown as Kept
    const kind: RunKind = definition ? "workflow-file" : "pipeline-resume"
    const run: RunContext = {
      ports: this.#ports,
      fence,
      kind,
      title: stored.record.title,
      startedBy: stored.record.startedBy,
      agentId: kept.agentId,
      identity: kept.identity,
      caller: kept.caller,
      commands: commandTable(this.#ports.commands),
      signal,
      print: how.print,
      warn: how.warn,
      spent: new Spent(definition?.costLimit),
      log: new StepLog(this.#ports, fence),
      walk: { steps: runSteps, step: runStep },
    }
    const base: StepFrame = {
      args: stored.record.args,
      results: new Map(),
      env: { ...this.#ports.env, ...argumentVariables(stored.record.args) },
      cwd: how.cwd ?? stored.record.cwd,
      prefix: "",
      file: definition?.file,
      files: definition?.file === undefined ? [] : [definition.file],
      last: { result: undefined },
    }
    try {
      await recallCost(run)
      const over = await run.log.known<Exclude<Over, { type: "completed" }>>(FAILED)
      if (over && definition) {
        await recall(run, definition.steps, base)
        return await this.#ended(run, definition, base, errorOf(over))
      }
      const output = definition ? await this.#workflow(run, definition, base) : await this.#pipeline(run, kept, base)
      return await this.#end(run, { status: "completed", output })
    } catch (error) {
      return this.#ended(run, definition, base, error)
    }
  }

  async #workflow(run: RunContext, definition: Definition, base: StepFrame): Promise<unknown[]> {
    const frame = { ...base, ...ownPlace(definition, base) }
    await runSteps(run, definition.steps, frame)
    await runEnds(run, definition, "completed", frame)
    return itemsOfResult(frame.last.result)
  }

  async #pipeline(run: RunContext, kept: Kept, frame: StepFrame): Promise<unknown[]> {
    if (kept.source.type !== "pipeline") throw new TypeError("A run without a definition has a pipeline")
    const place = { id: PIPELINE, env: frame.env, cwd: frame.cwd, items: [], signal: run.signal }
    const done = await runPipelineText(run, kept.source.text, PIPELINE, place)
    return done.rendered ? [] : done.items
  }

  async #ended(run: RunContext, definition: Definition | null, base: StepFrame, error: unknown): Promise<Envelope> {
    try {
      return await this.#endedFor(run, definition, base, error)
    } catch (late) {
      // Another process has taken the run, or ended it: it says what became of it.
      if (late instanceof RunFenced) return this.#envelope(run.fence.runId)
      throw late
    }
  }

  async #endedFor(run: RunContext, definition: Definition | null, base: StepFrame, error: unknown): Promise<Envelope> {
    const { fence } = run
    const { runs } = this.#ports
    if (error instanceof RunFenced) throw error
    if (error instanceof GateWaits) {
      const [gate] = error.gates
      const rested = runs.rest(fence, gate && isDoubt(gate) ? "uncertain" : "waiting")
      await run.log.settled()
      this.#publish(await rested)
      return this.#envelope(fence.runId, gate?.id)
    }
    if (error instanceof RunStopped && error.kind === "shutdown") {
      const rested = runs.rest(fence, "waiting")
      await run.log.settled()
      this.#publish(await rested)
      return {
        protocolVersion: 1,
        ok: false,
        error: { type: "runtime_error", message: error.message },
        runId: fence.runId,
      }
    }
    const canceled = error instanceof Refused || (error instanceof RunStopped && error.kind === "canceled")
    const over = overAfter(error)
    if (definition && over) {
      try {
        await this.#atEnd(run, definition, base, over)
      } catch (stop) {
        return this.#ended(run, definition, base, stop)
      }
    }
    if (error instanceof Refused) return this.#end(run, { status: "canceled", output: [] })
    if (error instanceof RunStopped && error.kind === "canceled" && error.message.startsWith("Canceled by"))
      return this.#end(run, { status: "canceled", output: [] })
    return this.#end(run, {
      status: canceled ? "canceled" : "failed",
      output: [],
      error: { ...envelopeError(error), type: "runtime_error" },
    })
  }

  /** What runs after a failure. That it has begun is written down first: whoever takes the run up goes on here, and nowhere before. */
  async #atEnd(run: RunContext, definition: Definition, base: StepFrame, over: Over): Promise<void> {
    const { finally: last, onFailure } = definition
    if ((over.type === "refused" ? last : [...onFailure, ...last]).length === 0) return
    run.log.settle(FAILED, "read", over, [])
    await runEnds(run, definition, over.type, { ...base, ...ownPlace(definition, base) })
  }

  /** The end goes to disk in one commit with what the last step left. */
  async #end(
    { fence, log }: RunContext,
    end: { status: RunStatus; output: unknown[]; error?: EnvelopeError },
  ): Promise<Envelope> {
    const finished = this.#ports.runs.finish(fence, end)
    const [, events] = await Promise.all([log.settled(), finished])
    this.#publish(events)
    const record = await this.#ports.runs.record(fence.runId)
    return this.#told(fence.runId, record && { record, output: end.output })
  }

  async #envelope(runId: string, gateId?: string): Promise<Envelope> {
    return this.#told(runId, await this.#ports.runs.get(runId), gateId)
  }

  async #told(
    runId: string,
    stored: Pick<StoredRun, "record" | "output"> | undefined,
    gateId?: string,
  ): Promise<Envelope> {
    const { runs } = this.#ports
    if (!stored) throw new PincerError("NOT_FOUND", `Run ${runId} is gone`)
    const gate = gateId === undefined ? undefined : await runs.gate(gateId)
    // A stop from outside is told as Lobster tells it: an error, not a result.
    if (stored.record.status === "canceled" && stored.record.error)
      return { protocolVersion: 1, ok: false, error: stored.record.error, runId }
    return envelopeOf(stored, gate)
  }

  #publish(events: Parameters<EnginePorts["publish"]>[0][]): void {
    for (const event of events) this.#ports.publish(event)
  }

  /** Another process may have taken the run, or ended it. */
  #watch(fence: RunFence, own: AbortController): () => void {
    const { clock, runs } = this.#ports
    let cancel = clock.after(LOOK_MS, look)
    function look() {
      // It is being stopped: nothing is to be learned from the store any more, which may be closed.
      if (own.signal.aborted) return
      if (!runs.holds(fence)) own.abort(new RunStopped("lost", "Another process has taken the run over, or ended it"))
      else cancel = clock.after(LOOK_MS, look)
    }
    return () => cancel()
  }
}
