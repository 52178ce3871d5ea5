// What the bridge needs of a gateway: the client of the control plane has it (protocol/client.ts), and /acp makes one in the process.
import type { PincerError } from "../../base/errors.ts"

export interface GatewayPort {
  /** Throws the gateway's refusal; UNAVAILABLE when the connection is lost meanwhile. */
  request<T = unknown>(
    method: string,
    params?: Record<string, unknown>,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<T>
  /** "connection.lost" and "connection.restored" tell of the connection itself. */
  on(event: string, listener: (frame: { payload?: unknown }) => void): () => void
  /** Resolves once it is closed for good. */
  readonly closed: Promise<PincerError>
  /** Largest request, in bytes; absent: no limit. */
  readonly maxRequestBytes?: number
}

/** What a bridge is told when it is made. */
export interface BridgeSettings {
  version: string
  /** Session that new sessions are bound to, by key or label. */
  session?: string
  sessionLabel?: string
  requireExisting?: boolean
  resetSession?: boolean
  /** What the model is told of where a prompt came from. */
  provenance: "off" | "meta" | "meta+receipt"
  /** Protocol version 2 may be answered to those who ask for it. */
  offerV2?: boolean
  /** How long a prompt waits for a gateway that is gone, ms. */
  graceMs?: number
  /** Sessions that may be bound at once, and how long one may rest, ms. */
  maxSessions?: number
  idleMs?: number
}
