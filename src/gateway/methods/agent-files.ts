// agents.files.* and agents.workspace.*: the files that describe an agent, and what lies in its workspace.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { requireAgent } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { type Method, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const work = () => import("../agents/agent-files.ts")

const byId = (params: Record<string, unknown>) => renamed(params, { agentId: ["id", "agent"], name: ["file"] })
const agentId = () => z.string().min(1).optional().describe("Default: the default agent")
const fileName = () => z.string({ error: "name is required" }).min(1).max(200)

const fileRow = () =>
  z.looseObject({
    name: z.string(),
    path: z.string(),
    missing: z.boolean(),
    size: z.number().optional(),
    updatedAtMs: z.number().optional(),
    content: z.string().optional(),
  })

function agentOf(id: string | undefined, parts: Parts) {
  const { id: known, workspace } = requireAgent(id ?? parts.config.agents.default, parts)
  return { agentId: known, workspace }
}

const list = method({
  name: "agents.files.list",
  summary: "The files that describe an agent, and which of them its workspace has.",
  scope: "operator.read",
  normalize: byId,
  params: () => z.object({ agentId: agentId() }),
  result: () => z.object({ agentId: z.string(), workspace: z.string(), files: z.array(fileRow()) }),
  async run(params, { parts }) {
    const { AGENT_FILES, agentFile } = await work()
    const agent = agentOf(params.agentId, parts)
    const files = []
    for (const name of AGENT_FILES) {
      const found = await agentFile(agent.workspace, name)
      files.push(
        found
          ? { name, path: found.path, missing: false, size: found.size, updatedAtMs: found.updatedAtMs }
          : { name, path: name, missing: true },
      )
    }
    return { ...agent, files }
  },
})

async function describing(name: string): Promise<void> {
  const { AGENT_FILES } = await work()
  if (AGENT_FILES.some((known) => known === name)) return
  throw new PincerError("INVALID_PARAMS", `unsupported file "${name}": there are ${AGENT_FILES.join(", ")}`)
}

const get = method({
  name: "agents.files.get",
  summary: "One of the files that describe an agent.",
  scope: "operator.read",
  normalize: byId,
  params: () => z.object({ agentId: agentId(), name: fileName() }),
  result: () => z.object({ agentId: z.string(), workspace: z.string(), file: fileRow() }),
  async run({ agentId: id, name }, { parts }) {
    await describing(name)
    const { agentFile } = await work()
    const agent = agentOf(id, parts)
    const found = await agentFile(agent.workspace, name)
    return { ...agent, file: found ? { ...found, missing: false } : { name, path: name, missing: true } }
  },
})

const set = method({
  name: "agents.files.set",
  summary: "Writes one of the files that describe an agent, as a whole.",
  scope: "operator.admin",
  normalize: byId,
  params: () => z.object({ agentId: agentId(), name: fileName(), content: z.string({ error: "content is required" }) }),
  result: () => z.object({ ok: z.literal(true), agentId: z.string(), workspace: z.string(), file: fileRow() }),
  async run({ agentId: id, content, name }, { parts }) {
    await describing(name)
    const { agentFile, writeAgentFile } = await work()
    const agent = agentOf(id, parts)
    await writeAgentFile(agent.workspace, name, content)
    if (name === "HEARTBEAT.md") parts.schedules?.lookForHeartbeats()
    const written = await agentFile(agent.workspace, name)
    return { ok: true as const, ...agent, file: { name, path: name, missing: false, ...written } }
  },
})

const folder = method({
  name: "agents.workspace.list",
  summary: "What lies in a folder of an agent's workspace.",
  scope: "operator.read",
  normalize: byId,
  params: () =>
    z.object({
      agentId: agentId(),
      path: z.string().max(4_096).optional(),
      offset: z.number().int().min(0).optional(),
      limit: count(1_000),
    }),
  result: () =>
    z.object({
      agentId: z.string(),
      path: z.string(),
      parentPath: z.string().optional(),
      entries: z.array(
        z.object({
          name: z.string(),
          path: z.string(),
          kind: z.enum(["directory", "file"]),
          link: z.literal(true).optional(),
          size: z.number(),
          updatedAtMs: z.number(),
        }),
      ),
      totalEntries: z.number(),
      offset: z.number(),
    }),
  async run({ agentId: id, limit = 500, offset = 0, path = "" }, { parts }) {
    const { listFolder } = await work()
    const agent = agentOf(id, parts)
    const { entries, ...place } = await listFolder(agent.workspace, path)
    const page = entries.slice(offset, offset + limit)
    return { agentId: agent.agentId, ...place, entries: page, totalEntries: entries.length, offset }
  },
})

const file = method({
  name: "agents.workspace.get",
  summary: "One file of an agent's workspace, as text or base64, at most a million bytes.",
  scope: "operator.read",
  normalize: byId,
  params: () => z.object({ agentId: agentId(), path: z.string({ error: "path is required" }).min(1).max(4_096) }),
  result: () =>
    z.object({
      agentId: z.string(),
      file: z.looseObject({
        name: z.string(),
        path: z.string(),
        size: z.number(),
        content: z.string(),
        encoding: z.enum(["utf8", "base64"]),
        mimeType: z.string(),
      }),
    }),
  async run({ agentId: id, path }, { parts }) {
    const { readWorkspaceFile } = await work()
    const agent = agentOf(id, parts)
    return { agentId: agent.agentId, file: await readWorkspaceFile(agent.workspace, path) }
  },
})

export const agentFileMethods: readonly Method[] = [list, get, set, folder, file]
