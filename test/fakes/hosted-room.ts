// An agent room whose agent is an external one, played by a script: for tests of what is recorded, judged and asked. The script gets the
// turn as a host would and says how it ended.
import { mkdirSync, realpathSync } from "node:fs"
import { join } from "node:path"
import type { HostedProfile } from "../../src/agent/agent.ts"
import type { Harness, HostedEnd, HostedTurn } from "../../src/agent/harness.ts"
import type { Lent } from "../../src/agent/lent.ts"
import type { Approval } from "../../src/protocol/approval.ts"
import type { RecordedEnvelope, TurnEvent } from "../../src/protocol/event.ts"
import type { TurnRecord, TurnRequest } from "../../src/protocol/turn.ts"
import { type AgentRoom, openAgentRoom, type RoomOptions, say } from "./agent-room.ts"

export type Play = (turn: HostedTurn) => Promise<HostedEnd | undefined> | Promise<void>

export interface HostedTestRoom extends AgentRoom {
  /** An empty folder in which turns work. */
  work: string
  /** Runs one turn to its end. */
  turn(fields?: Partial<TurnRequest>): Promise<TurnRecord>
  /** Everything that is on record of the session. */
  log(): Promise<RecordedEnvelope[]>
  /** The events of a kind that were published, live ones too. */
  heard<T extends TurnEvent["type"]>(type: T): Extract<TurnEvent, { type: T }>[]
  /** The next approval that is asked. */
  asked(): Promise<Approval>
}

export interface HostedRoomOptions extends Omit<RoomOptions, "script"> {
  play: Play
  hosted?: Partial<HostedProfile>
  lent?: Lent
}

export const HOSTED: HostedProfile = {
  known: "fake-agent",
  env: () => ({}),
  protocol: 1,
  confined: false,
  idleMs: 0,
  credential: () => undefined,
  mcpServers: [],
}

/** A host that plays a script. One that returns nothing rests. */
export function playing(play: Play): Harness {
  return {
    async run(turn) {
      try {
        return (await play(turn)) ?? { stop: "end_turn" }
      } catch (error) {
        if (turn.signal.aborted) return { stop: "aborted" }
        const message = error instanceof Error ? error.message : String(error)
        return { stop: "error", error: { code: "INTERNAL_ERROR", message } }
      }
    },
  }
}

/** Resolves once the turn is stopped. */
export function stopped({ signal }: HostedTurn): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
}

export async function openHostedRoom(options: HostedRoomOptions): Promise<HostedTestRoom> {
  const { hosted, lent, play, ...rest } = options
  const room = await openAgentRoom({ canAsk: true, ...rest, script: () => say("no model answers here") })
  const { ports } = room
  ports.harness = playing(play)
  if (lent) ports.lent = async () => lent
  const main = ports.agents.get("main")!
  ports.agents = new Map([["main", { ...main, hosted: { ...HOSTED, ...hosted } }]])
  mkdirSync(join(room.home, "work"), { recursive: true })
  const work = realpathSync(join(room.home, "work"))
  const key = room.request("").sessionKey
  return {
    ...room,
    work,
    async turn(fields) {
      const { record } = await room.lanes.submit(room.request("go", { cwd: work, ...fields }))
      return (await room.lanes.wait(record.turnId))!
    },
    log: () => ports.books.transcript.events(key, { afterSeq: 0, limit: 10_000 }),
    heard: (type) => room.events.flatMap(({ event }) => (event.type === type ? [event as never] : [])),
    async asked() {
      const { event } = await room.seen("approval.requested")
      if (event.type !== "approval.requested") throw new TypeError("no approval")
      return event.approval
    },
  }
}
