// May an external agent do this? Judged by the one pipeline from facts that we worked out; where it asks, a human is asked while the
// agent waits. What was allowed is allowed for these facts only. An agent is never told "always": what it means by that is wider than
// what the person saw, so each call comes back to us and the person's answer is found again here.
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import type { CallFacts } from "../policy/scene.ts"
import type { AuditEntry } from "../protocol/audit.ts"
import { fingerprintOf, standingOf } from "./approvals.ts"
import { hold } from "./hosted-hold.ts"
import type { HostedRoom } from "./hosted-room.ts"
import { approvalFor } from "./leave.ts"
import { whoOf } from "./rights.ts"
import { type Judgement, judgeFacts, type SceneChanges } from "./scene.ts"

/** Something that an external agent wants, as policy and people see it. */
export interface HostedWish {
  callId: string
  /** The facts as the disk is now; looked at again after a human has answered. */
  facts: () => Promise<CallFacts>
  /** What else the answer is bound to: all that was claimed, where nothing else is known. */
  claims?: Record<string, unknown>
  /** In the agent's words. */
  title: string
  /** Who would carry it out: the agent itself, or we. */
  by: SceneChanges
}

export type Permission =
  | { type: "allowed"; verdict: Judgement; fingerprint: string }
  | { type: "denied"; verdict: Judgement; reason: string }
  | { type: "canceled" }

export class HostedLeaves {
  readonly #room: HostedRoom
  #count = 0

  constructor(room: HostedRoom) {
    this.#room = room
  }

  /** Throws FencedError and what the disk throws, nothing else. */
  async permit(wish: HostedWish): Promise<Permission> {
    const room = this.#room
    const facts = await wish.facts()
    const verdict = await judgeFacts(room, facts, false, wish.by)
    const { decision } = verdict
    const fingerprint = fingerprintFor(room, wish, verdict)
    if (decision.verdict === "deny") return this.#deny(wish, verdict)
    if (decision.verdict === "allow") {
      await this.#used(/^grant (.+)$/.exec(decision.source)?.[1])
      await auditCall(room, wish, verdict, { type: "decision", verdict: "allow" })
      return { type: "allowed", verdict, fingerprint }
    }
    const session = await room.ports.books.grants.exact(room.scope.fence.sessionKey, fingerprint)
    if (session) {
      await this.#used(session.id)
      return { type: "allowed", verdict, fingerprint }
    }
    await auditCall(room, wish, verdict, { type: "decision", verdict: "ask" })
    return this.#ask(wish, verdict, fingerprint)
  }

  async #ask(wish: HostedWish, verdict: Judgement, fingerprint: string): Promise<Permission> {
    const room = this.#room
    const summary = summaryOf(room, wish, verdict.facts)
    const approval = approvalFor(room, { callId: wish.callId, args: verdict.facts.args, summary }, verdict)
    this.#count += 1
    const key = `held:${room.scope.fence.epoch}:${this.#count}`
    const decided = await hold(room, key, fingerprint, approval)
    if (!decided) return { type: "canceled" }
    // What it means now: the disk and the rules may have changed while somebody thought about it.
    const now = await judgeFacts(room, await wish.facts(), true, wish.by)
    if (now.decision.verdict === "deny") return this.#deny(wish, now)
    const standing = standingOf(
      { approval: decided, fingerprint },
      { ...room.scope.fence, fingerprint: fingerprintFor(room, wish, now) },
    )
    if (standing.type === "allowed") return { type: "allowed", verdict: now, fingerprint }
    const reason = standing.type === "refused" ? standing.text : "Nobody has answered."
    return { type: "denied", verdict: now, reason }
  }

  async #deny(wish: HostedWish, verdict: Judgement): Promise<Permission> {
    const { endsTurn, reason } = verdict.decision
    await auditCall(this.#room, wish, verdict, { type: "decision", verdict: "deny" })
    if (endsTurn) {
      const error = new PincerError("PERMISSION_DENIED", `${excerpt(reason, 500)}. The turn was ended`)
      this.#room.stop({ type: "refused", error })
    }
    return { type: "denied", verdict, reason: `Denied: ${reason}. The call was not carried out.` }
  }

  async #used(grantId: string | undefined): Promise<void> {
    if (grantId !== undefined) await this.#room.ports.books.grants.used(grantId)
  }
}

/** What an answer is bound to. */
export function fingerprintFor(
  { cwd, ports }: HostedRoom,
  { claims }: Pick<HostedWish, "claims">,
  { decision, facts }: Judgement,
): string {
  const { command, hosts, reads, tool, writes } = facts
  const known = command !== undefined || !tool.startsWith("acp:")
  return fingerprintOf({
    tool,
    args: known || !claims ? facts.args : { ...facts.args, claims },
    cwd,
    touch: { reads: [...reads], writes: [...writes], hosts: [...hosts], ...(command ? { command: command.text } : {}) },
    placement: decision.placement,
    env: ports.toolSettings.exec.env,
    ...(command ? { command } : {}),
  })
}

/** One line for people: what we know of it; where that is nothing, what its agent says, as such. */
export function summaryOf({ ports }: HostedRoom, { title }: Pick<HostedWish, "title">, facts: CallFacts): string {
  const { command, hosts, reads, tool, writes } = facts
  const touched = [...new Set([...writes, ...reads, ...hosts])]
  const words = command
    ? command.text
    : tool.startsWith("acp:")
      ? `${tool}, in its agent's words: "${excerpt(title, 300)}"`
      : `${tool} ${touched.length > 0 ? touched.join(", ") : excerpt(title, 300)}`
  return ports.redactor.text(words)
}

/** One line of the audit about a call of an external agent. */
export async function auditCall(
  room: HostedRoom,
  wish: Pick<HostedWish, "callId" | "title">,
  verdict: Judgement,
  more: Pick<AuditEntry, "type"> & Partial<AuditEntry>,
): Promise<void> {
  const { ports, request, scope } = room
  const { decision, elevation, facts } = verdict
  const { reason, rule, step, taint } = decision
  const line = {
    who: whoOf(request),
    door: request.origin.door,
    agentId: request.agentId,
    sessionKey: scope.fence.sessionKey,
    turnId: scope.fence.turnId,
    callId: wish.callId,
    tool: facts.tool,
    summary: excerpt(summaryOf(room, wish, facts), 300),
    argsDigest: verdict.argsDigest,
    placement: decision.placement,
  }
  const judged = more.type === "decision" ? { step, rule, reason, ...(taint.length > 0 ? { taint } : {}) } : {}
  await ports.rights.audit({ ...line, at: ports.clock.now(), ...judged, ...more })
  const { placement } = decision
  if (more.type !== "effect" || placement.type !== "host" || placement.because !== "elevated" || !elevation) return
  const { details, durationMs, outcome } = more
  await ports.rights.elevatedUse(elevation, {
    ...line,
    ...(outcome ? { outcome } : {}),
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(details ? { details } : {}),
  })
}
