// Health routes: for probes and load balancers, without a token, telling nothing beyond the fields of R-7. Alive means the process
// answers; ready means a call would be answered: turns are taken and the store can be read.
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Parts } from "../parts.ts"
import { sendJson } from "./refusal.ts"

const PROTOCOL = 4

export const HEALTH_PATHS: ReadonlySet<string> = new Set(["/health", "/healthz", "/ready", "/readyz"])

export async function health(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  parts: Parts,
): Promise<void> {
  if (path === "/healthz") sendJson(response, 200, { ok: true, status: "live" })
  else if (path !== "/health") await ready(response, parts)
  else if (prefersText(request.headers.accept ?? "")) sendText(response, "ok")
  else sendJson(response, 200, healthBody(parts))
}

function healthBody(parts: Parts): Record<string, unknown> {
  const now = parts.clock.now()
  return {
    ok: true,
    status: "ok",
    time: new Date(now).toISOString(),
    uptime: Math.floor((now - parts.startedAt) / 1000),
    connections: parts.presence.connections,
    protocol: PROTOCOL,
    version: parts.version,
  }
}

async function ready(response: ServerResponse, parts: Parts): Promise<void> {
  const failing: string[] = []
  if (parts.lanes.draining) failing.push("draining")
  try {
    await parts.store.sessions.list({ limit: 1 })
  } catch (error) {
    parts.log.warn({ err: error }, "The store could not be read for a readiness probe")
    failing.push("store")
  }
  const uptimeMs = parts.clock.now() - parts.startedAt
  sendJson(response, failing.length === 0 ? 200 : 503, { ready: failing.length === 0, failing, uptimeMs })
}

/** text/plain named, and no JSON. */
function prefersText(accept: string): boolean {
  return /\btext\/plain\b/.test(accept) && !/\bjson\b/.test(accept)
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": text.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  })
  response.end(response.req.method === "HEAD" ? undefined : text)
}
