// An MCP server over Streamable HTTP that wants a token, and the service that hands tokens out (OAuth 2.1 on the real wire: RFC 9728,
// 8414, 7591, 7636, 8707, 9207, 7009). It checks what a careful one checks, and misbehaves when told to.
import { createHash, randomUUID } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestContext } from "node:test"

// biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
type Any = any

export type Mischief =
  | "no-metadata"
  | "no-pkce"
  | "other-issuer"
  | "answer-of-another"
  | "no-registration"
  | "private-service"
  | "redirecting-tokens"
  | "tokens-fail"
  | "tokens-hang"
  | "tokens-huge"
  | "tokens-odd"
  | "token-with-line-break"
  | "deny"
  | "other-resource"
  | "page-of-another-kind"

export interface LoginService {
  /** Of the MCP server. */
  url: string
  issuer: string
  mischief: Set<Mischief>
  /** Requests of each place: "POST /token". */
  asked: string[]
  /** Bodies of requests for tokens. */
  wanted: Record<string, string>[]
  /** Access tokens that count now. */
  live: Set<string>
  revoked: string[]
  /** Seconds. */
  lifetime: number
  /** The scope that the MCP server wants; without it in the token: 403. */
  needs: string
  /** All access tokens end now; the ones to renew with go on. */
  expire(): void
  /** Those, too. */
  forget(): void
  /** Acts as the browser of somebody who agrees: the address that it is sent to at last. */
  visit(page: string): Promise<string>
}

interface Grant {
  client: string
  challenge: string
  redirect: string
  resource: string
  scope: string
}

