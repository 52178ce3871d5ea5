// agents.create, update, delete and their older names; who answers where; who an agent says that it is.
import { z } from "zod"
import { requireAgent, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { person } from "./approvals.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

const work = () => import("../agents/agent-config.ts")

const id = () => z.string({ error: "agentId is required" }).trim().toLowerCase().min(1).max(64)
const text = (max: number) => z.string().trim().min(1).max(max)
const changes = () => ({
  workspace: text(4_096).nullable().optional().describe("Absolute path; default: one of its own in Pincer's home"),
  model: text(200).nullable().optional().describe("provider/model"),
  emoji: text(32).nullable().optional(),
  avatar: text(2_000).nullable().optional(),
  systemPrompt: z.string().max(100_000).nullable().optional(),
})
const byId = (params: Record<string, unknown>) => renamed(params, { agentId: ["id", "agent"] })

const create = method({
  name: "agents.create",
  summary: "Adds an agent to the configuration.",
  scope: "operator.admin",
  limited: "controlWrites",
  normalize: byId,
  params: () =>
    z.object({
      name: text(200),
      agentId: id().optional().describe("Default: made from the name"),
      ...changes(),
    }),
  result: () =>
    z.object({
      ok: z.literal(true),
      agentId: z.string(),
      name: z.string(),
      workspace: z.string(),
      model: z.string().optional(),
    }),
  async run({ agentId, ...change }, { caller, parts }) {
    const { agentIdOf, createAgent } = await work()
    const made = agentId ?? agentIdOf(change.name)
    await createAgent(made, change, person(caller), parts)
    const { model, name, workspace } = requireAgent(made, parts)
    return { ok: true as const, agentId: made, name, workspace, ...(model === undefined ? {} : { model }) }
  },
})

const add = method({
  name: "agents.add",
  summary: "agents.create by an id, with an entry of agents.entries as the configuration has it.",
  scope: "operator.admin",
  limited: "controlWrites",
  normalize: byId,
  params: () => z.object({ agentId: id(), config: z.record(z.string(), z.unknown()).optional() }),
  result: () => z.object({ agent_id: z.string(), agentId: z.string(), created: z.boolean() }),
  async run({ agentId, config = {} }, { caller, parts }) {
    const { createAgent } = await work()
    await createAgent(agentId, config, person(caller), parts)
    return { agent_id: agentId, agentId, created: true }
  },
})

const update = method({
  name: "agents.update",
  summary: "Changes an agent in the configuration; null takes a value away.",
  scope: "operator.admin",
  limited: "controlWrites",
  // Nulls mean something here.
  normalize: (params) => ({ ...params, ...byId(params) }),
  params: () => z.object({ agentId: id(), name: text(200).nullable().optional(), ...changes() }),
  result: () => z.object({ ok: z.literal(true), agentId: z.string() }),
  async run({ agentId, ...change }, { caller, parts }) {
    const { updateAgent } = await work()
    await updateAgent(agentId, change, person(caller), parts)
    return { ok: true as const, agentId }
  },
})

const remove = method({
  name: "agents.delete",
  aliases: ["agents.remove"],
  summary: "Stops an agent and takes it out of the configuration. Its sessions stay; the default agent refuses.",
  scope: "operator.admin",
  limited: "controlWrites",
  normalize: byId,
  params: () =>
    z.object({
      agentId: id(),
      deleteFiles: z.boolean().optional().describe("Also the workspace, where Pincer made it"),
    }),
  result: () =>
    z.object({
      ok: z.literal(true),
      agentId: z.string(),
      agent_id: z.string(),
      removedBindings: z.number(),
      removed: z.array(z.string()),
      failed: z.array(z.string()),
    }),
  async run({ agentId, deleteFiles = false }, { caller, parts }) {
    const { deleteAgent } = await work()
    const gone = await deleteAgent(agentId, deleteFiles, person(caller), parts)
    return { ok: true as const, agentId, agent_id: agentId, removedBindings: 0, ...gone }
  },
  py: ({ agentId }): unknown => ({ agent_id: agentId, removed: true }),
})

interface Binding {
  pattern: string
  agentId: string
}

const bindings = method({
  name: "agents.bindings",
  summary: "Which agent answers in sessions of which keys: the most specific pattern counts.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object({ bindings: z.array(z.object({ pattern: z.string(), agentId: z.string() })) }),
  async run(_params, { parts }) {
    const { default: fallback } = parts.config.agents
    const own = [...parts.agents.keys()].map((agentId): Binding => ({ pattern: `agent:${agentId}:*`, agentId }))
    return { bindings: [...own, { pattern: "*", agentId: fallback }] }
  },
  py: (result): unknown => result.bindings,
})

export function identityOf(agentId: string, parts: Parts) {
  const { name } = requireAgent(agentId, parts)
  const { avatar, emoji } = parts.config.agents.entries[agentId] ?? {}
  return { agentId, name, ...(emoji ? { emoji } : {}), ...(avatar ? { avatar } : {}) }
}

const identity = method({
  name: "agent.identity.get",
  summary: "What an agent is called, and how it is shown.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () => z.object(sessionFields()),
  result: () =>
    z.object({
      agentId: z.string(),
      name: z.string(),
      emoji: z.string().optional(),
      avatar: z.string().optional(),
    }),
  run: async (params, { parts }) => identityOf((await resolveSession(params, parts)).agentId, parts),
})

export const agentConfigMethods: readonly Method[] = [create, add, update, remove, bindings, identity]
