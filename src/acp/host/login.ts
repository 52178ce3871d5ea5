// Agents that want somebody to log in first: a method with a credential in the configuration is used; without one the person is told how.
import type { HostedTurn } from "../../agent/harness.ts"
import { PincerError } from "../../base/errors.ts"
import { RPC, RpcFailure, saidBy } from "../peer.ts"
import type { AgentLink } from "./agent-link.ts"
import type { AuthMethod } from "./host-ports.ts"

const LOGIN_MS = 60_000

/** The agent takes the credential from its environment only: it has to be started again with it. */
export class NeedsVariables extends Error {
  override readonly name = "NeedsVariables"
  readonly variables: Readonly<Record<string, string>>

  constructor(variables: Record<string, string>) {
    super("The agent is to be started again with its credential")
    this.variables = variables
  }
}

export type LoginWants = Pick<HostedTurn, "authPolicy"> & {
  credential(methodId: string): string | undefined
  /** Absent where asking once more without a log-in would do it twice. */
  notice?(text: string): void
}

/** Does it, logs in when the agent says that it must, and does it once more. Throws NeedsVariables, AUTH_REQUIRED and what the act throws. */
export async function loggedIn<T>(link: AgentLink, wants: LoginWants, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!wantsLogin(error, link)) throw error
    const method = link.facts.authMethods.find(
      (one) => one.type !== "terminal" && wants.credential(one.id) !== undefined,
    )
    if (!method && (wants.authPolicy === "fail" || !wants.notice)) throw loginNeeded(link, error)
    if (method) await login(link, method, wants.credential(method.id) ?? "")
    else wants.notice?.(`${link.spec.title} wants somebody to log in: it is asked once more without. ${howTo(link)}`)
    try {
      return await act()
    } catch (again) {
      if (wantsLogin(again, link)) throw loginNeeded(link, again)
      throw again
    }
  }
}

export function wantsLogin(error: unknown, link: AgentLink): error is RpcFailure {
  if (!(error instanceof RpcFailure) || error.code !== RPC.authRequired) return false
  // The number is a server's to use as it likes: it must be about that.
  return link.facts.authMethods.length > 0 || /auth|log ?in|sign ?in|credential|api.?key|token/i.test(saidBy(error))
}

async function login(link: AgentLink, method: AuthMethod, credential: string): Promise<void> {
  const missing = method.variables.filter((name) => link.spec.program.env[name] !== credential)
  if (missing.length > 0) throw new NeedsVariables(Object.fromEntries(missing.map((name) => [name, credential])))
  const { id: methodId, metaKey } = method
  const meta = metaKey === undefined ? {} : { _meta: { [metaKey]: credential } }
  const call = link.facts.protocol === 1 ? "authenticate" : "auth/login"
  try {
    await link.request(call, { methodId, ...meta }, { timeoutMs: LOGIN_MS })
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error
    const text = `${link.who} did not accept the credential for "${methodId}": ${saidBy(error)}`
    throw new PincerError("AUTH_REQUIRED", text, { cause: error })
  }
}

export function loginNeeded(link: AgentLink, failure: RpcFailure): PincerError {
  return new PincerError("AUTH_REQUIRED", `${link.who} wants somebody to log in (${saidBy(failure)}). ${howTo(link)}`, {
    details: { code: "AGENT_LOGIN_REQUIRED", methods: link.facts.authMethods.map((one) => one.id) },
    cause: failure,
  })
}

function howTo({ facts, spec }: AgentLink): string {
  const { authMethods } = facts
  if (authMethods.length === 0) return `Log in with the agent's own command on the gateway's machine, then try again.`
  const ids = authMethods.map((one) => `"${one.id}" (${one.name})`).join(", ")
  return `It knows the methods ${ids}: log in with its own command on the gateway's machine, or give a credential under agents.entries.${spec.agentId}.acp.credentials, then try again.`
}
