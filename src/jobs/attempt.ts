// What an attempt says to its agent, and what its turn's end means for the job. Pure, but for looking up what earlier attempts did.
import type { JobRecord } from "../protocol/job.ts"
import { isFinal, type TurnRecord } from "../protocol/turn.ts"
import type { JobEnd, JobTable } from "../store/jobs.ts"

/** Failures of a model service that may be gone a moment later. */
const PASSING_KINDS: ReadonlySet<string> = new Set(["rate_limit", "overloaded", "network", "timeout", "unknown"])

/**
 * The words of a second or later attempt. When an earlier one used tools, the agent is told to go on rather than to begin anew: the
 * conversation holds what was done, and nothing of it is to be done twice.
 */
export async function attemptInput(
  record: JobRecord,
  attempt: number,
  jobs: Pick<JobTable, "facts" | "ranTool">,
): Promise<string> {
  const facts = (await jobs.facts(record.id)).map((one) => one.fact)
  for (const fact of facts) {
    if (fact.type !== "job.started" || fact.attempt >= attempt || !(await jobs.ranTool(fact))) continue
    return `The last attempt at this task failed before it was finished. What was done so far is above: do not do any of it again. Go on and finish the task:\n\n${record.prompt}`
  }
  return record.prompt
}

/** How the job ends with this turn; undefined when the turn has not ended. */
export function endOf(turn: TurnRecord, record: JobRecord): JobEnd | undefined {
  const { status, outcome } = turn
  if (!isFinal(status)) return undefined
  switch (status) {
    case "completed":
    case "canceled":
      return { status }
    case "timeout": {
      const limit = record.request.timeoutMs
      const message =
        limit === undefined
          ? (outcome?.error?.message ?? "It reached its agent's time limit")
          : `It ran longer than its timeout of ${limit / 1000} seconds`
      return { status: "failed", error: { code: "TIMEOUT", message, reason: "timeout" } }
    }
    case "failed": {
      if (outcome?.stop === "interrupted") {
        const message = "Interrupted by a restart of the gateway: retry it to run it again"
        return { status: "failed", error: { code: "UNAVAILABLE", message, reason: "interrupted" } }
      }
      const { code = "INTERNAL_ERROR", message = "Its turn failed", kind } = outcome?.error ?? {}
      return { status: "failed", error: { code, message, ...(kind === undefined ? {} : { reason: kind }) } }
    }
  }
}

/** Whether another attempt may come out better: a model service was out of reach or overloaded. */
export function isPassing({ outcome }: TurnRecord): boolean {
  return outcome?.stop === "error" && PASSING_KINDS.has(outcome.error?.kind ?? "")
}
