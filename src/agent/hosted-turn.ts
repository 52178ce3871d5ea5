// A turn that an external agent runs: everything that it says is recorded, everything that it wants is judged, and it ends exactly once,
// however its agent behaves. What the agent's process did cannot be done again from a journal, so a turn that was cut off is not
// repeated unless its caller asked for that.
import { PincerError } from "../base/errors.ts"
import { type Message, NO_USAGE, textOf, type Usage } from "../protocol/message.ts"
import type { TurnError, TurnOutcome, TurnRequest } from "../protocol/turn.ts"
import type { AgentProfile } from "./agent.ts"
import type { Harness, HostedCall, HostedEnd, HostedLeave, HostedTurn } from "./harness.ts"
import { HostedQuestions } from "./hosted-ask.ts"
import { HostedHands } from "./hosted-hands.ts"
import { untilStopped } from "./hosted-hold.ts"
import type { Holds } from "./hosted-holds.ts"
import { HostedLeaves } from "./hosted-leave.ts"
import { endsOfLeftCalls } from "./hosted-left.ts"
import { HostedRecord, providerOf } from "./hosted-record.ts"
import type { HostedRoom, HostedStop } from "./hosted-room.ts"
import { HostedTerminals } from "./hosted-terminals.ts"
import { HostedWatch, type OwnDeeds } from "./hosted-watch.ts"
import type { LoopResult } from "./loop.ts"
import type { Ports } from "./ports.ts"
import { wantingOf } from "./scene.ts"
import { TurnAbort, type TurnScope } from "./scope.ts"

/** How long a stopped agent may take for its last words; its host gives it less. */
const LAST_WORDS_MS = 15_000
/** The name under which the host keeps what it knows of a session. */
const MEMORY = "hosted"

export interface HostedInput {
  ports: Ports
  scope: TurnScope
  profile: AgentProfile
  request: TurnRequest
  messages: Message[]
  cwd: string
  holds: Holds
  live: { text: string; thinking: string }
}

/** Throws TurnAbort("shutdown") when the turn is to go on in the next life, FencedError, and what keeps it from being recorded. */
export async function runHosted(input: HostedInput): Promise<LoopResult> {
  const { ports, profile, scope } = input
  const { harness } = ports
  if (!harness)
    throw new PincerError("UNAVAILABLE", `Agent "${profile.id}" is an external one, and this gateway hosts none`)
  scope.show(await ports.books.approvals.withdraw(scope.fence, "interrupted"))
  if (scope.fence.epoch > 1) await scope.record(await endsOfLeftCalls(ports, scope.fence))
  const body = new HostedBody(input, await ports.books.notes.of(scope.fence.sessionKey))
  return body.run(harness)
}

class HostedBody {
  readonly #input: HostedInput
  readonly #notes: Map<string, unknown>
  readonly #room: HostedRoom
  readonly #record: HostedRecord
  readonly #watch: HostedWatch
  readonly #hands: HostedHands
  readonly #terminals: HostedTerminals
  readonly #questions: HostedQuestions
  readonly #own = new AbortController()
  #stopped: HostedStop | undefined
  #over = false

