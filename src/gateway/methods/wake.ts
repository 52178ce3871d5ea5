// wake, system.event, system-event: something happened that an agent, or whoever looks at who is connected, is to know of.
import { z } from "zod"
import { uuid } from "../../base/id.ts"
import type { Message } from "../../protocol/message.ts"
import { parseSessionKey, type SessionName } from "../../protocol/session.ts"
import { namesSession, requireAgent, resolveSession, type SessionParams, turnRequest } from "../inbound.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

const MODES = ["now", "next-heartbeat"] as const
const words = () => z.string({ error: "text is required" }).trim().min(1).max(20_000)

/** "now" begins a turn; else a note waits in the session for the next one, which may be a heartbeat. */
async function tell(session: SessionName, text: string, mode: (typeof MODES)[number], context: MethodContext) {
  const { caller, follow, parts } = context
  requireAgent(session.agentId, parts)
  const said = `System event: ${text}`
  if (mode === "now") {
    const request = turnRequest(session, { input: [{ type: "text", text: said }] }, caller, parts)
    follow(request.turnId)
    return (await parts.lanes.submit(request)).record.turnId
  }
  const at = parts.clock.now()
  const message: Message = { id: uuid(at), role: "user", content: [{ type: "text", text: said }], at, synthetic: true }
  const events = await parts.store.transcript.add(session.key, session.agentId, [{ type: "message.added", message }])
  for (const envelope of events) parts.hub.publish(envelope)
  parts.schedules?.lookForHeartbeats()
  return undefined
}

async function sessionOf(params: SessionParams, { parts }: MethodContext): Promise<SessionName> {
  return namesSession(params) ? resolveSession(params, parts) : parseSessionKey(undefined, parts.config.agents.default)
}

const wake = method({
  name: "wake",
  summary:
    "Tells an agent that something happened: at once in a turn of its own, or as a note that its next turn reads.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { text: ["message"] }),
  params: () => z.object({ ...sessionFields(), text: words(), mode: z.enum(MODES) }),
  result: () => z.object({ ok: z.literal(true), runId: z.string().optional(), sessionKey: z.string() }),
  async run({ mode, text, ...named }, context) {
    const session = await sessionOf(named, context)
    const runId = await tell(session, text, mode, context)
    return { ok: true as const, ...(runId === undefined ? {} : { runId }), sessionKey: session.key }
  },
})

const event = method({
  name: "system.event",
  summary: "wake by its older name; without a mode the note waits for the next turn of the main session.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { text: ["message"] }),
  params: () => z.object({ ...sessionFields(), text: words(), mode: z.enum(MODES).default("next-heartbeat") }),
  result: () =>
    z.object({
      ok: z.literal(true),
      eventType: z.literal("system.event"),
      mode: z.enum(MODES),
      heartbeatTriggered: z.boolean().describe("Whether a turn began"),
      source: z.string(),
      runId: z.string().optional(),
    }),
  async run({ mode, text, ...named }, context) {
    const runId = await tell(await sessionOf(named, context), text, mode, context)
    const base = { ok: true as const, eventType: "system.event" as const, mode, source: context.caller.clientId }
    return { ...base, heartbeatTriggered: runId !== undefined, ...(runId === undefined ? {} : { runId }) }
  },
})

const short = () => z.string().max(200).optional()

const presence = method({
  name: "system-event",
  summary: "What a program says of itself for the list of who is there (system-presence).",
  scope: "operator.admin",
  params: () =>
    z.object({
      text: words(),
      deviceId: short(),
      instanceId: short(),
      host: short(),
      ip: short(),
      mode: short(),
      version: short(),
      platform: short(),
      deviceFamily: short(),
      modelIdentifier: short(),
      lastInputSeconds: z.number().optional(),
      reason: short(),
      roles: z.array(z.string().max(100)).max(20).optional(),
      scopes: z.array(z.string().max(100)).max(20).optional(),
      tags: z.array(z.string().max(100)).max(50).optional(),
    }),
  result: () => z.object({ ok: z.literal(true) }),
  async run(params, { caller, parts }) {
    const key = params.deviceId ?? params.instanceId ?? params.host ?? caller.connId
    parts.presence.set(key, { reason: "event", ...params, ts: parts.clock.now() })
    return { ok: true as const }
  },
})

export const wakeMethods: readonly Method[] = [wake, event, presence]
