// agents.list, and the two calls that existing command lines use to run one turn: agent (two responses) and agent.wait.
import { z } from "zod"
import { MAIN_KEY } from "../../protocol/session.ts"
import { isFinal, type TurnRecord } from "../../protocol/turn.ts"
import { probeAgent } from "../agents/agent-probe.ts"
import { type AgentRow, agentRows } from "../agents/agents.ts"
import { attachmentParts, attachments } from "../attachments.ts"
import { promptedInput, resolveSession, turnRequest } from "../inbound.ts"
import { agentResult, failureOf, unfinished } from "../sessions/outcome.ts"
import { type Method, method } from "./method.ts"
import { idempotencyKey, permissions, renamed, sessionFields, thinking } from "./params.ts"

const MAX_WAIT_MS = 10 * 60_000

const list = method({
  name: "agents.list",
  summary: "The configured agents, and the known external agents that are installed.",
  scope: "operator.read",
  params: () => z.object({ all: z.boolean().optional().describe("Also known agents that are not installed") }),
  result: () =>
    z.looseObject({
      defaultId: z.string(),
      mainKey: z.string(),
      scope: z.enum(["per-sender", "global"]),
      agents: z.array(
        z.looseObject({
          id: z.string(),
          name: z.string(),
          workspace: z.string(),
          kind: z.literal("agent"),
          runsOn: z.enum(["model", "acp"]).describe("A model service, or an external agent over ACP"),
          configured: z.boolean(),
          installed: z.boolean(),
          title: z.string().optional(),
          command: z.array(z.string()).optional().describe("How an external agent is started"),
          version: z.string().optional(),
          install: z.string().optional().describe("What installs it, where it is missing"),
        }),
      ),
    }),
  async run(params, { parts }) {
    return {
      defaultId: parts.config.agents.default,
      ownership: "sole",
      selectionRequired: false,
      mainKey: MAIN_KEY,
      scope: "per-sender",
      agents: await agentRows(parts, params),
    }
  },
  rpc: (result): unknown => {
    const names = result.agents.map(({ id }: AgentRow) => id)
    return { ...result, agents: names, supported: names, rows: result.agents }
  },
  py: (result): unknown => result.agents.map(({ id, name, model }: AgentRow) => ({ id, name, model: model.primary })),
})

const agent = method({
  name: "agent",
  summary: 'Runs one turn: first {runId, status:"accepted"}, then the result in a second response with the same id.',
  scope: "operator.write",
  normalize(params) {
    const out = renamed(params, { path: ["file"], systemPrompt: ["extraSystemPrompt"] })
    if (typeof out["timeout"] === "number" && out["timeoutMs"] === undefined)
      out["timeoutMs"] = Math.round(out["timeout"] * 1000)
    if (typeof out["thinking"] === "string" && out["thinking"].trim() === "") delete out["thinking"]
    return out
  },
  params: () =>
    z.object({
      ...sessionFields(),
      message: z.string().min(1, { error: "message is required" }).max(500_000),
      attachments: attachments(),
      idempotencyKey: idempotencyKey(),
      model: z.string().min(1).optional(),
      provider: z.string().min(1).optional(),
      thinking: thinking(),
      systemPrompt: z.string().max(100_000).optional(),
      cwd: z.string().optional(),
      label: z.string().min(1).max(64).optional(),
      timeoutMs: z.number().int().min(0).optional().describe("Also as `timeout`, in seconds"),
      abortPrevious: z.boolean().optional(),
      permissions: permissions(),
      expectFinal: z.boolean().optional().describe("false: only the first response"),
    }),
  result: () =>
    z.looseObject({
      runId: z.string(),
      status: z.enum(["accepted", "ok"]),
      summary: z.string().optional(),
      result: z
        .looseObject({
          payloads: z.array(z.looseObject({ text: z.string() })),
          meta: z.looseObject({ durationMs: z.number(), agentMeta: z.looseObject({ sessionId: z.string() }) }),
        })
        .optional(),
    }),
  async run(params, context) {
    const { caller, parts } = context
    const session = await resolveSession(params, parts)
    const input = [{ type: "text" as const, text: params.message }, ...attachmentParts(params.attachments)]
    const sampling = params.thinking === undefined ? undefined : { thinking: params.thinking }
    const said = await promptedInput(input, session, params.cwd, context)
    const request = turnRequest(session, { ...params, ...said, sampling }, caller, parts)
    if (params.label !== undefined) {
      await parts.store.sessions.ensure(session.key, session.agentId)
      await parts.store.sessions.patch(session.key, { label: params.label })
    }
    context.follow(request.turnId)
    const { record } = await parts.lanes.submit(request)
    const ack = { ...accepted(record), acceptedAt: record.acceptedAt }
    if (params.expectFinal === false) return ack
    if (!isFinal(record.status) && caller.dialect !== "py") context.accept(ack)
    const ended = isFinal(record.status) ? record : await parts.lanes.wait(record.turnId, { signal: caller.signal })
    if (!ended) throw unfinished(record.turnId)
    const failure = failureOf(ended)
    if (failure) throw failure
    return agentResult(ended)
  },
})

