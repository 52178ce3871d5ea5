// The workflow methods of a gateway, answered in this process: what the command line asks when no gateway runs on this home. Same names, same
// parameters, same answers; what only a gateway can do is refused before anything runs.
import { readFileSync, realpathSync } from "node:fs"
import { resolve } from "node:path"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { Env, PathFlags } from "../../config/paths.ts"
import { type Envelope, isFinalRun, type RunEvent, type RunStatus } from "../../protocol/workflow.ts"
import type { StoredRun } from "../../store/run-rows.ts"
import { checkWorkflow } from "../../workflow/check/check.ts"
import { checkPipeline } from "../../workflow/check/pipelines.ts"
import type { Definition, Problem, StepDefinition } from "../../workflow/definition.ts"
import type { GateReply, GoOn } from "../../workflow/engine/engine.ts"
import { shownGate } from "../../workflow/engine/gates.ts"
import { commandTable } from "../../workflow/engine/pipeline.ts"
import { readWorkflow } from "../../workflow/file/read.ts"
import { draw, GRAPH_FORMATS } from "../../workflow/graph/draw.ts"
import { graphOf } from "../../workflow/graph/graph.ts"
import { type Alone, openAlone, priceOf } from "./alone.ts"
import { workflowFiles } from "./files.ts"
import { removeOutputs } from "./output-file.ts"

export interface AloneClientOptions {
  env: Env
  flags: PathFlags
  cwd: string
  unsandboxed: boolean
  confirm?: (question: string) => Promise<boolean>
}

type Params = Readonly<Record<string, unknown>>
type Listener = (frame: { payload?: unknown }) => void

const EVENTS = 10_000
/** Another process that runs what is watched tells nothing: it is looked at. */
const LOOK_MS = 200

export class AloneClient {
  readonly #alone: Alone
  readonly #cwd: string
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #watched = new Map<string, { seen: number; stop: () => void }>()
  readonly #never = Promise.withResolvers<PincerError>()

  constructor(options: AloneClientOptions) {
    this.#cwd = options.cwd
    this.#alone = openAlone({ ...options, durability: "full", publish: ({ runId }) => void this.#tell(runId) })
  }

  /** It ends with its process. */
  get closed(): Promise<PincerError> {
    return this.#never.promise
  }

  close(): void {
    for (const { stop } of this.#watched.values()) stop()
    this.#alone.close()
  }

  on(event: string, listener: Listener): () => void {
    const known = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, known.add(listener))
    return () => void known.delete(listener)
  }

