// update.*: whether there is a newer version, getting it, and what became of that; gateway.restart.*: the same program once more.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Parts } from "../parts.ts"
import { commandFor } from "../update/owner.ts"
import { type UpdateRun, updateRun, updateStep } from "../update/record.ts"
import { type Method, method } from "./method.ts"

const answer = () =>
  z.looseObject({
    currentVersion: z.string(),
    latestVersion: z.string().nullable(),
    updateAvailable: z.boolean(),
    checkedAt: z.number().nullable().describe("ms since 1970"),
    note: z.string(),
    command: z.string().nullable().describe("What to type to get it"),
  })

const check = method({
  name: "update.check",
  summary: "Whether the package registry has a newer version; asked at most once a day unless `fresh`.",
  scope: "operator.read",
  params: () => z.object({ fresh: z.boolean().optional().describe("Ask again even if the last answer still counts") }),
  result: answer,
  async run({ fresh = false }, { parts }) {
    const { checkUpdate } = await import("../update-check.ts")
    const { config, home, version, clock } = parts
    return checkUpdate({ settings: config.update, home, version, now: () => clock.now() }, { fresh })
  },
})

const INSTALLS = { npm: "package", git: "git" } as const

const status = method({
  name: "update.status",
  summary:
    "The same in the words of the original gateway, with how this program was installed and what the last update came to.",
  scope: "operator.admin",
  params: () => z.object({ refreshCheckout: z.boolean().optional().describe("Ask again") }),
  result: () =>
    z.looseObject({
      sentinel: sentinel().nullable().describe("The last update; null when there was none"),
      updateAvailable: z
        .object({ currentVersion: z.string(), latestVersion: z.string(), channel: z.string() })
        .nullable(),
      effectiveChannel: z.literal("stable"),
      schedule: z.looseObject({
        channel: z.string(),
        autoEnabled: z.literal(false).describe("Updates are only made when somebody asks"),
        install: z.object({ kind: z.enum(["package", "git", "unknown"]) }),
      }),
      install: z
        .object({ kind: z.string(), root: z.string(), selfUpdates: z.boolean(), command: z.string() })
        .nullable()
        .describe("Who put this program where it is; null inside another program"),
    }),
  async run({ refreshCheckout = false }, { parts }) {
    const { checkUpdate } = await import("../update-check.ts")
    const { config, home, version, clock } = parts
    const room = { settings: config.update, home, version, now: () => clock.now() }
    const found = await checkUpdate(room, { fresh: refreshCheckout })
    const { currentVersion, latestVersion, updateAvailable, ...rest } = found
    const newer = updateAvailable && latestVersion !== null
    const owner = await parts.updates?.owner()
    const [last] = (await parts.updates?.runs()) ?? []
    const kind = owner?.kind === "npm" || owner?.kind === "git" ? INSTALLS[owner.kind] : ("unknown" as const)
    return {
      ...rest,
      ...(owner && newer ? { command: commandFor(owner, latestVersion) } : {}),
      currentVersion,
      latestVersion,
      sentinel: last ? sentinelOf(last, parts) : null,
      updateAvailable: newer ? { currentVersion, latestVersion, channel: "latest" } : null,
      effectiveChannel: "stable" as const,
      schedule: {
        channel: "stable",
        autoEnabled: false as const,
        install: { kind },
        ...(newer ? { target: { kind: "package", version: latestVersion } } : {}),
      },
      install: owner
        ? {
            kind: owner.kind,
            root: owner.root,
            selfUpdates: owner.kind === "npm",
            command: commandFor(owner, latestVersion ?? currentVersion),
          }
        : null,
    }
  },
})

const sentinel = () => z.object({ path: z.string(), payload: updateRun() })

function sentinelOf(payload: UpdateRun, { home }: Parts) {
  return { path: `${home}/update-runs.json`, payload }
}

const updatesOf = (parts: Parts) => {
  if (parts.updates) return parts.updates
  throw new PincerError("UNAVAILABLE", "This gateway keeps no updates: run pincer gateway run", { retryable: false })
}

const delay = () => z.number().int().min(0).max(600_000).optional().describe("ms before the restart; default 1,000")

