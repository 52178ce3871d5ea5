// health and status: how the gateway is.
import { z } from "zod"
import { answering, configuredAgents, suggestion } from "../agents/agents.ts"
import { elevatedRow } from "../approvals/approval-rows.ts"
import type { Parts } from "../parts.ts"
import { isAutonomous, shownHeartbeatOf } from "../schedules/autonomy.ts"
import { factsOf } from "../status/facts.ts"
import { healthPayload, recentSessions } from "../status/health.ts"
import { type Method, method } from "./method.ts"

const turnCounts = () =>
  z.object({
    running: z.number(),
    queued: z.number(),
    waiting: z.number(),
    held: z.number().optional().describe("Of these, kept for a normal start: the gateway runs in safe mode"),
  })

const health = method({
  name: "health",
  summary: "How the gateway is: version, uptime, connections, agents, sessions. At most one second old.",
  scope: "operator.read",
  nodes: true,
  params: () => z.object({ probe: z.boolean().optional().describe("Do not answer from the kept snapshot") }),
  result: () =>
    z.looseObject({
      ok: z.boolean(),
      status: z.enum(["ok", "degraded"]),
      configMode: z.enum(["configured", "last-known-good", "safe"]).describe("degraded: anything but configured"),
      ts: z.number(),
      durationMs: z.number(),
      version: z.string(),
      protocol: z.number(),
      uptime: z.number().describe("Seconds"),
      uptime_seconds: z.number(),
      uptimeMs: z.number(),
      connections: z.number(),
      autonomous: z.boolean().describe("Whether work begins by itself"),
      defaultAgentId: z.string(),
      agents: z.array(z.looseObject({ agentId: z.string(), isDefault: z.boolean() })),
      sessions: z.looseObject({ count: z.number() }),
      turns: turnCounts(),
    }),
  run: (params, { parts }) => healthPayload(parts, params.probe === true),
})

const status = method({
  name: "status",
  summary: "What the gateway holds and which model answers by default.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.looseObject({
      version: z.string(),
      bootId: z.string(),
      uptimeMs: z.number(),
      connections: z.number(),
      model: z.object({ provider: z.string(), model: z.string(), why: z.string() }),
      suggestion: z
        .string()
        .optional()
        .describe(
          "Who could answer instead of the offline model: an installed external agent, or a model file that lacks its engine",
        ),
      turns: turnCounts(),
      jobs: z.looseObject({ queued: z.number(), running: z.number(), held: z.number().optional() }),
      approvals: z.object({ pending: z.number() }),
      today: z
        .object({
          turns: z.number(),
          inputTokens: z.number(),
          outputTokens: z.number(),
          costUsd: z.number().nullable().describe("US dollars; null when no price is known"),
        })
        .describe("What ended today, UTC"),
      sandbox: z.object({
        backend: z.string(),
        available: z.boolean(),
        profile: z.string(),
        detail: z.string(),
        install: z.string().optional().describe("The command that installs what is missing"),
      }),
      elevated: z.array(
        z.looseObject({ sessionKey: z.string(), level: z.string(), expiresAtMs: z.number().nullable() }),
      ),
      configuration: z.looseObject({
        mode: z.enum(["configured", "last-known-good", "safe"]),
        restart: z.array(z.string()).describe("Changed places that wait for a restart"),
        refused: z.unknown().optional().describe("Why what the file says now does not count"),
      }),
      store: z.object({ bytes: z.number() }),
      memory: z.object({ rssBytes: z.number() }),
      autonomy: z.object({ enabled: z.boolean().describe("Whether work begins by itself") }),
      sessions: z.looseObject({ count: z.number(), recent: z.array(z.unknown()), byAgent: z.array(z.unknown()) }),
    }),
  async run(_params, { parts }) {
    const chosen = answering(parts)
    const facts = await factsOf(parts)
    const all = await recentSessions(parts)
    const byAgent = []
    for (const { id } of configuredAgents(parts)) byAgent.push({ agentId: id, ...(await recentSessions(parts, id)) })
    const defaultAgentId = parts.config.agents.default
    return {
      version: parts.version,
      bootId: parts.bootId,
      startedAt: parts.startedAt,
      uptimeMs: parts.clock.now() - parts.startedAt,
      home: parts.home,
      configPath: parts.configPath,
      configuration: configurationOf(parts),
      logPath: parts.logPath,
      pid: process.pid,
      connections: parts.presence.connections,
      model: chosen,
      suggestion: await suggestion(parts),
      providers: parts.catalogue.providers().map((provider) => provider.id),
      turns: facts.turns,
      jobs: {
        queued: facts.jobs.queued,
        running: facts.jobs.running,
        ...(parts.live.mode === "safe" ? { held: facts.jobs.queued } : {}),
      },
      approvals: { pending: facts.approvalsPending },
      today: facts.today,
      sandbox: facts.sandbox,
      elevated: [...(await parts.elevations.all())].map(([key, elevation]) => elevatedRow(key, elevation)),
      store: { bytes: facts.storeBytes },
      memory: { rssBytes: process.memoryUsage.rss() },
      autonomy: { enabled: isAutonomous(parts) },
      heartbeat: {
        defaultAgentId,
        agents: configuredAgents(parts).map(({ id }) => ({ agentId: id, ...shownHeartbeatOf(parts, id) })),
      },
      channelSummary: [],
      queuedSystemEvents: [],
      sessions: {
        paths: [parts.home],
        count: all.count,
        defaults: { model: chosen.model, contextTokens: parts.catalogue.info(chosen)?.contextWindow ?? null },
        recent: all.recent,
        byAgent,
      },
    }
  },
})

/** What counts, why that is not what the file says, and what waits for a restart. */
function configurationOf({ live }: Parts) {
  const restart = live.waiting().map((change) => change.path)
  return { mode: live.mode, restart, ...(live.refused ? { refused: live.refused } : {}) }
}

export const healthMethods: readonly Method[] = [health, status]
