// What leaves a walk before its end, other than a failure: a gate that waits, a human's no, a stop from outside.
import { RunFenced } from "../../store/runs.ts"

export interface WaitingGate {
  id: string
  path: string
}

/** A gate waits, or several do; everything else that could go on has done so. The first one is the envelope's. */
export class GateWaits extends Error {
  override readonly name = "GateWaits"
  readonly gates: readonly WaitingGate[]

  constructor(gates: readonly WaitingGate[]) {
    super(`Waiting at ${gates.length === 1 ? "a gate" : `${gates.length} gates`}`)
    this.gates = gates
  }
}

/** Somebody said no: the run ends as canceled. */
export class Refused extends Error {
  override readonly name = "Refused"
}

/** The run is to stop: canceled by somebody, out of time, or the process ends. */
export class RunStopped extends Error {
  override readonly name = "RunStopped"
  readonly kind: "canceled" | "timeout" | "shutdown" | "lost"

  constructor(kind: RunStopped["kind"], message: string) {
    super(message)
    this.kind = kind
  }
}

/** The rest of the steps is left out, and that is fine. */
export class RestSkipped extends Error {
  override readonly name = "RestSkipped"
}

/** A failure that neither retry nor on_error touches: a limit that the whole run has. */
export class RunLimit extends Error {
  override readonly name = "RunLimit"
}

/** What neither retry nor on_error may touch. */
export function isBeyond(error: unknown): boolean {
  return (
    error instanceof GateWaits ||
    error instanceof Refused ||
    error instanceof RunStopped ||
    error instanceof RunLimit ||
    error instanceof RunFenced
  )
}
