// What the client of MCP servers is handed, and its limits.
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import type { Confined, Program } from "../../sandbox/sandbox.ts"
import type { ToolContext } from "../tool.ts"
import type { SamplingAnswer, SamplingWish } from "./sampling.ts"
import type { ServerLogin } from "./server-login.ts"

/** What a call of a tool brings with it. */
export type CallContext = Pick<ToolContext, "ask" | "cwd" | "progress" | "settings" | "signal" | "turn">

export interface McpLimits {
  /** From the start of a server to its list of tools. */
  connectMs: number
  /** How long a call may be silent; progress and questions to the user extend it up to the total. */
  callMs: number
  callTotalMs: number
}

/** What a server said of itself when it was last asked; JSON-able. */
export interface ServerListing {
  /** The `tools` of `tools/list`, as they came. */
  tools: readonly unknown[]
  resources: boolean
  prompts: boolean
  /** The `prompts` of `prompts/list`, as they came; absent where there are none, or they could not be listed. */
  promptList?: readonly unknown[]
}

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
  /** Where questions of servers go: to one place, or to whoever may answer in the turn that calls. Absent: nobody is asked. */
  ask?: "caller" | ((question: UserQuestion, signal: AbortSignal) => Promise<UserAnswer>)
  /** Answers what a server wants of a model while it works on a call. Absent: servers are told that there is none. */
  sample?(wish: SamplingWish, call: CallContext, signal: AbortSignal): Promise<SamplingAnswer>
  limits?: Partial<McpLimits>
  /** How a server that is an address learns who we are. Absent: by the headers that it is given, or not at all. */
  login?: ServerLogin
  /** Which of its tools are offered, by its own name; default: all. */
  offers?(ownName: string): boolean
  /** Nothing that it says counts as text from outside. */
  trusted?: boolean
  /** Told each time that a server was listed. */
  listed?(listing: ServerListing): void
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
