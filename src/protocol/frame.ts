// Frames of the control plane (protocol §1.1): request, response, event; one JSON object per WebSocket text message.

export interface RequestFrame {
  type: "req"
  id: string
  method: string
  params?: unknown
}

export interface ErrorShape {
  code: string
  message: string
  details?: Record<string, unknown>
  retryable?: boolean
  retryAfterMs?: number
}

export interface ResponseFrame {
  type: "res"
  id: string
  ok: boolean
  payload?: unknown
  error?: ErrorShape
}

export interface EventFrame {
  type: "event"
  event: string
  payload?: unknown
  seq?: number
  stateVersion?: { presence: number; health: number }
}

export type Frame = RequestFrame | ResponseFrame | EventFrame

/** Rights of a connection (protocol §5). `operator.admin` implies all, `operator.write` implies `operator.read`. */
export type Scope = "operator.read" | "operator.write" | "operator.admin" | "operator.approvals" | "operator.pairing"

export const ALL_SCOPES: readonly Scope[] = [
  "operator.admin",
  "operator.approvals",
  "operator.pairing",
  "operator.read",
  "operator.write",
]

/** Whether a connection that holds `held` may do what needs `needed`. */
export function grants(held: readonly string[], needed: Scope): boolean {
  return (
    held.includes(needed) ||
    held.includes("operator.admin") ||
    (needed === "operator.read" && held.includes("operator.write"))
  )
}
