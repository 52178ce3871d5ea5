// Who lends what to which session: a client's editor, its ear for questions, MCP servers that it named. A lender is an id that a client
// chose; it belongs to the client that used it first, ends with the connection after a grace, and gives nothing to any other session.
import { realpath, stat } from "node:fs/promises"
import { isAbsolute } from "node:path"
import type { Lending, Lent, RedefinedTools } from "../../agent/lent.ts"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import type { Tool } from "../../tools/tool.ts"
import { type ClientRights, mayTake } from "../access/heir.ts"
import { type AskedClient, type AskOptions, Asks, type Ear, type Said } from "./asks.ts"
import { type EditorOffer, lentEditor, type Root } from "./lent-editor.ts"

const MAX_LENDERS = 1_000
/** Ids whose first user is remembered. */
const MAX_OWNERS = 10_000
/** How long a client whose connection was lost may take to come back. */
export const GRACE_MS = 30_000

export interface LentServers {
  /** As they are now. */
  readonly tools: readonly Tool[]
  readonly problems: readonly { server: string; message: string }[]
  /** Tools that say something else of themselves than when they were offered; each change is given once. */
  takeRedefined?(): RedefinedTools[]
  close(): Promise<void>
}

export interface ServersWish {
  sessionKey: string
  /** Absolute, symlinks resolved, like `roots`. */
  cwd: string
  roots: readonly string[]
  /** Where questions of the servers go; absent when the client shows none. */
  ask?: (question: UserQuestion, signal: AbortSignal) => Promise<UserAnswer>
}

export interface LendingPorts {
  clock: Clock
  log: Logger
  /** Resolves when each server is connected or given up. */
  openServers(servers: readonly McpServer[], wish: ServersWish): Promise<LentServers>
}

export interface Wish {
  lender: string
  sessionKey: string
  cwd: string
  roots: readonly string[]
  editor: EditorOffer
  questions: { form: boolean; url: boolean }
  mcpServers: readonly McpServer[]
}

/** The client that lends, through one connection. */
export interface LendingClient extends Ear {
  /** Its signal aborts when the connection closes. */
  readonly caller: ClientRights & { signal: AbortSignal }
}

interface Servers {
  /** What they were opened for. */
  readonly key: string
  readonly opened: Promise<LentServers>
}

class Lender implements AskedClient {
  readonly id: string
  readonly open = new Set<string>()
  ear: Ear | undefined
  wish: Wish
  roots: readonly Root[]
  servers: Servers | undefined
  stopGrace: (() => void) | undefined
  ended = false

  constructor(wish: Wish, roots: readonly Root[]) {
    this.id = wish.lender
    this.wish = wish
    this.roots = roots
  }

  get sessionKey(): string {
    return this.wish.sessionKey
  }
}

export class Lendings {
  readonly #ports: LendingPorts
  readonly #asks: Asks
  readonly #lenders = new Map<string, Lender>()
  readonly #owners = new Map<string, ClientRights>()
  readonly #connections = new Map<string, Set<Lender>>()
  #closed = false

  constructor(ports: LendingPorts) {
    this.#ports = ports
    this.#asks = new Asks(ports.clock)
  }

  /**
   * Throws INVALID_PARAMS for folders that are not here, PERMISSION_DENIED for an id that another client uses, RATE_LIMITED when too
   * many lend, ABORTED when the connection is gone before.
   */
  async lend(wish: Wish, holder: LendingClient): Promise<Pick<LentServers, "tools" | "problems">> {
    const given = [...new Set([wish.cwd, ...wish.roots])]
    const roots = await Promise.all(given.map(realFolder))
    if (holder.caller.signal.aborted) throw new PincerError("ABORTED", "The connection was closed")
    if (this.#closed) throw new PincerError("UNAVAILABLE", "The gateway is stopping")
    const lender = this.#take(wish, roots, holder)
    const servers = this.#serve(lender)
    if (!servers) return { tools: [], problems: [] }
    return servers.opened
  }

  #take(wish: Wish, roots: readonly Root[], holder: LendingClient): Lender {
    const { caller } = holder
    const { lender: id } = wish
    const owner = this.#owners.get(id)
    if (owner && !mayTake(caller, owner))
      throw new PincerError(
        "PERMISSION_DENIED",
        `Lender "${id}" belongs to another client: lend under an id of your own`,
      )
    let lender = this.#lenders.get(id)
    if (!lender && this.#lenders.size >= MAX_LENDERS)
      throw new PincerError("RATE_LIMITED", `At most ${MAX_LENDERS} lenders at a time: release one`)
    this.#owners.delete(id)
    this.#owners.set(id, {
      role: caller.role,
      scopes: [...caller.scopes],
      ...(caller.deviceId === undefined ? {} : { deviceId: caller.deviceId }),
    })
    if (this.#owners.size > MAX_OWNERS) this.#owners.delete(this.#owners.keys().next().value!)
    if (lender && lender.sessionKey !== wish.sessionKey) this.#asks.end(lender)
    if (lender) {
      lender.wish = wish
      lender.roots = roots
    } else {
      lender = new Lender(wish, roots)
      this.#lenders.set(id, lender)
    }
    this.#connect(lender, holder)
    return lender
  }

  #connect(lender: Lender, holder: LendingClient): void {
    const { caller, connId } = holder
    lender.stopGrace?.()
    lender.stopGrace = undefined
    if (lender.ear?.connId === connId) return
    if (lender.ear) this.#disconnect(lender, lender.ear.connId)
    let held = this.#connections.get(connId)
    if (!held) {
      held = new Set()
      this.#connections.set(connId, held)
      caller.signal.addEventListener("abort", () => this.#lost(connId), { once: true })
    }
    held.add(lender)
    this.#asks.found(lender, { connId, emit: (event, payload) => holder.emit(event, payload) })
  }

