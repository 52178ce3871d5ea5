// The room in which a step of a run is judged: the caller's session, permissions and marks, as if the caller did it in a turn. What a run reads
// from outside marks all its later steps, also after a restart.
import type { Ports } from "../../agent/ports.ts"
import type { SceneRoom } from "../../agent/scene.ts"
import { wantingOf } from "../../agent/scene.ts"
import { TurnScope } from "../../agent/scope.ts"
import type { CallFacts } from "../../policy/scene.ts"
import type { TaintMark } from "../../protocol/decision.ts"
import { type Message, NO_USAGE, type ToolResultPart } from "../../protocol/message.ts"
import type { Permissions } from "../../protocol/permission.ts"
import type { Origin, TurnRequest } from "../../protocol/turn.ts"
import { runStatePrefix } from "../../store/runs.ts"
import type { SessionRow } from "../../store/store.ts"
import type { StepAddress } from "../../workflow/engine/ports.ts"
import { callerOf, type RunCaller } from "./caller.ts"

const MAX_MARKS = 20
/** Runs whose marks are kept in memory; those of others are read again. */
const MAX_KNOWN = 1_000

interface RunMemory {
  marks: TaintMark[]
  /** Names of the tools that it called, for rules about how often. */
  calls: string[]
}

export interface StepRoom extends SceneRoom {
  address: StepAddress
  caller: RunCaller
  signal: AbortSignal
}

export class StepRooms {
  readonly #ports: Ports
  readonly #memory = new Map<string, RunMemory>()

  constructor(ports: Ports) {
    this.#ports = ports
  }

  async of(address: StepAddress, signal: AbortSignal): Promise<StepRoom> {
    const { books } = this.#ports
    const caller = await callerOf(address, async () => {
      const stored = await books.runs.get(address.runId)
      return stored?.record.cwd ?? this.#ports.home
    })
    const memory = await this.#memoryOf(address.runId, caller)
    const session = (await books.sessions.get(caller.sessionKey)) ?? newSession(caller, this.#ports.clock.now())
    const fence = { turnId: address.runId, sessionKey: caller.sessionKey, epoch: 1 }
    return {
      ports: this.#ports,
      scope: new TurnScope(this.#ports, fence, session, signal),
      request: requestOf(address, caller),
      messages: messagesOf(address, caller, memory, this.#ports.clock.now()),
      cwd: caller.workspace,
      expectsReturn: false,
      address,
      caller,
      signal,
    }
  }

  /**
   * The same room, as the owner's own word for a run allows: what only the mode asks about is approved. Rules that deny or ask, and where a
   * program runs, stay: without a sandbox each program is asked about.
   */
  async approved(room: StepRoom, facts: CallFacts): Promise<StepRoom> {
    if (!room.caller.approved || room.caller.permissions?.mode !== undefined) return room
    const { rights } = this.#ports
    if (rights.permissions(wantingOf(room)).mode !== "approve-reads") return room
    if (facts.class === "exec" && !(await rights.sandbox(room.caller.agentId)).available) return room
    const permissions: Permissions = { ...room.request.permissions, mode: "approve-all" }
    return { ...room, request: { ...room.request, permissions } }
  }

  /** What a step of this run brought in from outside, and that it called a tool. */
  async remember({ address, caller }: StepRoom, tool: string, marks: readonly TaintMark[]): Promise<void> {
    const memory = await this.#memoryOf(address.runId, caller)
    memory.calls.push(tool)
    const news = marks.filter((one) => !memory.marks.some((known) => isSame(known, one)))
    if (news.length === 0) return
    memory.marks = [...memory.marks, ...news].slice(-MAX_MARKS)
    await this.#ports.books.runs.setState(keyOf(address.runId), memory.marks)
  }

  /** What a run has read from outside. */
  async marksOf(runId: string): Promise<TaintMark[]> {
    const kept = this.#memory.get(runId)?.marks ?? (await this.#ports.books.runs.getState(keyOf(runId)))
    return (kept as TaintMark[] | undefined) ?? []
  }

  async #memoryOf(runId: string, { taint }: RunCaller): Promise<RunMemory> {
    const known = this.#memory.get(runId)
    if (known) return known
    const kept = (await this.#ports.books.runs.getState(keyOf(runId))) as TaintMark[] | undefined
    const memory = this.#memory.get(runId) ?? { marks: kept ?? [...taint], calls: [] }
    this.#memory.set(runId, memory)
    const [oldest] = this.#memory.keys()
    if (this.#memory.size > MAX_KNOWN && oldest !== undefined) this.#memory.delete(oldest)
    return memory
  }
}

function keyOf(runId: string): string {
  return `${runStatePrefix(runId)}taint`
}

function isSame(a: TaintMark, b: TaintMark): boolean {
  return a.source === b.source && a.detail === b.detail
}

export function originOf(caller: RunCaller): Origin {
  const { channel, clientId, deviceId, door = "workflow", parentTurnId, sender, stranger } = caller
  return { door, channel, clientId, deviceId, parentTurnId, sender, stranger }
}

function requestOf({ runId }: StepAddress, caller: RunCaller): TurnRequest {
  const { agentId, permissions, sessionKey, workspace } = caller
  return {
    turnId: runId,
    sessionKey,
    agentId,
    input: [],
    cwd: workspace,
    ...(permissions ? { permissions } : {}),
    origin: originOf(caller),
  }
}

/** A run as a conversation: what it read, what it called, and which model wanted it. */
function messagesOf({ runId }: StepAddress, caller: RunCaller, { calls, marks }: RunMemory, at: number): Message[] {
  const { model, provider } = caller
  const results = calls.map(
    (name): ToolResultPart => ({ type: "tool.result", callId: "", name, content: [], isError: false }),
  )
  return [
    ...(marks.length > 0 ? [{ id: "marks", role: "user" as const, content: [], at, taint: marks }] : []),
    ...(provider === undefined ? [] : [{ id: "model", role: "assistant" as const, content: [], at, provider, model }]),
    ...(results.length > 0 ? [{ id: "calls", role: "tool" as const, content: results, at, turnId: runId }] : []),
  ]
}

/** Stands for a session that holds nothing yet. */
function newSession({ agentId, sessionKey }: RunCaller, now: number): SessionRow {
  return {
    key: sessionKey,
    id: "",
    agentId,
    label: null,
    name: null,
    tags: [],
    archivedAt: null,
    cwd: null,
    model: null,
    settings: {},
    createdAt: now,
    updatedAt: now,
    usage: NO_USAGE,
    lastSeq: 0,
    messageCount: 0,
    title: null,
    toldTitle: null,
    abortedLastTurn: false,
  }
}
