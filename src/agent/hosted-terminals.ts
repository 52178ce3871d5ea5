// Commands that we run for an external agent: judged like a Bash of ours, run where policy places them, in a process group that ends with
// the turn at the latest. What is judged is the very text that the shell is given. Output is kept, the newest, without secrets.
import { PincerError } from "../base/errors.ts"
import { runProgram } from "../base/process.ts"
import { isDangerousVariable } from "../policy/dangerous-variables.ts"
import { isInside } from "../policy/decide.ts"
import type { TerminalContent } from "../protocol/tool-view.ts"
import { commandEnvironment } from "../tools/environment.ts"
import { resolvePath } from "../tools/paths.ts"
import type { HostedCommand, HostedTerminal, TerminalExit } from "./harness.ts"
import { factsOfCommand } from "./hosted-facts.ts"
import { permitted } from "./hosted-hands.ts"
import { auditCall, type HostedLeaves, type HostedWish } from "./hosted-leave.ts"
import { commandLine } from "./hosted-raw.ts"
import type { HostedRoom } from "./hosted-room.ts"
import type { OwnDeeds } from "./hosted-watch.ts"
import { OutputRing } from "./output-ring.ts"
import type { Judgement } from "./scene.ts"
import { launchAt } from "./tool-context.ts"

const MIB = 1024 * 1024
const DEFAULT_BYTES = MIB
const MAX_BYTES = 10 * MIB
const MAX_OPEN = 64
const LIVE_MS = 200
const LIVE_CHARS = 2_000
/** A terminal has no limit of its own: it ends with its turn. */
const NO_LIMIT_MS = 2 ** 31 - 1

interface Running {
  id: string
  text: string
  cwd: string
  ring: OutputRing
  words: { push(piece: string): string; end(): string }
  stop: AbortController
  exit: TerminalExit | undefined
  done: Promise<TerminalExit>
  released: boolean
  tail: string
  shownAt: number
}

export class HostedTerminals {
  readonly #room: HostedRoom
  readonly #leaves: HostedLeaves
  readonly #deeds: OwnDeeds
  /** The call that shows a terminal now. */
  readonly #callOf: (terminalId: string) => { callId: string; name: string } | undefined
  readonly #all = new Map<string, Running>()
  #count = 0

  constructor(
    room: HostedRoom,
    leaves: HostedLeaves,
    deeds: OwnDeeds,
    callOf: (terminalId: string) => { callId: string; name: string } | undefined,
  ) {
    this.#room = room
    this.#leaves = leaves
    this.#deeds = deeds
    this.#callOf = callOf
  }

