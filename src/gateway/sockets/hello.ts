// hello-ok: everything that any client of protocol 3, protocol 4 or the simple dialect looks for (protocol §2.2, §9.2).
import { hostname } from "node:os"
import { grants } from "../../protocol/frame.ts"
import { MAIN_KEY } from "../../protocol/session.ts"
import { answering } from "../agents/agents.ts"
import { MAX_ATTACHMENT_BYTES } from "../attachments.ts"
import { events } from "../methods/events.ts"
import { methodNames } from "../methods/index.ts"
import { healthPayload } from "../status/health.ts"
import { type Door, MAX_PAYLOAD } from "./door.ts"
import type { Welcome } from "./handshake.ts"
import { MAX_BUFFERED_BYTES } from "./outbox.ts"
import { REPLAY } from "./ring.ts"

/** The last one: models.list tells what is known of each model (OpenClaw's command line asks for it by that name). */
const CAPABILITIES = [
  ...["events-resume", "connect-resume", "idempotency-durable", "tool-events", "approvals"],
  "published-model-catalog",
]

export async function helloOk(door: Door, connId: string, guest: Welcome): Promise<Record<string, unknown>> {
  const { parts } = door
  const { caller } = guest
  const { config } = parts
  const admin = caller.scopes.includes("operator.admin")
  const reads = caller.role === "operator" && grants(caller.scopes, "operator.read")
  const agentId = config.agents.default
  const now = parts.clock.now()
  // Names of sessions and people are for those who may read.
  const health: unknown = reads ? JSON.parse((await healthPayload(parts)).text) : { ok: true, status: "ok", ts: now }
  return {
    type: "hello-ok",
    protocol: caller.protocol,
    server: {
      name: "pincer",
      version: parts.version,
      buildId: parts.version,
      host: hostname(),
      platform: process.platform,
      connId,
      bootId: parts.bootId,
    },
    features: { methods: methodNames(), events: events.map((event) => event.name), capabilities: CAPABILITIES },
    health,
    snapshot: {
      presence: reads ? parts.presence.list() : [],
      health,
      stateVersion: door.stateVersion,
      uptimeMs: now - parts.startedAt,
      ...(admin ? { configPath: parts.configPath, stateDir: parts.home } : {}),
      sessionDefaults: {
        defaultAgentId: agentId,
        mainKey: MAIN_KEY,
        mainSessionKey: `agent:${agentId}:${MAIN_KEY}`,
        scope: "per-sender",
        modelConfigured: answering(parts).provider !== "offline",
      },
      authMode: config.gateway.auth.mode,
    },
    auth: {
      method: guest.method,
      role: caller.role,
      scopes: [...caller.scopes].sort(),
      ...(guest.deviceToken === undefined ? {} : { deviceToken: guest.deviceToken, issuedAtMs: now }),
    },
    policy: {
      maxPayload: MAX_PAYLOAD,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      tickIntervalMs: config.gateway.tickIntervalMs,
      attachments: { maxBytes: MAX_ATTACHMENT_BYTES, maxImageBytes: MAX_ATTACHMENT_BYTES },
      replay: { maxEvents: REPLAY.maxEvents, maxAgeMs: REPLAY.maxAgeMs },
    },
  }
}
