// The contract of hosting external agents: what the host is handed, and what it tells of the agents that it runs.
import type { HostedEvent } from "../../agent/harness.ts"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { SessionFacts } from "../../protocol/session-facts.ts"
import type { KnownAgent } from "./known-agent.ts"

/** A program as it is started; `env` is the whole environment. */
export interface AgentProgram {
  file: string
  args: readonly string[]
  /** Absolute. */
  cwd: string
  env: Readonly<Record<string, string>>
}

/** What is really started, and cleaned up when it has ended. */
export interface LaunchedAgent extends AgentProgram {
  close(): Promise<void>
}

export interface LaunchPlace {
  agentId: string
  /** Its own process is to run in the sandbox. */
  confined: boolean
  /** The working directory of the session that it is started for. */
  cwd: string
}

export interface HostPorts {
  clock: Clock
  log: Logger
  /** Of the gateway, as agents are told it. */
  version: string
  /** Takes secrets out of what people read. */
  redactor?: { text(text: string): string }
  /** The gateway's own environment: the few variables that every program needs are taken from it, nothing else. */
  env: Readonly<Record<string, string | undefined>>
  /** The gateway runs as root. */
  root?: boolean
  /** How a process is started where it belongs. Throws PincerError. */
  launch(program: AgentProgram, place: LaunchPlace): Promise<LaunchedAgent>
  /** The row of the table of known agents. */
  known(name: string): KnownAgent | undefined
  /** Where a known agent was found on this machine. Throws NOT_FOUND with the line that installs it. */
  find(agent: KnownAgent): Promise<readonly string[]>
  /**
   * Told of what an agent says of a session while no turn of it runs. `log`: which log of the session it belongs to; a
   * reset begins another. Absent: facts of the session are told to its next turn.
   */
  aside?(sessionKey: string, event: HostedEvent, log: string): void
  /** Where the processes that run now are written down, so that the next life ends those that were left over. */
  leftovers?: { read(): Promise<string | undefined>; write(text: string): Promise<void> }
  /** Every frame in both directions, as it goes over the wire. */
  tap?(frame: { direction: "in" | "out"; text: string; agentId: string; pid: number }): void
}

export interface AuthMethod {
  id: string
  name: string
  description?: string
  /** "agent", "terminal", "env_var", or what else the agent calls it. */
  type: string
  /** Variables that hold the credential, for those that want it in the environment. */
  variables: string[]
  /** Where the credential goes in the request's `_meta`, for those that take it so. */
  metaKey?: string
}

/** What an agent can do, in one shape for all versions. */
export interface AgentAbilities {
  load: boolean
  resume: boolean
  list: boolean
  close: boolean
  delete: boolean
  fork: boolean
  image: boolean
  audio: boolean
  embeddedContext: boolean
  http: boolean
  sse: boolean
  systemPrompt: boolean
}

export interface AgentFacts {
  protocol: 1 | 2
  name?: string
  title?: string
  version?: string
  abilities: AgentAbilities
  authMethods: AuthMethod[]
}

/** What a trial of an agent has shown. */
export interface AgentReport {
  command: readonly string[]
  facts: AgentFacts
  /** From the start to the answer of initialize, and from there to a session. */
  startMs: number
  sessionMs: number
  session: { type: "ready"; facts: SessionFacts } | { type: "login"; message: string }
}

/** A process that runs now. */
export interface WarmAgent {
  agentId: string
  command: readonly string[]
  pid: number
  confined: boolean
  startedAt: number
  /** Since when no turn runs on it; null while one does. */
  idleSince: number | null
  sessions: number
  turns: number
  facts: AgentFacts
}
