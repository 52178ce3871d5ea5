// Who is asking over HTTP, as methods see callers. The signal ends with the connection.

import { foreignAddress } from "../foreign.ts"
import type { Caller } from "../methods/method.ts"
import type { Exchange } from "./exchange.ts"

export function callerOf({ request, response, scopes, subject }: Exchange): Caller {
  const controller = new AbortController()
  response.once("close", () => {
    if (!response.writableFinished) controller.abort()
  })
  return {
    connId: "http",
    dialect: "rpc",
    protocol: 4,
    role: "operator",
    scopes,
    caps: [],
    clientId: (request.headers["user-agent"] ?? "http").slice(0, 60),
    ...(subject === "owner" ? {} : { deviceId: subject }),
    ...foreignAddress(request),
    signal: controller.signal,
    ownSession: "default",
  }
}
