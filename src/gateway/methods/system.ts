// system.*: the machine, and who is connected.
import { statfs } from "node:fs/promises"
import { arch, cpus, freemem, hostname, loadavg, platform, release, totalmem, type } from "node:os"
import { z } from "zod"
import type { PresenceEntry } from "../status/presence.ts"
import { type Method, method } from "./method.ts"

const info = method({
  name: "system.info",
  summary: "The machine that the gateway runs on.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.looseObject({
      platform: z.string(),
      python: z.null().describe("Always null: the gateway runs on Node"),
      runtime: z.object({ name: z.string(), version: z.string() }),
      version: z.string(),
      hostname: z.string(),
      uptime: z.number().describe("Seconds that the gateway runs"),
      uptimeMs: z.number(),
      memory: z.object({
        rssBytes: z.number(),
        heapUsedBytes: z.number(),
        totalBytes: z.number(),
        freeBytes: z.number(),
      }),
      disk: z.object({ path: z.string(), totalBytes: z.number(), availableBytes: z.number() }).nullable(),
    }),
  async run(_params, { parts }) {
    const uptimeMs = parts.clock.now() - parts.startedAt
    const disk = await diskOf(parts.home)
    const cores = cpus()
    const { rss, heapUsed } = process.memoryUsage()
    return {
      machineName: hostname(),
      hostname: hostname(),
      platform: platform(),
      release: release(),
      arch: arch(),
      osLabel: `${type()} ${release()}`,
      python: null,
      runtime: { name: "node", version: process.versions.node },
      node: process.versions.node,
      nodeVersion: process.versions.node,
      version: parts.version,
      pid: process.pid,
      uptime: Math.floor(uptimeMs / 1000),
      uptimeMs,
      cpuCount: cores.length,
      ...(cores[0] ? { cpuModel: cores[0].model } : {}),
      loadAverage: loadavg(),
      memory: { rssBytes: rss, heapUsedBytes: heapUsed, totalBytes: totalmem(), freeBytes: freemem() },
      memoryTotalBytes: totalmem(),
      memoryFreeBytes: freemem(),
      disk,
      ...(disk
        ? { diskPath: disk.path, diskTotalBytes: disk.totalBytes, diskAvailableBytes: disk.availableBytes }
        : {}),
    }
  },
})

/** null where the file system does not say. */
async function diskOf(path: string) {
  const stats = await statfs(path).catch(() => undefined)
  if (!stats) return null
  return { path, totalBytes: stats.blocks * stats.bsize, availableBytes: stats.bavail * stats.bsize }
}

const entry = () => z.looseObject({ host: z.string().optional(), mode: z.string().optional(), ts: z.number() })

const presence = method({
  name: "system-presence",
  summary: "Who is connected, as a bare array; the gateway itself first.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.array(entry()),
  run: async (_params, { parts }) => parts.presence.list(),
})

function component(shown: PresenceEntry) {
  const gone = shown.reason === "disconnect"
  return {
    ...shown,
    componentId: shown.deviceId ?? shown.instanceId ?? shown.host ?? shown.text ?? "unknown",
    state: gone ? "offline" : "online",
    lastSeenAt: shown.ts,
  }
}

const listed = method({
  name: "system.presence",
  summary: "The same as {entries, count}.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object({ entries: z.array(entry()), count: z.number() }),
  async run(_params, { parts }) {
    const entries = parts.presence.list().map(component)
    return { entries, count: entries.length }
  },
})

export const systemMethods: readonly Method[] = [info, presence, listed]
