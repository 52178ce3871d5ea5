// plan.*: what agents declared that they mean to do, and taking it up again.
import { createHash } from "node:crypto"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import type { PlanRow } from "../../store/store.ts"
import { namesSession, resolveSession, turnRequest } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { goOnText, type PlanView, planView } from "../sessions/plan-view.ts"
import { type Method, method } from "./method.ts"
import { count, idempotencyKey, renamed, sessionFields } from "./params.ts"

const shown = () =>
  z.looseObject({
    id: z.string(),
    goal: z.string(),
    status: z.enum(["pending", "running", "paused", "completed", "failed"]),
    steps: z.array(
      z.object({
        id: z.string(),
        description: z.string(),
        status: z.enum(["pending", "in_progress", "completed"]),
        priority: z.enum(["high", "medium", "low"]),
      }),
    ),
    currentStepIndex: z.number(),
    iterationCount: z.number(),
    createdAt: z.number(),
    updatedAt: z.number(),
    sessionKey: z.string(),
    agentId: z.string(),
    runId: z.string(),
    markdown: z.string().optional(),
    file: z.string().optional(),
  })

const byId = (params: Record<string, unknown>) => renamed(params, { planId: ["id"] })
const planId = () => z.string({ error: "planId is required" }).min(1).max(100)

const list = method({
  name: "plan.list",
  summary: "Plans that agents declared, the one last spoken of first.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z.object({ ...sessionFields(), open: z.boolean().optional().describe("Only what is not done"), limit: count(500) }),
  result: () => z.object({ plans: z.array(shown()), count: z.number(), total: z.number() }),
  async run({ limit = 50, open, ...named }, { parts }) {
    const { agentId, ...session } = named
    const { plans, total } = await parts.store.plans.list({
      limit,
      ...(open === undefined ? {} : { open }),
      ...(agentId === undefined ? {} : { agentId }),
      ...(namesSession(session) ? { sessionKey: (await resolveSession(named, parts)).key } : {}),
    })
    const views = []
    for (const row of plans) views.push(await planView(row, parts))
    return { plans: views, count: views.length, total }
  },
})

async function requirePlan(id: string, parts: Parts): Promise<PlanRow> {
  const row = await parts.store.plans.get(id)
  if (row) return row
  throw new PincerError("NOT_FOUND", `Unknown plan "${id}": run "pincer plan list"`, { details: { planId: id } })
}

const get = method({
  name: "plan.get",
  summary: "One plan, step by step.",
  scope: "operator.read",
  normalize: byId,
  params: () => z.object({ planId: planId() }),
  result: shown,
  async run(params, { parts }) {
    return planView(await requirePlan(params.planId, parts), parts)
  },
})

const resume = method({
  name: "plan.resume",
  summary: "Begins a turn in the plan's session that goes on with what is left. A repeat begins no second one.",
  scope: "operator.write",
  normalize: byId,
  params: () => z.object({ planId: planId(), idempotencyKey: idempotencyKey() }),
  result: () =>
    z.object({
      resumed: z.boolean(),
      runId: z.string().nullable(),
      reason: z.string().optional().describe("Why not"),
      plan: shown(),
    }),
  async run(params, context) {
    const { caller, parts } = context
    const row = await requirePlan(params.planId, parts)
    const plan = await planView(row, parts)
    const turnId = params.idempotencyKey ?? (await keyFor(row, parts))
    const known = await parts.store.turns.get(turnId)
    if (!known) {
      const refused = whyNot(plan, parts)
      if (refused) return { resumed: false, ...refused, plan }
    }
    const input = [{ type: "text" as const, text: goOnText(plan) }]
    const request = turnRequest(parseSessionKey(row.sessionKey), { input, idempotencyKey: turnId }, caller, parts)
    context.follow(turnId)
    const { record } = await parts.lanes.submit(request)
    return { resumed: true, runId: record.turnId, plan: await planView(row, parts) }
  },
})

function whyNot(
  { sessionKey, status }: PlanView,
  { lanes }: Parts,
): { reason: string; runId: string | null } | undefined {
  if (status === "completed") return { reason: "Every step is done", runId: null }
  const [active] = lanes.active(sessionKey)
  return active && { reason: `A turn is at work in ${sessionKey}`, runId: active.turnId }
}

/** The same for whoever resumes the plan at this point of its session: two at once begin one turn. */
async function keyFor({ id, revision, sessionKey }: PlanRow, { store }: Parts): Promise<string> {
  const [last] = await store.turns.list({ sessionKey, limit: 1 })
  const ended = last?.request.turnId.startsWith(`plan-${id}-`) && last.endedAt === null ? undefined : last?.turnId
  if (last && ended === undefined) return last.turnId
  const place = createHash("sha256")
    .update(`${revision} ${ended ?? ""}`)
    .digest("hex")
    .slice(0, 16)
  return `plan-${id}-${place}`
}

const remove = method({
  name: "plan.delete",
  summary: "Forgets a plan; what was said in its session stays. False when there is none.",
  scope: "operator.write",
  normalize: byId,
  params: () => z.object({ planId: planId() }),
  result: () => z.object({ deleted: z.boolean() }),
  run: async (params, { parts }) => ({ deleted: await parts.store.plans.delete(params.planId) }),
})

export const planMethods: readonly Method[] = [list, get, resume, remove]
