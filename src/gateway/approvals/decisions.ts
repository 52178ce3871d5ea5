// Waiting for what somebody decides: an approval or a question by its id, also when it was decided before anybody waited.
import type { Approval } from "../../protocol/approval.ts"
import { unknownApproval } from "../../store/approvals.ts"
import type { Parts } from "../parts.ts"

type Needed = Pick<Parts, "approvals" | "clock" | "hub">

/** The approval once it is decided; as it stands when `timeoutMs` passes or the signal aborts first. Throws NOT_FOUND. */
export async function decisionOf(
  id: string,
  parts: Needed,
  options: { signal: AbortSignal; timeoutMs?: number },
): Promise<Approval> {
  const { signal, timeoutMs } = options
  const decided = Promise.withResolvers<Approval | undefined>()
  const giveUp = () => decided.resolve(undefined)
  const silence = parts.hub.onAll(({ event }) => {
    if (event.type === "approval.resolved" && event.approval.id === id) decided.resolve(event.approval)
  })
  const cancel = timeoutMs === undefined ? undefined : parts.clock.after(timeoutMs, giveUp)
  signal.addEventListener("abort", giveUp, { once: true })
  if (signal.aborted) giveUp()
  try {
    const now = await requireApproval(id, parts)
    if (now.decision !== null) return now
    return (await decided.promise) ?? (await requireApproval(id, parts))
  } finally {
    silence()
    cancel?.()
    signal.removeEventListener("abort", giveUp)
  }
}

async function requireApproval(id: string, { approvals }: Pick<Parts, "approvals">): Promise<Approval> {
  const approval = await approvals.get(id)
  if (!approval) throw unknownApproval(id)
  return approval
}
