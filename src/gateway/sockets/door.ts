// What a connection and the door that it came through know of each other, and the sizes that both keep to.
import type { Auth } from "../auth.ts"
import type { MethodTable } from "../dispatch.ts"
import type { Parts } from "../parts.ts"
import type { Outbox, Timeline } from "./outbox.ts"
import type { Resumed } from "./resume.ts"

/** Largest frame after hello, and before (protocol §1.2), in bytes. */
export const MAX_PAYLOAD = 25 * 1024 * 1024
export const MAX_PENDING_PAYLOAD = 64 * 1024

/** The other end of a socket, as the door sees it. */
export interface Peer {
  readonly connId: string
  /** IP address. */
  readonly address: string
  /** Set once the caller is known. */
  readonly outbox: Outbox | undefined
  /** Where it stands in the presence list, when it does. */
  readonly presenceKey: string | undefined
  drop(code: number, reason: string): void
  /** Called with every tick. */
  checkLife(): void
}

/** The door, as a connection sees it. */
export interface Door {
  readonly parts: Parts
  readonly auth: Auth
  readonly methods: MethodTable
  readonly timeline: Timeline
  readonly stateVersion: { presence: number; health: number }
  /** The caller is known. */
  opened(peer: Peer): void
  /** `final`: the client said goodbye and will not come back for what it missed. */
  closed(peer: Peer, final: boolean): void
  /** Hands an earlier connection's events to `heir`: one that was lost, or whose end has not been noticed yet. */
  resume(heir: Outbox, connId: string, lastSeq: number): { result: Resumed; frames: string[] }
  /** Tells those who watch who is connected now; at once, or with whatever else changes within the second. */
  presenceChanged(): void
}
