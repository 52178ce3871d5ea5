// The one local model that is in memory: a process of its own, started when a model is first asked, ended when nobody has asked for a
// while, when another model is asked, and with the gateway. One request at a time; a bounded number waits. One that keeps falling over is
// left alone for longer and longer.
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { Logger } from "../base/log.ts"
import { CappedText, endGroup, startProgram } from "../base/process.ts"
import { excerpt } from "../base/text.ts"
import type { Order, Report } from "./child/order.ts"
import type { ModelEngine } from "./engine.ts"
import type { LocalModel } from "./shelf.ts"

export interface RunnerSettings {
  threads: number
  contextSize: number
  /** How long a model stays in memory after the last request, ms. */
  idleMs: number
  /** How long loading may take, ms. */
  loadMs: number
}

export interface RunnerOptions {
  settings(): RunnerSettings
  engine(): ModelEngine | undefined
  /** The whole environment of the process. */
  env: Record<string, string>
  clock: Clock
  log: Logger
}

/** The right to make one request to a model that is loaded. */
export interface ModelLease {
  /** "http://127.0.0.1:4711/v1" */
  baseUrl: string
  secret: string
  contextSize: number
  /** Why the process is gone. A broken connection is seen before its end: that is waited for a moment. */
  fault(): Promise<string | undefined>
  release(): void
}

interface Running {
  model: LocalModel
  engine: ModelEngine
  child: ChildProcessWithoutNullStreams
  baseUrl: string
  secret: string
  contextSize: number
  fault: string | undefined
  /** Told to end: that is no fault. */
  ending: boolean
  exited: Promise<void>
}

const MAX_WAITING = 8
const BACK_OFF_MS = [0, 2_000, 10_000, 30_000, 60_000]
/** How long the end of a process may come after the end of its connection. */
const END_MS = 1_000
const STDERR_CHARS = 4_000

export class LocalRunner {
  readonly #options: RunnerOptions
  #running: Running | undefined
  #starting: Promise<Running> | undefined
  /** What is being loaded. */
  #loading: Running | undefined
  #isBusy = false
  readonly #waiting: (() => void)[] = []
  #idle: (() => void) | undefined
  #faults = 0
  #notBefore = 0
  #closed = false

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** What is in memory now. */
  get loaded(): { name: string; pid: number } | undefined {
    const running = this.#running
    return running && { name: running.model.name, pid: running.child.pid! }
  }

