// From a caller's words to a TurnRequest: which agent, which session, what is said. Every form in which the dialects name a
// session ends in one canonical key. A `path` is only ever looked up among sessions, never opened (PY-RPC-SES-05).
import { isAbsolute } from "node:path"
import type { AgentProfile } from "../agent/agent.ts"
import { hostedOf } from "../agent/hosted-profile.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import { nearWords } from "../base/spelling.ts"
import { resolvePermissions, widens } from "../policy/permissions.ts"
import type { TaintMark } from "../protocol/decision.ts"
import { grants } from "../protocol/frame.ts"
import type { Part } from "../protocol/message.ts"
import type { Permissions } from "../protocol/permission.ts"
import { MAIN_KEY, parseSessionKey, type SessionName } from "../protocol/session.ts"
import type { Origin, Sampling, TurnRequest } from "../protocol/turn.ts"
import type { SessionRow } from "../store/store.ts"
import { configuredAgents } from "./agents/agents.ts"
import type { Caller } from "./methods/method.ts"
import type { Parts } from "./parts.ts"
import { configuredPermissions } from "./policy/rights.ts"

export interface SessionParams {
  sessionKey?: string
  key?: string
  agentId?: string
  sessionId?: string
  path?: string
}

type Lookup = Pick<Parts, "config" | "store">

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const LISTED_PATH = /^sessions\/([a-z0-9][a-z0-9_-]{0,63})\/([0-9a-f-]{36})\.jsonl$/

/** The path under which a listing shows a session. It names no file. */
export function listedPath(session: Pick<SessionRow, "agentId" | "id">): string {
  return `sessions/${session.agentId}/${session.id}.jsonl`
}

/** Whether the caller named a session at all. */
export function namesSession(params: SessionParams): boolean {
  return [params.sessionKey, params.key, params.agentId, params.sessionId, params.path].some(
    (value) => value !== undefined,
  )
}

/**
 * The session that the params name; the main session when they name none. It need not exist yet, except for a path.
 * Throws INVALID_PARAMS when the words contradict each other or are malformed, NOT_FOUND for a path of a session that is gone.
 */
export async function resolveSession(params: SessionParams, parts: Lookup): Promise<SessionName> {
  const fallback = params.agentId ?? parts.config.agents.default
  const key = params.sessionKey ?? params.key
  if (key !== undefined) return agreeing(parseSessionKey(key, fallback), params.agentId)
  if (params.path !== undefined) return byPath(params.path, parts)
  const { sessionId } = params
  if (sessionId === undefined || sessionId === "" || sessionId === "default") return parseSessionKey(MAIN_KEY, fallback)
  const name = agreeing(parseSessionKey(sessionId, fallback), params.agentId)
  if (!UUID.test(sessionId) || (await parts.store.sessions.get(name.key))) return name
  const row = await parts.store.sessions.byId(sessionId.toLowerCase())
  return row ? agreeing(parseSessionKey(row.key), params.agentId) : name
}

/** The session as stored. Throws NOT_FOUND when there is none. */
export async function requireSession(params: SessionParams, parts: Lookup): Promise<SessionRow> {
  const name = await resolveSession(params, parts)
  const row = await parts.store.sessions.get(name.key)
  if (row) return row
  throw new PincerError("NOT_FOUND", `Unknown session "${name.key}": run "pincer session list"`, {
    details: { sessionKey: name.key },
  })
}

function agreeing(name: SessionName, agentId: string | undefined): SessionName {
  if (agentId === undefined || agentId.trim().toLowerCase() === name.agentId) return name
  throw new PincerError(
    "INVALID_PARAMS",
    `agentId "${agentId}" does not match session key "${name.key}": name one of them only`,
  )
}

async function byPath(path: string, parts: Lookup): Promise<SessionName> {
  const listed = LISTED_PATH.exec(path)
  const id = listed?.[2] ?? (UUID.test(path) ? path.toLowerCase() : undefined)
  if (id !== undefined) {
    const row = await parts.store.sessions.byId(id)
    if (row && (!listed || listed[1] === row.agentId)) return parseSessionKey(row.key)
    throw new PincerError("NOT_FOUND", `No session has the path "${path}" any more: list the sessions again`)
  }
  if (path.startsWith("agent:")) return parseSessionKey(path)
  throw new PincerError(
    "INVALID_PARAMS",
    `"${path}" is not the path of a session: use a key or a path that sessions.list returned`,
  )
}

/** Throws NOT_FOUND, naming those that are spelled like it, for an agent that is neither configured nor known. */
export function requireAgent(agentId: string, parts: Pick<Parts, "agents" | "config">): AgentProfile {
  const agent = parts.agents.get(agentId)
  if (agent) return agent
  const near = nearWords(agentId, [...parts.agents.keys()])
  const configured = configuredAgents(parts).map(({ id }) => id)
  const hint = near.length > 0 ? `did you mean ${near.join(" or ")}?` : `configured are ${configured.join(", ")}`
  throw new PincerError("NOT_FOUND", `Unknown agent "${agentId}": ${hint}`, {
    details: { code: "UNKNOWN_AGENT_ID", agentId },
  })
}

const PROMPT = "/mcp:"

/** What is said, with the text of an MCP server's prompt in the place of the command that called one (/mcp:<server>:<prompt> …). */
export async function promptedInput(
  input: Part[],
  session: Pick<SessionName, "agentId">,
  cwd: string | undefined,
  { caller, parts }: { caller: Pick<Caller, "signal">; parts: Parts },
): Promise<Pick<TurnInput, "input" | "outside">> {
  const [first] = input
  if (first?.type !== "text" || !first.text.trimStart().startsWith(PROMPT)) return { input }
  const { withPrompt } = await import("./mcp/mcp-prompts.ts")
  return withPrompt(input, session, { parts, cwd, signal: caller.signal })
}