  async request<T = unknown>(method: string, params: Params = {}): Promise<T> {
    return (await this.#answer(method, params)) as T
  }

  async #answer(method: string, params: Params): Promise<unknown> {
    switch (method) {
      case "workflow.run":
        return this.#run(params)
      case "workflow.resume":
        return this.#resume(params)
      case "workflow.retry":
        return this.#ended(text(params, "runId"), (how) =>
          this.#alone.engine.retry(text(params, "runId"), { ...how, ...optional("from", params["from"]) }),
        )
      case "workflow.cancel":
        return { runId: params["runId"], canceled: await this.#alone.engine.cancel(text(params, "runId"), "cli") }
      case "workflow.delete":
        return this.#delete(text(params, "runId"))
      case "workflow.check":
        return { problems: this.#check(params).problems }
      case "workflow.plan":
        return this.#plan(params)
      case "workflow.graph":
        return this.#graph(params)
      case "workflow.list":
        return { files: await workflowFiles(this.#place(params), this.#place(params)), runs: [] }
      case "workflow.runs":
        return this.#runs(params)
      case "workflow.show":
        return this.#show(text(params, "runId"))
      case "workflow.pending":
        return { gates: await this.#pending() }
      case "workflow.export":
        return this.#export(text(params, "runId"))
      case "workflow.watch":
        return this.#watch(text(params, "runId"))
      default:
        throw new PincerError("UNAVAILABLE", `${method} needs a gateway: start one with "pincer gateway start"`)
    }
  }

  #place(params: Params): string {
    return typeof params["cwd"] === "string" ? params["cwd"] : this.#cwd
  }

  #check(params: Params): { definition: Definition | undefined; problems: Problem[] } {
    const commands = commandTable(this.#alone.commands)
    if (typeof params["pipeline"] === "string") {
      const problems = checkPipeline(params["pipeline"], commands).map((one) => ({ ...one, pointer: "" }))
      return { definition: undefined, problems }
    }
    const cwd = this.#place(params)
    const file = resolve(cwd, text(params, "file"))
    let content: string
    try {
      content = readFileSync(file, "utf8")
    } catch (error) {
      throw new PincerError("NOT_FOUND", `There is no workflow file ${file}`, { cause: error })
    }
    const read = readWorkflow(content, realpathSync(file))
    return { definition: read.definition, problems: checkWorkflow(read, { commands, cwd }) }
  }

  async #run(params: Params): Promise<unknown> {
    if (params["wait"] === false)
      throw new PincerError(
        "UNAVAILABLE",
        'Only a gateway can leave a run at work: start one with "pincer gateway start"',
      )
    const { definition, problems } = this.#check(params)
    const errors = problems.filter(({ level }) => level === "error")
    const [first] = errors
    if (first) {
      const where = first.place ? ` (line ${first.place.line}, column ${first.place.column})` : ""
      const more = errors.length > 1 ? `; and ${errors.length - 1} more: run "pincer workflow check"` : ""
      throw new PincerError("INVALID_PARAMS", `${first.message}${where}${more}`)
    }
    const needs = definition && stepsOf(definition).find(({ kind }) => kind === "agent" || kind === "tool")
    if (needs)
      throw new PincerError(
        "UNAVAILABLE",
        `Step ${needs.id} (${needs.kind}) needs a gateway: start one with "pincer gateway start", or add --standalone`,
        { retryable: false },
      )
    const runId = typeof params["runId"] === "string" ? params["runId"] : uuid(systemClock.now())
    const source = definition
      ? { type: "workflow" as const, definition }
      : { type: "pipeline" as const, text: text(params, "pipeline") }
    const args = (params["args"] ?? {}) as Record<string, unknown>
    const who = { startedBy: "cli", agentId: "main", identity: {}, cwd: this.#place(params) }
    return this.#ended(runId, (how) => this.#alone.engine.start({ runId, source, args, ...who, ...how }))
  }

  async #resume(params: Params): Promise<unknown> {
    const { engine } = this.#alone
    if (typeof params["token"] !== "string")
      return this.#ended(text(params, "runId"), (how) => engine.resume(text(params, "runId"), how))
    const token = params["token"]
    return this.#ended("", (how) => engine.answer(token, replyOf(params), how))
  }

  async #ended(runId: string, act: (how: GoOn) => Promise<Envelope>): Promise<unknown> {
    let printed = ""
    const warnings: string[] = []
    const envelope = await act({
      print: (more) => {
        printed += more
      },
      warn: (warning) => void warnings.push(warning),
      signal: new AbortController().signal,
    })
    await this.#tell(envelope.runId ?? runId)
    return { runId: envelope.runId ?? runId, envelope, printed, warnings }
  }

  async #graph(params: Params): Promise<unknown> {
    const format = GRAPH_FORMATS.find((one) => one === (params["format"] ?? "mermaid"))
    if (!format) throw new PincerError("INVALID_PARAMS", `Unknown format: use ${GRAPH_FORMATS.join(", ")}`)
    if (typeof params["runId"] === "string") {
      const { definition, record } = await this.#stored(params["runId"])
      if (definition === null) throw new PincerError("INVALID_PARAMS", "This run is a pipeline: it has no graph")
      return { format, text: draw(graphOf(definition as Definition, record.steps), format) }
    }
    const { definition, problems } = this.#check(params)
    if (!definition) throw new PincerError("INVALID_PARAMS", problems[0]?.message ?? "The workflow cannot be read")
    return { format, text: draw(graphOf(definition), format) }
  }

  async #plan(params: Params): Promise<unknown> {
    const { definition, problems } = this.#check(params)
    if (problems.some(({ level }) => level === "error")) return { problems }
    const { planned } = await import("./planned.ts")
    const what = definition ? { definition } : { pipeline: text(params, "pipeline") }
    const args = (params["args"] ?? {}) as Record<string, unknown>
    const place = { cwd: this.#place(params), commands: this.#alone.commands, price: priceOf }
    return { problems, plan: await planned(what, args, place) }
  }

