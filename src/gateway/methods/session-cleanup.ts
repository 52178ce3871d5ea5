// sessions.cleanup: deletes what nobody has used for long. Never main sessions, never one at work.
import { z } from "zod"
import { MAIN_KEY, parseSessionKey } from "../../protocol/session.ts"
import { resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { endLeave } from "./elevated.ts"
import { type Method, method } from "./method.ts"
import { tidy } from "./params.ts"

const DAY_MS = 86_400_000
const DAYS = 30

const cleanup = method({
  name: "sessions.cleanup",
  summary: "Deletes sessions that were not used for some days; main ones, active ones and those at work stay.",
  scope: "operator.admin",
  normalize(params, caller) {
    const out = tidy(params)
    // A client of the newer protocol says `enforce`; without it, it only asks what would go.
    if (out["dryRun"] === undefined)
      out["dryRun"] = out["enforce"] === undefined ? caller.dialect === "claw" : out["enforce"] !== true
    if (out["agentId"] === undefined) out["agentId"] = out["agent"]
    return out
  },
  params: () =>
    z.object({
      olderThanDays: z.number().min(0).max(36_500).optional().describe(`Default ${DAYS}`),
      dryRun: z.boolean().describe("Only count; default in the claw dialect, unless enforce is true"),
      activeKey: z.string().optional().describe("A session that stays"),
      agentId: z.string().optional(),
    }),
  result: () =>
    z.object({
      ok: z.literal(true),
      dryRun: z.boolean(),
      olderThanDays: z.number(),
      removed: z.number().describe("With dryRun: would be removed"),
      skipped: z.number().describe("Old enough, but kept"),
      keys: z.array(z.string()).describe("The first 100 of them"),
    }),
  async run({ activeKey, agentId, dryRun, olderThanDays = DAYS }, { caller, parts }) {
    const before = parts.clock.now() - olderThanDays * DAY_MS
    const active = activeKey === undefined ? undefined : (await resolveSession(named(activeKey), parts)).key
    const { sessions } = await parts.store.sessions.list(agentId === undefined ? {} : { agentId })
    const old = sessions.filter(({ updatedAt }) => updatedAt < before)
    const stays = (key: string) =>
      key === active || parseSessionKey(key).rest === MAIN_KEY || parts.lanes.active(key).length > 0
    const going = old.map(({ key }) => key).filter((key) => !stays(key))
    let removed = going.length
    if (!dryRun) {
      removed = 0
      for (const key of going) if (!stays(key) && (await remove(key, parts, caller))) removed += 1
    }
    const counts = { removed, skipped: old.length - removed, keys: going.slice(0, 100) }
    return { ok: true as const, dryRun, olderThanDays, ...counts }
  },
})

/** A key, or a path that a listing gave. */
function named(activeKey: string) {
  return activeKey.startsWith("sessions/") ? { path: activeKey } : { key: activeKey }
}

async function remove(key: string, parts: Parts, caller: Parameters<typeof endLeave>[2]): Promise<boolean> {
  await endLeave(key, "the session was cleaned up", caller, parts)
  const removed = await parts.store.sessions.delete(key)
  if (removed) parts.notices.tell({ type: "deleted", key })
  return removed
}

export const sessionCleanupMethods: readonly Method[] = [cleanup]
