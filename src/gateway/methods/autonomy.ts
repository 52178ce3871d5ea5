// autonomy.*, set-heartbeats, last-heartbeat: whether this gateway begins work by itself, and what became of its heartbeats.
import { z } from "zod"
import { autonomyOf } from "../schedules/autonomy.ts"
import { type Method, method } from "./method.ts"

const shownHeartbeat = () =>
  z.looseObject({
    ts: z.number(),
    agentId: z.string(),
    status: z.enum(["sent", "ok-empty", "ok-token", "skipped", "failed"]),
    preview: z.string().optional(),
    durationMs: z.number().optional(),
    reason: z.string().optional(),
  })

const state = () =>
  z.looseObject({
    enabled: z.boolean().describe("Whether ticks of schedules and heartbeats become work"),
    reason: z.enum(["default", "configuration", "safe-mode"]).describe("What says so"),
    switchedAt: z.string().nullable().describe("When it was switched last by a command, ISO 8601"),
    path: z.string().describe("The configuration file that holds it: autonomy.enabled"),
    heartbeats: z.looseObject({ enabled: z.boolean(), last: shownHeartbeat().nullable() }),
    schedules: z.object({ active: z.number(), nextAtMs: z.number().nullable() }),
  })

const get = method({
  name: "autonomy.get",
  summary: "Whether work begins by itself here: ticks of schedules, heartbeats.",
  scope: "operator.read",
  params: () => z.object({}),
  result: state,
  run: (_params, { parts }) => autonomyOf(parts),
})

const set = method({
  name: "autonomy.set",
  summary:
    "Lets work begin by itself, or not: at once, and after restarts. While it is off, each tick is recorded as skipped; what a person starts runs.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () => z.object({ enabled: z.boolean({ error: "enabled is required: true or false" }) }),
  result: state,
  async run({ enabled }, { caller, parts }) {
    const { writeConfigFor } = await import("../config/config-calls.ts")
    const switchedAt = new Date(parts.clock.now()).toISOString()
    const edit = { type: "patch" as const, patch: { autonomy: { enabled, switchedAt } } }
    await writeConfigFor(parts, { edit, needsHash: false }, caller.deviceId ?? caller.clientId)
    return autonomyOf(parts)
  },
})

const setHeartbeats = method({
  name: "set-heartbeats",
  summary: "Switches all heartbeats off, or on again, until the next start; the configuration stays as it is.",
  scope: "operator.admin",
  params: () => z.object({ enabled: z.boolean({ error: "enabled is required: true or false" }) }),
  result: () => z.object({ ok: z.literal(true), enabled: z.boolean() }),
  async run({ enabled }, { parts }) {
    const heartbeats = await parts.schedules?.heartbeats()
    if (heartbeats) heartbeats.isOn = enabled
    if (enabled) parts.schedules?.lookForHeartbeats()
    return { ok: true as const, enabled: heartbeats !== undefined && enabled }
  },
})

const last = method({
  name: "last-heartbeat",
  summary: "What became of the last heartbeat of any agent, or null before the first.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => shownHeartbeat().nullable(),
  run: async (_params, { parts }) => (await autonomyOf(parts)).heartbeats.last,
})

const lastPy = method({
  name: "system.heartbeat.last",
  summary: "Whether agents have heartbeats, and when the last one was.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object({ enabled: z.boolean(), lastHeartbeatAt: z.string().nullable().describe("ISO 8601") }),
  async run(_params, { parts }) {
    const { heartbeats } = await autonomyOf(parts)
    const at = heartbeats.last?.["ts"]
    return { enabled: heartbeats.enabled, lastHeartbeatAt: typeof at === "number" ? new Date(at).toISOString() : null }
  },
})

export const autonomyMethods: readonly Method[] = [get, set, setHeartbeats, last, lastPy]
