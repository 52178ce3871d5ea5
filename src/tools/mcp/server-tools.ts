// The tools of one MCP server through all its lives. A tool that is not what it was when it was offered is not called but named; a
// server that ended is brought back by the next call, at most once in its back-off.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { Tool, ToolResult } from "../tool.ts"
import { CallsAtWork } from "./calls-at-work.ts"
import {
  closeSession,
  type ListMethod,
  listAll,
  listTools,
  type McpSession,
  openSession,
  reasonOf,
  statusOf,
} from "./connection.ts"
import { pagesOf } from "./elicitation.ts"
import { LOST } from "./http-transport.ts"
import { type ListedTool, readListing } from "./listing.ts"
import {
  CALL_MS,
  CALL_TOTAL_MS,
  type CallContext,
  FIRST_BACKOFF_MS,
  MAX_BACKOFF_MS,
  MAX_TOOLS,
  type McpPorts,
  RELIST_MS,
  type ServerListing,
} from "./ports.ts"
import { readResult } from "./result.ts"
import { toolOfServer } from "./tool-of-server.ts"
import { seenLine } from "./words.ts"

/** Tools whose fingerprints are kept, also of those that are not offered any more. */
const MAX_REMEMBERED = 4 * MAX_TOOLS

const anything = z.looseObject({})

/** A server's name, and how it is reached each time that it is connected: secrets may have changed. */
export interface ServerSource {
  name: string
  /** Throws PincerError when a secret is missing. */
  reach(): McpServer
}

export class ServerTools {
  readonly #server: ServerSource
  readonly #label: string
  readonly #ports: McpPorts
  /** Told sentences about the server that people should read. */
  readonly #tell: (message: string) => void
  readonly #closed = new AbortController()
  readonly #ending = new Set<Promise<void>>()
  readonly #calls: CallsAtWork
  /** Fingerprints as they were last offered, by the server's own names. */
  readonly #offered = new Map<string, string>()
  #session: McpSession | undefined
  #opening: Promise<McpSession> | undefined
  #tools: readonly Tool[] = []
  #closedWhy = ""
  #openedAt = 0
  #failures = 0
  /** Not brought back before; 0: at once. */
  #retryAt = 0
  #lastWhy = ""
  #relisting = false
  #stale = false

  constructor(server: ServerSource, label: string, ports: McpPorts, tell: (message: string) => void) {
    this.#server = server
    this.#label = label
    this.#ports = ports
    this.#tell = tell
    this.#calls = new CallsAtWork(ports, this.#closed.signal)
  }

  get tools(): readonly Tool[] {
    return this.#tools
  }