function accepted(record: TurnRecord) {
  return { runId: record.turnId, status: "accepted", sessionKey: record.sessionKey, agentId: record.agentId }
}

const wait = method({
  name: "agent.wait",
  summary: "Waits until a run has ended.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { runId: ["id", "idempotencyKey"] }),
  params: () =>
    z.object({
      runId: z.string().min(1),
      timeoutMs: z.number().min(0).optional().describe("Default 30000, at most ten minutes"),
    }),
  result: () =>
    z.looseObject({
      runId: z.string(),
      status: z.enum(["ok", "error", "timeout"]),
      startedAt: z.number().nullable(),
      endedAt: z.number().nullable(),
      error: z.string().optional(),
      errorCode: z.string().optional(),
      stopReason: z.string().optional(),
    }),
  async run(params, { caller, parts }) {
    const timeoutMs = Math.min(params.timeoutMs ?? 30_000, MAX_WAIT_MS)
    const record = await parts.lanes.wait(params.runId, { timeoutMs, signal: caller.signal })
    if (!record) {
      const now = await parts.store.turns.get(params.runId)
      return {
        runId: params.runId,
        status: "timeout",
        state: now?.status,
        startedAt: now?.startedAt ?? null,
        endedAt: null,
      }
    }
    const failure = failureOf(record)
    return {
      runId: record.turnId,
      status: record.status === "timeout" ? "timeout" : failure ? "error" : "ok",
      state: record.status,
      startedAt: record.startedAt,
      endedAt: record.endedAt,
      ...(failure ? { error: failure.message, errorCode: failure.code } : {}),
      ...(record.status === "canceled" ? { aborted: true } : {}),
      stopReason: record.outcome?.stop,
    }
  },
})

const probe = method({
  name: "agents.probe",
  summary:
    "Starts an external agent, shakes hands, opens a session in an empty folder, and ends it. Asks no model anything.",
  scope: "operator.admin",
  normalize: (params) => renamed(params, { agentId: ["id", "agent"] }),
  params: () => z.object({ agentId: z.string().min(1) }),
  result: () =>
    z.looseObject({
      agentId: z.string(),
      ok: z.boolean(),
      error: z.string().optional(),
      command: z.array(z.string()).optional(),
      protocol: z.number().optional(),
      name: z.string().optional(),
      version: z.string().optional(),
      abilities: z.array(z.string()).optional(),
      authMethods: z
        .array(z.looseObject({ id: z.string(), name: z.string(), credential: z.boolean() }))
        .optional()
        .describe("`credential`: whether the configuration has one for it"),
      session: z.enum(["ready", "login"]).optional(),
      startMs: z.number().optional().describe("From the start to the answer of initialize"),
      sessionMs: z.number().optional().describe("From there to a session"),
    }),
  run: ({ agentId }, { parts }) => probeAgent(agentId, parts),
})

export const agentMethods: readonly Method[] = [list, agent, wait, probe]
