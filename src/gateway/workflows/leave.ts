// May a step do this? Judged by the one pipeline; where it asks, a human is asked at the desk while the run waits. The answer is for exactly what
// was asked: everything is looked at again afterwards. After a restart nobody waits any more, and the step is asked about anew.
import type { Asking, Desk } from "../../agent/approvals.ts"
import { fingerprintOf } from "../../agent/approvals.ts"
import { whoOf } from "../../agent/rights.ts"
import { type Judgement, judgeFacts } from "../../agent/scene.ts"
import { PincerError } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import type { CallFacts } from "../../policy/scene.ts"
import type { Approval } from "../../protocol/approval.ts"
import type { AuditEntry } from "../../protocol/audit.ts"
import type { StepRoom, StepRooms } from "./step-room.ts"

/** What a step is about to do. */
export interface StepWish {
  /** As the disk is now; looked at again after a human has answered. */
  facts: () => Promise<CallFacts>
  /** One line for people. */
  title: string
  /** What the answer is bound to beside the facts. */
  env?: Readonly<Record<string, string>>
}

export interface StepLeave {
  judgement: Judgement
  room: StepRoom
}

const SUMMARY = 300

/** Approvals that steps of this process wait for. */
export class StepLeaves {
  readonly #desk: Pick<Desk, "ask" | "cancel">
  readonly #rooms: StepRooms
  readonly #timeoutMs: () => number
  readonly #waiting = new Map<string, (approval: Approval) => void>()

  constructor(desk: Pick<Desk, "ask" | "cancel">, rooms: StepRooms, timeoutMs: () => number) {
    this.#desk = desk
    this.#rooms = rooms
    this.#timeoutMs = timeoutMs
  }

  /** Told every decision of the desk about workflows; true when a step waited for it. */
  settle(approval: Approval): boolean {
    const waiter = this.#waiting.get(approval.id)
    waiter?.(approval)
    return waiter !== undefined
  }

  /** Whether a step of this process asked for it. */
  holds(approvalId: string): boolean {
    return this.#waiting.has(approvalId)
  }

  /** Throws PERMISSION_DENIED naming the rule, or who said no. */
  async permit(room: StepRoom, wish: StepWish): Promise<StepLeave> {
    const facts = await wish.facts()
    const judged = await this.#rooms.approved(room, facts)
    const judgement = await judgeFacts(judged, facts, false)
    const { decision } = judgement
    if (decision.verdict === "deny") return this.#refuse(judged, wish, judgement)
    if (decision.verdict === "allow") {
      const grant = /^grant (.+)$/.exec(decision.source)?.[1]
      if (grant !== undefined) await room.ports.books.grants.used(grant)
      await auditStep(judged, wish, judgement, { type: "decision", verdict: "allow" })
      return { judgement, room: judged }
    }
    await auditStep(judged, wish, judgement, { type: "decision", verdict: "ask" })
    const answer = await this.#ask(judged, wish, judgement)
    if (answer.decision !== "allow-once" && answer.decision !== "allow-session" && answer.decision !== "allow-always")
      throw new PincerError("PERMISSION_DENIED", `${refusalText(answer)}: ${judgement.decision.reason}`, {
        details: { approvalId: answer.id, rule: decision.rule },
      })
    const now = await judgeFacts(judged, await wish.facts(), true)
    if (now.decision.verdict === "deny") return this.#refuse(judged, wish, now)
    if (boundTo(judged, wish, now) !== boundTo(judged, wish, judgement))
      throw new PincerError("CONFLICT", "What this step would do has changed since it was approved: nothing was run")
    return { judgement: now, room: judged }
  }

  async #refuse(room: StepRoom, wish: StepWish, judgement: Judgement): Promise<never> {
    await auditStep(room, wish, judgement, { type: "decision", verdict: "deny" })
    const { reason, rule, source, step } = judgement.decision
    throw new PincerError("PERMISSION_DENIED", `Denied by ${rule} (${source}): ${reason}`, {
      details: { step, rule, source },
    })
  }

  async #ask(room: StepRoom, wish: StepWish, judgement: Judgement): Promise<Approval> {
    const { signal } = room
    const approval = await this.#desk.ask(this.#askingOf(room, wish, judgement))
    const decided = Promise.withResolvers<Approval>()
    this.#waiting.set(approval.id, decided.resolve)
    const onAbort = () => {
      decided.reject(signal.reason)
      void this.#desk.cancel(approval.id, "the run")
    }
    if (signal.aborted) onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    try {
      // It may have been answered before this process began to listen.
      const known = await room.ports.books.approvals.get(approval.id)
      if (known && known.decision !== null) return known
      return await decided.promise
    } finally {
      signal.removeEventListener("abort", onAbort)
      this.#waiting.delete(approval.id)
    }
  }

  #askingOf({ address, caller, ports }: StepRoom, wish: StepWish, { decision, facts }: Judgement): Asking {
    const { redactor } = ports
    const argv = facts.command?.segments.map((segment) => segment.argv.map((word) => redactor.text(word ?? "…")))
    return {
      kind: "workflow",
      sessionKey: caller.sessionKey,
      agentId: caller.agentId,
      tool: facts.tool,
      args: redactor.value({ ...facts.args, runId: address.runId, path: address.path, workflow: address.title }),
      summary: excerpt(redactor.text(facts.command?.text ?? wish.title), 4_000),
      reason: `step ${address.path} of ${excerpt(address.title, 80)}: ${decision.reason}`,
      rule: decision.rule,
      cwd: caller.workspace,
      placement: decision.placement,
      ...(argv && argv.length > 0 ? { argv } : {}),
      ...(decision.taint.length > 0 ? { taint: decision.taint } : {}),
      timeoutMs: this.#timeoutMs(),
    }
  }
}

function refusalText({ decision, denyReason, resolvedBy }: Approval): string {
  if (decision === "expired") return "Nobody answered the approval in time"
  if (decision === "canceled") return "The approval was withdrawn"
  return `${resolvedBy ?? "Somebody"} denied this step${denyReason === undefined ? "" : ` (${denyReason})`}`
}

function boundTo({ cwd }: StepRoom, { env }: StepWish, { decision, facts }: Judgement): string {
  const { args, command, hosts, reads, tool, writes } = facts
  const touch = { reads: [...reads], writes: [...writes], hosts: [...hosts] }
  return fingerprintOf({ tool, args, cwd, touch, command, placement: decision.placement, env })
}

/** One line of the audit about a step. */
export async function auditStep(
  { address, ports, request, scope }: StepRoom,
  { title }: Pick<StepWish, "title">,
  { argsDigest, decision, elevation, facts }: Judgement,
  more: Pick<AuditEntry, "type"> & Partial<AuditEntry>,
): Promise<void> {
  const { placement, reason, rule, step, taint } = decision
  const line = {
    who: whoOf(request),
    door: request.origin.door,
    agentId: request.agentId,
    sessionKey: scope.fence.sessionKey,
    turnId: address.runId,
    callId: address.path,
    tool: facts.tool,
    summary: excerpt(ports.redactor.text(facts.command?.text ?? title), SUMMARY),
    argsDigest,
    placement,
  }
  const judged = more.type === "decision" ? { step, rule, reason, ...(taint.length > 0 ? { taint } : {}) } : {}
  await ports.rights.audit({ ...line, at: ports.clock.now(), ...judged, ...more })
  if (more.type !== "effect" || placement.type !== "host" || placement.because !== "elevated" || !elevation) return
  const { details, durationMs, outcome } = more
  await ports.rights.elevatedUse(elevation, { ...line, outcome, durationMs, details })
}
