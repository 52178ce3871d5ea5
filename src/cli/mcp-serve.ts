// `pincer mcp serve`: standard input and output of an MCP client joined to /mcp of the gateway, one JSON-RPC message a line. Nothing is
// decided here; a gateway that is lost is an answer to whoever waits for one.
import { PincerError } from "../base/errors.ts"
import { isObject, parseJson } from "../base/json.ts"
import { LineReader } from "../base/lines.ts"
import type { Cli } from "./cli.ts"
import { findGateway, type Target } from "./connect.ts"
import { inert } from "./inert.ts"

const MAX_LINE_BYTES = 20 * 1024 * 1024
const LOST = -32_000

interface Streams {
  input: NodeJS.ReadableStream
  /** Resolves when it may be written to again. */
  write(line: string): Promise<void> | void
}

/** Resolves when the client has closed its end and was answered. */
export async function serveMcp(cli: Cli, streams: Streams): Promise<void> {
  const target = await findGateway(cli, "start")
  if (target.url.startsWith("wss:")) {
    const { trustCaFile } = await import("./certificate.ts")
    trustCaFile(cli)
  }
  const relay = new Relay(target, streams, (text) => cli.err.line(`pincer: ${inert(text)}`))
  try {
    await relay.run()
  } finally {
    await target.close()
  }
}

class Relay {
  readonly #url: string
  readonly #token: string | undefined
  readonly #streams: Streams
  readonly #warn: (text: string) => void
  readonly #ended = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #session: string | undefined
  #version: string | undefined
  #first: Promise<void> = Promise.resolve()

  constructor({ token, url }: Pick<Target, "token" | "url">, streams: Streams, warn: (text: string) => void) {
    this.#url = `${url.replace(/^ws/, "http").replace(/\/$/, "")}/mcp`
    this.#token = token
    this.#streams = streams
    this.#warn = warn
  }

  async run(): Promise<void> {
    const closed = Promise.withResolvers<void>()
    const reader = new LineReader(MAX_LINE_BYTES, {
      line: (text) => this.#take(text),
      tooLong: (bytes) => this.#warn(`A message of ${bytes} bytes was passed over: at most ${MAX_LINE_BYTES} are read`),
    })
    const { input } = this.#streams
    input.on("data", (chunk: Buffer) => reader.push(chunk))
    input.once("end", () => {
      reader.end()
      closed.resolve()
    })
    input.once("error", () => closed.resolve())
    await closed.promise
    await this.#close()
  }

  #take(text: string): void {
    if (text.trim() === "") return
    let message: unknown
    try {
      message = parseJson(text)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      void this.#streams.write(JSON.stringify(failure(null, -32_700, `Not valid JSON: ${why}`)))
      return
    }
    const method = isObject(message) ? message["method"] : undefined
    // What comes after the first message needs the session that it opens.
    const sent = method === "initialize" ? this.#send(message) : this.#first.then(() => this.#send(message))
    if (method === "initialize") this.#first = sent
    const running = sent.finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Never throws. */
  async #send(message: unknown): Promise<void> {
    const id = isObject(message) && "method" in message ? message["id"] : undefined
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: {
          ...this.#headers(),
          accept: "application/json, text/event-stream",
          "content-type": "application/json",
        },
        body: JSON.stringify(message),
        signal: this.#ended.signal,
      })
      const answered = await this.#pass(response)
      if (id !== undefined && !answered) throw new Error("it gave no answer")
    } catch (error) {
      if (this.#ended.signal.aborted) return
      const why = error instanceof Error ? error.message : String(error)
      if (id === undefined) this.#warn(`A message did not reach the gateway: ${why}`)
      else await this.#streams.write(JSON.stringify(failure(id, LOST, `The gateway cannot be reached: ${why}`)))
    }
  }

  /** Hands an answer on; whether there was one. */
  async #pass(response: Response): Promise<boolean> {
    this.#session ??= response.headers.get("mcp-session-id") ?? undefined
    const type = response.headers.get("content-type") ?? ""
    if (type.startsWith("text/event-stream") && response.body) return this.#passEvents(response.body)
    const text = await response.text()
    if (response.ok && text === "") return false
    const body = text === "" ? undefined : parseJson(text)
    if (isObject(body) && body["jsonrpc"] === "2.0") {
      await this.#hand(body)
      return true
    }
    const error = isObject(body) && isObject(body["error"]) ? body["error"]["message"] : undefined
    throw new PincerError("UNAVAILABLE", typeof error === "string" ? error : `HTTP ${response.status}`)
  }

  async #passEvents(body: ReadableStream<Uint8Array>): Promise<boolean> {
    const decoder = new TextDecoder()
    let rest = ""
    let answered = false
    for await (const chunk of body) {
      rest += decoder.decode(chunk, { stream: true })
      const events = rest.split(/\r?\n\r?\n/)
      rest = events.pop() ?? ""
      for (const event of events) {
        const data = event
          .split(/\r?\n/)
          .flatMap((line) => (/^data: ?/.test(line) ? [line.replace(/^data: ?/, "")] : []))
        if (data.length === 0 || data.join("") === "") continue
        const message = parseJson(data.join("\n"))
        if (!isObject(message)) continue
        if (!("method" in message)) answered = true
        await this.#hand(message)
      }
    }
    return answered
  }

  async #hand(message: Record<string, unknown>): Promise<void> {
    const version = isObject(message["result"]) ? message["result"]["protocolVersion"] : undefined
    if (typeof version === "string") this.#version ??= version
    await this.#streams.write(JSON.stringify(message))
  }

  #headers(): Record<string, string> {
    return {
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      ...(this.#session === undefined ? {} : { "mcp-session-id": this.#session }),
      ...(this.#version === undefined ? {} : { "mcp-protocol-version": this.#version }),
    }
  }

  /** What was asked before the client closed its end is given up. */
  async #close(): Promise<void> {
    this.#ended.abort()
    await Promise.all(this.#running)
    if (this.#session === undefined) return
    const goodbye = fetch(this.#url, { method: "DELETE", headers: this.#headers(), signal: AbortSignal.timeout(2_000) })
    await goodbye.catch((error: unknown) => this.#warn(`The gateway was not told goodbye: ${String(error)}`))
  }
}

function failure(id: unknown, code: number, message: string) {
  return { jsonrpc: "2.0", id, error: { code, message } }
}
