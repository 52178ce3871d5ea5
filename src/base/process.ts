// Running programs: in a process group of their own, so that everything they start can be ended with them; output capped as it
// comes; a deadline on every wait. A program that fails is a result, not an exception.
import { type ChildProcess, spawn } from "node:child_process"
import { StringDecoder } from "node:string_decoder"
import { PincerError } from "./errors.ts"

export interface RunOptions {
  cwd: string
  /** The whole environment; nothing is inherited. */
  env: Record<string, string>
  signal: AbortSignal
  timeoutMs: number
  /** Characters of output that are kept; from the middle the rest is left out. */
  maxChars: number
  stdin?: string
  /** Told of output as it comes (decoded, not capped). */
  onOutput?: (text: string) => void
}

export interface RunResult {
  exitCode: number | null
  /** Name of the signal that ended it, when one did. */
  killedBy: string | null
  /** stdout and stderr in the order in which they came. */
  output: string
  timedOut: boolean
  canceled: boolean
  /** It had left processes in the background; they were ended. */
  leftBehind: boolean
}

const TERM_GRACE_MS = 2_000
/** How long output may stay open after the program has ended. */
const DRAIN_MS = 250

/** Text that keeps its beginning and its end when it grows beyond the limit. */
export class CappedText {
  readonly #max: number
  #head = ""
  #tail = ""
  #left = 0

  constructor(max: number) {
    this.#max = max
  }

  add(text: string): void {
    const half = Math.floor(this.#max / 2)
    const room = half - this.#head.length
    if (room > 0) {
      this.#head += text.slice(0, room)
      text = text.slice(room)
    }
    if (text === "") return
    this.#tail += text
    if (this.#tail.length > half * 2) {
      this.#left += this.#tail.length - half
      this.#tail = this.#tail.slice(-half)
    }
  }

  toString(): string {
    const half = Math.floor(this.#max / 2)
    const tail = this.#tail.slice(-half)
    const left = this.#left + this.#tail.length - tail.length
    return left === 0 ? this.#head + tail : `${this.#head}\n[… ${left} characters left out …]\n${tail}`
  }
}

/** Ends a process group: SIGTERM, then SIGKILL when it is still there after the grace period. Works when its leader is gone. */
export function killGroup(pid: number, graceMs: number = TERM_GRACE_MS): () => void {
  signalGroup(pid, "SIGTERM")
  const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs)
  timer.unref()
  return () => clearTimeout(timer)
}

/** False when there is no such group any more. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal)
    return true
  } catch (error) {
    // ESRCH: already gone. EPERM: what is left is not ours any more.
    if (error instanceof Error && "code" in error && (error.code === "ESRCH" || error.code === "EPERM")) return false
    throw error
  }
}

/** Runs a program to its end. Throws UNAVAILABLE only when it cannot be started. */
export async function runProgram(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  })
  const output = new CappedText(options.maxChars)
  const closed = collect(child, output, options.onOutput)
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", (error) => reject(cannotStart(file, error)))
    child.once("exit", (code, signal) => resolve({ code, signal }))
  })
  // A program that reads nothing closes its input early; that is its right.
  child.stdin?.on("error", () => undefined)
  child.stdin?.end(options.stdin ?? "")
  let timedOut = false
  const stop = () => {
    if (child.pid !== undefined) killGroup(child.pid)
  }
  const timer = setTimeout(() => {
    timedOut = true
    stop()
  }, options.timeoutMs)
  if (options.signal.aborted) stop()
  else options.signal.addEventListener("abort", stop, { once: true })
  try {
    const { code, signal } = await exited
    const drained = await Promise.race([closed.then(() => true), after(DRAIN_MS).then(() => false)])
    // What it left in the background ends with it: nobody would watch or stop it.
    const left = child.pid !== undefined && signalGroup(child.pid, "SIGKILL")
    if (!drained) for (const stream of [child.stdout, child.stderr]) stream?.destroy()
    return {
      exitCode: code,
      killedBy: signal,
      output: output.toString(),
      timedOut,
      canceled: options.signal.aborted,
      leftBehind: left,
    }
  } finally {
    clearTimeout(timer)
    options.signal.removeEventListener("abort", stop)
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Resolves when both outputs are closed. A character split between two chunks is put together. */
function collect(child: ChildProcess, output: CappedText, onOutput?: (text: string) => void): Promise<void> {
  const streams = [child.stdout, child.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        if (!stream) {
          resolve()
          return
        }
        const decoder = new StringDecoder("utf8")
        stream.on("data", (chunk: Buffer) => {
          const text = decoder.write(chunk)
          output.add(text)
          onOutput?.(text)
        })
        stream.once("close", () => resolve())
        stream.on("error", () => resolve())
      }),
  )
  return Promise.all(streams).then(() => undefined)
}

function cannotStart(file: string, error: Error): PincerError {
  const code = "code" in error ? String(error.code) : error.message
  const why = code === "ENOENT" ? "it or the working directory does not exist" : code
  return new PincerError("UNAVAILABLE", `Cannot start ${file}: ${why}`, { cause: error, retryable: false })
}
