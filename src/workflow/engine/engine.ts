// The contract of the engine: start a run, go on with one, end one. The body of a run (walk.ts) keeps no state that the store lacks: it can be
// dropped at any time and run again from its top; what was done is answered from the journal.
import type { Envelope } from "../../protocol/workflow.ts"
import type { Definition } from "../definition.ts"

export interface StartRun {
  /** Minted when absent. */
  runId?: string
  /** A pipeline's text, or a definition that was read and checked. */
  source: { type: "pipeline"; text: string } | { type: "workflow"; definition: Definition }
  args: Record<string, unknown>
  cwd: string
  startedBy: string
  agentId: string
  /** Identity rules of approvals for gates that say none themselves. */
  identity: { initiatedBy?: string; requiredApprover?: string; requireDifferentApprover?: boolean }
  /** Kept with the run and handed to the ports with every step: what they need to know of who started it. Plain JSON. */
  caller?: Readonly<Record<string, unknown>>
  /** Told once the run is on disk. */
  begun?(runId: string): void
  /** Text for people: what `json` and `table` print, warnings. Never part of the envelope. */
  print(text: string): void
  warn(text: string): void
  signal: AbortSignal
}

/** How a gate is answered. */
export type GateReply =
  | { type: "approve"; approved: boolean; by?: string; reason?: string }
  | { type: "respond"; response: unknown; by?: string }
  | { type: "cancel"; by?: string }

export interface GoOn {
  cwd?: string
  print(text: string): void
  warn(text: string): void
  signal: AbortSignal
}

export interface Engine {
  /** Runs until it ends or waits. Everything that goes wrong is in the envelope. Throws only for what was not begun (bad args: INVALID_PARAMS). */
  start(run: StartRun): Promise<Envelope>
  /** Answers a gate by token or id and goes on. A refused answer (UnreadableText, CONFLICT, NOT_FOUND, PERMISSION_DENIED) leaves the gate as it was. */
  answer(tokenOrId: string, reply: GateReply, how: GoOn): Promise<Envelope>
  /** Goes on with a run that a crash or a stop cut off, after its last finished step. */
  resume(runId: string, how: GoOn): Promise<Envelope>
  /** Runs a failed run again from the step that failed, or from `from`; everything before it is kept. */
  retry(runId: string, how: GoOn & { from?: string }): Promise<Envelope>
  /** Ends a run: its processes are killed, its gates are withdrawn. False when it had ended. */
  cancel(runId: string, by: string): Promise<boolean>
}
