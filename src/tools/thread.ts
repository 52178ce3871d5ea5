// Work on what strangers wrote (patterns, .gitignore files, pages) may take for ever or all memory. It is done in a thread of its
// own that is ended when it is canceled, takes too long or grows too big, so that nothing of it can hold the gateway.
import { Worker } from "node:worker_threads"
import { PincerError } from "../base/errors.ts"
import type { HtmlTask } from "./html.ts"
import type { LinesFound, LinesTask } from "./match-lines.ts"
import type { NamesFound, NamesTask } from "./match-names.ts"

/** What can be done in the thread: what each work takes and gives. */
export interface Works {
  names: { task: NamesTask; answer: NamesFound }
  lines: { task: LinesTask; answer: LinesFound }
  html: { task: HtmlTask; answer: string }
}

export type ThreadMessage = { answer: unknown } | { refusal: string }

export interface ThreadLimits {
  signal: AbortSignal
  deadlineMs: number
  /** Default 384. */
  maxHeapMb?: number
}

const MAX_THREADS = 4
const HEAP_MB = 384

/** Threads cost processors and memory of the whole process, so their number is the process's too. */
let running = 0
const waiting: (() => void)[] = []

/** Throws TIMEOUT, TOO_LARGE, INVALID_PARAMS with the work's own refusal, and the signal's reason. */
export async function inThread<K extends keyof Works>(
  work: K,
  task: Works[K]["task"],
  limits: ThreadLimits,
): Promise<Works[K]["answer"]> {
  limits.signal.throwIfAborted()
  if (running >= MAX_THREADS) await turn(limits.signal)
  else running += 1
  try {
    const message = await ask(work, task, limits)
    if ("refusal" in message) throw new PincerError("INVALID_PARAMS", message.refusal)
    return message.answer as Works[K]["answer"]
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running -= 1
  }
}

function turn(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = () => {
      signal.removeEventListener("abort", leave)
      resolve()
    }
    const leave = () => {
      waiting.splice(waiting.indexOf(next), 1)
      reject(signal.reason)
    }
    waiting.push(next)
    signal.addEventListener("abort", leave, { once: true })
  })
}

function ask(work: keyof Works, task: unknown, limits: ThreadLimits): Promise<ThreadMessage> {
  const { signal, deadlineMs, maxHeapMb = HEAP_MB } = limits
  // The published package has .js beside this file; a checkout runs the source.
  const file = new URL(import.meta.url.endsWith(".ts") ? "./thread-entry.ts" : "./thread-entry.js", import.meta.url)
  const worker = new Worker(file, {
    workerData: { work, task },
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
  })
  return new Promise<ThreadMessage>((resolve, reject) => {
    const late = `It took longer than ${deadlineMs / 1000} s and was stopped: ask for less at once`
    const timer = setTimeout(() => reject(new PincerError("TIMEOUT", late)), deadlineMs)
    const onAbort = () => reject(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    worker.once("message", resolve)
    worker.once("error", (error) => reject(failed(error)))
    worker.once("exit", () => reject(new PincerError("INTERNAL_ERROR", "The work ended without an answer")))
    worker.once("exit", () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
    })
  }).finally(() => worker.terminate())
}

function failed(error: unknown): unknown {
  const tooBig = error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY"
  if (!tooBig) return error
  return new PincerError("TOO_LARGE", "It took too much memory and was stopped: ask for less at once", { cause: error })
}
