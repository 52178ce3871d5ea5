// Which external agent runs the turns of an agent, from the configuration and from what a turn says for itself.
import { PincerError } from "../base/errors.ts"
import { nearWords } from "../base/spelling.ts"
import type { McpServer } from "../protocol/mcp-server.ts"
import type { TurnRequest } from "../protocol/turn.ts"
import type { AgentProfile, HostedProfile } from "./agent.ts"

/** A secret as the configuration names it, read when it is used. */
export type SecretSetting =
  | string
  | { env: string }
  | { file: string }
  | { exec: string[]; timeoutMs?: number | undefined }
  | { keyring: string }

type McpServerSetting =
  | { type: "stdio"; name: string; command: string; args: string[]; env: Record<string, SecretSetting> }
  | { type: "http" | "sse"; name: string; url: string; headers: Record<string, SecretSetting> }

/** One `acp` section of an agent. */
export interface HostedSettings {
  enabled: boolean
  agent?: string
  command?: string[]
  env: Record<string, SecretSetting>
  protocol: 1 | 2
  confined: boolean
  idleMs: number
  credentials: Record<string, SecretSetting>
  mcpServers: McpServerSetting[]
}

/** What the settings are read with. */
export interface Hosting {
  /** The table of known agents. */
  known: readonly { name: string; title: string }[]
  /** The value of a secret now; `name` says what asks. Throws PincerError. */
  secret(ref: SecretSetting, name: string): string
}

const IDLE_MS = 300_000

const USUAL: HostedSettings = {
  enabled: true,
  env: {},
  protocol: 1,
  confined: false,
  idleMs: IDLE_MS,
  credentials: {},
  mcpServers: [],
}

/** Undefined for an agent of ours. Throws INVALID_PARAMS when the settings name no agent that could run. */
export function hostedProfile(
  id: string,
  settings: HostedSettings | undefined,
  hosting: Hosting,
): HostedProfile | undefined {
  const names = hosting.known.map((one) => one.name)
  if (settings ? !settings.enabled : !names.includes(id)) return undefined
  const own = settings ?? USUAL
  const known = own.agent ?? (names.includes(id) ? id : undefined)
  const where = `agents.entries.${id}.acp`
  if (own.agent !== undefined && !names.includes(own.agent)) throw unknownName(own.agent, where, names)
  if (known === undefined && own.command === undefined)
    throw new PincerError("INVALID_PARAMS", `${where}: name a known "agent", or give its "command"`)
  return {
    ...(known === undefined ? {} : { known }),
    ...(own.command === undefined ? {} : { command: own.command }),
    env: () => values(own.env, `${where}.env`, hosting),
    protocol: own.protocol,
    confined: own.confined,
    idleMs: own.idleMs,
    credential(methodId) {
      const ref = Object.hasOwn(own.credentials, methodId) ? own.credentials[methodId] : undefined
      return ref === undefined ? undefined : hosting.secret(ref, `${where}.credentials.${methodId}`)
    },
    get mcpServers() {
      return own.mcpServers.map((server) => mcpServer(server, `${where}.mcpServers`, hosting))
    },
  }
}

/** What runs this turn: the agent's own, with what the turn says; or the command that the turn brings. */
export function hostedOf(
  profile: Pick<AgentProfile, "hosted">,
  request: Pick<TurnRequest, "agentCommand" | "hosted">,
): HostedProfile | undefined {
  const { agentCommand, hosted } = request
  const own: HostedProfile | undefined =
    agentCommand === undefined
      ? profile.hosted
      : {
          command: agentCommand,
          env: () => ({}),
          protocol: 1,
          confined: false,
          idleMs: IDLE_MS,
          credential: () => undefined,
          mcpServers: [],
        }
  if (!own || hosted?.idleMs === undefined) return own
  const { known, command, env, protocol, confined, credential } = own
  return {
    ...(known === undefined ? {} : { known }),
    ...(command === undefined ? {} : { command }),
    env,
    protocol,
    confined,
    credential,
    idleMs: hosted.idleMs,
    // Their secrets are read when they are used.
    get mcpServers() {
      return own.mcpServers
    },
  }
}

function unknownName(name: string, where: string, names: readonly string[]): PincerError {
  const near = nearWords(name, names)
  const hint = near.length > 0 ? `did you mean ${near.join(" or ")}?` : 'run "pincer agents list --all"'
  return new PincerError("INVALID_PARAMS", `${where}.agent: there is no known agent "${name}": ${hint}`)
}

function mcpServer(server: McpServerSetting, where: string, hosting: Hosting): McpServer {
  const name = `${where}.${server.name}`
  return server.type === "stdio"
    ? { ...server, env: values(server.env, `${name}.env`, hosting) }
    : { ...server, headers: values(server.headers, `${name}.headers`, hosting) }
}

function values(from: Record<string, SecretSetting>, where: string, hosting: Hosting): Record<string, string> {
  return Object.fromEntries(
    Object.entries(from).map(([key, value]) => [
      key,
      typeof value === "string" ? value : hosting.secret(value, `${where}.${key}`),
    ]),
  )
}
