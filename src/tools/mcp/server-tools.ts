// The tools of one MCP server through all its lives. A tool that is not what it was when it was offered is not called but named; a
// server that ended is brought back by the next call, at most once in its back-off.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { Tool, ToolContext, ToolResult } from "../tool.ts"
import { CallLimit } from "./call-limit.ts"
import { closeSession, listTools, type McpSession, openSession, reasonOf, statusOf } from "./connection.ts"
import { pagesOf } from "./elicitation.ts"
import { LOST } from "./http-transport.ts"
import { type ListedTool, readListing } from "./listing.ts"
import {
  CALL_MS,
  CALL_TOTAL_MS,
  FIRST_BACKOFF_MS,
  MAX_BACKOFF_MS,
  MAX_TOOLS,
  type McpPorts,
  RELIST_MS,
} from "./ports.ts"
import { readResult } from "./result.ts"
import { toolOfServer } from "./tool-of-server.ts"
import { seenLine } from "./words.ts"

type CallContext = Pick<ToolContext, "signal" | "progress" | "settings">

/** Tools whose fingerprints are kept, also of those that are not offered any more. */
const MAX_REMEMBERED = 4 * MAX_TOOLS

const anything = z.looseObject({})

export class ServerTools {
  readonly #server: McpServer
  readonly #label: string
  readonly #ports: McpPorts
  /** Told sentences about the server that people should read. */
  readonly #tell: (message: string) => void
  readonly #closed = new AbortController()
  readonly #ending = new Set<Promise<void>>()
  readonly #limits = new Set<CallLimit>()
  /** Fingerprints as they were last offered, by the server's own names. */
  readonly #offered = new Map<string, string>()
  #session: McpSession | undefined
  #opening: Promise<McpSession> | undefined
  #tools: readonly Tool[] = []
  /** The question that the server has put to the user; withdrawn with the last call. */
  #question: AbortController | undefined
  #openedAt = 0
  #failures = 0
  /** Not brought back before; 0: at once. */
  #retryAt = 0
  #lastWhy = ""
  #relisting = false
  #stale = false

  constructor(server: McpServer, label: string, ports: McpPorts, tell: (message: string) => void) {
    this.#server = server
    this.#label = label
    this.#ports = ports
    this.#tell = tell
  }

  get tools(): readonly Tool[] {
    return this.#tools
  }

  /** The first connection. Never throws: what is wrong is told. */
  async open(): Promise<void> {
    try {
      await this.#live()
    } catch (error) {
      this.#tell(error instanceof Error ? error.message : String(error))
    }
  }

  /** Resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.#closed.abort("closed")
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
    if (this.#closed.signal.aborted) return Promise.reject(this.#unavailable("it is not lent any more"))
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
      session = await openSession(this.#server, this.#ports, this.#listener(), this.#closed.signal)
      this.#take(await listTools(session, this.#ports, this.#closed.signal))
      if (session.over !== undefined) throw new Error(session.over)
    } catch (error) {
      if (session) this.#end(session)
      this.#backOff()
      this.#lastWhy = session
        ? reasonOf(error, session.transport)
        : error instanceof Error
          ? error.message
          : String(error)
      throw this.#unavailable(this.#lastWhy, error)
    }
    this.#session = session
    this.#openedAt = this.#ports.clock.now()
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
      asking: () => this.#ask(),
    }
  }

  #ask(): { signal: AbortSignal; done(): void } | undefined {
    if (this.#question || this.#limits.size === 0) return undefined
    const question = new AbortController()
    this.#question = question
    const releases = [...this.#limits].map((limit) => limit.hold())
    return {
      signal: AbortSignal.any([this.#closed.signal, question.signal]),
      done: () => {
        this.#question = undefined
        for (const release of releases) release()
      },
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
        this.#take(await listTools(session, this.#ports, this.#closed.signal))
        onToolsChanged?.({ server: this.#server.name, redefined: [] })
      } catch (error) {
        log.info({ server: this.#server.name, err: error }, "The changed tools of an MCP server could not be listed")
      }
      await new Promise<void>((resolve) => clock.after(RELIST_MS, resolve))
    }
  }

  #take(raw: readonly unknown[]): void {
    const { problems, tools } = readListing(raw, this.#label, this.#server.name)
    this.#tools = tools.map((listed) => toolOfServer(this.#server.name, listed, this.#call))
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

  readonly #call = async (
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
    { progress, settings, signal }: CallContext,
  ): Promise<ToolResult> {
    this.#mustBeSame(listed)
    const limit = new CallLimit(this.#ports.clock, CALL_MS, CALL_TOTAL_MS)
    this.#limits.add(limit)
    try {
      const answer = await session.client.request(
        { method: "tools/call", params: { name: listed.ownName, arguments: args } },
        anything,
        {
          signal: AbortSignal.any([signal, limit.signal]),
          timeout: 2 * CALL_TOTAL_MS,
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
      limit.end()
      this.#limits.delete(limit)
      if (this.#limits.size === 0) this.#question?.abort("The call has ended")
    }
  }

  /** Shows the user the pages that the server wants visited before the call. Undefined when that is not why it failed. */
  async #visit(error: unknown, signal: AbortSignal): Promise<PincerError | undefined> {
    const pages = pagesOf(this.#server.name, error)
    const { ask } = this.#ports
    const asking = ask && pages.length > 0 ? this.#ask() : undefined
    if (!ask || !asking) return undefined
    try {
      for (const page of pages) {
        const { type } = await ask(page, AbortSignal.any([asking.signal, signal]))
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

  #mustBeSame({ fingerprint, name, ownName }: ListedTool): void {
    const now = this.#offered.get(ownName)
    const here = this.#tools.some((tool) => tool.fingerprint === now)
    if (now === fingerprint && here) return
    const what = here ? "changed what it says of itself" : "is not offered any more"
    throw new PincerError(
      "CONFLICT",
      `${name} ${what} since this turn began, so it was not called. See what the next turn offers`,
    )
  }

  #failed(session: McpSession, error: unknown, late: AbortSignal): PincerError {
    const unknown = "It may or may not have taken effect: check before trying again"
    if (late.aborted) return this.#unavailable(`${String(late.reason)}. The call was canceled. ${unknown}`, error)
    if (session.over !== undefined) return this.#unavailable(`${session.over}, during the call. ${unknown}`, error)
    const lost = error instanceof Error && error.message.includes(LOST)
    return this.#unavailable(`${reasonOf(error, session.transport)}${lost ? `. ${unknown}` : ""}`, error)
  }
}

/** What a web server answers for a session that it does not know; nothing was run then. */
function isForgotten(error: unknown): boolean {
  const status = statusOf(error)
  return status === 404 || status === 400
}
