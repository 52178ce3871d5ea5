// Running programs: in a process group of their own, so that everything they start can be ended with them; output capped as it
// comes; a deadline on every wait. A program that fails is a result, not an exception.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import type { Readable } from "node:stream"
import { StringDecoder } from "node:string_decoder"
import { PincerError } from "./errors.ts"
import type { HeldProgram, ProgramEnd, StartedProgram } from "./starter.ts"
import { cut } from "./text.ts"

export interface RunOptions {
  cwd: string
  /** The whole environment; nothing is inherited. */
  env: Record<string, string>
  signal: AbortSignal
  timeoutMs: number
  /** Characters of output that are kept; from the middle the rest is left out. */
  maxChars: number
  stdin?: string
  /** Between SIGTERM and SIGKILL; default 2,000. */
  graceMs?: number
  /** Told of output as it comes (decoded, not capped). */
  onOutput?: (text: string) => void
  /** Told of the bytes of each stream as they come, instead of all that: nothing is decoded, kept or capped then. */
  take?: (from: "stdout" | "stderr", bytes: Buffer) => void
  /** The process that is to be this program: made with the same file, arguments, folder, variables and, if any, input. */
  held?: HeldProgram
}

export interface RunResult {
  /** null when a signal ended it, or it was never started because it was canceled before. */
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
const POLL_MS = 20
/** How long output may stay open after the program has ended. */
const DRAIN_MS = 250
/** How long a killed program may take to go: one that hangs in the kernel is given up. */
const KILL_WAIT_MS = 5_000
const MAX_TIMER_MS = 2 ** 31 - 1

/** Text that keeps its beginning and its end when it grows beyond the limit. */
export class CappedText {
  readonly #half: number
  #head = ""
  #headFull = false
  #tail = ""
  #left = 0

  /** `max`: UTF-16 units kept; the line that says what is missing comes on top. */
  constructor(max: number) {
    this.#half = Math.floor(max / 2)
  }

  add(text: string): void {
    if (!this.#headFull) {
      const part = cut(text, this.#half - this.#head.length)
      this.#head += part
      if (part.length === text.length) return
      this.#headFull = true
      text = text.slice(part.length)
    }
    this.#tail += text
    if (this.#tail.length > this.#half * 2) this.#trim()
  }

  #trim(): void {
    let tail = this.#tail.slice(-this.#half)
    const first = tail.charCodeAt(0)
    if (first >= 0xdc00 && first <= 0xdfff) tail = tail.slice(1)
    this.#left += this.#tail.length - tail.length
    this.#tail = tail
  }

  toString(): string {
    if (this.#tail.length > this.#half) this.#trim()
    if (this.#left === 0) return this.#head + this.#tail
    return `${this.#head}\n[… ${this.#left} characters left out …]\n${this.#tail}`
  }
}

/** Sends a signal to a process group (0 only looks). False when there is no such group any more. */
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

/** Ends a process group, also one whose leader is gone: SIGTERM, then SIGKILL for what is still there after the grace period. */
export async function endGroup(pid: number, graceMs: number = TERM_GRACE_MS): Promise<void> {
  if (!signalGroup(pid, "SIGTERM")) return
  for (let waited = 0, pause = POLL_MS; waited < graceMs; waited += pause, pause = Math.min(pause * 2, 200)) {
    await after(pause)
    if (!(await groupLives(pid))) return
  }
  signalGroup(pid, "SIGKILL")
}

/**
 * True while a process of the group runs. Where process 1 collects no dead (many containers), orphans of the group stay in the table
 * for good; on Linux, where that can be seen, they do not count.
 */
async function groupLives(pid: number): Promise<boolean> {
  if (!signalGroup(pid, 0)) return false
  if (process.platform !== "linux") return true
  const entries = await readdir("/proc").catch((): string[] => [])
  if (!entries.includes(String(process.pid))) return true
  for (const entry of entries) {
    if (!/^\d+$/.test(entry)) continue
    // "pid (name) state parent group …"; the name may hold anything.
    const stat = await readFile(`/proc/${entry}/stat`, "latin1").catch(() => "")
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    if (Number(group) === pid && state !== "Z" && state !== "X") return true
  }
  return false
}

/**
 * Runs a program to its end, or until it is canceled or out of time. Throws UNAVAILABLE only when it cannot be started. What it
 * leaves in the background ends with it: nobody would watch or stop it.
 */
export async function runProgram(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { signal } = options
  const result: RunResult = {
    exitCode: null,
    killedBy: null,
    output: "",
    timedOut: false,
    canceled: signal.aborted,
    leftBehind: false,
  }
  if (signal.aborted) return result
  const child = await started(file, args, options)
  child.stdin?.on("error", () => undefined)
  child.stdin?.end(options.stdin ?? "")
  const output = new CappedText(options.maxChars)
  const closed = options.take ? handOn(child, options.take) : collect(child, output, options.onOutput)
  let lost: { error: unknown } | undefined
  const exited = child.exited.then(
    ({ code, signal }) => {
      result.exitCode = code
      result.killedBy = signal
    },
    (error: unknown) => {
      lost = { error }
    },
  )
  const stopped = Promise.withResolvers<void>()
  let ending: Promise<void> | undefined
  const stop = () => {
    ending ??= endGroup(child.pid, options.graceMs)
    void ending.then(stopped.resolve)
  }
  const onTimeout = () => {
    result.timedOut = true
    stop()
  }
  const onAbort = () => {
    result.canceled = true
    stop()
  }
  const timer = setTimeout(onTimeout, Math.min(options.timeoutMs, MAX_TIMER_MS))
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    await Promise.race([exited, stopped.promise.then(() => within(exited, KILL_WAIT_MS))])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", onAbort)
  }
  await within(closed, DRAIN_MS)
  if (await groupLives(child.pid)) {
    result.leftBehind = true
    stop()
  }
  if (ending) {
    await ending
    await within(closed, DRAIN_MS)
  }
  for (const stream of [child.stdout, child.stderr]) stream.destroy()
  if (lost) throw lost.error
  return { ...result, output: output.toString() }
}

async function started(file: string, args: readonly string[], options: RunOptions): Promise<StartedProgram> {
  try {
    if (options.held) return await options.held.go()
  } catch (error) {
    throw cannotStart(file, error)
  }
  const child = await startProgram(file, args, options)
  const exited = new Promise<ProgramEnd>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })))
  return { pid: child.pid!, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exited }
}

