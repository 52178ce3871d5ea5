// One authenticated HTTP request with all that its route needs.
import type { IncomingMessage, ServerResponse } from "node:http"
import type { MethodTable } from "../dispatch.ts"
import type { Parts } from "../parts.ts"
import type { KeepAlive } from "./sse.ts"

export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  parts: Parts
  keepAlive: KeepAlive
  /** Who is asking, as auth established it. */
  subject: string
  scopes: readonly string[]
  /** The client's address, when it is not this machine. */
  address?: string
  /** Whom the trusted proxy named. */
  user?: string
  /** Every control-plane call there is: some routes are another face of one. */
  methods: MethodTable
}
