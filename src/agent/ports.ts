// What this room needs from outside, handed in by the gateway's composition.
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Redactor } from "../base/redact.ts"
import type { Approval } from "../protocol/approval.ts"
import type { TurnEnvelope } from "../protocol/event.ts"
import type { Catalogue } from "../providers/catalogue.ts"
import type { Books } from "../store/open.ts"
import type { Tool, ToolSettings } from "../tools/tool.ts"
import type { AgentProfile } from "./agent.ts"
import type { Harness } from "./harness.ts"
import type { Lending } from "./lent.ts"
import type { Rights } from "./rights.ts"
import type { ToolServers } from "./tool-servers.ts"

export interface TurnSettings {
  onInterrupt: "resume" | "mark"
  maxAttempts: number
  maxConcurrent: number
  maxQueued: number
  approvalTimeoutMs: number
}

export interface Ports {
  books: Books
  catalogue: Catalogue
  tools: readonly Tool[]
  /** MCP servers of the configuration; absent where there are none. */
  servers?: ToolServers
  toolSettings: ToolSettings
  agents: ReadonlyMap<string, AgentProfile>
  /** Pincer's own folder, symlinks resolved. */
  home: string
  settings: TurnSettings
  clock: Clock
  log: Logger
  /** What a model writes and what tools give goes through it before it is recorded. */
  redactor: Redactor
  rights: Rights
  /** Told of the agent's own working directory: programs that run as somebody else must be able to work in it. */
  workspaceMade: (folder: string) => void
  publish: (envelope: TurnEnvelope) => void
  /** Whether a human who may answer an approval of this session can be reached now. */
  canAsk: (sessionKey: string) => boolean
  /** Told of every approval that was asked, so that it can expire. */
  asked: (approval: Approval) => void
  /** Runs the turns of agents that are hosted; absent where none are. */
  harness?: Harness
  /** What the client that started a turn lends to it; absent where nobody lends. */
  lent?: Lending
  /** Told each named point between two facts: where crash tests kill the process. */
  checkpoint: (point: Checkpoint) => void
}

/** The places between writing a fact and acting on it. */
export type Checkpoint =
  | "turn.accepted"
  | "model.streaming"
  | "approval.asked"
  | "approval.answered"
  | "call.intended"
  | "call.acted"
  | "call.recorded"
  | "turn.answered"
