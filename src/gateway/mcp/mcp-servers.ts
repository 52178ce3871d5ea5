// The MCP servers of the configuration in this gateway. Nothing of MCP is loaded while none is named, and no server starts before its
// first need. What servers said of themselves is kept in <home>/mcp, so that the next start need not ask them.
import { createHash } from "node:crypto"
import { join } from "node:path"
import type { ToolServers } from "../../agent/tool-servers.ts"
import type { Clock } from "../../base/clock.ts"
import { canonicalJson } from "../../base/json.ts"
import type { Logger } from "../../base/log.ts"
import type { Redactor } from "../../base/redact.ts"
import { knownSecrets } from "../../config/known-secrets.ts"
import type { McpServerSettings } from "../../config/mcp.ts"
import { type Env, expandPath } from "../../config/paths.ts"
import type { Config } from "../../config/schema.ts"
import { resolveSecret } from "../../config/secrets.ts"
import { wildcard } from "../../policy/tool-names.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { Sandbox } from "../../sandbox/index.ts"
import type { McpHouse } from "../../tools/mcp/house.ts"
import type { HouseServer, HouseServerSettings, ServerHousePorts } from "../../tools/mcp/house-server.ts"
import type { ServerLogin } from "../../tools/mcp/server-login.ts"
import type { Tool } from "../../tools/tool.ts"
import type { LiveConfig } from "../config/live-config.ts"
import type { McpLogins } from "./mcp-logins.ts"
import type { SamplingParts } from "./mcp-sampling.ts"

export interface McpServersParts extends SamplingParts {
  live: LiveConfig
  env: Env
  /** Of Pincer, symlinks resolved. */
  home: string
  /** What programs get of the environment; their own comes on top. */
  programEnv: Readonly<Record<string, string>>
  clock: Clock
  log: Logger
  redactor: Redactor
  sandbox: Sandbox
  version: string
}

export class ConfiguredServers implements ToolServers {
  readonly #parts: McpServersParts
  #logins: Promise<McpLogins> | undefined
  #house: Promise<McpHouse> | undefined
  #closed = false
  /** Told which server is not what it was; without a name: which ones there are. */
  onChanged: (server: string | undefined) => void = () => undefined

  constructor(parts: McpServersParts) {
    this.#parts = parts
  }

