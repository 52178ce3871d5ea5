// What the engine needs from outside. The gateway hands in the whole house; a run that stands alone gets what the machine has.
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { RunEvent } from "../../protocol/workflow.ts"
import type { Holder } from "../../store/run-rows.ts"
import type { RunTable } from "../../store/runs.ts"
import type { AgentAsk, Command, ModelAnswer, ModelAsk, ModelUsage, ProgramResult, ProgramRun } from "../command.ts"

/** Which step something is done for: decisions and audit lines name it. */
export interface StepAddress {
  runId: string
  /** "each[3].send" */
  path: string
  /** Name of the workflow or text of the pipeline. */
  title: string
  startedBy: string
  agentId: string
  /** As StartRun.caller gave it. */
  caller?: Readonly<Record<string, unknown>>
}

export interface EnginePorts {
  runs: RunTable
  clock: Clock
  log: Logger
  /** This process. */
  holder: Holder
  isAlive: (holder: Holder) => boolean
  /** What steps find in their environment beside their own variables. */
  env: Readonly<Record<string, string>>
  /** Where outputs go that are too long to keep; made when first used. */
  spillFolder: string
  commands: readonly Command[]
  /** Judged by policy and confined, or refused (PERMISSION_DENIED). Its process group ends with the signal. */
  run(
    program: ProgramRun,
    address: StepAddress,
    signal: AbortSignal,
    warn: (text: string) => void,
  ): Promise<ProgramResult>
  /** The same in two: judges it, which may take as long as somebody takes to answer; what it gives starts it. Nothing has begun before. */
  prepare?(
    program: ProgramRun,
    address: StepAddress,
    signal: AbortSignal,
    warn: (text: string) => void,
  ): Promise<() => Promise<ProgramResult>>
  /** A text file by its absolute path. Judged like any other reading; what may not be read is refused (PERMISSION_DENIED). */
  readText(path: string, address: StepAddress, signal: AbortSignal): Promise<string>
  fetch(
    request: { url: string; method: string; headers: Record<string, string>; body?: string },
    address: StepAddress,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }>
  model(request: ModelAsk, address: StepAddress, signal: AbortSignal): Promise<ModelAnswer>
  tool(name: string, args: Record<string, unknown>, address: StepAddress, signal: AbortSignal): Promise<unknown>
  agent(
    request: AgentAsk,
    address: StepAddress,
    signal: AbortSignal,
  ): Promise<{ text: string; runId: string; data?: unknown; usage?: ModelUsage & { model: string } }>
  /** US dollars for tokens of a model; null: nobody knows. Absent: nobody can be asked. */
  price?(of: { model: string; inputTokens: number; outputTokens: number }): Promise<number | null>
  /** Told every fact once it is on disk. */
  publish(event: RunEvent): void
  /** Told each named point between two facts: where crash tests kill the process. */
  checkpoint(point: "step.intended" | "step.acted" | "step.recorded" | "gate.opened" | "gate.answered"): void
}
