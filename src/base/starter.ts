// Starts programs through a small process that lives as long as this object (starter-program.ts): a fork costs as much as the process is big, and
// Node waits for it. On Linux only, where perl is; elsewhere hold() gives nothing, and the caller starts the program itself. Programs get their own
// process group, exactly the variables given, and pipes that this process opens: nothing of one reaches another.
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { closeSync, constants, existsSync, openSync } from "node:fs"
import { Socket } from "node:net"
import { constants as system } from "node:os"
import type { Readable, Writable } from "node:stream"
import { PincerError } from "./errors.ts"
import { STARTER_PROGRAM } from "./starter-program.ts"

/** A program that runs. */
export interface StartedProgram {
  readonly pid: number
  /** Absent: it reads nothing. */
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable
  /** Rejects when it cannot be known any more. */
  readonly exited: Promise<ProgramEnd>
}

export interface ProgramEnd {
  /** null: a signal ended it. */
  code: number | null
  signal: NodeJS.Signals | null
}

export interface ProgramStart {
  file: string
  args: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
  /** Somebody will write to its input. */
  input: boolean
}

/** A process that is ready to be a program, and does nothing before it is told to. */
export interface HeldProgram {
  /** Once. Rejects with an error that has a `code`, as spawn() does. */
  go(): Promise<StartedProgram>
  /** It is not wanted any more; nothing once it goes. */
  drop(): void
}

const PERL = "/usr/bin/perl"
/** Held and running at once; more are started by the caller. */
const MAX_PROGRAMS = 64
/** How long what is not urgent waits for company. */
const TELL_MS = 50
/** Longer ones are refused by whoever starts them the usual way. */
const MAX_FRAME = 1024 * 1024

type Helper = ChildProcessByStdio<Writable, Readable, null>

interface Pending {
  started: PromiseWithResolvers<StartedProgram>
  exited: PromiseWithResolvers<ProgramEnd>
  pid: number | undefined
  hasInput: boolean
}

const SIGNALS = new Map(Object.entries(system.signals).map(([name, number]) => [number, name as NodeJS.Signals]))
const ERRORS = new Map(Object.entries(system.errno).map(([name, number]) => [number, name]))

export class Starter {
  readonly #pending = new Map<string, Pending>()
  #helper: Helper | undefined
  #isGone = false
  #isLost = false
  #held = 0
  #lastId = 0
  #said = ""
  /** Waits to be sent. */
  #told: Buffer[] = []
  #telling: NodeJS.Timeout | undefined

