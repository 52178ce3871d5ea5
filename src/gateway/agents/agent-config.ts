// Agents made, changed and taken away: entries of agents.entries in the configuration, written through the one way of changing it.
import { rm } from "node:fs/promises"
import { basename, dirname } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { isAgentId } from "../../protocol/session.ts"
import { writeConfigFor } from "../config/config-calls.ts"
import { requireAgent } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { isConfigured } from "./agents.ts"

/** What callers may set of an agent; null takes away. */
export interface AgentChange {
  name?: string | null
  workspace?: string | null
  model?: string | null
  emoji?: string | null
  avatar?: string | null
  systemPrompt?: string | null
}

/** `Mail helper` → `mail-helper`. Throws INVALID_PARAMS for a name that gives no id. */
export function agentIdOf(name: string): string {
  const id = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^[-_]+|-+$/g, "")
    .slice(0, 64)
  if (isAgentId(id)) return id
  throw new PincerError("INVALID_PARAMS", `"${name}" gives no agent id: pass agentId too, of a-z, 0-9, "-" and "_"`)
}

/** Throws ALREADY_EXISTS for one that the configuration names, NOT_FOUND for a model that nobody knows. */
export async function createAgent(id: string, change: AgentChange, who: string, parts: Parts): Promise<void> {
  if (!isAgentId(id)) throw new PincerError("INVALID_PARAMS", `"${id}" is no agent id: use a-z, 0-9, "-" and "_"`)
  if (isConfigured(id, parts)) throw new PincerError("ALREADY_EXISTS", `agent "${id}" already exists`)
  checkModel(change, parts)
  await write(id, change, who, parts)
}

/** Throws NOT_FOUND. */
export async function updateAgent(id: string, change: AgentChange, who: string, parts: Parts): Promise<void> {
  requireAgent(id, parts)
  checkModel(change, parts)
  await write(id, change, who, parts)
}

/** What became of its workspace: only one of Pincer's own making is deleted, and only when that is wanted. */
export interface Removal {
  removed: string[]
  failed: string[]
}

/** Stops what it does and takes it out of the configuration; its sessions stay in the store. The default agent refuses. */
export async function deleteAgent(id: string, deleteFiles: boolean, who: string, parts: Parts): Promise<Removal> {
  const { workspace } = requireAgent(id, parts)
  if (id === parts.config.agents.default)
    throw new PincerError("INVALID_PARAMS", `"${id}" is the default agent: make another one the default first`)
  if (!Object.hasOwn(parts.config.agents.entries, id))
    throw new PincerError(
      "INVALID_PARAMS",
      `"${id}" is built in and stands in no configuration: there is nothing to delete`,
    )
  const { sessions } = await parts.store.sessions.list({ agentId: id })
  for (const { key } of sessions)
    if (parts.lanes.active(key).length > 0) await parts.lanes.cancel({ sessionKey: key, queued: true })
  await writeConfigFor(
    parts,
    { edit: { type: "patch", patch: { agents: { entries: { [id]: null } } } }, needsHash: false },
    who,
  )
  const isOurs = dirname(workspace) === parts.home && basename(workspace) === `workspace-${id}`
  if (!deleteFiles || !isOurs) return { removed: [], failed: [] }
  try {
    await rm(workspace, { recursive: true, force: true })
    return { removed: [workspace], failed: [] }
  } catch (error) {
    parts.log.warn({ err: error, workspace }, "The workspace of a deleted agent could not be removed")
    return { removed: [], failed: [workspace] }
  }
}

function checkModel({ model }: AgentChange, parts: Parts): void {
  if (typeof model === "string") parts.catalogue.resolve(model)
}

async function write(id: string, change: AgentChange, who: string, parts: Parts): Promise<void> {
  const entry = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  const patch = { agents: { entries: { [id]: entry } } }
  await writeConfigFor(parts, { edit: { type: "patch", patch }, needsHash: false }, who)
}