  get state(): "off" | "connecting" | "connected" {
    if (this.#opening) return "connecting"
    return this.#session && this.#session.over === undefined ? "connected" : "off"
  }

  /** Calls that are at work. */
  get busy(): number {
    return this.#calls.size
  }

  /** Why it could not be reached the last time; empty while all is well. */
  get failure(): string {
    return this.#failures > 0 && this.state !== "connected" ? this.#lastWhy : ""
  }

  /** What it offered in an earlier life, before it is connected: its calls connect it, and are made only if it still says the same. */
  remember({ tools }: ServerListing): void {
    if (this.#offered.size === 0) this.#take(tools)
  }

  /** Ends the connection until the next call; not while one is at work. */
  rest(): void {
    const session = this.#session
    if (!session || this.#calls.size > 0) return
    session.over ??= "It was not used for a while and ended"
    this.#session = undefined
    this.#end(session)
  }

  /** The first connection. Never throws: what is wrong is told. */
  async open(): Promise<void> {
    try {
      await this.#live()
    } catch (error) {
      this.#tell(error instanceof Error ? error.message : String(error))
    }
  }

  /** Resolves when nothing of it runs any more. `graceMs`: how long calls that are at work may go on. */
  async close(why = "It is not lent any more", graceMs = 0): Promise<void> {
    this.#closedWhy ||= why
    if (graceMs > 0) await this.#calls.whenCalm(graceMs)
    if (this.#session) this.#session.over ??= this.#closedWhy
    this.#closed.abort(this.#closedWhy)
    await this.#opening?.catch(() => undefined)
    if (this.#session) this.#end(this.#session)
    await Promise.all(this.#ending)
  }

  #end(session: McpSession): void {
    const ending = closeSession(session, this.#ports).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  /** The session, opened anew if there is none. Throws UNAVAILABLE. */
  #live(): Promise<McpSession> {
    if (this.#closedWhy !== "") return Promise.reject(this.#unavailable(this.#closedWhy))
    if (this.#session && this.#session.over === undefined) return Promise.resolve(this.#session)
    const wait = this.#retryAt - this.#ports.clock.now()
    if (!this.#opening && wait > 0)
      return Promise.reject(
        this.#unavailable(`${this.#lastWhy}. It is tried again in ${Math.ceil(wait / 1_000)} seconds at the earliest`),
      )
    this.#opening ??= this.#reopen().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #reopen(): Promise<McpSession> {
    let session: McpSession | undefined
    this.#stale = false
    try {
      session = await openSession(this.#server.reach(), this.#ports, this.#listener(), this.#closed.signal)
      await this.#list(session)
      if (session.over !== undefined) throw new Error(session.over)
    } catch (error) {
      if (session) this.#end(session)
      this.#backOff()
      this.#lastWhy = session
        ? reasonOf(error, session.transport, this.#ports)
        : error instanceof Error
          ? error.message
          : String(error)
      throw this.#unavailable(this.#lastWhy, error)
    }
    this.#session = session
    this.#openedAt = this.#ports.clock.now()
    this.#ports.log.info({ server: this.#server.name, tools: this.#tools.length }, "An MCP server is connected")
    // What changed while it was listed for the first time.
    if (this.#stale) this.#relist()
    return session
  }

  #backOff(): void {
    this.#retryAt = this.#ports.clock.now() + Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures, MAX_BACKOFF_MS)
    this.#failures += 1
  }

  #unavailable(why: string, cause?: unknown): PincerError {
    const message = `MCP server "${seenLine(this.#server.name, 60)}": ${why}`
    return new PincerError("UNAVAILABLE", message, cause === undefined ? {} : { cause })
  }

  #listener() {
    return {
      over: (session: McpSession) => {
        if (session !== this.#session) return
        this.#lastWhy = session.over ?? ""
        // What it leaves behind is waited for when this is closed.
        this.#end(session)
        if (this.#closed.signal.aborted) return
        this.#ports.log.info({ server: this.#server.name, reason: this.#lastWhy }, "An MCP server ended")
        // An end after a while costs no wait; one after the other does.
        if (this.#ports.clock.now() - this.#openedAt >= MAX_BACKOFF_MS) this.#failures = 0
        if (this.#failures > 0) this.#backOff()
        else this.#failures = 1
      },
      toolsChanged: () => {
        this.#stale = true
        this.#relist()
      },
      changed: () => this.#ports.onToolsChanged?.({ server: this.#server.name, redefined: [] }),
      asking: () => this.#calls.ask(),
      sampling: () => this.#calls.sample(),
    }
  }

  /** Reads the list again: once at a time, and at most once a second. */
  #relist(): void {
    if (this.#relisting) return
    this.#relisting = true
    void this.#relistWhileStale().finally(() => {
      this.#relisting = false
    })
  }

  async #relistWhileStale(): Promise<void> {
    const { clock, log, onToolsChanged } = this.#ports
    for (;;) {
      const session = this.#session
      if (!this.#stale || !session || session.over !== undefined || this.#closed.signal.aborted) return
      this.#stale = false
      try {
        await this.#list(session)
        onToolsChanged?.({ server: this.#server.name, redefined: [] })
      } catch (error) {
        log.info({ server: this.#server.name, err: error }, "The changed tools of an MCP server could not be listed")
      }
      await new Promise<void>((resolve) => clock.after(RELIST_MS, resolve))
    }
  }

  async #list(session: McpSession): Promise<void> {
    const tools = await listTools(session, this.#ports, this.#closed.signal)
    this.#take(tools)
    const { prompts, resources } = session.client.getServerCapabilities() ?? {}
    const promptList = prompts ? await this.#prompts(session) : []
    const beside = promptList.length > 0 ? { promptList } : {}
    this.#ports.listed?.({ tools, prompts: prompts !== undefined, resources: resources !== undefined, ...beside })
  }

  /** Prompts are for people: a server whose prompts cannot be listed has its tools all the same. */
  async #prompts(session: McpSession): Promise<readonly unknown[]> {
    if (!this.#ports.listed) return []
    try {
      return await listAll(session, "prompts/list", "prompts", this.#ports, this.#closed.signal)
    } catch (error) {
      if (this.#closed.signal.aborted || session.over !== undefined) throw error
      this.#tell(`Its prompts could not be listed: ${reasonOf(error, session.transport, this.#ports)}`)
      return []
    }
  }

  #take(raw: readonly unknown[]): void {
    const { offers = () => true, trusted } = this.#ports
    const { problems, tools: listed } = readListing(raw, this.#label, this.#server.name)
    const tools = listed.filter(({ ownName }) => offers(ownName))
    this.#tools = tools.map((one) => toolOfServer(this.#server.name, one, this.call, trusted))
    const changed = tools.filter(({ fingerprint, ownName }) => this.#wasOther(ownName, fingerprint))
    for (const problem of problems) this.#tell(problem)
    const redefined = changed.map(({ ownName }) => seenLine(ownName, 80))
    if (redefined.length > 0) this.#ports.onToolsChanged?.({ server: this.#server.name, redefined })
    for (const name of redefined) {
      this.#tell(
        `The tool "${name}" changed what it says of itself after it was offered: read it again before you allow it`,
      )
    }
  }

  /** Whether a tool was offered before and said something else of itself; remembers what it says now. */
  #wasOther(ownName: string, fingerprint: string): boolean {
    const before = this.#offered.get(ownName)
    this.#offered.delete(ownName)
    this.#offered.set(ownName, fingerprint)
    // Those that are offered now are the newest, so they stay.
    if (this.#offered.size > MAX_REMEMBERED) this.#offered.delete(this.#offered.keys().next().value ?? "")
    return before !== undefined && before !== fingerprint
  }

  readonly call = async (
    listed: ListedTool,
    args: Record<string, unknown>,
    context: CallContext,
  ): Promise<ToolResult> => {
    const session = await this.#first(this.#live(), context.signal)
    try {
      return await this.#request(session, listed, args, context)
    } catch (error) {
      if (context.signal.aborted || !isForgotten(error)) throw error
      // The server knows the session no more, so it did nothing: the same call goes to a new one.
      session.over ??= "It has forgotten the session"
      this.#end(session)
      return this.#request(await this.#first(this.#live(), context.signal), listed, args, context)
    }
  }

  /** One request that is no call of a tool, answered within the time of a call. Throws PincerError. */
  async request(
    method: string,
    params: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const session = await this.#first(this.#live(), signal)
    const late = new AbortController()
    const ms = this.#ports.limits?.callMs ?? CALL_MS
    const cancel = this.#ports.clock.after(ms, () => late.abort(`no answer within ${ms / 1_000} seconds`))
    try {
      const both = AbortSignal.any([signal, late.signal, this.#closed.signal])
      return await session.client.request({ method, params }, anything, { signal: both, timeout: 2 * ms })
    } catch (error) {
      signal.throwIfAborted()
      throw this.#unavailable(
        late.signal.aborted ? String(late.signal.reason) : reasonOf(error, session.transport, this.#ports),
        error,
      )
    } finally {
      cancel()
    }
  }

  /** All of a kind that it lists. Throws PincerError. */
  async list(method: ListMethod, key: string, signal: AbortSignal): Promise<unknown[]> {
    const session = await this.#first(this.#live(), signal)
    try {
      const both = AbortSignal.any([signal, this.#closed.signal])
      return await listAll(session, method, key, this.#ports, both)
    } catch (error) {
      signal.throwIfAborted()
      throw this.#unavailable(reasonOf(error, session.transport, this.#ports), error)
    }
  }

  /** Connects it, if it is not. Throws UNAVAILABLE, ABORTED by the signal. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#first(this.#live(), signal)
  }

  async #first<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    try {
      signal.throwIfAborted()
      return await Promise.race([promise, aborted.promise])
    } finally {
      signal.removeEventListener("abort", onAbort)
    }
  }

  async #request(
    session: McpSession,
    listed: ListedTool,
    args: Record<string, unknown>,
    context: CallContext,
  ): Promise<ToolResult> {
    this.#mustBeSame(listed)
    const { progress, settings, signal } = context
    const limit = this.#calls.begin(context)
    try {
      const answer = await session.client.request(
        { method: "tools/call", params: { name: listed.ownName, arguments: args } },
        anything,
        {
          signal: AbortSignal.any([signal, limit.signal]),
          timeout: 2 * (this.#ports.limits?.callTotalMs ?? CALL_TOTAL_MS),
          onprogress: ({ message, progress: done, total }) => {
            limit.touch()
            const count = total === undefined ? `${done}` : `${done} of ${total}`
            progress(message === undefined ? count : `${count}: ${seenLine(message, 300)}`)
          },
        },
      )
      return readResult(answer, this.#server.name, settings.maxOutputChars)
    } catch (error) {
      if (signal.aborted) throw error
      throw (await this.#visit(error, signal)) ?? this.#failed(session, error, limit.signal)
    } finally {
      this.#calls.end(limit)
    }
  }

  /** Shows the user the pages that the server wants visited before the call. Undefined when that is not why it failed. */
  async #visit(error: unknown, signal: AbortSignal): Promise<PincerError | undefined> {
    const pages = pagesOf(this.#server.name, error)
    const asking = pages.length > 0 ? this.#calls.ask() : undefined
    if (!asking) return undefined
    try {
      for (const page of pages) {
        const { type } = await asking.ask(page, AbortSignal.any([asking.signal, signal]))
        if (type !== "accepted") return this.#unavailable("the user did not visit the page that it needs", error)
      }
    } finally {
      asking.done()
    }
    return this.#unavailable(
      "it needs the user to visit a page, which was opened. Call it again once that is done",
      error,
    )
  }

  #mustBeSame({ fingerprint, id, ownName }: ListedTool): void {
    const now = this.#offered.get(ownName)
    const here = this.#tools.some((tool) => tool.fingerprint === now)
    if (now === fingerprint && here) return
    const what = here ? "changed what it says of itself" : "is not offered any more"
    throw new PincerError(
      "CONFLICT",
      `${id} ${what} since this turn began, so it was not called. See what the next turn offers`,
    )
  }

  #failed(session: McpSession, error: unknown, late: AbortSignal): PincerError {
    const unknown = "It may or may not have taken effect: check before trying again"
    if (late.aborted) return this.#unavailable(`${String(late.reason)}. The call was canceled. ${unknown}`, error)
    if (session.over !== undefined) return this.#unavailable(`${session.over}, during the call. ${unknown}`, error)
    const lost = error instanceof Error && error.message.includes(LOST)
    return this.#unavailable(`${reasonOf(error, session.transport, this.#ports)}${lost ? `. ${unknown}` : ""}`, error)
  }
}

/** What a web server answers for a session that it does not know; nothing was run then. */
function isForgotten(error: unknown): boolean {
  const status = statusOf(error)
  return status === 404 || status === 400
}