/** Resolves once the program runs, with its input open and in a group of its own. Throws UNAVAILABLE when it cannot be started. */
export async function startProgram(
  file: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<ChildProcessWithoutNullStreams> {
  try {
    const child = spawn(file, args, { cwd, env, detached: true, stdio: "pipe" })
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve)
      child.once("error", reject)
    })
    // A signal that cannot be delivered, and a program that reads nothing and closes its input: neither is a failure of ours.
    child.on("error", () => undefined)
    child.stdin.on("error", () => undefined)
    return child
  } catch (error) {
    throw cannotStart(file, error)
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits for `promise`, but no longer than `ms`. */
function within(promise: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    // One more round of input and output before giving up: after a busy moment the timer is due before the data is read.
    const timer = setTimeout(() => setImmediate(() => setImmediate(resolve)), ms)
    void promise.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

interface Outputs {
  stdout: Readable
  stderr: Readable
}

/** Resolves when both outputs are closed. A character split between two chunks is put together. */
function collect(child: Outputs, output: CappedText, onOutput?: (text: string) => void): Promise<void> {
  const streams = [child.stdout, child.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        const decoder = new StringDecoder("utf8")
        const take = (text: string) => {
          if (text === "") return
          output.add(text)
          onOutput?.(text)
        }
        stream.on("data", (chunk: Buffer) => take(decoder.write(chunk)))
        stream.on("error", () => resolve())
        stream.once("close", () => {
          take(decoder.end())
          resolve()
        })
      }),
  )
  return Promise.all(streams).then(() => undefined)
}

/** Resolves when both outputs are closed. */
function handOn(child: Outputs, take: NonNullable<RunOptions["take"]>): Promise<void> {
  const streams = (["stdout", "stderr"] as const).map(
    (from) =>
      new Promise<void>((resolve) => {
        const stream = child[from]
        stream.on("data", (bytes: Buffer) => take(from, bytes))
        stream.on("error", () => resolve())
        stream.once("close", resolve)
      }),
  )
  return Promise.all(streams).then(() => undefined)
}

function cannotStart(file: string, error: unknown): PincerError {
  if (error instanceof PincerError) return error
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
  const words: Record<string, string> = {
    ENOENT: "it or the working directory does not exist",
    EACCES: "permission denied",
    E2BIG: "its arguments are too long: put them into a file",
    ERR_INVALID_ARG_VALUE: "an argument holds a NUL character",
  }
  return new PincerError("UNAVAILABLE", `Cannot start ${file}: ${words[code] ?? code}`, {
    cause: error,
    retryable: false,
  })
}
