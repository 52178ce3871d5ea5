// Which agent, which model, which session a request means (protocol §10.1, §9.10): three header families, agent names in every
// form that clients of this gateway's predecessors use, and provider models as the default agent with that model.
import type { IncomingMessage } from "node:http"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { parseJson } from "../../base/json.ts"
import { parseWith } from "../../base/schema.ts"
import type { Permissions } from "../../protocol/permission.ts"
import { isAgentId, parseSessionKey, type SessionName } from "../../protocol/session.ts"
import { requireAgent } from "../inbound.ts"
import { permissions } from "../methods/params.ts"
import type { Parts } from "../parts.ts"
import { badField, unknownModel } from "./refusal.ts"

const FAMILIES = ["x-pincer-", "x-openclaw-", "x-clawdbot-"]
const PRODUCT = /^(?:pincer|openclaw|clawdbot)(?:[:/](.*))?$/i
/** Sessions that belong to other doors; a request may not name one (protocol §10.1). */
const RESERVED = ["subagent:", "cron:", "acp:"]

export type Choice =
  /** `named`: the caller named this agent, so a session of another one contradicts it. */
  | { type: "agent"; agentId: string; named: boolean; model?: string }
  /** Straight to a provider: no agent, no tools, nothing stored. */
  | { type: "raw"; provider: string; model: string }

/** The header of whichever family is there, as the UTF-8 text that its sender meant. */
export function familyHeader(request: IncomingMessage, name: string): string | undefined {
  for (const family of FAMILIES) {
    const value = request.headers[family + name]
    if (typeof value === "string" && value.trim() !== "") return Buffer.from(value, "latin1").toString("utf8").trim()
  }
  return undefined
}

/** Throws NOT_FOUND (model_not_found) for a model or agent that there is not. */
export function chooseModel(model: string | undefined, request: IncomingMessage, parts: Parts): Choice {
  const header = familyHeader(request, "agent-id")
  const override = familyHeader(request, "model")
  if (override !== undefined) resolvable(override, parts)
  const meant = meaning(model ?? "", parts)
  if (meant.type === "raw") return meant
  const agentId = header === undefined ? meant.agentId : requireAgent(header.toLowerCase(), parts).id
  const asked = override ?? meant.model
  const named = header !== undefined || meant.named
  return { type: "agent", agentId, named, ...(asked === undefined ? {} : { model: asked }) }
}

function meaning(model: string, parts: Parts): Choice {
  const fallback: Choice = { type: "agent", agentId: parts.config.agents.default, named: false }
  const name = model.trim()
  if (name === "" || name === "default") return fallback
  const product = PRODUCT.exec(name)
  const agent = product ? product[1] : /^agent:(.*)$/i.exec(name)?.[1]
  if (product && (agent === undefined || agent === "default")) return fallback
  if (agent === undefined) {
    resolvable(name, parts)
    return { ...fallback, model: name }
  }
  const raw = product ? /^raw[:/]([^/]+)\/(.+)$/.exec(agent) : null
  if (raw) return { type: "raw", provider: raw[1]!, model: raw[2]! }
  const id = agent.toLowerCase()
  if (!isAgentId(id) || !parts.agents.has(id)) throw unknownModel(model)
  return { type: "agent", agentId: id, named: true }
}

function resolvable(name: string, parts: Parts): void {
  try {
    parts.catalogue.resolve(name)
  } catch (error) {
    if (error instanceof PincerError && error.code === "NOT_FOUND") throw unknownModel(name, error)
    throw error
  }
}

/** `x-pincer-permissions`: the six dimensions as JSON, for clients that cannot put them anywhere else. Throws INVALID_PARAMS. */
export function headerPermissions(request: IncomingMessage): Permissions | undefined {
  const text = familyHeader(request, "permissions")
  if (text === undefined) return undefined
  try {
    return parseWith(permissions(), parseJson(text), "invalid x-pincer-permissions")
  } catch (error) {
    if (error instanceof SyntaxError) throw badField("x-pincer-permissions", "not JSON")
    throw error
  }
}

/** The session that a header names, or undefined. Throws INVALID_PARAMS when it is malformed, reserved, or another agent's. */
export function headerSession(
  choice: Extract<Choice, { type: "agent" }>,
  request: IncomingMessage,
): SessionName | undefined {
  const key = familyHeader(request, "session-key")
  if (key === undefined) return undefined
  const name = parseSessionKey(key, choice.agentId)
  if (RESERVED.some((prefix) => name.rest.startsWith(prefix)))
    throw badField("x-pincer-session-key", `"${name.key}" belongs to another part of the gateway: use another name`)
  if (choice.named && name.agentId !== choice.agentId)
    throw badField(
      "x-pincer-session-key",
      `"${name.key}" is not a session of agent "${choice.agentId}": name one of them only`,
    )
  return name
}

/** The session without a header: stable per `user`, else a new one. */
export function doorSession(
  door: "openai" | "openresponses",
  agentId: string,
  user: string | undefined,
  now: number,
): SessionName {
  const rest = user === undefined || user.trim() === "" ? `${door}:${uuid(now)}` : `${door}-user:${user.trim()}`
  return parseSessionKey(rest, agentId)
}
