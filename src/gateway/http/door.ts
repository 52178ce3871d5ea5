// The HTTP door. Order: a known path, its method, the bearer token with the scope that the route needs, then the body. Routes that
// stream are written on the raw response; the small JSON ones go through hono, which is loaded when one is first asked for.
// Host and Origin have been judged before.
import type { IncomingMessage, ServerResponse } from "node:http"
import { PincerError } from "../../base/errors.ts"
import { grants, type Scope } from "../../protocol/frame.ts"
import type { Auth } from "../auth.ts"
import { type DeviceMember, memberName } from "../devices/device-members.ts"
import type { MethodTable } from "../dispatch.ts"
import type { Parts } from "../parts.ts"
import { shownError } from "../shown.ts"
import { discard, readJsonBody } from "./body.ts"
import type { Exchange } from "./exchange.ts"
import { HEALTH_PATHS, health } from "./health.ts"
import { httpRefusal, sendRefusal } from "./refusal.ts"
import { KeepAlive } from "./sse.ts"

/** What an unknown path is told that there is. */
const ROUTES =
  "GET /health, /healthz, /ready, /readyz, /api/build, /api/auth/check; POST /api/auth/verify; GET /v1/models, /v1/models/{id}; POST /v1/chat/completions, /v1/responses, /v1/embeddings; GET and DELETE /v1/responses/{id}; POST /tools/invoke; GET /api/approvals; GET and POST /api/approvals/{id} or /approvals/{id}; GET and POST /api/jobs; GET, POST and DELETE /api/jobs/{id}; POST /api/jobs/{id}/cancel, /retry; GET /api/jobs/{id}/events, /result; GET /metrics, /api/metrics, /api/agents, /api/sessions, /api/sessions/archive, /api/sessions/export/{id}; GET, PATCH and DELETE /api/sessions/{id}; POST /api/sessions/import, /rpc; GET, POST and DELETE /mcp; WebSocket at / and /ws"

interface Route {
  methods: Readonly<Record<string, Scope>>
  /** "json": answered through hono. */
  kind: "chat" | "responses" | "json" | "approvals" | "jobs" | "rpc" | "sessions" | "metrics" | "tools" | "mcp"
}

/** Which need no token, and the methods that each takes. */
const OPEN_PATHS: ReadonlyMap<string, readonly string[]> = new Map([
  ["/api/auth/check", ["GET", "HEAD"]],
  ["/api/auth/verify", ["POST"]],
  ["/api/build", ["GET", "HEAD"]],
])

const CHAT: Route = { methods: { POST: "operator.write" }, kind: "chat" }
const RESPONSES: Route = { methods: { POST: "operator.write" }, kind: "responses" }
const EMBEDDINGS: Route = { methods: { POST: "operator.write" }, kind: "json" }
const MODELS: Route = { methods: { GET: "operator.read", HEAD: "operator.read" }, kind: "json" }
const RESPONSE: Route = { methods: { GET: "operator.read", DELETE: "operator.write" }, kind: "json" }

const APPROVALS: Route = { methods: { GET: "operator.approvals" }, kind: "approvals" }
const APPROVAL: Route = { methods: { GET: "operator.approvals", POST: "operator.approvals" }, kind: "approvals" }

const JOBS: Route = { methods: { GET: "operator.read", POST: "operator.write" }, kind: "jobs" }
const JOB: Route = { methods: { ...JOBS.methods, DELETE: "operator.write" }, kind: "jobs" }
const JOB_ACT: Route = { methods: { POST: "operator.write" }, kind: "jobs" }
const JOB_READ: Route = { methods: { GET: "operator.read" }, kind: "jobs" }

function jobRouteOf(path: string): Route | undefined {
  const match = /^\/api\/jobs(?:\/[^/]+(?:\/(cancel|retry|events|result))?)?$/.exec(path)
  if (!match) return undefined
  if (path === "/api/jobs") return JOBS
  if (match[1] === undefined) return JOB
  return match[1] === "cancel" || match[1] === "retry" ? JOB_ACT : JOB_READ
}