  /** Waits for its turn and for the model to be loaded. Throws RATE_LIMITED, UNAVAILABLE, or the signal's reason. */
  async lease(model: LocalModel, signal: AbortSignal): Promise<ModelLease> {
    await this.#turn(model, signal)
    try {
      const running = await abortable(this.#ready(model), signal)
      let open = true
      return {
        baseUrl: running.baseUrl,
        secret: running.secret,
        contextSize: running.contextSize,
        fault: async () => {
          await Promise.race([
            running.exited,
            new Promise<void>((resolve) => this.#options.clock.after(END_MS, resolve)),
          ])
          return running.fault
        },
        release: () => {
          if (!open) return
          open = false
          if (running.fault === undefined) this.#faults = 0
          this.#next()
        },
      }
    } catch (error) {
      this.#next()
      throw error
    }
  }

  async #turn(model: LocalModel, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#closed) throw new PincerError("UNAVAILABLE", "The gateway is stopping", { retryable: false })
    if (!this.#isBusy) {
      this.#isBusy = true
      return
    }
    if (this.#waiting.length >= MAX_WAITING)
      throw new PincerError(
        "RATE_LIMITED",
        `local/${model.name} is busy, and ${MAX_WAITING} requests are waiting for it: try again later`,
      )
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", leave)
        resolve()
      }
      const leave = () => {
        const at = this.#waiting.indexOf(go)
        if (at >= 0) this.#waiting.splice(at, 1)
        reject(signal.reason)
      }
      this.#waiting.push(go)
      signal.addEventListener("abort", leave, { once: true })
    })
  }

  #next(): void {
    const next = this.#waiting.shift()
    if (next) {
      next()
      return
    }
    this.#isBusy = false
    this.#idle?.()
    this.#idle = this.#options.clock.after(this.#options.settings().idleMs, () => {
      if (!this.#isBusy) void this.#end("nobody asked it for a while")
    })
  }

  /** The process of this model; another one is ended first. A start goes on when nobody waits for it any more. */
  async #ready(model: LocalModel): Promise<Running> {
    this.#idle?.()
    this.#idle = undefined
    await this.#starting?.catch(() => undefined)
    const running = this.#running
    if (running && running.fault === undefined && running.model.path === model.path) return running
    await this.#end("another model is asked")
    const wait = this.#notBefore - this.#options.clock.now()
    if (wait > 0)
      throw new PincerError(
        "UNAVAILABLE",
        `local/${model.name} fell over ${this.#faults} times: it is tried again in ${Math.ceil(wait / 1000)} s`,
        { retryAfterMs: wait },
      )
    this.#starting = this.#start(model)
    try {
      return await this.#starting
    } finally {
      this.#starting = undefined
    }
  }

  async #start(model: LocalModel): Promise<Running> {
    const { env, log } = this.#options
    const engine = this.#options.engine()
    if (!engine)
      throw new PincerError(
        "UNAVAILABLE",
        'No engine for local models is installed: run "pincer models engine install"',
        {
          retryable: false,
        },
      )
    const folder = mkdtempSync(join(tmpdir(), "pincer-model-"))
    const child = await startProgram(process.execPath, [entryFile()], { cwd: folder, env }).catch((error: unknown) => {
      rmSync(folder, { recursive: true, force: true })
      throw error
    })
    const errors = new CappedText(STDERR_CHARS)
    child.stderr.on("data", (chunk: Buffer) => errors.add(chunk.toString("utf8")))
    const secret = randomBytes(32).toString("hex")
    const running: Running = {
      ...{ model, engine, child, secret, baseUrl: "", contextSize: 0, fault: undefined, ending: false },
      exited: new Promise((resolve) => child.once("exit", () => resolve())),
    }
    child.once("exit", (code, signal) => {
      rmSync(folder, { recursive: true, force: true })
      this.#gone(running, signal ?? `exit code ${code}`, errors.toString())
    })
    this.#loading = running
    try {
      const report = await this.#report(running, { engine, secret, folder, model })
      running.baseUrl = `http://127.0.0.1:${report.port}/v1`
      running.contextSize = report.contextSize
    } catch (error) {
      await this.#stop(running)
      if (!this.#closed) this.#count()
      throw error
    } finally {
      this.#loading = undefined
    }
    this.#running = running
    log.info(
      { model: model.name, engine: engine.type, pid: child.pid, context: running.contextSize },
      "A local model is loaded",
    )
    return running
  }

  #report(running: Running, given: Pick<Order, "engine" | "secret" | "folder"> & { model: LocalModel }) {
    const { threads, contextSize, loadMs } = this.#options.settings()
    const { child, model } = running
    const { name, path, bytes } = model
    const own = model.contextLength ?? contextSize
    const order: Order = { ...given, model: { name, path, bytes }, threads, contextSize: Math.min(own, contextSize) }
    child.stdin.write(`${JSON.stringify(order)}\n`)
    return new Promise<Extract<Report, { type: "ready" }>>((resolve, reject) => {
      const fail = (why: string) => reject(new PincerError("UNAVAILABLE", `local/${name} cannot be run: ${why}`))
      const cancel = this.#options.clock.after(loadMs, () =>
        fail(`it was not loaded within ${Math.round(loadMs / 1000)} s (models.local.loadMs)`),
      )
      let text = ""
      child.stdout.on("data", (chunk: Buffer) => {
        if (text.length > STDERR_CHARS) return
        text += chunk.toString("utf8")
        const report = reportIn(text)
        if (!report) return
        cancel()
        if (report.type === "ready") resolve(report)
        else fail(report.message)
      })
      void running.exited.then(() => {
        cancel()
        fail(running.fault ?? "its process ended")
      })
    })
  }

  #gone(running: Running, how: string, said: string): void {
    const last = excerpt(said.trim(), 400)
    running.fault = `the process of local/${running.model.name} ended (${how})${last === "" || running.ending ? "" : `: ${last}`}`
    if (this.#running !== running) return
    this.#running = undefined
    if (running.ending) return
    this.#count()
    this.#options.log.warn({ model: running.model.name, how, said: last }, "The process of a local model fell over")
  }

  #count(): void {
    this.#faults += 1
    this.#notBefore = this.#options.clock.now() + (BACK_OFF_MS[this.#faults - 1] ?? BACK_OFF_MS.at(-1)!)
  }

  async #end(why: string): Promise<void> {
    const running = this.#running
    if (!running) return
    this.#options.log.info({ model: running.model.name }, `A local model is unloaded: ${why}`)
    this.#running = undefined
    await this.#stop(running)
  }

  async #stop(running: Running): Promise<void> {
    running.ending = true
    running.child.stdin.end()
    await endGroup(running.child.pid!)
    await running.exited
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#idle?.()
    if (this.#loading) await this.#stop(this.#loading)
    await this.#starting?.catch(() => undefined)
    await this.#end("the gateway stops")
  }
}

/** Engines may print lines of their own. */
function reportIn(text: string): Report | undefined {
  for (const line of text.split("\n").slice(0, -1)) {
    if (!line.startsWith('{"type":"')) continue
    return JSON.parse(line) as Report
  }
  return undefined
}

/** In a checkout a file beside this one; built, one beside all others. */
function entryFile(): string {
  const name = import.meta.url.endsWith(".ts") ? "./child/local-entry.ts" : "./local-entry.js"
  return new URL(name, import.meta.url).pathname
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    signal.addEventListener("abort", leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave))
  })
}
