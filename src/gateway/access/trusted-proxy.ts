// Mode "trusted-proxy": the proxy in front has asked who the user is and says so in a header. Nobody else's word counts: not from another
// address, not twice in one request, not from this machine unless that was allowed.
import type { IncomingMessage } from "node:http"
import { PincerError } from "../../base/errors.ts"
import type { Config } from "../../config/schema.ts"
import type { Scope } from "../../protocol/frame.ts"
import type { Proxies } from "./forwarded.ts"

const MAX_USER_CHARS = 200

function refuse(code: string, message: string): PincerError {
  return new PincerError("AUTH_REQUIRED", `unauthorized: ${message}`, {
    details: { code, recommendedNextStep: "review_auth_configuration" },
  })
}

/** Whom the proxy names, or the refusal. */
export function proxiedUser(
  request: IncomingMessage,
  settings: Config["gateway"]["auth"]["trustedProxy"],
  proxies: Proxies,
): { user: string; scopes: readonly Scope[] } | PincerError {
  const peer = request.socket.remoteAddress ?? ""
  if (!settings || !proxies.trusts(peer))
    return refuse(
      "AUTH_TRUSTED_PROXY_UNTRUSTED_SOURCE",
      `this gateway is reached through its proxy, and ${peer} is not in gateway.trustedProxies`,
    )
  if (/^(::1|(::ffff:)?127\.)/.test(peer) && !settings.allowLoopback)
    return refuse(
      "AUTH_TRUSTED_PROXY_LOOPBACK_SOURCE",
      "a proxy on this machine is not trusted unless gateway.auth.trustedProxy.allowLoopback is true",
    )
  const missing = settings.requiredHeaders.find((name) => request.headers[name] === undefined)
  if (missing !== undefined)
    return refuse("AUTH_TRUSTED_PROXY_MISSING_HEADER", `the proxy did not send the header ${missing}`)
  const said = valuesOf(request, settings.userHeader)
  const user = said[0]?.trim() ?? ""
  // A second value is one that the client slipped in, and a list may be two values joined on the way.
  if (said.length !== 1 || user === "" || user.length > MAX_USER_CHARS || /[,\u0000-\u001f\u007f]/.test(user))
    return refuse(
      "AUTH_TRUSTED_PROXY_USER_MISSING",
      `the proxy must name one user in the header ${settings.userHeader}, and it did not`,
    )
  if (settings.allowUsers.length > 0 && !settings.allowUsers.includes(user))
    return refuse("AUTH_TRUSTED_PROXY_USER_NOT_ALLOWED", "this user is not in gateway.auth.trustedProxy.allowUsers")
  return { user, scopes: settings.scopes }
}

/** Each value as it came: node:http joins repeated headers. */
function valuesOf({ rawHeaders }: IncomingMessage, name: string): string[] {
  return rawHeaders.flatMap((header, i) =>
    i % 2 === 0 && header.toLowerCase() === name ? [rawHeaders[i + 1] ?? ""] : [],
  )
}