  async #stored(runId: string): Promise<StoredRun> {
    const stored = await this.#alone.runs.get(runId)
    if (stored) return stored
    throw new PincerError("NOT_FOUND", `Unknown run "${runId}": run "pincer workflow list --runs"`)
  }

  async #interrupted({ holder, record }: StoredRun): Promise<boolean> {
    if (record.status === "running") return !(holder && this.#alone.isAlive(holder))
    if (record.status !== "waiting") return false
    return (await this.#alone.runs.gatesOf(record.runId)).every((gate) => gate.status !== "waiting")
  }

  async #runs({ limit, offset, search, status }: Params): Promise<unknown> {
    const found = await this.#alone.runs.list({
      limit: typeof limit === "number" ? limit : 50,
      ...(typeof offset === "number" ? { offset } : {}),
      ...(typeof search === "string" ? { search } : {}),
      ...(Array.isArray(status) ? { status: status as RunStatus[] } : {}),
    })
    const rows = found.map(async (run) => ({
      ...run,
      interrupted: await this.#interrupted(await this.#stored(run.runId)),
    }))
    return { runs: await Promise.all(rows), count: found.length }
  }

  async #show(runId: string): Promise<unknown> {
    const stored = await this.#stored(runId)
    const pending = (await this.#pending()).filter((gate) => gate.runId === runId)
    return { run: { ...stored.record, interrupted: await this.#interrupted(stored) }, output: stored.output, pending }
  }

  async #pending() {
    const { runs } = this.#alone
    await runs.expire()
    return (await runs.pending(1_000)).map((gate) => {
      const { requiresApproval, requiresInput } = shownGate(gate)
      const { createdAt, expiresAt, id, path, runId } = gate
      return { runId, path, createdAt, expiresAt, ...(requiresApproval ?? requiresInput), approvalId: id }
    })
  }

  async #export(runId: string): Promise<unknown> {
    const { definition, output, record } = await this.#stored(runId)
    const events = await this.#alone.runs.events(runId, 0, EVENTS)
    const gates = (await this.#alone.runs.gatesOf(runId)).map(({ token: _, ...gate }) => gate)
    return { run: record, definition, output, events, gates }
  }

  async #delete(runId: string): Promise<unknown> {
    const { record } = await this.#stored(runId)
    if (!isFinalRun(record.status))
      throw new PincerError("CONFLICT", `Run ${runId} is ${record.status}: cancel it first`)
    removeOutputs(this.#alone.outputs, runId)
    return { runId, deleted: await this.#alone.runs.delete(runId) }
  }

  async #watch(runId: string): Promise<unknown> {
    await this.#stored(runId)
    if (!this.#watched.has(runId)) {
      const look = () => {
        void this.#tell(runId)
        const known = this.#watched.get(runId)
        if (known) known.stop = systemClock.after(LOOK_MS, look)
      }
      this.#watched.set(runId, { seen: 0, stop: () => undefined })
      look()
    }
    return {}
  }

  /** Whatever is on disk and was not told yet. */
  async #tell(runId: string): Promise<void> {
    const watched = this.#watched.get(runId)
    if (!watched) return
    const events: RunEvent[] = await this.#alone.runs.events(runId, watched.seen, EVENTS)
    for (const event of events.filter(({ seq }) => seq > watched.seen)) {
      watched.seen = event.seq
      this.#emit("workflow.event", { event })
      if (event.type !== "run.ended") continue
      watched.stop()
      this.#emit("workflow.done", { runId, status: event.status })
    }
  }

  #emit(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener({ payload })
  }
}

function stepsOf(definition: Definition): StepDefinition[] {
  const inner = (step: StepDefinition): StepDefinition[] => {
    const { body } = step
    const below = body.type === "for_each" ? body.steps : body.type === "parallel" ? body.branches : []
    return [step, ...below.flatMap(inner)]
  }
  return [...definition.steps, ...definition.onFailure, ...definition.finally].flatMap(inner)
}

function replyOf(params: Params): GateReply {
  const by = optional("by", params["by"])
  if (params["cancel"] === true) return { type: "cancel", ...by }
  if (typeof params["approve"] === "boolean")
    return { type: "approve", approved: params["approve"], ...optional("reason", params["reason"]), ...by }
  return { type: "respond", response: params["response"], ...by }
}

function optional<K extends string>(key: K, value: unknown): Partial<Record<K, string>> {
  return typeof value === "string" ? ({ [key]: value } as Record<K, string>) : {}
}

function text(params: Params, key: string): string {
  const value = params[key]
  if (typeof value === "string" && value !== "") return value
  throw new PincerError("INVALID_PARAMS", `${key} is missing`)
}
