// What the parts of one bridge share: the two sides that it stands between, and how it speaks (v1 or v2).
import type { AvailableCommand } from "@agentclientprotocol/sdk"
import type { Logger } from "../../base/log.ts"
import type { Approval } from "../../protocol/approval.ts"
import type { After } from "../../protocol/link.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import type { RpcPeer } from "../peer.ts"
import type { Shown } from "../translate/shown.ts"
import type { ClientFacts } from "./client.ts"
import type { ModelRow, SessionState } from "./facts.ts"
import type { BridgeSettings, GatewayPort } from "./port.ts"

export interface WorkPlace {
  cwd: string
  roots: string[]
}

export type PromptEnd =
  | { type: "ended"; outcome: TurnOutcome }
  | { type: "canceled" }
  | { type: "failed"; error: unknown }

/** A prompt of this client that has not ended. */
export interface RunningPrompt {
  readonly turnId: string
  readonly canceled: boolean
  /** Stops it; resolves when it has ended. */
  cancel(): Promise<void>
  settle(end: PromptEnd): void
  /** A question to the client about this turn begins; undefined when it was asked before. */
  asking(id: string): AbortSignal | undefined
  asked(id: string): void
  /** Nobody waits for the client's answer any more. */
  withdraw(id: string): void
}

/** A session that this client has bound. */
export interface Bound {
  readonly id: string
  key: string
  place: WorkPlace
  /** Under which id this client lends to its turns, and what. */
  readonly lender: string
  lends: boolean
  servers: McpServer[]
  readonly state: SessionState
  readonly prompts: Map<string, RunningPrompt>
  /** Prompts of MCP servers as commands, as the gateway last listed them. */
  readonly offered: readonly AvailableCommand[]
  readonly listens: boolean
  /** Hears of it from now on; `rest` ends that. */
  listen(): Promise<void>
  rest(): Promise<void>
  /** Reads the session's facts anew; `refresh` tells what changed of them. */
  readState(): Promise<void>
  refresh(): Promise<void>
  /** Reads the prompts of MCP servers anew; true when they are others than before. */
  readOffered(): Promise<boolean>
  /** Changes what the gateway keeps of it. */
  patch(change: Record<string, unknown>): Promise<void>
}

/** A way in which a permission may be answered. */
export interface PermissionChoice {
  optionId: string
  name: string
  kind: "allow_once" | "allow_always" | "reject_once"
}

/** One version of ACP, as far as it concerns what is told. */
export interface Voice {
  /** Turns of others are shown, too. */
  readonly watchesAll: boolean
  /** `replay`: it is told again; `mine`: this client said what began the turn. */
  show(session: Bound, shown: Shown, how: { replay: boolean; mine: boolean }): void
  /** Words of the bridge itself. */
  say(session: Bound, text: string): void
  /** What of a session's facts changed; all of them when nothing was known before. */
  facts(session: Bound, before: SessionState | undefined, now: SessionState): Promise<void>
  commands(session: Bound): void
  /** The chosen option; undefined when the client put it off. Rejects when the client cannot ask. */
  askLeave(
    session: Bound,
    approval: Approval,
    choices: readonly PermissionChoice[],
    signal: AbortSignal,
  ): Promise<string | undefined>
}

export interface Room {
  readonly peer: RpcPeer
  readonly gateway: GatewayPort
  readonly settings: BridgeSettings
  readonly after: After
  readonly log: Logger
  now(): number
  client: ClientFacts
  voice: Voice
  models(): Promise<ModelRow[]>
  /** The session is about to be heard: of too many that are, the one that rests longest is heard no more. */
  makeEar(session: Bound): Promise<void>
}
