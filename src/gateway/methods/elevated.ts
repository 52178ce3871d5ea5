// elevated.get and elevated.set: a session's temporary leave from the sandbox. Who may approve grants it; who may not asks for it.
import { z } from "zod"
import { longestElevation } from "../../agent/elevated-gates.ts"
import type { ElevationAnswer } from "../../agent/elevation.ts"
import { grants } from "../../protocol/frame.ts"
import { ELEVATED_LEVELS, type ElevatedLevel } from "../../protocol/permission.ts"
import { elevatedRow } from "../approvals/approval-rows.ts"
import { requireAgent, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { person } from "./approvals.ts"
import { type Caller, type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

const state = () =>
  z.looseObject({
    sessionKey: z.string(),
    level: z.enum(ELEVATED_LEVELS),
    grantedAtMs: z.number().nullable(),
    expiresAtMs: z.number().nullable(),
    grantedBy: z.string().nullable(),
  })

const get = method({
  name: "elevated.get",
  summary: "Whether a session may leave the sandbox now, until when, and who granted it.",
  scope: "operator.read",
  params: () => z.object(sessionFields()),
  result: () => state().extend({ maxMs: z.number(), serverTimeMs: z.number() }),
  async run(params, { parts }) {
    const { agentId, key } = await resolveSession(params, parts)
    const { maxMs } = longestElevation(parts.config, agentId)
    return { ...elevatedRow(key, await parts.elevations.of(key)), maxMs, serverTimeMs: parts.clock.now() }
  },
})

/** What a session was given or asked for aside from its turns ends: it is about to be emptied or deleted. */
export async function endLeave(key: string, why: string, caller: Caller, parts: Parts): Promise<void> {
  await parts.approvals.withdraw(key, person(caller))
  await parts.elevations.end(key, why, person(caller))
}

/** Sets the level for a caller: granted at once when they may approve, else asked for. */
export async function setElevated(
  session: { key: string; agentId: string },
  wish: { level: ElevatedLevel; durationMs?: number },
  caller: Caller,
  parts: Parts,
): Promise<ElevationAnswer> {
  requireAgent(session.agentId, parts)
  const { clientId, deviceId } = caller
  return parts.elevations.set({
    sessionKey: session.key,
    agentId: session.agentId,
    ...wish,
    wisher: { door: "control", clientId, ...(deviceId === undefined ? {} : { deviceId }) },
    who: person(caller),
    mayGrant: grants(caller.scopes, "operator.approvals"),
  })
}

const set = method({
  name: "elevated.set",
  summary: "Lets a session leave the sandbox for a while; asks for it when the caller may not approve.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { level: ["elevatedLevel"] }),
  params: () =>
    z.object({
      ...sessionFields(),
      level: z.enum(ELEVATED_LEVELS, { error: `must be one of ${ELEVATED_LEVELS.join(", ")}` }),
      durationMs: z.number().int().min(1).optional().describe("Default: the longest that is allowed"),
    }),
  result: () =>
    state().extend({
      ok: z.boolean(),
      status: z.enum(["off", "granted", "asked"]),
      approvalId: z.string().optional().describe('With "asked": what waits for an answer'),
    }),
  async run({ level, durationMs, ...params }, { caller, parts }) {
    const session = await resolveSession(params, parts)
    const wish = { level, ...(durationMs === undefined ? {} : { durationMs }) }
    const answer = await setElevated(session, wish, caller, parts)
    return {
      ok: true,
      status: answer.type,
      ...elevatedRow(session.key, await parts.elevations.of(session.key)),
      ...(answer.type === "asked" ? { approvalId: answer.approval.id } : {}),
    }
  },
})

export const elevatedMethods: readonly Method[] = [get, set]
