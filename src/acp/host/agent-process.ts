// One process of an external agent: started in a group of its own, its lines read with bounds, and ended with all that it started. It ends
// once; whoever waits for the end gets it, however it came.
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import type { Clock } from "../../base/clock.ts"
import { endGroup, startProgram } from "../../base/process.ts"
import { type LineListener, LineReader } from "../lines.ts"
import type { LaunchedAgent } from "./host-ports.ts"
import { endMarked } from "./marked.ts"
import { StderrTail } from "./stderr-tail.ts"

const MIB = 1024 * 1024
const MAX_MESSAGE_BYTES = 64 * MIB
/** What waits for an agent that reads nothing. */
const MAX_UNREAD_BYTES = 64 * MIB
const CLOSE_MS = 1_000
const TERM_MS = 1_500
/** How long output may stay open after the program has gone. */
const DRAIN_MS = 250
/** How long a killed program may take to go. */
const KILL_WAIT_MS = 3_000

export interface AgentExit {
  code: number | null
  signal: string | null
}

export interface ProcessListener extends LineListener {
  /** It has gone, by itself or because it was ended; all its lines have been told. */
  exited(exit: AgentExit): void
  /** It reads nothing of what it is sent. */
  deaf(): void
}

export class AgentProcess {
  readonly pid: number
  readonly mark: string
  readonly stderr = new StderrTail()
  readonly #child: ChildProcessWithoutNullStreams
  readonly #launched: LaunchedAgent
  readonly #clock: Clock
  readonly #closeMs: number
  readonly #listener: ProcessListener
  readonly #gone = Promise.withResolvers<void>()
  #ending: Promise<void> | undefined
  #hasGone = false
  #isDeaf = false

  private constructor(
    child: ChildProcessWithoutNullStreams,
    mark: string,
    launched: LaunchedAgent,
    listener: ProcessListener,
    { clock, closeMs }: { clock: Clock; closeMs: number | undefined },
  ) {
    this.#child = child
    this.pid = child.pid!
    this.mark = mark
    this.#launched = launched
    this.#listener = listener
    this.#clock = clock
    this.#closeMs = closeMs ?? CLOSE_MS
    this.#listen()
  }

  /** `mark`: what it carries in its environment. Throws UNAVAILABLE when it cannot be started. */
  static async start(
    launched: LaunchedAgent,
    mark: string,
    listener: ProcessListener,
    options: { clock: Clock; closeMs: number | undefined },
  ): Promise<AgentProcess> {
    try {
      const { args, cwd, env, file } = launched
      return new AgentProcess(await startProgram(file, args, { cwd, env }), mark, launched, listener, options)
    } catch (error) {
      await launched.close()
      throw error
    }
  }

  /** One message; dropped when it can be sent no more. */
  send(text: string): void {
    const { stdin } = this.#child
    if (this.#ending || this.#hasGone || !stdin.writable) return
    stdin.write(`${text}\n`)
    if (stdin.writableLength <= MAX_UNREAD_BYTES || this.#isDeaf) return
    this.#isDeaf = true
    this.#listener.deaf()
  }

  /** Nothing more is read until `resume()`: an agent that talks faster than it is heard waits. */
  pause(): void {
    this.#child.stdout.pause()
  }

  resume(): void {
    this.#child.stdout.resume()
  }

  /**
   * Ends it and all that it started: the end of its input, a pause, SIGTERM to the group, another one, SIGKILL. `now` leaves out the
   * first pause. Resolves when nothing of it is left, as far as can be seen.
   */
  end(how: "kindly" | "now" = "kindly"): Promise<void> {
    this.#ending ??= this.#end(how)
    return this.#ending
  }

  async #end(how: "kindly" | "now"): Promise<void> {
    this.resume()
    this.#child.stdin.end()
    if (how === "kindly" && !this.#hasGone) await this.#within(this.#gone.promise, this.#closeMs)
    await endGroup(this.pid, TERM_MS)
    await endMarked(this.mark, (ms) => new Promise((resolve) => setTimeout(resolve, ms)))
    await this.#within(this.#gone.promise, KILL_WAIT_MS)
    this.#leave()
    await this.#launched.close()
  }

  #listen(): void {
    const { stderr, stdout } = this.#child
    const reader = new LineReader(MAX_MESSAGE_BYTES, this.#listener)
    stdout.on("data", (chunk: Buffer) => {
      if (!this.#hasGone) reader.push(chunk)
    })
    stderr.on("data", (chunk: Buffer) => this.stderr.add(chunk))
    for (const stream of [stdout, stderr]) stream.on("error", () => stream.destroy())
    const closed = new Promise<void>((resolve) => void this.#child.once("close", () => resolve()))
    this.#child.once("exit", (code, signal) => {
      this.resume()
      void this.#within(closed, DRAIN_MS).then(() => {
        if (!this.#hasGone) reader.end()
        this.#leave({ code, signal })
        // What it left behind ends with it, and is cleaned up: nobody would watch it.
        void this.end("now")
      })
    })
  }

  #leave(exit: AgentExit = { code: null, signal: "SIGKILL" }): void {
    if (this.#hasGone) return
    this.#hasGone = true
    this.#gone.resolve()
    for (const stream of [this.#child.stdout, this.#child.stderr, this.#child.stdin]) stream.destroy()
    this.#listener.exited(exit)
  }

  /** Waits for a promise, but no longer than so. */
  #within(promise: Promise<void>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve)
      void promise.then(() => {
        cancel()
        resolve()
      })
    })
  }
}
