// Who is asking over HTTP, as methods see callers. The signal ends with the connection.

import type { Caller } from "../methods/method.ts"
import type { Exchange } from "./exchange.ts"

export function callerOf(exchange: Exchange): Caller {
  const { address, request, response, subject, user } = exchange
  const controller = new AbortController()
  response.once("close", () => {
    if (!response.writableFinished) controller.abort()
  })
  return {
    connId: "http",
    dialect: "rpc",
    protocol: 4,
    role: "operator",
    get scopes() {
      return exchange.scopes
    },
    set scopes(scopes) {
      exchange.scopes = scopes
    },
    caps: [],
    clientId: (request.headers["user-agent"] ?? "http").slice(0, 60),
    ...(subject === "owner" ? {} : { deviceId: subject }),
    ...(user === undefined ? {} : { user }),
    ...(address === undefined ? {} : { address }),
    signal: controller.signal,
    ownSession: "default",
  }
}
