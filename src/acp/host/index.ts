// Hosting external agents: open it once, hand it to the agent room as its harness, close it at the end.
import type { AgentProfile } from "../../agent/agent.ts"
import type { Harness } from "../../agent/harness.ts"
import { HostedAgents } from "./host.ts"
import type { AgentReport, HostPorts, WarmAgent } from "./host-ports.ts"
import type { OwnSession } from "./host-session.ts"
import type { Choices } from "./session-settings.ts"

export type {
  AgentAbilities,
  AgentFacts,
  AgentProgram,
  AgentReport,
  AuthMethod,
  HostPorts,
  LaunchedAgent,
  LaunchPlace,
  WarmAgent,
} from "./host-ports.ts"

export type { OwnSession } from "./host-session.ts"
export type { Choices } from "./session-settings.ts"

export interface AgentHost extends Harness {
  /** Starts the agent and begins a session that nobody uses. Throws PincerError. */
  probe(profile: AgentProfile, cwd: string): Promise<AgentReport>
  /**
   * Sets what was chosen for a session in the agent that has it open, at once. False when none has. Throws INVALID_PARAMS, UNAVAILABLE.
   */
  set(session: OwnSession, choices: Choices): Promise<boolean>
  /** The processes that run now, the oldest first. */
  warm(): WarmAgent[]
  /** Ends all agents with all that they started. */
  close(): Promise<void>
}

export function openHost(ports: HostPorts): AgentHost {
  return new HostedAgents(ports)
}
