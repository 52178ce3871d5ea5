// A connection to an MCP server that is a program: one JSON-RPC message a line. The program has a process group of its own and is ended
// with all that it started: by closing its input, then SIGTERM, then SIGKILL. Of what it writes to stderr the end is kept.
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client"
import { PincerError } from "../../base/errors.ts"
import { parseJson } from "../../base/json.ts"
import { LineReader } from "../../base/lines.ts"
import { endGroup, startProgram } from "../../base/process.ts"
import type { Confined, Program } from "../../sandbox/sandbox.ts"
import { MAX_MESSAGE_BYTES } from "./ports.ts"
import { seenLine } from "./words.ts"

/** How long a server may take to end after its input was closed, and how long its output may stay open after its end. */
const END_MS = 1_500
const DRAIN_MS = 250
const STDERR_CHARS = 4_000

export interface StdioOptions {
  program: Program
  launch(program: Program): Promise<Confined>
  /** Throws for what is no JSON-RPC message. */
  parse(value: unknown): JSONRPCMessage
}

export class StdioTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly #options: StdioOptions
  #child: ChildProcessWithoutNullStreams | undefined
  #confined: Confined | undefined
  #stderr = ""
  #why = ""
  #closing = false
  #ended = false
  readonly #exited = Promise.withResolvers<void>()
  #cleaned: Promise<void> | undefined

  constructor(options: StdioOptions) {
    this.#options = options
  }

  /** How it ended and the last it said, as a clause that begins with a blank or is empty. */
  get epitaph(): string {
    const said = seenLine(this.#stderr, 1_000)
    const last = said.length > 300 ? `…${said.slice(-300)}` : said
    return `${this.#why === "" ? "" : ` (${this.#why})`}${last === "" ? "" : `: ${last}`}`
  }

  async start(): Promise<void> {
    this.#confined = await this.#options.launch(this.#options.program)
    const { args, cwd, env, file } = this.#confined
    try {
      if (this.#closing) throw new PincerError("ABORTED", "It was closed before it was started")
      this.#child = await startProgram(file, args, { cwd, env })
    } catch (error) {
      this.#exited.resolve()
      await this.#confined.close()
      throw error
    }
    this.#listen(this.#child)
    if (this.#closing) await this.close()
  }

  #listen(child: ChildProcessWithoutNullStreams): void {
    const reader = new LineReader(MAX_MESSAGE_BYTES, {
      line: (text) => this.#take(text),
      tooLong: (bytes) => this.#giveUp(`it wrote a line of ${bytes} bytes; at most ${MAX_MESSAGE_BYTES} are read`),
    })
    child.stdout.on("data", (chunk: Buffer) => reader.push(chunk))
    child.stdout.once("end", () => reader.end())
    child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8").slice(-STDERR_CHARS)).slice(-STDERR_CHARS)
    })
    for (const stream of [child.stdout, child.stderr]) stream.on("error", () => undefined)
    child.once("exit", (code, signal) => {
      if (this.#why === "") this.#why = signal === null ? `exit code ${code}` : `ended by ${signal}`
      this.#exited.resolve()
      void this.#clean()
      void this.#end(child)
    })
  }

  #take(text: string): void {
    if (this.#ended) return
    let message: JSONRPCMessage
    try {
      message = this.#options.parse(parseJson(text))
    } catch (error) {
      // Servers that print to stdout are wrong but common: what is no message is passed over.
      this.onerror?.(error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.onmessage?.(message)
  }

  /** What it does not keep to ends the connection. */
  #giveUp(why: string): void {
    this.#why ||= why
    void this.close()
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const { stdin } = this.#child ?? {}
    if (!stdin || this.#closing || this.#ended || !stdin.writable) throw new Error(`It has ended${this.epitaph}`)
    if (stdin.writableLength > MAX_MESSAGE_BYTES) throw new Error("It does not read what is sent to it")
    stdin.write(`${JSON.stringify(message)}\n`)
  }

  /** Resolves when nothing of the server runs any more. */
  async close(): Promise<void> {
    const first = !this.#closing
    this.#closing = true
    const child = this.#child
    if (!child) {
      this.#tellClosed()
      return
    }
    if (first) {
      child.stdin.end()
      await within(this.#exited.promise, END_MS)
    }
    await this.#clean()
    await this.#end(child)
  }

  /** Ends what is left of the group, once. */
  #clean(): Promise<void> {
    this.#cleaned ??= endGroup(this.#child!.pid!).then(() => this.#confined?.close())
    return this.#cleaned
  }

  /** Reads what was still on its way, then tells that it is over. */
  async #end(child: ChildProcessWithoutNullStreams): Promise<void> {
    await within(Promise.all([ended(child.stdout), ended(child.stderr)]), DRAIN_MS)
    this.#tellClosed()
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy()
  }

  #tellClosed(): void {
    if (this.#ended) return
    this.#ended = true
    this.onclose?.()
  }
}

function ended(stream: NodeJS.ReadableStream & { readonly destroyed?: boolean; readonly readableEnded?: boolean }) {
  if (stream.destroyed || stream.readableEnded) return Promise.resolve()
  return new Promise<void>((resolve) => {
    stream.once("end", resolve)
    stream.once("close", resolve)
  })
}

/** Waits for `promise`, but no longer than `ms`. */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  const timeout = Promise.withResolvers<void>()
  const timer = setTimeout(timeout.resolve, ms)
  await Promise.race([promise, timeout.promise])
  clearTimeout(timer)
}