function routeOf(path: string): Route | undefined {
  if (path === "/v1/chat/completions") return CHAT
  if (path === "/v1/responses") return RESPONSES
  if (path === "/v1/embeddings") return EMBEDDINGS
  if (path === "/v1/models" || path.startsWith("/v1/models/")) return MODELS
  if (/^\/v1\/responses\/[^/]+$/.test(path)) return RESPONSE
  if (path === "/api/approvals") return APPROVALS
  if (/^(?:\/api)?\/approvals\/[^/]+$/.test(path)) return APPROVAL
  if (path === "/tools/invoke") return TOOLS
  if (path === "/rpc") return RPC
  if (path === "/mcp") return MCP
  if (path === "/metrics" || path === "/api/metrics") return METRICS
  if (path.startsWith("/api/sessions") || path === "/api/agents") return sessionRouteOf(path)
  return path.startsWith("/api/jobs") ? jobRouteOf(path) : undefined
}

const TOOLS: Route = { methods: { POST: "operator.write" }, kind: "tools" }
const RPC: Route = { methods: { POST: "operator.read" }, kind: "rpc" }
const MCP: Route = {
  methods: { GET: "operator.read", POST: "operator.read", DELETE: "operator.read" },
  kind: "mcp",
}
const METRICS: Route = { methods: { GET: "operator.read", HEAD: "operator.read" }, kind: "metrics" }
const SESSIONS: Route = { methods: { GET: "operator.read" }, kind: "sessions" }
const SESSION: Route = {
  methods: { GET: "operator.read", PATCH: "operator.write", DELETE: "operator.admin" },
  kind: "sessions",
}
const SESSION_IMPORT: Route = { methods: { POST: "operator.admin" }, kind: "sessions" }

function sessionRouteOf(path: string): Route | undefined {
  if (path === "/api/sessions" || path === "/api/agents" || path === "/api/sessions/archive") return SESSIONS
  if (path === "/api/sessions/import") return SESSION_IMPORT
  if (/^\/api\/sessions\/export\/[^/]+$/.test(path)) return SESSIONS
  return /^\/api\/sessions\/[^/]+$/.test(path) ? SESSION : undefined
}

export function openHttpDoor(
  parts: Parts,
  auth: Auth,
  methods: MethodTable,
): (request: IncomingMessage, response: ServerResponse) => void {
  const keepAlive = new KeepAlive(parts.clock)
  return (request, response) => {
    answer({ request, response, parts, methods, keepAlive, subject: "", scopes: [] }, auth).catch((error: unknown) => {
      if (response.headersSent && !response.writableEnded) response.destroy()
      sendRefusal(response, shownError(error, parts.redactor), parts.log)
      // A body that nobody will read must not hold the connection.
      discard(request, parts.clock)
    })
  }
}