export async function startLoginService(t: TestContext): Promise<LoginService> {
  const clients = new Map<string, string[]>()
  const codes = new Map<string, Grant>()
  const renewals = new Map<string, Grant & { family: string; used: boolean }>()
  const scopes = new Map<string, string>()
  const service: LoginService = {
    ...{ url: "", issuer: "", mischief: new Set(), asked: [], wanted: [], live: new Set(), revoked: [] },
    ...{ lifetime: 3_600, needs: "notes" },
    expire: () => service.live.clear(),
    forget() {
      service.live.clear()
      renewals.clear()
    },
    async visit(page) {
      const answer = await fetch(page, { redirect: "manual" })
      if (answer.status !== 302) throw new Error(`The sign-in page says ${answer.status}: ${await answer.text()}`)
      return answer.headers.get("location") ?? ""
    },
  }
  const { mischief } = service

  function authorize(query: URLSearchParams, response: ServerResponse): unknown {
    const redirect = query.get("redirect_uri") ?? ""
    const registered = clients.get(query.get("client_id") ?? "")
    if (!registered?.includes(redirect)) return send(response, 400, { error: "invalid_request" })
    if (query.get("code_challenge_method") !== "S256" || query.get("resource") !== service.url)
      return send(response, 400, { error: "invalid_request", error_description: "no S256, or not for this server" })
    const back = new URL(redirect)
    back.searchParams.set("state", query.get("state") ?? "")
    if (mischief.has("deny")) {
      back.searchParams.set("error", "access_denied")
      back.searchParams.set("error_description", "The\u202e user said no")
    } else {
      const code = `code-${randomUUID()}`
      codes.set(code, {
        client: query.get("client_id")!,
        challenge: query.get("code_challenge")!,
        ...{ redirect, resource: service.url, scope: query.get("scope") ?? "" },
      })
      back.searchParams.set("code", code)
      back.searchParams.set("iss", mischief.has("answer-of-another") ? "https://evil.example" : service.issuer)
    }
    return response.writeHead(302, { location: back.href }).end()
  }

  function tokens(grant: Grant, family: string) {
    const access = `access-${randomUUID()}`
    const refresh = `refresh-${randomUUID()}`
    service.live.add(access)
    scopes.set(access, grant.scope)
    renewals.set(refresh, { ...grant, family, used: false })
    return {
      access_token: mischief.has("token-with-line-break") ? "a\nb" : access,
      ...{ token_type: "Bearer", expires_in: service.lifetime, refresh_token: refresh, scope: grant.scope },
    }
  }

  function token(form: URLSearchParams, response: ServerResponse): unknown {
    if (mischief.has("tokens-hang")) return undefined
    if (mischief.has("redirecting-tokens")) {
      return response.writeHead(307, { location: "http://10.1.2.3/token" }).end()
    }
    if (mischief.has("tokens-fail")) return send(response, 500, "<h1>Oops</h1>")
    if (mischief.has("tokens-huge")) return send(response, 200, "x".repeat(2 * 1024 * 1024))
    if (mischief.has("tokens-odd")) return send(response, 200, { token: 1 })
    if (form.get("resource") !== service.url) return send(response, 400, { error: "invalid_target" })
    if (form.get("grant_type") === "refresh_token") return renew(form, response)
    const grant = codes.get(form.get("code") ?? "")
    codes.delete(form.get("code") ?? "")
    const proof = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url")
    const fits = grant?.client === form.get("client_id") && grant?.redirect === form.get("redirect_uri")
    if (!grant || !fits || proof !== grant.challenge) return send(response, 400, { error: "invalid_grant" })
    return send(response, 200, tokens(grant, randomUUID()))
  }

  /** Each one counts once: a second use ends all that came of that sign-in. */
  function renew(form: URLSearchParams, response: ServerResponse): unknown {
    const known = renewals.get(form.get("refresh_token") ?? "")
    if (!known || known.client !== form.get("client_id")) return send(response, 400, { error: "invalid_grant" })
    if (known.used) {
      for (const [key, one] of renewals) if (one.family === known.family) renewals.delete(key)
      service.live.clear()
      return send(response, 400, { error: "invalid_grant", error_description: "it was used before" })
    }
    known.used = true
    return send(response, 200, tokens(known, known.family))
  }

  function serviceDoor(request: IncomingMessage, response: ServerResponse, body: string): unknown {
    const { pathname, searchParams } = new URL(request.url!, service.issuer)
    switch (pathname) {
      case "/.well-known/oauth-authorization-server":
        return mischief.has("no-metadata") ? send(response, 404, "") : send(response, 200, describe(service))
      case "/authorize":
        return authorize(searchParams, response)
      case "/register": {
        const { redirect_uris }: Any = JSON.parse(body)
        const client_id = `client-${randomUUID()}`
        clients.set(client_id, redirect_uris)
        return send(response, 201, { ...JSON.parse(body), client_id })
      }
      case "/token": {
        const form = new URLSearchParams(body)
        service.wanted.push(Object.fromEntries(form))
        return token(form, response)
      }
      case "/revoke": {
        const gone = new URLSearchParams(body).get("token")!
        service.revoked.push(gone)
        service.live.delete(gone)
        renewals.delete(gone)
        return send(response, 200, {})
      }
      default:
        return send(response, 404, "")
    }
  }

  function serverDoor(request: IncomingMessage, response: ServerResponse, body: string): unknown {
    const at = new URL(service.url).origin
    if (request.url?.startsWith("/.well-known/oauth-protected-resource"))
      return send(response, 200, {
        resource: mischief.has("other-resource") ? "https://other.example/mcp" : service.url,
        authorization_servers: [mischief.has("private-service") ? "http://10.1.2.3/" : service.issuer],
        scopes_supported: [service.needs],
      })
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""
    const where = `Bearer resource_metadata="${at}/.well-known/oauth-protected-resource/mcp", scope="${service.needs}"`
    if (!service.live.has(given)) return send(response, 401, {}, { "www-authenticate": where })
    if (!scopes.get(given)?.split(" ").includes(service.needs))
      return send(response, 403, {}, { "www-authenticate": `${where}, error="insufficient_scope"` })
    if (request.method !== "POST") return send(response, 405, {})
    const { id, method, params }: Any = JSON.parse(body)
    if (id === undefined) return send(response, 202, "")
    return send(response, 200, { jsonrpc: "2.0", id, result: answerTo(method, params) })
  }

  const both = [listen(t, service, serverDoor), listen(t, service, serviceDoor)] as const
  service.url = `${await both[0]}/mcp`
  service.issuer = await both[1]
  return service
}

function answerTo(method: string, params: Any): unknown {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "notes", version: "1" },
      }
    case "tools/list":
      return { tools: [{ name: "note", description: "Gives the note", inputSchema: { type: "object" } }] }
    case "tools/call":
      return { content: [{ type: "text", text: "The note says 喝茶" }] }
    default:
      return {}
  }
}

function describe({ issuer, mischief }: LoginService): Record<string, unknown> {
  return {
    issuer: mischief.has("other-issuer") ? "https://evil.example" : issuer,
    authorization_endpoint: mischief.has("page-of-another-kind") ? "file:///etc/passwd" : `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/revoke`,
    ...(mischief.has("no-registration") ? {} : { registration_endpoint: `${issuer}/register` }),
    response_types_supported: ["code"],
    authorization_response_iss_parameter_supported: true,
    ...(mischief.has("no-pkce") ? {} : { code_challenge_methods_supported: ["S256"] }),
    token_endpoint_auth_methods_supported: ["none"],
  }
}

function send(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): unknown {
  const text = typeof body === "string" ? body : JSON.stringify(body)
  const type = typeof body === "string" ? "text/html" : "application/json"
  return response.writeHead(status, { "content-type": type, ...headers }).end(text)
}

async function listen(
  t: TestContext,
  service: LoginService,
  door: (request: IncomingMessage, response: ServerResponse, body: string) => unknown,
): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ""
    for await (const chunk of request) body += String(chunk)
    service.asked.push(`${request.method} ${request.url?.split("?")[0]}`)
    door(request, response, body)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
