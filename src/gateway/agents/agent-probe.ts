// A trial of an external agent, as callers see it: what fails is an answer, too, because finding that out is what they came for.
import { mkdtemp, realpath, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AgentReport } from "../../acp/host/host-ports.ts"
import type { AgentHost } from "../../acp/host/index.ts"
import type { HostedProfile } from "../../agent/agent.ts"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { requireAgent } from "../inbound.ts"
import type { Parts } from "../parts.ts"

export interface AgentProbe {
  agentId: string
  ok: boolean
  error?: string
  command?: readonly string[]
  protocol?: number
  name?: string
  version?: string
  abilities?: string[]
  authMethods?: { id: string; name: string; credential: boolean }[]
  session?: "ready" | "login"
  startMs?: number
  sessionMs?: number
}

/** Throws NOT_FOUND for an unknown agent, INVALID_PARAMS for one of ours. */
export async function probeAgent(
  agentId: string,
  parts: Pick<Parts, "agents" | "config"> & { host?: Pick<AgentHost, "probe"> },
): Promise<AgentProbe> {
  const agent = requireAgent(agentId, parts)
  if (!agent.hosted)
    throw new PincerError("INVALID_PARAMS", `"${agentId}" runs on a model: try it with "pincer models probe"`)
  if (!parts.host) throw new PincerError("NOT_IMPLEMENTED", "This gateway runs no external agents")
  const folder = await realpath(await mkdtemp(join(tmpdir(), "pincer-agent-")))
  try {
    return shown(agentId, await parts.host.probe(agent, folder), agent.hosted)
  } catch (error) {
    return { agentId, ok: false, error: asPincerError(error).message }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function shown(agentId: string, report: AgentReport, hosted: HostedProfile): AgentProbe {
  const { command, facts, session, sessionMs, startMs } = report
  const name = facts.title ?? facts.name
  return {
    agentId,
    ok: session.type === "ready",
    ...(session.type === "login" ? { error: session.message } : {}),
    command,
    protocol: facts.protocol,
    ...(name === undefined ? {} : { name }),
    ...(facts.version === undefined ? {} : { version: facts.version }),
    abilities: Object.entries(facts.abilities).flatMap(([ability, has]) => (has ? [ability] : [])),
    authMethods: facts.authMethods.map(({ id, name }) => ({ id, name, credential: hasCredential(hosted, id) })),
    session: session.type,
    startMs: Math.round(startMs),
    sessionMs: Math.round(sessionMs),
  }
}

/** A reference that leads nowhere gives none. */
function hasCredential(hosted: HostedProfile, methodId: string): boolean {
  try {
    return hosted.credential(methodId) !== undefined
  } catch (error) {
    if (error instanceof PincerError) return false
    throw error
  }
}