async function answer(exchange: Exchange, auth: Auth): Promise<void> {
  const { request, response, parts } = exchange
  const path = pathOf(request.url ?? "/")
  const method = request.method ?? "GET"
  if (HEALTH_PATHS.has(path)) {
    if (method !== "GET" && method !== "HEAD") throw wrongMethod(method, path, "GET, HEAD")
    await health(path, request, response, parts)
    return
  }
  const open = OPEN_PATHS.get(path)
  if (open) {
    if (!open.includes(method)) throw wrongMethod(method, path, open.join(", "))
    const { openRoutes } = await import("./build.ts")
    await openRoutes(path, request, response, { auth, parts })
    return
  }
  const route = routeOf(path)
  if (!route) throw new PincerError("NOT_FOUND", `Unknown path "${path}": there are ${ROUTES}`)
  const scope = route.methods[method]
  if (scope === undefined) throw wrongMethod(method, path, Object.keys(route.methods).join(", "))
  const identity = await identify(request, scope, auth)
  exchange.subject = identity.subject
  // Of a device's token the gateway keeps a hash only: it learns it when it is shown.
  if (identity.subject !== "owner") parts.redactor.add(request.headers.authorization?.replace(/^Bearer +/i, "") ?? "")
  exchange.scopes = identity.scopes
  if (identity.user !== undefined) exchange.user = identity.user
  if (identity.address !== undefined) exchange.address = identity.address
  const deviceId = identity.subject === "owner" ? undefined : identity.subject
  const name = memberName({
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(identity.user === undefined ? {} : { user: identity.user }),
  })
  if (name !== undefined) joinDevice(exchange, name, scope, identity.epoch ?? 0)
  if (route.kind === "json") {
    const { jsonRoutes } = await import("./json-routes.ts")
    await jsonRoutes(exchange)
    return
  }
  if (route.kind === "rpc") {
    const { postRpc } = await import("./rpc.ts")
    await postRpc(exchange)
    return
  }
  if (route.kind === "mcp") {
    const { mcpRoutes } = await import("./mcp.ts")
    await mcpRoutes(exchange)
    return
  }
  if (route.kind === "metrics") {
    const { metricsRoutes } = await import("./metrics.ts")
    await metricsRoutes(exchange)
    return
  }
  if (route.kind === "sessions") {
    const { sessionRoutes } = await import("./sessions.ts")
    await sessionRoutes(exchange)
    return
  }
  if (route.kind === "tools") {
    const { toolRoutes } = await import("./tools.ts")
    await toolRoutes(exchange)
    return
  }
  if (route.kind === "approvals") {
    const { approvalRoutes } = await import("./approvals.ts")
    await approvalRoutes(exchange)
    return
  }
  if (route.kind === "jobs") {
    jobs ??= import("./jobs.ts")
    const { jobRoutes } = await jobs
    await jobRoutes(exchange)
    return
  }
  const body = await readJsonBody(request, parts.clock)
  if (response.destroyed) return
  if (route.kind === "chat") {
    chat ??= import("./chat.ts")
    const { chatCompletions } = await chat
    await chatCompletions(exchange, body)
  } else {
    const { createResponse } = await import("./responses.ts")
    await createResponse(exchange, body)
  }
}

/** A request of a device is cut off when the device loses the right to it; what is answered already has left. Throws AUTH_REQUIRED. */
function joinDevice(exchange: Exchange, name: string, needed: Scope, epoch: number): void {
  const { parts, request, response } = exchange
  const close = () => {
    response.destroy()
    request.destroy()
  }
  const member: DeviceMember = {
    deviceId: name,
    role: "operator",
    connId: "http",
    get scopes() {
      return exchange.scopes
    },
    setScopes(scopes) {
      exchange.scopes = scopes
      if (!grants(scopes, needed)) close()
    },
    close,
  }
  response.once("close", parts.devices.members.join(member, epoch))
}

/** Loaded with the first request, so that a start does not wait for it, and kept: an import() costs each time. */
let chat: Promise<typeof import("./chat.ts")> | undefined
let jobs: Promise<typeof import("./jobs.ts")> | undefined

function pathOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0]!
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path
}

function wrongMethod(method: string, path: string, allow: string): PincerError {
  return httpRefusal(405, `${method} is not accepted at ${path}: use ${allow}`, { allow })
}

/** Who is asking. Throws AUTH_REQUIRED, RATE_LIMITED after too many failures, PERMISSION_DENIED without the scope. */
async function identify(request: IncomingMessage, scope: Scope, auth: Auth) {
  const identity = await auth.bearer(request)
  if (!identity.ok) throw identity.error
  if (!grants(identity.scopes, scope))
    throw new PincerError("PERMISSION_DENIED", `This needs the scope ${scope}, which the token does not have`, {
      details: { code: "missing_scope" },
    })
  return identity
}
