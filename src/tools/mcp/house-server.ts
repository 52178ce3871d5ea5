// One MCP server of the configuration. What it offers is remembered from its last life, so a turn need not wait for it: it starts with
// the first call, ends when nobody uses it, and comes back with the next call. A program runs once for each folder that it works in.
import { createHash } from "node:crypto"
import { canonicalJson } from "../../base/json.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { Tool } from "../tool.ts"
import { type ListedTool, readListing } from "./listing.ts"
import type { McpLimits, McpPorts, ServerListing } from "./ports.ts"
import { type Listable, type McpPrompt, readPrompts, resourceTools } from "./resources.ts"
import type { ServerLogin } from "./server-login.ts"
import { ServerTools } from "./server-tools.ts"
import { toolOfServer } from "./tool-of-server.ts"

/** Folders in which a server runs at once; the one that was not used for longest makes room. */
const MAX_FOLDERS = 8
const MAX_PROBLEMS = 20
/** How long a turn waits for a server that was never listed; and for one that could not be reached the last time. */
const FIRST_WAIT_MS = 20_000
const RETRY_WAIT_MS = 2_000
/** How long calls may go on after their server was changed or taken out. */
export const CHANGE_GRACE_MS = 5_000

/** A server as the configuration has it. */
export interface HouseServerSettings {
  name: string
  type: McpServer["type"]
  /** Changes with everything that is said of it. */
  digest: string
  /** Agents that have it; undefined: all. */
  agents: readonly string[] | undefined
  /** Where it works; undefined: where the turn does that calls it. Absolute. */
  cwd: string | undefined
  trusted: boolean
  roots: boolean
  resources: boolean
  limits: McpLimits
  /** 0: it is never ended. */
  idleMs: number
  offers(ownName: string): boolean
  /** How it is reached, secrets included. Throws PincerError when one is missing. */
  reach(): McpServer
}

export interface ServerHousePorts
  extends Pick<McpPorts, "clock" | "log" | "env" | "version" | "ask" | "sample" | "login"> {
  /** What is started instead of the server's program, to work in that folder. */
  launch(...given: Parameters<NonNullable<McpPorts["launch"]>>): ReturnType<NonNullable<McpPorts["launch"]>>
  /** What it offered in an earlier life. */
  remembered(): ServerListing | undefined
  /** Told what it offers when that is something else than before. */
  remember(listing: ServerListing): void
  /** Told that something about it is not what it was. */
  changed(): void
}

export interface HouseServerState {
  /** "idle": not running, and started by the next call. */
  state: "idle" | "connecting" | "connected" | "failed"
  /** Folders in which it runs, or 1 for a server that is an address. */
  connections: number
  /** Calls that are at work. */
  calls: number
  /** Undefined when it was never listed. */
  tools: number | undefined
  problem: string | undefined
  problems: readonly string[]
}

interface Instance {
  server: ServerTools
  usedAt: number
  endIdle: () => void
}

export class HouseServer {
  readonly settings: HouseServerSettings
  readonly #ports: ServerHousePorts
  readonly #instances = new Map<string, Instance>()
  readonly #ending = new Set<Promise<void>>()
  readonly #redefined = new Set<string>()
  #problems: string[] = []
  #failure: string | undefined
  #listing: ServerListing | undefined
  #listed: readonly ListedTool[] = []
  #tools: readonly Tool[] = []
  #looked = false
  #closedWhy: string | undefined

  constructor(settings: HouseServerSettings, ports: ServerHousePorts) {
    this.settings = settings
    this.#ports = ports
  }

