// The contract of the method table: one entry per control-plane call. From the list in index.ts come features.methods, scope
// checks, the JSON Schema, docs/protocol.md and the client's types. Handlers know no dialect; `shape` turns results for one.
import type { z } from "zod"
import type { Scope } from "../../protocol/frame.ts"
import type { Origin } from "../../protocol/turn.ts"
import type { RateLimitName } from "../access/rate-limits.ts"
import type { Parts } from "../parts.ts"

/** Who is calling. Everything here was established by the gateway, nothing is the caller's own word. */
export interface Caller {
  connId: string
  dialect: "claw" | "py" | "rpc"
  protocol: 3 | 4
  role: "operator" | "node"
  /** Read anew where it matters: a connection can lose rights while a call runs. */
  scopes: readonly string[]
  caps: readonly string[]
  clientId: string
  /** Where it came in, when that is not a socket of the control plane. */
  door?: Origin["door"]
  deviceId?: string
  /** Whom the trusted proxy named. */
  user?: string
  /** Its network address; absent for programs on this machine. */
  address?: string
  /** Aborts when the connection closes. */
  signal: AbortSignal
  /** Session of calls that name none (JSON-RPC: the connection's own). */
  ownSession?: string
  /** Sessions that this connection listens to, and how to stop; absent where nothing can be pushed. */
  subscriptions?: Map<string, () => void>
  /** Sessions whose events this connection reads (session.events), and how to stop; absent where nothing can be pushed. */
  watched?: Map<string, () => void>
}

export interface MethodContext {
  caller: Caller
  parts: Parts
  /** Id of the request, where its notifications carry it. */
  requestId?: string | number
  /** Sends the early response of a two-stage method (`agent`); at most once, before the handler returns. */
  accept(payload: unknown): void
  /** Marks a turn as this connection's own: the simple dialect hears only those, tool events go to them. */
  follow(turnId: string): void
  /**
   * Sends an event, its payload as JSON text, to this connection alone. A promise when the peer reads slowly: it resolves when more
   * may be sent. Absent where nothing can be pushed (plain HTTP): a method that needs it refuses.
   */
  emit?(event: string, payload: string): Promise<void> | undefined
}

export interface Method<P = unknown, R = unknown> {
  name: string
  aliases?: readonly string[]
  /** One sentence for docs. */
  summary: string
  /** What every call needs; some need more (`demands`). */
  scope: Scope
  /** What these very params need, where that is more than `scope`. */
  demands?(params: P): Scope
  /** Nodes may call it, too: they have no scopes, so none is asked of them. */
  nodes?: true
  /** Counted against a limit of this name (gateway/access/rate-limits.ts). */
  limited?: RateLimitName
  /** Turns every accepted form of the params into the canonical one, before validation (protocol §9.3). */
  normalize?(params: Record<string, unknown>, caller: Caller): Record<string, unknown>
  params: z.ZodType<P>
  result: z.ZodType
  run(params: P, context: MethodContext): Promise<R>
  /** The result is a secret that the caller asks for (a new token): it is not taken out. */
  reveals?: true
  /** Result as the simple dialect promises it, where that differs from the superset object (protocol §8.3). */
  py?(result: R): unknown
  /** Result as JSON-RPC clients know it, where that differs. */
  rpc?(result: R, parts: Parts): unknown
}

type Lazily<T> = Omit<T, "params" | "result"> & {
  params: T extends { params: infer P } ? () => P : never
  result: () => z.ZodType
}

/** Schemas are made when first looked at: building them all would cost every start some twenty milliseconds. */
export function withSchemas<T extends { params: z.ZodType; result: z.ZodType }>(entry: Lazily<T>): T {
  let params: z.ZodType | undefined
  let result: z.ZodType | undefined
  const schemas = {
    get params() {
      params ??= entry.params()
      return params
    },
    get result() {
      result ??= entry.result()
      return result
    },
  }
  return Object.defineProperties({ ...entry }, Object.getOwnPropertyDescriptors(schemas)) as unknown as T
}

/** Infers params from the schema, so that an entry is written without casts. */
export function method<P, R>(entry: Lazily<Method<P, R>>): Method {
  return withSchemas<Method<P, R>>(entry) as unknown as Method
}

/** A payload that is JSON text already (hot paths); the codec splices it in unparsed. */
export class RawJson {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
