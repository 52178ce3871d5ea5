// The session of an agent that a turn runs in: the one that is open, the one that it remembers, or a new one, which is told what it missed.
import type { HostedTurn } from "../../agent/harness.ts"
import { PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import { RpcFailure, saidBy } from "../peer.ts"
import type { AgentLink } from "./agent-link.ts"
import type { HostSession, TurnEar } from "./host-session.ts"
import { type LoginWants, loggedIn, wantsLogin } from "./login.ts"
import { type Remembered, remembered } from "./memory.ts"
import { textBlock } from "./prompt.ts"
import type { Update } from "./session-book.ts"

const SESSION_MS = 30_000
const LOAD_MS = 60_000

export interface Opened {
  session: HostSession
  /** What it remembers of before; undefined for a new one. */
  memory: Remembered | undefined
  /** The agent took the system prompt itself. */
  instructed: boolean
}

export interface OpenInput {
  link: AgentLink
  turn: HostedTurn
  ear: TurnEar
  /** How the agent is named in the memory of sessions. */
  agent: string
  log: Logger
  notice(code: string, text: string): void
}

/** Throws PincerError, RpcFailure and NeedsVariables. */
export async function openSession(input: OpenInput): Promise<Opened> {
  const { agent, ear, link, turn } = input
  const memory = remembered(turn, agent)
  const open = memory && link.sessions.get(memory.session)
  if (memory && open) {
    if (open.ear) throw new PincerError("CONFLICT", `The session "${turn.session.key}" has a turn that still runs`)
    open.attach(ear)
    return { session: open, memory, instructed: true }
  }
  const again = memory ? await reopened(input, memory) : undefined
  if (again) return { session: again, memory, instructed: true }
  const wanted = newParams(input)
  const timeoutMs = link.spec.quirks.sessionMs ?? SESSION_MS
  const begin = () => link.request("session/new", wanted.params, { timeoutMs, signal: ear.signal })
  const session = await loggedIn(link, loginOf(input), () => link.open(begin, opening(input, undefined)))
  return { session, memory: undefined, instructed: wanted.instructed }
}

function opening({ ear, turn }: OpenInput, known: string | undefined) {
  return {
    of: { key: turn.session.key, log: turn.session.id },
    known,
    made: (session: HostSession) => session.attach(ear),
  }
}

export function loginOf({ notice, turn }: Pick<OpenInput, "notice" | "turn">): LoginWants {
  return {
    authPolicy: turn.authPolicy,
    credential: (id) => turn.profile.hosted?.credential(id),
    notice: (text) => notice("login_wanted", text),
  }
}

/** The session of an earlier process; undefined when the agent cannot go on with it. */
async function reopened(input: OpenInput, memory: Remembered): Promise<HostSession | undefined> {
  const { ear, link, log, turn } = input
  const { abilities, protocol } = link.facts
  if (!abilities.resume && !abilities.load) return undefined
  const method = abilities.resume ? "session/resume" : "session/load"
  const params = { sessionId: memory.session, cwd: turn.cwd, mcpServers: servers(input) }
  const call = () => link.request(method, params, { timeoutMs: LOAD_MS, signal: ear.signal })
  try {
    return await loggedIn(link, loginOf(input), () => link.open(call, opening(input, memory.session)))
  } catch (error) {
    const lost = error instanceof RpcFailure && !wantsLogin(error, link)
    const late = error instanceof PincerError && error.code === "TIMEOUT" && link.ready
    if (!lost && !late) throw error
    const why = error instanceof RpcFailure ? saidBy(error) : error.message
    log.info({ agent: link.spec.agentId, method, protocol, why }, "An agent could not go on with a session")
    return undefined
  }
}

function newParams(input: OpenInput): { params: Update; instructed: boolean } {
  const { link, turn } = input
  const { systemPrompt } = turn.profile
  const params = { cwd: turn.cwd, mcpServers: servers(input) }
  if (systemPrompt === undefined) return { params, instructed: true }
  const instructed = link.facts.abilities.systemPrompt
  const told = instructed ? { systemPrompt: { mode: "append", content: [textBlock(systemPrompt)] } } : {}
  return { params: { ...params, ...told }, instructed }
}

/** Those that the agent can reach; of the others the person is told. */
function servers({ link, notice, turn }: OpenInput): Update[] {
  const { abilities, protocol } = link.facts
  return (turn.profile.hosted?.mcpServers ?? []).flatMap((server) => {
    if (server.type === "stdio" || abilities[server.type]) return [serverOf(server, protocol)]
    const text = `${link.spec.title} cannot use the MCP server "${server.name}": it takes no ${server.type} servers`
    notice("mcp_server_left_out", text)
    return []
  })
}

function serverOf(server: McpServer, protocol: 1 | 2): Update {
  const { name } = server
  if (server.type !== "stdio") return { type: server.type, name, url: server.url, headers: pairs(server.headers) }
  const { args, command, env } = server
  return { ...(protocol === 2 ? { type: "stdio" } : {}), name, command, args, env: pairs(env) }
}

function pairs(record: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(record).map(([name, value]) => ({ name, value }))
}