  /** Undefined: start it another way. */
  hold(program: ProgramStart): HeldProgram | undefined {
    if (this.#isGone || this.#held + this.#pending.size >= MAX_PROGRAMS) return undefined
    const id = String(++this.#lastId)
    const request = frame(id, program)
    const helper = request && this.#opened()
    if (!helper) return undefined
    helper.stdin.write(this.#withWaiting(request))
    this.#held++
    let isHeld = true
    const isFirst = () => {
      if (!isHeld) return false
      isHeld = false
      this.#held--
      return true
    }
    return {
      go: () =>
        isFirst()
          ? this.#go(id, helper, program.input)
          : Promise.reject(new TypeError("It was begun or dropped before")),
      drop: () => {
        if (isFirst() && !this.#isGone) helper.stdin.write(words("drop", id))
      },
    }
  }

  #go(id: string, helper: Helper, hasInput: boolean): Promise<StartedProgram> {
    const one: Pending = { started: Promise.withResolvers(), exited: Promise.withResolvers(), pid: undefined, hasInput }
    // Whoever got no program waits for no end.
    one.exited.promise.catch(() => undefined)
    if (this.#isLost) return Promise.reject(lostError())
    this.#pending.set(id, one)
    this.#keep(helper)
    helper.stdin.write(words("go", id))
    return one.started.promise
  }

  /** No more programs; those that run go on. */
  close(): void {
    this.#isGone = true
    clearTimeout(this.#telling)
    this.#helper?.stdin.end()
  }

  #opened(): Helper | undefined {
    if (this.#helper) return this.#helper
    if (process.platform !== "linux" || !existsSync(PERL) || !existsSync("/proc/self/fd")) {
      this.#isGone = true
      return undefined
    }
    const env = { PATH: "/usr/bin:/bin" }
    const helper = spawn(PERL, ["-e", STARTER_PROGRAM], {
      cwd: "/",
      env,
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    })
    helper.on("error", () => this.#lose())
    helper.on("exit", () => this.#lose())
    helper.stdin.on("error", () => this.#lose())
    helper.stdout.on("error", () => this.#lose())
    helper.stdout.setEncoding("latin1").on("data", (text: string) => this.#heard(text))
    this.#helper = helper
    this.#keep(helper)
    return helper
  }

  /** It keeps this process alive only while programs run. */
  #keep(helper: Helper): void {
    const isBusy = this.#pending.size > 0
    for (const one of [helper, helper.stdin as Socket, helper.stdout as Socket])
      if (isBusy) one.ref()
      else one.unref()
  }

  #heard(text: string): void {
    this.#said += text
    for (let end = this.#said.indexOf("\n"); end >= 0; end = this.#said.indexOf("\n")) {
      const [verb = "", id = "", ...numbers] = this.#said.slice(0, end).split(" ")
      this.#said = this.#said.slice(end + 1)
      const one = this.#pending.get(id)
      if (one) this.#take(one, verb, id, numbers.map(Number))
    }
  }

  #take(one: Pending, verb: string, id: string, [first = 0, ...fds]: number[]): void {
    if (verb === "started") {
      one.pid = first
      this.#connect(one, id, first, fds)
      return
    }
    this.#pending.delete(id)
    if (this.#helper) this.#keep(this.#helper)
    if (verb === "failed") one.started.reject(systemError(first))
    else {
      const signal = first & 127
      one.exited.resolve(
        signal === 0
          ? { code: first >> 8, signal: null }
          : { code: null, signal: SIGNALS.get(signal) ?? (`SIG${signal}` as NodeJS.Signals) },
      )
    }
  }

  #connect(one: Pending, id: string, pid: number, fds: readonly number[]): void {
    const opened: number[] = []
    try {
      const [input = -1, out = -1, err = -1] = fds
      const reading = constants.O_RDONLY | constants.O_NONBLOCK
      opened.push(this.#openPipe(out, reading), this.#openPipe(err, reading))
      if (input >= 0) opened.push(this.#openPipe(input, constants.O_WRONLY | constants.O_NONBLOCK))
      const [outFd, errFd, inFd] = opened
      const stdin = inFd === undefined ? undefined : new Socket({ fd: inFd, readable: false, writable: true })
      const [stdout, stderr] = [outFd, errFd].map((fd) => new Socket({ fd: fd!, readable: true, writable: false }))
      one.started.resolve({ pid, stdin, stdout: stdout!, stderr: stderr!, exited: one.exited.promise })
    } catch (error) {
      for (const fd of opened) closeSync(fd)
      endNow(pid)
      one.started.reject(error)
    }
    this.#told.push(words("opened", id))
    // What a program reads ends only once nobody else holds the other end. The rest can wait for company.
    if (one.hasInput) this.#tell()
    else this.#telling ??= setTimeout(() => this.#tell(), TELL_MS).unref()
  }

  #tell(): void {
    if (this.#told.length > 0 && !this.#isLost) this.#helper?.stdin.write(this.#withWaiting())
  }

  #withWaiting(request: Buffer = Buffer.alloc(0)): Buffer {
    clearTimeout(this.#telling)
    this.#telling = undefined
    if (this.#told.length === 0) return request
    const whole = Buffer.concat([...this.#told, request])
    this.#told = []
    return whole
  }

  #openPipe(number: number, flags: number): number {
    return openSync(`/proc/${this.#helper?.pid}/fd/${number}`, flags)
  }

  /** The small process is gone: what it had started is ended, for nobody will learn how it ends. */
  #lose(): void {
    this.#isGone = true
    this.#isLost = true
    const left = [...this.#pending.values()]
    this.#pending.clear()
    for (const { exited, pid, started } of left) {
      if (pid !== undefined) endNow(pid)
      started.reject(lostError())
      exited.reject(lostError())
    }
  }
}

function lostError(): PincerError {
  const message = "The process that starts programs ended: how far this one came is unknown. Look, and run it again"
  return new PincerError("UNAVAILABLE", message, { retryable: false })
}

function endNow(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL")
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
}

function systemError(errno: number): Error {
  const code = ERRORS.get(errno) ?? `E${errno}`
  return Object.assign(new Error(code), { code })
}

/** Undefined: it cannot be said in a request. */
function frame(id: string, { args, cwd, env, file, input }: ProgramStart): Buffer | undefined {
  const variables = Object.entries(env)
  const fields = [cwd, String(variables.length), ...variables.flat(), file, ...args]
  if (fields.some((field) => field.includes("\0"))) return undefined
  const line = words("hold", id, input ? "1" : "0", ...fields)
  return line.length > MAX_FRAME ? undefined : line
}

/** No word holds a zero byte. */
function words(...texts: string[]): Buffer {
  const whole = Buffer.from(`0000${texts.join("\0")}`)
  whole.writeUInt32BE(whole.length - 4, 0)
  return whole
}
