// What a tick of a schedule does: a turn, through the jobs; a workflow or a command, through the runs of workflows. Whatever it starts is
// named after the attempt, so that after a crash it is found again and goes on by its own journal. Nobody is asked on its behalf.
import type { Ports } from "../../agent/ports.ts"
import { PincerError, unreachable } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import type { JobDesk } from "../../jobs/desk.ts"
import { type AttemptOutcome, sessionOfTick, type TickAttempt, type TickLauncher } from "../../jobs/schedule.ts"
import { attemptTurn, isJobEnd, type JobRecord } from "../../protocol/job.ts"
import type { ScheduleTask, TickRef } from "../../protocol/schedule.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import { isFinalRun } from "../../protocol/workflow.ts"
import type { StoredRun } from "../../store/run-rows.ts"
import type { RunWish, Workflows } from "../workflows/workflows.ts"
import type { Heartbeats } from "./heartbeats.ts"
import type { Outlets } from "./schedule-outlets.ts"

export interface LauncherParts {
  jobs: JobDesk
  workflows: Workflows
  agents: () => Ports["agents"]
  outlets: Outlets
  heartbeats: Pick<Heartbeats, "plan">
}

const SUMMARY_CHARS = 16_000
/** The one step of a run that is a command: no name that its line could refer to. */
const COMMAND_STEP = "scheduled-command"

type Note = (ref: TickRef) => void

export class ScheduleLauncher implements TickLauncher {
  readonly #parts: LauncherParts

  constructor(parts: LauncherParts) {
    this.#parts = parts
  }