  async open(command: HostedCommand): Promise<HostedTerminal> {
    if ([...this.#all.values()].filter((one) => !one.released).length >= MAX_OPEN)
      throw new PincerError("RATE_LIMITED", `${MAX_OPEN} terminals are open: release one first`)
    this.#count += 1
    const id = `term-${this.#room.scope.fence.epoch}-${this.#count}`
    const text = textOf(command)
    const cwd = await resolvePath(command.cwd ?? this.#room.cwd, this.#room.cwd)
    const wish: HostedWish = {
      callId: id,
      title: text,
      by: {},
      facts: async () => ({
        ...{ tool: "Bash", aliases: ["exec"], class: "exec", from: "acp", reads: [], writes: [], hosts: [] },
        args: { command: text, ...(cwd === this.#room.cwd ? {} : { cwd }) },
        command: await factsOfCommand(text, cwd, this.#room.ports.toolSettings),
      }),
    }
    const verdict = await permitted(this.#leaves, wish)
    if (verdict.decision.placement.type === "sandbox" && !isInside(cwd, this.#room.cwd))
      throw new PincerError("INVALID_PARAMS", `${cwd} is outside the workspace ${this.#room.cwd}: run it inside`)
    return this.#start(id, text, cwd, wish, verdict, command.outputByteLimit)
  }

  #start(
    id: string,
    text: string,
    cwd: string,
    wish: HostedWish,
    verdict: Judgement,
    limit: number | undefined,
  ): HostedTerminal {
    const ring = new OutputRing(Math.min(Math.max(1, limit ?? DEFAULT_BYTES), MAX_BYTES))
    const words = this.#room.ports.redactor.stream()
    const made = { id, text, cwd, ring, words, stop: new AbortController(), exit: undefined, released: false }
    const running: Running = { ...made, tail: "", shownAt: 0, done: Promise.resolve({ exitCode: null, signal: null }) }
    running.done = this.#run(running, wish, verdict)
    this.#all.set(id, running)
    this.#deeds.terminals.add(id)
    return {
      id,
      output: () => ({ output: ring.toString(), truncated: ring.truncated, exit: running.exit }),
      exited: () => running.done,
      kill: () => end(running),
      release: async () => {
        running.released = true
        await end(running)
      },
    }
  }

  /** Never rejects. */
  async #run(running: Running, wish: HostedWish, verdict: Judgement): Promise<TerminalExit> {
    const { ports, scope } = this.#room
    const startedAt = ports.clock.now()
    const key = `hosted:${scope.fence.epoch}:${running.id}`
    let exit: TerminalExit = { exitCode: null, signal: null }
    try {
      const outcome = await scope.step(key, "once", { before: [], after: () => [] }, async () => {
        exit = await this.#program(running, wish, verdict)
        return exit
      })
      if (outcome.type === "done") exit = outcome.value
      const durationMs = ports.clock.now() - startedAt
      const details = exit.exitCode === null ? {} : { details: { exitCode: exit.exitCode } }
      const ended = running.stop.signal.aborted || this.#room.signal.aborted ? "canceled" : "failed"
      const how = exit.exitCode === 0 ? "done" : ended
      await auditCall(this.#room, wish, verdict, { type: "effect", outcome: how, durationMs, ...details })
    } catch (error) {
      // The gateway stops: the next life finds this step uncertain.
      ports.log.warn({ err: error, turnId: scope.fence.turnId }, "A terminal's end could not be recorded")
    }
    running.ring.add(running.words.end())
    running.exit = exit
    return exit
  }

  async #program(running: Running, wish: HostedWish, verdict: Judgement): Promise<TerminalExit> {
    const { exec } = this.#room.ports.toolSettings
    const program = {
      file: exec.shell,
      args: ["-c", running.text],
      cwd: running.cwd,
      env: commandEnvironment(exec.env),
    }
    const where = { callId: wish.callId, tool: verdict.facts.tool, placement: verdict.decision.placement }
    try {
      const confined = await launchAt(this.#room, where, program)
      try {
        const run = await runProgram(confined.file, confined.args, {
          cwd: confined.cwd,
          env: { ...confined.env },
          signal: AbortSignal.any([this.#room.signal, running.stop.signal]),
          timeoutMs: NO_LIMIT_MS,
          maxChars: 2,
          onOutput: (text) => this.#heard(running, text),
        })
        return { exitCode: run.exitCode, signal: run.killedBy ?? (run.canceled ? "SIGTERM" : null) }
      } finally {
        await confined.close()
      }
    } catch (error) {
      if (!(error instanceof PincerError)) throw error
      this.#heard(running, `${error.message}\n`)
      return { exitCode: 127, signal: null }
    }
  }

  #heard(running: Running, text: string): void {
    const words = running.words.push(text)
    running.ring.add(words)
    running.tail = (running.tail + words).slice(-LIVE_CHARS)
    const now = this.#room.ports.clock.now()
    const call = now - running.shownAt >= LIVE_MS ? this.#callOf(running.id) : undefined
    if (!call) return
    running.shownAt = now
    this.#room.scope.live({ type: "tool.updated", ...call, output: running.tail })
  }

  /** What is known of a terminal, for those who watch; undefined when it is not one of ours. */
  look(terminalId: string): Partial<TerminalContent> | undefined {
    const running = this.#all.get(terminalId)
    if (!running) return undefined
    const { cwd, exit, ring, text } = running
    const output = ring.toString()
    return { command: text, cwd, output, truncated: ring.truncated, ...(exit ?? {}) }
  }

  /** The turn is over. */
  async releaseAll(): Promise<void> {
    await Promise.all([...this.#all.values()].map(end))
  }
}

async function end(running: Running): Promise<void> {
  running.stop.abort()
  await running.done
}

/** The line that the shell is given: its variables are part of it, so that they are judged with it. */
function textOf({ args, command, env }: HostedCommand): string {
  const line = args.length === 0 ? command : commandLine([command, ...args])
  const given = Object.entries(env)
  if (given.length === 0) return line
  for (const [name] of given)
    if (isDangerousVariable(name))
      throw new PincerError("INVALID_PARAMS", `The variable ${name} makes programs run other code: leave it out`)
  const set = given.map(([name, value]) => `${name}=${commandLine([value])}`).join(" ")
  return args.length === 0 ? `export ${set}; ${line}` : `${set} ${line}`
}