const run = method({
  name: "update.run",
  summary:
    "Installs a newer Pincer with the npm that put this one there, has it say its version, answers, and restarts into it.",
  scope: "operator.admin",
  limited: "controlWrites",
  normalize(params) {
    const { target, ...rest } = params
    const named = typeof target === "object" && target !== null && "version" in target ? target.version : undefined
    return {
      ...rest,
      ...(named === undefined ? {} : { version: named }),
      ...(named === undefined && target !== undefined ? { target } : {}),
    }
  },
  params: () =>
    z.object({
      version: z.string().min(1).max(100).optional().describe("Default, and latest: the newest; not an older one"),
      target: z.never({ error: 'only { "kind": "package", "version": … } can be installed' }).optional(),
      sessionKey: z.string().min(1).max(512).optional().describe("Is told afterwards what became of it"),
      note: z.string().min(1).max(10_000).optional().describe("Said there, too"),
      continuationMessage: z.string().min(1).max(100_000).optional().describe("What its agent is to do then"),
      deliveryContext: z.looseObject({}).optional(),
      timeoutMs: z.number().int().min(1_000).max(3_600_000).optional().describe("Of npm; default 5 minutes"),
      restartDelayMs: delay(),
      restart: z.boolean().optional().describe("false: leave the restart to somebody else"),
    }),
  result: () =>
    z.object({
      ok: z.boolean(),
      result: z.object({
        status: z.enum(["ok", "error", "skipped"]),
        mode: z.literal("npm"),
        root: z.string(),
        reason: z.string().optional(),
        before: z.object({ version: z.string() }),
        after: z.object({ version: z.string() }),
        steps: z.array(updateStep()),
        durationMs: z.number(),
      }),
      restart: z
        .object({
          ok: z.literal(true),
          pid: z.number(),
          signal: z.null().describe("The process becomes the new program itself"),
          delayMs: z.number(),
          reason: z.string(),
        })
        .nullable(),
      sentinel: sentinel(),
    }),
  async run({ restart, version, ...wish }, { parts }) {
    const { continuationMessage, note, restartDelayMs, sessionKey, timeoutMs } = wish
    const done = await updatesOf(parts).run({
      ...(version === undefined ? {} : { version }),
      ...(continuationMessage === undefined ? {} : { continuationMessage }),
      ...(note === undefined ? {} : { note }),
      ...(restartDelayMs === undefined ? {} : { restartDelayMs }),
      ...(sessionKey === undefined ? {} : { sessionKey }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(restart === false ? { keepRunning: true } : {}),
    })
    return outcomeOf(done, restartDelayMs ?? 1_000, parts)
  },
})

function outcomeOf(done: UpdateRun, delayMs: number, parts: Parts) {
  const status = done.state === "failed" ? "error" : done.state === "skipped" ? "skipped" : "ok"
  const restarts = done.state === "restarting"
  return {
    ok: status !== "error",
    result: {
      status,
      mode: "npm" as const,
      root: done.root,
      ...(done.reason === undefined ? {} : { reason: done.reason }),
      before: { version: done.from },
      after: { version: done.version },
      steps: done.steps,
      durationMs: (done.endedAt ?? done.startedAt) - done.startedAt,
    },
    restart: restarts
      ? { ok: true as const, pid: process.pid, signal: null, delayMs, reason: `update to ${done.target}` }
      : null,
    sentinel: sentinelOf(done, parts),
  }
}

const runs = method({
  name: "update.runs.list",
  summary: "Updates that were made or tried, newest first; the last twenty are kept.",
  scope: "operator.admin",
  params: () => z.object({ limit: z.number().int().min(1).max(20).optional() }),
  result: () => z.object({ runs: z.array(updateRun()) }),
  run: async ({ limit = 20 }, { parts }) => ({ runs: ((await parts.updates?.runs()) ?? []).slice(0, limit) }),
})

const oneRun = method({
  name: "update.runs.get",
  summary: "One of them.",
  scope: "operator.admin",
  params: () => z.object({ id: z.string({ error: "id is required" }).min(1).max(100) }),
  result: () => z.object({ run: updateRun() }),
  async run({ id }, { parts }) {
    const found = ((await parts.updates?.runs()) ?? []).find((one) => one.id === id)
    if (found) return { run: found }
    throw new PincerError("NOT_FOUND", `There is no update "${id}": see update.runs.list`)
  },
})

const preflight = method({
  name: "gateway.restart.preflight",
  summary: "Whether the gateway can restart itself, and what a restart would interrupt: turns go on afterwards.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.object({
      ok: z.literal(true),
      canRestart: z.boolean(),
      safe: z.boolean().describe("Nothing runs"),
      running: z.number(),
      queued: z.number(),
      waiting: z.number(),
      drainMs: z.number().describe("Running turns get so long to end; then they go on after the restart"),
      blockers: z.array(z.object({ kind: z.string(), count: z.number(), message: z.string() })),
    }),
  async run(_params, { parts }) {
    const { queued, running, waiting } = parts.lanes.counts()
    const blockers = running === 0 ? [] : [{ kind: "chat-run", count: running, message: `${running} turns run` }]
    const canRestart = parts.updates?.canRestart === true
    const { drainMs } = parts.config.gateway
    return { ok: true as const, canRestart, safe: running === 0, running, queued, waiting, drainMs, blockers }
  },
})

const again = method({
  name: "gateway.restart.request",
  summary: "Lets running turns end, ends the gateway and starts it again in its place, under the same process id.",
  scope: "operator.admin",
  limited: "controlWrites",
  normalize: (params) => ({ ...params, delayMs: params["delayMs"] ?? params["restartDelayMs"] }),
  params: () => z.object({ reason: z.string().max(500).optional(), delayMs: delay() }),
  result: () => z.object({ ok: z.literal(true), pid: z.number(), delayMs: z.number(), bootId: z.string() }),
  async run({ delayMs = 1_000, reason }, { caller, parts }) {
    if (parts.updates?.restart(reason ?? `asked for by ${caller.clientId}`, delayMs))
      return { ok: true as const, pid: process.pid, delayMs, bootId: parts.bootId }
    throw new PincerError(
      "CONFLICT",
      "This gateway runs inside another program, or on a system where a process cannot replace itself: run pincer gateway restart",
    )
  },
})

export const updateMethods: readonly Method[] = [check, status, run, runs, oneRun, preflight, again]
