// tools.catalog, tools.effective and tools.invoke: which tools there are, which an agent may call, and calling one by hand.
import { z } from "zod"
import { outright, unlisted } from "../../policy/names.ts"
import { resolvePermissions } from "../../policy/permissions.ts"
import { PROFILES } from "../../policy/profiles.ts"
import { matchesAny } from "../../policy/tool-names.ts"
import type { Tool } from "../../tools/tool.ts"
import { resolveSession } from "../inbound.ts"
import { knownTools } from "../policy/known-tools.ts"
import { configuredPermissions, policyLayers, sessionPermissions } from "../policy/rights.ts"
import { callTool, type HandResult } from "../sessions/tool-calls.ts"
import { type Method, method } from "./method.ts"
import { idempotencyKey, renamed, sessionFields, tidy } from "./params.ts"
import { toolRow, toolRowSchema } from "./tools.ts"

const GROUPS = {
  read: "Files, read",
  search: "Search",
  write: "Files, written",
  exec: "Commands",
  network: "Web",
  control: "The agent's own",
} as const

const group = () =>
  z.object({
    id: z.string(),
    label: z.string(),
    source: z.literal("core"),
    tools: z.array(
      z.looseObject({
        id: z.string(),
        label: z.string(),
        description: z.string(),
        rawDescription: z.string(),
        source: z.literal("core"),
        defaultProfiles: z.array(z.string()).describe("Profiles of tools that hold it"),
      }),
    ),
  })

function groupsOf(tools: readonly Tool[]) {
  return Object.entries(GROUPS)
    .map(([id, label]) => ({
      id,
      label,
      source: "core" as const,
      tools: tools
        .filter((tool) => tool.class === id)
        .map(({ description, name }) => ({
          id: name,
          label: name,
          description,
          rawDescription: description,
          source: "core" as const,
          defaultProfiles: profilesOf(name),
        })),
    }))
    .filter(({ tools: inside }) => inside.length > 0)
}

const PROFILE_NAMES = ["minimal", "coding", "messaging", "full"] as const

function profilesOf(tool: string): string[] {
  return PROFILE_NAMES.filter((name) => name === "full" || matchesAny(PROFILES[name], tool))
}

const catalog = method({
  name: "tools.catalog",
  summary: "The tools of an agent in groups, with the names of the tool profiles.",
  scope: "operator.read",
  normalize: tidy,
  params: () => z.object({ agentId: z.string().optional() }),
  result: () =>
    z.object({
      agentId: z.string(),
      profiles: z.array(z.object({ id: z.string(), label: z.string() })),
      groups: z.array(group()),
      tools: z.array(toolRowSchema()),
      count: z.number(),
    }),
  async run(params, { parts }) {
    const agentId = params.agentId ?? parts.config.agents.default
    const tools = await knownTools(agentId, parts)
    const profiles = PROFILE_NAMES.map((id) => ({ id, label: id }))
    return { agentId, profiles, groups: groupsOf(tools), tools: tools.map(toolRow), count: tools.length }
  },
})

const effective = method({
  name: "tools.effective",
  summary:
    "The tools that policy lets a session call, and why not the others. A single call may still be denied or asked.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () => z.object(sessionFields()),
  result: () =>
    z.object({
      agentId: z.string(),
      sessionKey: z.string(),
      profile: z.string(),
      groups: z.array(group()),
      notices: z.array(
        z.object({ id: z.string().describe("The tool"), severity: z.literal("info"), message: z.string() }),
      ),
    }),
  async run(params, { parts }) {
    const { agentId, key } = await resolveSession(params, parts)
    const tools = await knownTools(agentId, parts)
    const origin = { door: "control" as const }
    const session = await parts.store.sessions.get(key)
    const permissions = resolvePermissions([
      ...configuredPermissions(parts.config, agentId, origin),
      ...sessionPermissions(session),
    ])
    const layers = policyLayers(parts.config, agentId, origin, undefined, undefined)
    const notices: { id: string; severity: "info"; message: string }[] = []
    const usable = tools.filter(({ name }) => {
      const scene = { call: { tool: name }, layers, permissions }
      const [objection] = [...outright(scene), ...unlisted(scene)]
      if (objection) notices.push({ id: name, severity: "info", message: objection.reason })
      return !objection
    })
    const profile = layers.findLast((layer) => layer.profile !== undefined)?.profile ?? "full"
    const groups = groupsOf(usable).flatMap((one) => one.tools)
    const core = { id: "core", label: "Pincer's own", source: "core" as const, tools: groups }
    return { agentId, sessionKey: key, profile, groups: [core], notices }
  },
})

const invoke = method({
  name: "tools.invoke",
  summary:
    "Calls a tool by hand in a session. Policy decides as for an agent's call; one that must be asked about waits.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { path: ["file"], name: ["tool", "toolName"] }),
  params: () =>
    z.object({
      ...sessionFields(),
      name: z.string({ error: "name is required" }).min(1).max(200),
      args: z.record(z.string(), z.unknown()).optional(),
      idempotencyKey: idempotencyKey(),
    }),
  result: () =>
    z.object({
      ok: z.boolean(),
      toolName: z.string(),
      runId: z.string().describe("A repeat with this idempotencyKey gives the outcome, without a second call"),
      output: z.object({ text: z.string(), details: z.record(z.string(), z.unknown()).optional() }).optional(),
      requiresApproval: z.boolean().optional(),
      approvalId: z.string().optional(),
      expiresAtMs: z.number().optional(),
      source: z.literal("core"),
      error: z.object({ code: z.enum(["denied", "tool_error"]), message: z.string() }).optional(),
    }),
  async run({ args = {}, idempotencyKey: key, name, ...named }, { caller, follow, parts }) {
    const session = await resolveSession(named, parts)
    if (key !== undefined) follow(key)
    const call = { tool: name, args, ...(key === undefined ? {} : { idempotencyKey: key }) }
    return answerTo(name, await callTool(session, call, caller, parts))
  },
})

function answerTo(toolName: string, result: HandResult) {
  const base = { toolName, runId: result.runId, source: "core" as const }
  switch (result.type) {
    case "done":
      return { ok: true, ...base, output: outputOf(result) }
    case "failed":
      return {
        ok: false,
        ...base,
        output: outputOf(result),
        error: { code: "tool_error" as const, message: result.text },
      }
    case "denied":
      return { ok: false, ...base, error: { code: "denied" as const, message: result.text } }
    case "waiting": {
      const { approvalId, expiresAtMs } = result
      return { ok: false, ...base, requiresApproval: true, approvalId, expiresAtMs }
    }
  }
}

function outputOf({ details, text }: { text: string; details?: Record<string, unknown> }) {
  return { text, ...(details ? { details } : {}) }
}

export const toolCallMethods: readonly Method[] = [catalog, effective, invoke]
