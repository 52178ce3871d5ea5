// Small looks at how the gateway is: its lanes, its steadiness, who has a page of it open, and which secrets it knows.
import { performance } from "node:perf_hooks"
import { z } from "zod"
import { type Method, method } from "./method.ts"

const lanes = method({
  name: "diagnostics.lanes",
  summary: "What runs and waits now, in all sessions together.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.object({
      ts: z.number(),
      draining: z.boolean(),
      running: z.number(),
      queued: z.number(),
      waiting: z.number().describe("For a human"),
      maxConcurrent: z.number(),
    }),
  async run(_params, { parts }) {
    const { maxConcurrent } = parts.config.turns
    return { ts: parts.clock.now(), draining: parts.lanes.draining, ...parts.lanes.counts(), maxConcurrent }
  },
})

const stability = method({
  name: "diagnostics.stability",
  summary: "How steadily the gateway runs: since when, how busy its event loop was since then, what memory it has.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.object({
      ts: z.number(),
      startedAt: z.number(),
      uptimeMs: z.number(),
      eventLoop: z.object({ utilization: z.number().describe("0 to 1") }),
      memory: z.object({ rssBytes: z.number(), heapUsedBytes: z.number() }),
      connections: z.number(),
    }),
  async run(_params, { parts }) {
    const ts = parts.clock.now()
    const { heapUsed, rss } = process.memoryUsage()
    return {
      ts,
      startedAt: parts.startedAt,
      uptimeMs: ts - parts.startedAt,
      eventLoop: { utilization: performance.eventLoopUtilization().utilization },
      memory: { rssBytes: rss, heapUsedBytes: heapUsed },
      connections: parts.presence.connections,
    }
  },
})

const PAGES: ReadonlySet<string> = new Set(["webchat", "ui"])

const web = method({
  name: "web.status",
  summary: "Whether a web page or another screen is connected to the gateway.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.object({
      connected: z.boolean(),
      clients: z.number(),
      provider: z.literal("gateway"),
      uptime: z.number().describe("Seconds that the gateway runs"),
    }),
  async run(_params, { parts }) {
    const screens = parts.presence.list().filter(({ mode = "", reason }) => PAGES.has(mode) && reason !== "disconnect")
    const uptime = Math.floor((parts.clock.now() - parts.startedAt) / 1000)
    return { connected: screens.length > 0, clients: screens.length, provider: "gateway" as const, uptime }
  },
})

const identity = method({
  name: "gateway.identity.get",
  summary: "Which gateway this is: its name, version, and this start of it.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object({ name: z.literal("pincer"), version: z.string(), bootId: z.string(), startedAt: z.number() }),
  run: async (_params, { parts: { bootId, startedAt, version } }) => ({
    name: "pincer" as const,
    version,
    bootId,
    startedAt,
  }),
})

const secrets = method({
  name: "secrets.reload",
  summary: "Reads all secrets anew that configuration and environment name, so that none of them is ever shown.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () => z.object({}),
  result: () => z.object({ ok: z.literal(true), reloaded: z.literal(true), count: z.number() }),
  run: async (_params, { parts }) => ({ ok: true as const, reloaded: true as const, count: parts.readSecrets() }),
})

export const diagnosticMethods: readonly Method[] = [lanes, stability, web, identity, secrets]