  constructor(input: HostedInput, notes: Map<string, unknown>) {
    this.#input = input
    this.#notes = notes
    const { cwd, holds, messages, ports, profile, request, scope } = input
    const signal = AbortSignal.any([scope.signal, this.#own.signal])
    const expectsReturn = scope.fence.epoch > 1 && request.attended === true
    const stop = (why: HostedStop) => this.#stop(why)
    this.#room = { ports, scope, request, messages, cwd, expectsReturn, profile, holds, signal, stop }
    const leaves = new HostedLeaves(this.#room)
    const deeds: OwnDeeds = { paths: new Set(), terminals: new Set() }
    this.#watch = new HostedWatch(this.#room, leaves, deeds, (events) => scope.record(events))
    const terminal = (id: string) => this.#terminals.look(id)
    this.#record = new HostedRecord(this.#room, { live: input.live, watch: this.#watch, terminal })
    this.#hands = new HostedHands(this.#room, leaves, deeds)
    this.#terminals = new HostedTerminals(this.#room, leaves, deeds, (id) => this.#record.calls.showing(id))
    this.#questions = new HostedQuestions(this.#room)
  }

  async run(harness: Harness): Promise<LoopResult> {
    const { ports, scope } = this.#room
    const end = await this.#ended(harness)
    this.#over = true
    this.#own.abort(new TurnAbort("aborted"))
    await this.#terminals.releaseAll()
    await this.#record.close()
    if (this.#stopped?.type === "broken") throw this.#stopped.error
    if (this.#goesOn()) {
      scope.show(await ports.books.approvals.withdraw(scope.fence, "shutdown"))
      throw scope.signal.reason
    }
    const outcome = this.#outcome(end)
    ports.books.drafts.drop(scope.fence.turnId)
    ports.checkpoint("turn.answered")
    return { outcome, events: [] }
  }

  /** Stopped by a shutdown, and its caller wants it to go on in the next life. */
  #goesOn(): boolean {
    const { request, scope } = this.#room
    const { reason } = scope.signal
    return !this.#stopped && reason instanceof TurnAbort && reason.kind === "shutdown" && resumesHosted(request)
  }

  /** How the agent ended it; undefined when it was stopped and never said so. */
  async #ended(harness: Harness): Promise<HostedEnd | undefined> {
    const { clock } = this.#room.ports
    const running = harness.run(this.#turn())
    const late = new AbortController()
    const stopped = () => clock.after(LAST_WORDS_MS, () => late.abort())
    const { signal } = this.#room
    let cancel: (() => void) | undefined
    const onAbort = () => {
      cancel = stopped()
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener("abort", onAbort, { once: true })
    try {
      return await untilStopped(running, late.signal)
    } finally {
      signal.removeEventListener("abort", onAbort)
      cancel?.()
      // An agent that comes back from the dead is heard by nobody.
      running.catch((error: unknown) => this.#room.ports.log.warn({ err: error }, "A host failed after its turn"))
    }
  }

  #stop(why: HostedStop): void {
    this.#stopped ??= why
    this.#own.abort(new TurnAbort("aborted"))
  }

  #turn(): HostedTurn {
    const { cwd, messages, ports, profile, request, scope } = this.#input
    const permissions = ports.rights.permissions(wantingOf(this.#room))
    return {
      ...{ request, session: scope.session, profile, cwd, messages: [...messages], signal: this.#room.signal },
      memory: { get: () => this.#notes.get(MEMORY), set: (value) => this.#remember(value) },
      authPolicy: permissions.authPolicy,
      hear: (event) => this.#record.hear(event),
      leave: (call) => this.#leave(call),
      readText: (path, range) => this.#while(() => this.#hands.readText(path, range)),
      writeText: (path, text) => this.#while(() => this.#hands.writeText(path, text)),
      openTerminal: (command) => this.#while(() => this.#terminals.open(command)),
      ask: async (question) => (this.#over ? { type: "canceled" } : this.#questions.ask(question)),
    }
  }

  async #remember(value: unknown): Promise<void> {
    this.#notes.set(MEMORY, value)
    await this.#room.ports.books.notes.save(this.#room.scope.fence.sessionKey, this.#notes)
  }

  async #leave(call: HostedCall): Promise<HostedLeave> {
    const { callId, name, view } = call
    try {
      if (this.#room.signal.aborted) return { type: "canceled" }
      await this.#record.tell({ type: "tool", callId, ...(name === undefined ? {} : { name }), view })
      if (this.#room.signal.aborted) return { type: "canceled" }
      return await this.#watch.leave(call, this.#record.calls)
    } catch (error) {
      this.#stop({ type: "broken", error })
      return { type: "canceled" }
    }
  }

  /** Only while the turn lives: a late request carries no authority. */
  async #while<T>(act: () => Promise<T>): Promise<T> {
    if (this.#over || this.#room.signal.aborted) throw new PincerError("ABORTED", "The turn is over: nothing was done")
    return act()
  }

  #outcome(end: HostedEnd | undefined): TurnOutcome {
    const { scope } = this.#room
    const said = this.#said(end)
    const by = this.#stopped
    if (by?.type === "refused") return { ...said, ...failed(by.error.code, by.error.message) }
    if (by?.type === "limit") return { ...said, status: "completed", stop: by.stop }
    if (scope.signal.aborted) return this.#aborted(said)
    if (!end) return { ...said, ...failed("TIMEOUT", "The agent did not end its turn") }
    if (end.stop === "aborted") return { ...said, status: "canceled", stop: "aborted" }
    if (end.stop !== "error" && !end.error) return { ...said, status: "completed", stop: end.stop }
    const error = this.#error(end)
    return { ...said, status: error.code === "TIMEOUT" ? "timeout" : "failed", stop: "error", error }
  }

  #aborted(said: Said): TurnOutcome {
    const { request, scope } = this.#room
    const kind = scope.signal.reason instanceof TurnAbort ? scope.signal.reason.kind : "aborted"
    if (kind === "time_limit") {
      const { maxTimeMs } = { ...this.#room.profile.limits, ...request.limits }
      const error = { code: "TIMEOUT", message: `The turn reached its time limit of ${maxTimeMs} ms` }
      return { ...said, status: "timeout", stop: "time_limit", error }
    }
    if (kind !== "shutdown") return { ...said, status: "canceled", stop: "aborted" }
    const message = "Pincer was stopped while this turn ran: send it again"
    const error = { code: "UNAVAILABLE", message, kind: "interrupted" }
    return { ...said, status: "failed", stop: "interrupted", error }
  }

  #error({ error }: HostedEnd): TurnError {
    const { name } = this.#room.profile
    if (!error) return { code: "UNAVAILABLE", message: `${name} ended its turn with an error` }
    return { ...error, message: this.#room.ports.redactor.text(error.message) }
  }

  #said(end: HostedEnd | undefined): Said {
    const { costUsd } = this.#record.meter
    const given: Usage = end?.usage ?? { ...NO_USAGE }
    const usage = { ...given, costUsd: given.costUsd ?? costUsd }
    const measured = end?.usage !== undefined || costUsd !== null
    // The ledger knows models only; an agent that names none stands there under its own name.
    const model = end?.model ?? this.#record.model ?? (measured ? this.#room.profile.id : undefined)
    const { turnId } = this.#room.scope.fence
    const last = this.#room.messages.findLast((one) => one.turnId === turnId && isAnswer(one))
    return {
      text: last ? textOf(last.content) : "",
      usage,
      provider: providerOf(this.#room),
      ...(model === undefined ? {} : { model }),
    }
  }
}

type Said = Pick<TurnOutcome, "text" | "usage" | "provider" | "model">

function isAnswer({ content, role }: Message): boolean {
  return role === "assistant" && textOf(content) !== ""
}

function failed(code: string, message: string): Pick<TurnOutcome, "status" | "stop" | "error"> {
  return { status: "failed", stop: "error", error: { code, message } }
}

/** Whether a turn that was cut off goes on: only where its caller asked for that. */
export function resumesHosted(request: Pick<TurnRequest, "recovery">): boolean {
  return request.recovery === "resume"
}
