// The envelope of a run: Lobster's fields as they are, ours beside them.
import type { Envelope, EnvelopeExtras, RunStep } from "../../protocol/workflow.ts"
import type { GateRow, StoredRun } from "../../store/run-rows.ts"
import { shownGate } from "./gates.ts"

/** `waiting`: the gate that the envelope tells of, when the run waits. */
export function envelopeOf(run: Pick<StoredRun, "record" | "output">, waiting: GateRow | undefined): Envelope {
  const { record } = run
  const extras = extrasOf(record.runId, record.steps)
  const base = {
    protocolVersion: 1 as const,
    ok: true as const,
    output: [] as unknown[],
    requiresApproval: null,
    requiresInput: null,
  }
  switch (record.status) {
    case "completed":
      return { ...base, status: "ok", output: run.output ?? [], ...extras }
    case "waiting":
    case "uncertain": {
      if (!waiting) return { ...base, status: "needs_input", ...extras }
      const shown = shownGate(waiting)
      return { ...base, status: shown.requiresApproval ? "needs_approval" : "needs_input", ...shown, ...extras }
    }
    case "canceled":
      return { ...base, status: "cancelled", ...extras }
    case "failed":
    case "running": {
      const error = record.error ?? { type: "runtime_error", message: `Run ${record.runId} was cut off: resume it` }
      return { protocolVersion: 1, ok: false, error, ...extras }
    }
  }
}

function extrasOf(runId: string, all: readonly RunStep[]): EnvelopeExtras {
  const steps = all.map(({ path, kind, status, attempts, message }) => ({
    path,
    kind,
    status,
    attempts,
    ...(message === undefined ? {} : { message }),
  }))
  const counts: NonNullable<EnvelopeExtras["counts"]> = {}
  for (const { status } of steps) counts[status] = (counts[status] ?? 0) + 1
  const spilled = all.flatMap((step) => (step.spilled ? [{ path: step.path, ...step.spilled }] : []))
  return { runId, steps, counts, ...(spilled.length === 0 ? {} : { spilled }) }
}
