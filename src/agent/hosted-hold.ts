// Asking a human while an external agent waits: durable and shown like any approval, the turn shows as waiting. The first of answer,
// expiry and the end of the turn counts; the answer is taken up here and nowhere else.
import type { Approval } from "../protocol/approval.ts"
import type { HostedRoom } from "./hosted-room.ts"

/** The decided approval; undefined when the turn was stopped before anybody answered. */
export async function hold(
  room: Pick<HostedRoom, "holds" | "ports" | "scope" | "signal">,
  key: string,
  fingerprint: string,
  approval: Approval,
): Promise<Approval | undefined> {
  const { holds, ports, scope, signal } = room
  const { approvals, turns } = ports.books
  if (signal.aborted) return undefined
  const answer = holds.open(approval.id)
  try {
    const asked = approvals.ask(scope.fence, key, fingerprint, approval)
    const marked = turns.mark(scope.fence, "waiting", [])
    scope.show(await asked)
    scope.show(await marked)
    ports.checkpoint("approval.asked")
    ports.asked(approval)
    const decided = await untilStopped(answer, signal)
    holds.close(approval.id)
    // After a stop the turn's end withdraws what is open.
    if (!decided) return undefined
    const status = holds.waiting ? "waiting" : "running"
    scope.show(await turns.mark(scope.fence, status, [{ type: "approval.resolved", approval: decided }]))
    return signal.aborted ? undefined : decided
  } finally {
    holds.close(approval.id)
  }
}

/** The value, or undefined once the signal aborts. */
export async function untilStopped<T>(value: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined
  const stopped = Promise.withResolvers<undefined>()
  const stop = () => stopped.resolve(undefined)
  signal.addEventListener("abort", stop, { once: true })
  try {
    return await Promise.race([value, stopped.promise])
  } finally {
    signal.removeEventListener("abort", stop)
  }
}