  #disconnect(lender: Lender, connId: string): void {
    this.#connections.get(connId)?.delete(lender)
    this.#asks.lose(lender)
  }

  /** A connection is gone: what it lent is kept for the same client for a while. */
  #lost(connId: string): void {
    const held = this.#connections.get(connId) ?? []
    this.#connections.delete(connId)
    for (const lender of held) {
      this.#asks.lose(lender)
      lender.stopGrace = this.#ports.clock.after(GRACE_MS, () => this.#end(lender))
    }
  }

  #serve(lender: Lender): Servers | undefined {
    const { mcpServers, questions } = lender.wish
    const [cwd] = lender.roots
    const key = JSON.stringify([lender.sessionKey, lender.roots, mcpServers, questions])
    if (lender.servers?.key === key) return lender.servers
    this.#closeServers(lender)
    if (mcpServers.length === 0 || !cwd) return undefined
    const asks = questions.form || questions.url
    const opened = this.#ports.openServers(mcpServers, {
      sessionKey: lender.sessionKey,
      cwd: cwd.real,
      roots: lender.roots.map(({ real }) => real),
      ...(asks ? { ask: (question, signal) => this.#askForServer(lender, question, signal) } : {}),
    })
    const servers = { key, opened }
    lender.servers = servers
    opened.catch((error: unknown) => {
      this.#ports.log.error({ err: error, lender: lender.id }, "MCP servers could not be opened")
      if (lender.servers === servers) lender.servers = undefined
    })
    return servers
  }

  async #askForServer(lender: Lender, question: UserQuestion, signal: AbortSignal): Promise<UserAnswer> {
    try {
      return await this.#question(lender, question, { signal })
    } catch (error) {
      if (error instanceof PincerError) return { type: "canceled" }
      throw error
    }
  }

  async #question(lender: Lender, question: UserQuestion, options: AskOptions): Promise<UserAnswer> {
    if (!lender.wish.questions[question.type])
      throw new PincerError("NOT_IMPLEMENTED", `The client shows no questions of the kind ${question.type}`)
    return (await this.#asks.ask(lender, "question", { question }, options)).answer
  }

  #closeServers(lender: Lender): void {
    const { servers } = lender
    lender.servers = undefined
    servers?.opened
      .then((open) => open.close())
      .catch((error: unknown) => this.#ports.log.warn({ err: error, lender: lender.id }, "MCP servers were not closed"))
  }

  /** False when this connection lends nothing under the id. */
  release(id: string, connId: string): boolean {
    const lender = this.#lenders.get(id)
    if (!lender || lender.ear?.connId !== connId) return false
    this.#end(lender)
    return true
  }

  /** See Asks.answer(). */
  answer(id: string, said: Said, connId: string): void {
    this.#asks.answer(id, said, connId)
  }

  /** Whether this very connection lends to that session under that id. */
  holds(id: string, sessionKey: string, connId: string): boolean {
    const lender = this.#lenders.get(id)
    return lender?.sessionKey === sessionKey && lender.ear?.connId === connId
  }

  /** What a turn may use. While its client is away, its files are read from the disk, and writing and terminals are refused. */
  lent: Lending = async ({ lender: id, sessionKey, turnId }): Promise<Lent | undefined> => {
    const lender = id === undefined ? undefined : this.#lenders.get(id)
    const mine = () => lender?.ended === false && lender.sessionKey === sessionKey
    if (!lender || !mine()) return undefined
    // Servers that could not be opened were told of when they were lent.
    const servers = await lender.servers?.opened.catch(() => undefined)
    if (!mine()) return undefined
    const { editor, questions } = lender.wish
    const offer = { ...editor, readText: editor.readText && lender.ear !== undefined }
    const turn = turnId === undefined ? {} : { turnId }
    const lentOne = lentEditor(lender.roots, offer, async (what, params, options) => {
      if (!mine()) throw new PincerError("UNAVAILABLE", "The client lends its editor no more")
      return this.#asks.ask(lender, what, params, { ...options, ...turn })
    })
    return {
      ...(lentOne ? { editor: lentOne } : {}),
      tools: servers?.tools ?? [],
      takeRedefined: () => servers?.takeRedefined?.() ?? [],
      ...(questions.form || questions.url
        ? {
            ask: (question: UserQuestion, signal: AbortSignal) => this.#question(lender, question, { signal, ...turn }),
          }
        : {}),
    }
  }

  #end(lender: Lender): void {
    lender.ended = true
    lender.stopGrace?.()
    if (lender.ear) this.#connections.get(lender.ear.connId)?.delete(lender)
    this.#asks.end(lender)
    this.#lenders.delete(lender.id)
    this.#closeServers(lender)
  }

  /** Resolves when no server runs any more. */
  async close(): Promise<void> {
    this.#closed = true
    const opened = [...this.#lenders.values()].flatMap(({ servers }) => (servers ? [servers.opened] : []))
    for (const lender of [...this.#lenders.values()]) this.#end(lender)
    await Promise.allSettled(opened.map(async (servers) => (await servers).close()))
  }
}

async function realFolder(given: string): Promise<Root> {
  if (!isAbsolute(given) || given.includes("\0"))
    throw new PincerError("INVALID_PARAMS", `"${given}" is no absolute path: give the whole path of a folder`)
  try {
    const real = await realpath(given)
    if ((await stat(real)).isDirectory()) return { given, real }
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `"${given}" cannot be read: name a folder that exists`, { cause: error })
  }
  throw new PincerError("INVALID_PARAMS", `"${given}" is not a folder: name one that exists`)
}