  async run(attempt: TickAttempt, signal: AbortSignal, note: Note): Promise<AttemptOutcome> {
    const { task } = attempt.tick.work
    switch (task.kind) {
      case "turn":
        return this.#turn(attempt, task, signal, note)
      case "workflow":
        return this.#workflow(attempt, { file: task.file }, task, signal, note)
      case "command":
        return this.#workflow(
          attempt,
          { definition: commandWorkflow(attempt.tick.work.name, task.line) },
          task,
          signal,
          note,
        )
      case "text":
        return { status: "done", summary: task.text }
      case "heartbeat":
        return this.#heartbeat(attempt, signal, note)
      default:
        return unreachable(task)
    }
  }

  tell: TickLauncher["tell"] = (outlet, message, signal) => this.#parts.outlets.tell(outlet, message, signal)

  async #turn(
    { key, tick }: TickAttempt,
    task: Extract<ScheduleTask, { kind: "turn" }>,
    signal: AbortSignal,
    note: Note,
  ): Promise<AttemptOutcome> {
    const { jobs } = this.#parts
    const { agentId, name, timeoutMs } = tick.work
    const sessionKey = task.session === "isolated" ? sessionOfTick(tick) : task.session
    const prompt = task.event ? `System event of the schedule "${name}": ${task.message}` : task.message
    const { cwd, model, permissions, thinking } = task
    const { record } = await jobs.submit({
      prompt,
      agentId,
      sessionKey,
      ...(model === undefined ? {} : { model }),
      ...(thinking === undefined ? {} : { thinking }),
      ...(cwd === undefined ? {} : { cwd }),
      ...(permissions === undefined ? {} : { permissions }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      onInterrupt: "resume",
      maxAttempts: 1,
      idempotencyKey: key,
      door: "schedule",
      clientId: `schedule:${tick.scheduleId}`,
    })
    note({ jobId: record.id, runId: attemptTurn(record.id, 1), sessionKey })
    return this.#jobEnd(record.id, signal)
  }

  /** What it asks is made once: an attempt that an earlier life began goes on with what it asked then. */
  async #heartbeat(attempt: TickAttempt, signal: AbortSignal, note: Note): Promise<AttemptOutcome> {
    const { heartbeats, jobs } = this.#parts
    const { key, tick } = attempt
    const known = await jobs.byKey(key)
    if (known) {
      note({ jobId: known.id, runId: attemptTurn(known.id, 1), sessionKey: known.request.sessionKey })
      return this.#jobEnd(known.id, signal)
    }
    const plan = await heartbeats.plan(tick.work.agentId)
    if ("skip" in plan) return { status: "skipped", reason: plan.skip }
    const session = plan.session === "main" ? parseSessionKey("main", tick.work.agentId).key : plan.session
    return this.#turn(attempt, { kind: "turn", message: plan.prompt, session }, signal, note)
  }

  async #jobEnd(id: string, signal: AbortSignal): Promise<AttemptOutcome> {
    const { jobs } = this.#parts
    const cancel = () => jobs.cancel(id)
    const ended = await this.#ended(
      signal,
      (listener) => jobs.onJob(id, listener),
      cancel,
      async () => {
        const record = await jobs.get(id)
        return isJobEnd(record.status) ? record : undefined
      },
    )
    return ended === "left" ? { status: "left" } : this.#outcomeOfJob(ended)
  }

  async #outcomeOfJob(record: JobRecord): Promise<AttemptOutcome> {
    if (record.status === "canceled") return { status: "canceled" }
    if (record.status === "failed") return { status: "failed", error: record.error?.message ?? "Its job failed" }
    return { status: "done", summary: (await this.#parts.jobs.result(record, 0, SUMMARY_CHARS)).text }
  }

  async #workflow(
    { key, tick }: TickAttempt,
    source: RunWish["source"],
    { cwd, permissions, ...task }: Extract<ScheduleTask, { kind: "workflow" | "command" }>,
    signal: AbortSignal,
    note: Note,
  ): Promise<AttemptOutcome> {
    const { agents, workflows } = this.#parts
    const { agentId, name } = tick.work
    const profile = agents().get(agentId)
    if (!profile) throw new PincerError("NOT_FOUND", `Unknown agent "${agentId}": change the schedule's agent`)
    const sessionKey = `agent:${agentId}:cron:${tick.scheduleId}`
    note({ runId: key, sessionKey })
    // Who may add schedules has asked for it; rules that deny or ask stay.
    const rights = { approved: true, recovery: "resume", door: "schedule", permissions } as const
    if (!(await workflows.runs.get(key)))
      await workflows.begin({
        source,
        args: task.kind === "workflow" ? task.args : {},
        cwd: cwd ?? profile.workspace,
        startedBy: `schedule ${excerpt(name, 80)}`,
        runId: key,
        caller: { ...rights, taint: [], sessionKey, agentId, clientId: `schedule:${tick.scheduleId}` },
      })
    const cancel = () => workflows.cancel(key, "the schedule")
    const ended = await this.#ended(
      signal,
      (listener) => workflows.onRun(key, listener),
      cancel,
      async () => {
        const stored = await workflows.runs.get(key)
        if (!stored) throw new PincerError("ABORTED", "Its run was removed while it ran")
        return isFinalRun(stored.record.status) || stored.record.status === "uncertain" ? stored : undefined
      },
    )
    return ended === "left" ? { status: "left" } : outcomeOfRun(ended)
  }

  /** Waits for an end that `look` finds; looks again whenever `listen` calls. */
  async #ended<T>(
    signal: AbortSignal,
    listen: (listener: () => void) => () => void,
    cancel: () => Promise<unknown>,
    look: () => Promise<T | undefined>,
  ): Promise<T | "left"> {
    let heard = Promise.withResolvers<void>()
    const stopListening = listen(() => heard.resolve())
    const onAbort = () => heard.resolve()
    signal.addEventListener("abort", onAbort, { once: true })
    let canceled = false
    try {
      for (;;) {
        heard = Promise.withResolvers()
        if (signal.aborted && signal.reason === "left") return "left"
        if (signal.aborted && !canceled) {
          canceled = true
          await cancel().catch(ignoreEnded)
        }
        const found = await look()
        if (found !== undefined) return found
        if (!signal.aborted || canceled) await heard.promise
      }
    } finally {
      stopListening()
      signal.removeEventListener("abort", onAbort)
    }
  }
}

/** It ended by itself at the same moment: that is as good. */
function ignoreEnded(error: unknown): void {
  if (!(error instanceof PincerError) || (error.code !== "CONFLICT" && error.code !== "NOT_FOUND")) throw error
}

export function commandWorkflow(name: string, line: string): Record<string, unknown> {
  return { name, steps: [{ id: COMMAND_STEP, run: line }] }
}

function outcomeOfRun({ output, record }: StoredRun): AttemptOutcome {
  if (record.status === "canceled") return { status: "canceled" }
  if (record.status === "failed") return { status: "failed", error: record.error?.message ?? "Its run failed" }
  if (record.status === "uncertain") {
    const cure = `say whether it did with "pincer workflow pending"`
    const error = `Run ${record.runId} was cut off in a step that may have acted: ${cure}`
    return { status: "failed", error, final: true }
  }
  const items = (output ?? []).map((item) => (typeof item === "string" ? item : JSON.stringify(item)))
  return { status: "done", summary: items.join("\n").slice(0, SUMMARY_CHARS) }
}
