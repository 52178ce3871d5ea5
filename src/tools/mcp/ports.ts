// What the client of MCP servers is handed, and its limits.
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import type { Confined, Program } from "../../sandbox/sandbox.ts"

export interface McpPorts {
  clock: Clock
  log: Logger
  /** Where servers that are programs start; absolute. */
  cwd: string
  /** What every such server gets; its own `env` comes on top. Nothing else is inherited. */
  env: Readonly<Record<string, string>>
  /** Folders that servers are told about; absolute. */
  roots: readonly string[]
  /** What is started instead of a server's program; default: the program itself. */
  launch?(program: Program): Promise<Confined>
  /** Where questions of servers go. Absent: servers are told that nobody can be asked. */
  ask?(question: UserQuestion, signal: AbortSignal): Promise<UserAnswer>
  /** Told when the tools or the problems of a server are not the ones they were. */
  onToolsChanged?(change: ToolsChange): void
  /** What servers are told of us; default "0". */
  version?: string
}

export interface ToolsChange {
  /** The server's name. */
  server: string
  /** Tools that were offered before and say something else of themselves now, by the server's own names; cleaned and cut. */
  redefined: readonly string[]
}

export const CONNECT_MS = 15_000
/** How long a call may be silent; progress and questions to the user extend it up to the total. */
export const CALL_MS = 5 * 60_000
export const CALL_TOTAL_MS = 30 * 60_000
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024
export const MAX_SERVERS = 32
export const MAX_TOOLS = 256
export const MAX_PAGES = 64
/** A list that changes all the time is read once in this time. */
export const RELIST_MS = 1_000
export const FIRST_BACKOFF_MS = 1_000
export const MAX_BACKOFF_MS = 60_000