  /** Follows the configuration; the returned function ends that. */
  follow(): () => void {
    const { live, sandbox } = this.#parts
    return live.take({
      prefixes: ["tools.mcpServers"],
      prepare(next) {
        for (const { sandbox: wanted } of Object.values(next.tools.mcpServers))
          if (wanted !== "auto" && wanted !== "off") sandbox.profile(wanted)
      },
      apply: async (next) => {
        if (this.#house) (await this.#house).apply(this.#settingsIn(next))
        this.onChanged(undefined)
      },
    })
  }

  /** Servers that are switched on. */
  get names(): string[] {
    return Object.entries(this.#parts.live.current().tools.mcpServers)
      .filter(([, { enabled }]) => enabled)
      .map(([name]) => name)
  }

  /** Undefined when no server is named: then nothing is loaded. */
  async house(): Promise<McpHouse | undefined> {
    if (this.#closed || (!this.#house && this.names.length === 0)) return undefined
    this.#house ??= this.#open()
    return this.#house
  }

  /** How people sign in at servers that are addresses. */
  logins(): Promise<McpLogins> {
    this.#logins ??= import("./mcp-logins.ts").then(({ McpLogins }) => new McpLogins(this.#parts))
    return this.#logins
  }

  async tools(agentId: string, cwd: string, signal: AbortSignal): Promise<readonly Tool[]> {
    const house = await this.house()
    return house ? house.tools(agentId, cwd, signal) : []
  }

  /** Tools that are known without asking a server; of all agents where none is named. */
  async known(agentId?: string): Promise<readonly Tool[]> {
    const house = await this.house()
    const all = house?.servers.filter((server) => agentId === undefined || server.isFor(agentId)) ?? []
    return all.flatMap((server) => server.known)
  }

  #redefined: McpHouse | undefined

  takeRedefined(agentId: string): { server: string; tools: string[] }[] {
    const { redactor } = this.#parts
    const taken = this.#redefined?.takeRedefined(agentId) ?? []
    return taken.map(({ server, tools }) => ({ server, tools: tools.map((tool) => redactor.text(tool)) }))
  }

  /** A server that nothing else uses: it asks nobody, and what it offers is not kept. */
  async trial(name: string, settings: McpServerSettings): Promise<HouseServer> {
    const [{ HouseServer }, { confineServer }, logins] = await Promise.all([
      import("../../tools/mcp/house-server.ts"),
      import("./mcp-confinement.ts"),
      this.logins(),
    ])
    const { clock, env, home, log, programEnv, version } = this.#parts
    return new HouseServer(this.#settingsOf(name, settings), {
      ...{ clock, version, env: programEnv, log: log.child({ mcp: name }) },
      ...loginIn(logins.of(name, settings)),
      launch: (program) => confineServer(this.#parts, name, withPaths(settings, env, home), program),
      remembered: () => undefined,
      remember: () => undefined,
      changed: () => undefined,
    })
  }

  async #open(): Promise<McpHouse> {
    const [{ McpHouse }, { ListingShelf }, { sampleFor }, { confineServer }, logins] = await Promise.all([
      import("../../tools/mcp/house.ts"),
      import("./mcp-listings.ts"),
      import("./mcp-sampling.ts"),
      import("./mcp-confinement.ts"),
      this.logins(),
    ])
    const { clock, env, home, live, log, programEnv, version } = this.#parts
    const shelf = new ListingShelf(join(home, "mcp"), log)
    const portsOf = (settings: HouseServerSettings): ServerHousePorts => {
      const { name } = settings
      const own = live.current().tools.mcpServers[name]!
      const key = digestOf({ ...own, enabled: true, tools: {}, agents: [] })
      return {
        ...{ clock, version, env: programEnv, log: log.child({ mcp: name }) },
        launch: (program) => confineServer(this.#parts, name, withPaths(own, env, home), program),
        ...loginIn(logins.of(name, own)),
        ...(own.elicitation ? { ask: "caller" } : {}),
        ...(own.sampling === "deny" ? {} : { sample: sampleFor(this.#parts, own) }),
        remembered: () => shelf.read(name, key),
        remember: (listing) => shelf.write(name, key, listing),
        changed: () => this.onChanged(name),
      }
    }
    const house = new McpHouse(portsOf)
    this.#redefined = house
    house.apply(this.#settingsIn(live.current()))
    return house
  }

  #settingsIn({ tools }: Config): HouseServerSettings[] {
    return Object.entries(tools.mcpServers)
      .filter(([, { enabled }]) => enabled)
      .map(([name, server]) => this.#settingsOf(name, server))
  }

  #settingsOf(name: string, server: McpServerSettings): HouseServerSettings {
    const { agents, callTimeoutMs, callTotalMs, connectTimeoutMs, idleMs, resources, roots, trusted } = server
    const { allow, deny } = server.tools
    const { cwd } = withPaths(server, this.#parts.env, this.#parts.home)
    return {
      ...{ name, agents, cwd, idleMs, resources, roots, trusted },
      type: typeOf(server),
      digest: digestOf(server),
      limits: { connectMs: connectTimeoutMs, callMs: callTimeoutMs, callTotalMs },
      offers: (tool) =>
        !deny.some((pattern) => wildcard(pattern, tool)) &&
        (allow.length === 0 || allow.some((pattern) => wildcard(pattern, tool))),
      reach: () => this.reach(name, server),
    }
  }

  /** How a server is reached now, its secrets read, and kept out of whatever leaves. Throws PincerError when one is missing. */
  reach(name: string, server: McpServerSettings): McpServer {
    const { env, home, redactor } = this.#parts
    const secrets = (refs: McpServerSettings["env"], what: string) =>
      Object.fromEntries(
        Object.entries(refs).map(([key, ref]) => {
          const place = `tools.mcpServers.${name}.${what}.${key}`
          return [key, resolveSecret(ref, { env, base: home, name: place })]
        }),
      )
    const type = typeOf(server)
    const reached: McpServer =
      type === "stdio"
        ? { type, name, command: server.command!, args: server.args, env: secrets(server.env, "env") }
        : { type, name, url: server.url!, headers: secrets(server.headers, "headers") }
    for (const secret of knownSecrets({ config: { ...reached, name: "" }, env: {}, base: home })) redactor.add(secret)
    return reached
  }

  /** Resolves when nothing of any server runs. */
  async close(): Promise<void> {
    this.#closed = true
    await (await this.#house)?.close()
  }
}

function loginIn(login: ServerLogin | undefined): { login?: ServerLogin } {
  return login ? { login } : {}
}

export function typeOf({ command, type }: McpServerSettings): McpServer["type"] {
  return type ?? (command === undefined ? "http" : "stdio")
}

/** For people: without user, password and query, in which secrets travel. */
export function addressOf({ args, command, url }: McpServerSettings): string {
  if (url === undefined) return [command, ...args].join(" ")
  const { host, pathname, protocol } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/** Paths that begin with "~/" are the user's. */
function withPaths(server: McpServerSettings, env: Env, home: string): McpServerSettings {
  const whole = (path: string) => expandPath(path, env, home)
  const { cwd, read, write } = server
  return { ...server, cwd: cwd === undefined ? undefined : whole(cwd), read: read.map(whole), write: write.map(whole) }
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex")
}
