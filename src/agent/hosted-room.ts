// What the parts of a hosted turn share: where it runs, who may stop it from inside, and why it was stopped.
import type { PincerError } from "../base/errors.ts"
import type { Message } from "../protocol/message.ts"
import type { TurnStop } from "../protocol/turn.ts"
import type { AgentProfile } from "./agent.ts"
import type { Holds } from "./hosted-holds.ts"
import type { SceneRoom } from "./scene.ts"

/** Why a hosted turn ends before its agent rests, besides a stop from outside. */
export type HostedStop =
  | { type: "refused"; error: PincerError }
  | { type: "limit"; stop: Extract<TurnStop, "token_limit" | "cost_limit"> }
  /** What the agent said could not be kept. */
  | { type: "broken"; error: unknown }

export interface HostedRoom extends SceneRoom {
  messages: Message[]
  profile: AgentProfile
  holds: Holds
  /** Aborted when the turn is stopped, from outside or by stop(). */
  signal: AbortSignal
  /** Ends the turn; the first reason counts. */
  stop(why: HostedStop): void
}

/** Whether the agent's own process runs in the sandbox. */
export function actorOf({ profile }: HostedRoom): { hosted: { confined: boolean } } {
  return { hosted: { confined: profile.hosted?.confined ?? false } }
}
