// Who is this, and may they. One constant-time check for every door; Host and Origin are judged here too.
import type { IncomingMessage } from "node:http"
import type { PincerError } from "../base/errors.ts"
import type { Scope } from "../protocol/frame.ts"

/** The outcome of a credential check on HTTP. */
export type HttpIdentity = { ok: true; subject: string; scopes: readonly Scope[] } | { ok: false; error: PincerError }

export interface Auth {
  /** `Authorization: Bearer <shared token or device token>`; limited per address. */
  bearer(request: IncomingMessage): Promise<HttpIdentity>
  /** Undefined when the Host header names this gateway, else the refusal (DNS rebinding, A3). */
  hostRefusal(request: IncomingMessage): PincerError | undefined
  /** Undefined when there is no Origin header or it is allowed, else the refusal (A1). `Origin: null` is refused. */
  originRefusal(request: IncomingMessage): PincerError | undefined
}