  get state(): HouseServerState {
    const all = [...this.#instances.values()].map(({ server }) => server)
    const states = all.map(({ state }) => state)
    const problem = all.map(({ failure }) => failure).find((one) => one !== "") ?? this.#failure
    const state = states.includes("connected")
      ? "connected"
      : states.includes("connecting")
        ? "connecting"
        : problem === undefined
          ? "idle"
          : "failed"
    this.#look()
    return {
      state,
      connections: states.filter((one) => one === "connected").length,
      calls: all.reduce((sum, { busy }) => sum + busy, 0),
      tools: this.#listing ? this.#listed.length : undefined,
      problem: state === "connected" ? undefined : problem,
      problems: this.#problems,
    }
  }

  /** As it says of itself; what is not offered is left out. */
  get listed(): readonly ListedTool[] {
    this.#look()
    return this.#listed
  }

  /** What it offers as far as it is known: what it was when it was last asked. */
  get known(): readonly Tool[] {
    this.#look()
    return this.#tools
  }

  get offersPrompts(): boolean {
    this.#look()
    return this.#listing?.prompts ?? false
  }

  /** Its prompts as far as they are known: what they were when it was last asked. */
  get prompts(): readonly McpPrompt[] {
    this.#look()
    return readPrompts(this.#listing?.promptList ?? [])
  }

  get offersResources(): boolean {
    this.#look()
    return this.#listing?.resources ?? false
  }

  /** Undefined where nobody can sign in: a program, or an address that is given its own Authorization header. */
  get login(): ServerLogin | undefined {
    return this.#ports.login
  }

  isFor(agentId: string): boolean {
    return this.settings.agents?.includes(agentId) ?? true
  }

  /** Never throws: a server that cannot be listed offers nothing, and its state says why. */
  async tools(cwd: string, signal: AbortSignal): Promise<readonly Tool[]> {
    this.#look()
    if (!this.#listing) await this.#listFirst(cwd, signal)
    return this.#tools
  }

  /** Connects it now. Throws PincerError. */
  async connect(cwd: string, signal: AbortSignal): Promise<void> {
    const one = this.#open(cwd)
    try {
      await one.connect(signal)
      this.#failure = undefined
    } catch (error) {
      if (!signal.aborted) this.#failure = error instanceof Error ? error.message : String(error)
      throw error
    }
  }

  /** Its connection for a folder, for what is no call of a tool. */
  asked(cwd: string): Listable {
    return this.#open(cwd)
  }

  /** Tools that say something else of themselves than before; each change is given once. */
  takeRedefined(): string[] {
    const taken = [...this.#redefined]
    this.#redefined.clear()
    return taken
  }

  /** Ends what runs of it; the next call starts it anew. */
  async restart(why: string): Promise<void> {
    const all = [...this.#instances.values()]
    this.#instances.clear()
    this.#failure = undefined
    await Promise.all(all.map((one) => this.#end(one, why)))
    this.#ports.changed()
  }

  /** Resolves when nothing of it runs any more. */
  async close(why: string, graceMs = 0): Promise<void> {
    this.#closedWhy = why
    const all = [...this.#instances.values()]
    await Promise.all([...all.map((one) => this.#end(one, why, graceMs)), ...this.#ending])
  }

  #end({ endIdle, server }: Instance, why: string, graceMs = CHANGE_GRACE_MS): Promise<void> {
    endIdle()
    const ending = server.close(why, graceMs).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    return ending
  }

  /** What is remembered is read when it is first of use. */
  #look(): void {
    if (this.#looked) return
    this.#looked = true
    const known = this.#ports.remembered()
    if (known) this.#take(known)
  }

  async #listFirst(cwd: string, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#ports
    const { name } = this.settings
    const late = new AbortController()
    const wait = this.#failure === undefined ? FIRST_WAIT_MS : RETRY_WAIT_MS
    // It goes on connecting: a later turn has what it offers.
    const cancel = clock.after(wait, () =>
      late.abort(new Error(`It has not answered within ${wait / 1_000} seconds yet`)),
    )
    try {
      await this.connect(cwd, AbortSignal.any([signal, late.signal]))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (late.signal.aborted) this.#failure = reason
      if (!signal.aborted) log.warn({ server: name, reason }, "An MCP server offers nothing")
    } finally {
      cancel()
    }
  }

  /** The connection for a folder; it connects with the first thing that is asked of it. */
  #open(cwd: string): ServerTools {
    const { settings } = this
    const folder = settings.type === "stdio" ? (settings.cwd ?? cwd) : ""
    const known = this.#instances.get(folder)
    if (known) {
      this.#used(known)
      return known.server
    }
    if (this.#instances.size >= MAX_FOLDERS) this.#makeRoom()
    const one: Instance = { server: this.#make(folder), usedAt: 0, endIdle: () => undefined }
    this.#instances.set(folder, one)
    this.#used(one)
    return one.server
  }

  #make(folder: string): ServerTools {
    const { clock, env, log, version = "0" } = this.#ports
    const { limits, name, offers, roots, trusted } = this.settings
    const place = folder === "" ? (this.settings.cwd ?? "") : folder
    const made = new ServerTools(
      { name, reach: () => this.settings.reach() },
      name,
      {
        ...{ clock, env, limits, log, offers, trusted, version },
        cwd: folder,
        roots: roots && place !== "" ? [place] : [],
        launch: (program) => this.#ports.launch(program),
        ...(this.#ports.ask ? { ask: this.#ports.ask } : {}),
        ...(this.#ports.login ? { login: this.#ports.login } : {}),
        ...(this.#ports.sample ? { sample: this.#ports.sample } : {}),
        onToolsChanged: ({ redefined }) => this.#changed(redefined),
        listed: (listing) => this.#heard(listing),
      },
      (message) => this.#tell(message),
    )
    if (this.#listing) made.remember(this.#listing)
    if (this.#closedWhy !== undefined) void made.close(this.#closedWhy)
    return made
  }

  #used(one: Instance): void {
    const { clock } = this.#ports
    const { idleMs } = this.settings
    one.usedAt = clock.now()
    one.endIdle()
    if (idleMs === 0) return
    one.endIdle = clock.after(idleMs, () => {
      if (one.server.busy > 0) this.#used(one)
      else one.server.rest()
    })
  }

  #makeRoom(): void {
    const free = [...this.#instances].filter(([, one]) => one.server.busy === 0)
    const [oldest] = (free.length > 0 ? free : [...this.#instances]).sort((a, b) => a[1].usedAt - b[1].usedAt)
    if (!oldest) return
    this.#instances.delete(oldest[0])
    void this.#end(oldest[1], "It made room for the same server in another folder")
  }

  #heard(listing: ServerListing): void {
    this.#failure = undefined
    if (this.#listing && digestOf(this.#listing) === digestOf(listing)) return
    this.#take(listing)
    this.#ports.remember(listing)
    this.#ports.changed()
  }

  #take(listing: ServerListing): void {
    const { name, offers, resources, trusted } = this.settings
    this.#listing = listing
    this.#listed = readListing(listing.tools, name, name).tools.filter(({ ownName }) => offers(ownName))
    const tools = this.#listed.map((one) =>
      toolOfServer(
        name,
        one,
        async (listed, args, context) => {
          const server = this.#open(context.cwd)
          try {
            return await server.call(listed, args, context)
          } finally {
            const instance = [...this.#instances.values()].find((each) => each.server === server)
            if (instance) this.#used(instance)
          }
        },
        trusted,
      ),
    )
    const about = resources && listing.resources ? resourceTools(name, (cwd) => this.#open(cwd), trusted) : []
    this.#tools = [...tools, ...about]
  }

  #changed(redefined: readonly string[]): void {
    for (const tool of redefined) this.#redefined.add(tool)
    this.#ports.changed()
  }

  #tell(message: string): void {
    if (this.#problems.includes(message)) return
    this.#problems = [...this.#problems, message].slice(-MAX_PROBLEMS)
    this.#ports.log.info({ server: this.settings.name, said: message }, "About an MCP server")
  }
}

function digestOf(listing: ServerListing): string {
  return createHash("sha256")
    .update(canonicalJson({ ...listing }))
    .digest("hex")
}