/** What a door has understood of one input. */
export interface TurnInput {
  input: Part[]
  /** What of it somebody outside wrote. */
  outside?: TaintMark[]
  idempotencyKey?: string
  replay?: "resend" | "edit"
  model?: string
  provider?: string
  systemPrompt?: string
  sampling?: Sampling
  cwd?: string
  /** Wall time limit of the turn, ms; 0 or absent for the configured one. */
  timeoutMs?: number
  abortPrevious?: boolean
  permissions?: Permissions
  /** Program and arguments of an external agent of the owner's own. */
  agentCommand?: string[]
  /** How long an external agent is kept after it, seconds; 0 for ever. */
  ttl?: number
  /** Id under which this very connection lends its editor to the session. */
  lender?: string
}

/**
 * The turn to submit. Throws NOT_FOUND for an unknown agent or model, INVALID_PARAMS for a relative working directory: all
 * before anything is accepted. Also INVALID_PARAMS for a lender that is not lent by this connection to this session.
 */
export function turnRequest(session: SessionName, said: TurnInput, caller: Caller, parts: Parts): TurnRequest {
  const agent = requireAgent(session.agentId, parts)
  const hosting = hostingOf(said, session.agentId, caller.scopes, parts)
  // An external agent has models of its own.
  if (!hostedOf(agent, hosting) && (said.model !== undefined || said.provider !== undefined))
    parts.catalogue.resolve(said.model, said.provider)
  if (said.cwd !== undefined && !isAbsolute(said.cwd))
    throw new PincerError("INVALID_PARAMS", `cwd "${said.cwd}" is relative: give an absolute path`)
  const origin: Origin = {
    door: caller.door ?? "control",
    clientId: caller.clientId,
    connId: caller.connId,
    ...(caller.deviceId === undefined ? {} : { deviceId: caller.deviceId }),
  }
  checkPermissions(said.permissions, session.agentId, origin, caller.scopes, parts)
  if (said.lender !== undefined && !parts.lendings.holds(said.lender, session.key, caller.connId))
    throw new PincerError(
      "INVALID_PARAMS",
      `This connection lends nothing to ${session.key} under "${said.lender}": call client.lend first`,
      { details: { code: "NOT_LENT", lender: said.lender } },
    )
  return {
    turnId: said.idempotencyKey ?? uuid(parts.clock.now()),
    sessionKey: session.key,
    agentId: session.agentId,
    input: said.input,
    ...(said.outside ? { outside: said.outside } : {}),
    ...(said.replay ? { replay: said.replay } : {}),
    ...(said.model === undefined ? {} : { model: said.model }),
    ...(said.provider === undefined ? {} : { provider: said.provider }),
    ...(said.systemPrompt === undefined ? {} : { systemPrompt: said.systemPrompt }),
    ...(said.sampling ? { sampling: said.sampling } : {}),
    ...(said.cwd === undefined ? {} : { cwd: said.cwd }),
    ...(said.timeoutMs ? { limits: { maxTimeMs: said.timeoutMs } } : {}),
    ...(said.permissions ? { permissions: said.permissions } : {}),
    ...hosting,
    ...(said.lender === undefined ? {} : { lender: said.lender }),
    queue: said.abortPrevious ? "interrupt" : "enqueue",
    origin,
  }
}

/** Throws PERMISSION_DENIED when somebody who may not starts a program, INVALID_PARAMS when it is no command or names an agent, too. */
export function hostingOf(
  said: Pick<TurnInput, "agentCommand" | "ttl">,
  agentId: string,
  scopes: readonly string[],
  parts: Pick<Parts, "config">,
): Pick<TurnRequest, "agentCommand" | "hosted"> {
  const { agentCommand, ttl } = said
  if (agentCommand !== undefined) {
    if (!grants(scopes, "operator.admin"))
      throw new PincerError(
        "PERMISSION_DENIED",
        "An agent command starts a program: that needs the scope operator.admin",
        {
          details: { code: "MISSING_SCOPE", missingScope: "operator.admin", requiredScopes: ["operator.admin"] },
        },
      )
    if (!agentCommand[0] || agentCommand.some((word) => word.includes("\0")))
      throw new PincerError(
        "INVALID_PARAMS",
        "The agent command is empty or holds a NUL character: give a program and its arguments",
      )
    if (agentId !== parts.config.agents.default)
      throw new PincerError(
        "INVALID_PARAMS",
        `An agent command runs in sessions of "${parts.config.agents.default}", not of "${agentId}": leave one of them out`,
      )
  }
  return {
    ...(agentCommand === undefined ? {} : { agentCommand }),
    ...(ttl === undefined ? {} : { hosted: { idleMs: Math.min(Math.round(ttl * 1000), Number.MAX_SAFE_INTEGER) } }),
  }
}

/** Throws INVALID_PARAMS for words that mean nothing, PERMISSION_DENIED for more than the configuration gives without the right to approve. */
export function checkPermissions(
  wanted: Permissions | undefined,
  agentId: string,
  origin: Origin,
  scopes: readonly string[],
  parts: Pick<Parts, "config">,
): void {
  if (!wanted) return
  const base = configuredPermissions(parts.config, agentId, origin)
  const resolved = resolvePermissions([...base, { source: "request", permissions: wanted }])
  if (grants(scopes, "operator.approvals") || !widens(resolvePermissions(base), resolved)) return
  throw new PincerError(
    "PERMISSION_DENIED",
    "These permissions give more than the configuration does: that needs the scope operator.approvals",
    { details: { code: "MISSING_SCOPE", missingScope: "operator.approvals", requiredScopes: ["operator.approvals"] } },
  )
}
