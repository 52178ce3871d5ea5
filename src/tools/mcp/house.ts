// The MCP servers of the configuration, together. A new configuration touches only the servers that it changes.
import { PincerError } from "../../base/errors.ts"
import { nearWords } from "../../base/spelling.ts"
import type { Tool } from "../tool.ts"
import { CHANGE_GRACE_MS, HouseServer, type HouseServerSettings, type ServerHousePorts } from "./house-server.ts"

export class McpHouse {
  readonly #portsOf: (settings: HouseServerSettings) => ServerHousePorts
  #servers = new Map<string, HouseServer>()
  readonly #ending = new Set<Promise<void>>()

  constructor(portsOf: (settings: HouseServerSettings) => ServerHousePorts) {
    this.#portsOf = portsOf
  }

  get servers(): readonly HouseServer[] {
    return [...this.#servers.values()]
  }

  /** Throws NOT_FOUND. */
  server(name: string): HouseServer {
    const found = this.#servers.get(name)
    if (found) return found
    const names = [...this.#servers.keys()]
    const near = nearWords(name, names)
    const hint = near.length > 0 ? `did you mean ${near.join(" or ")}?` : `there are ${names.join(", ") || "none"}`
    throw new PincerError("NOT_FOUND", `No MCP server "${name}" is in use: ${hint}`)
  }

  /** What was changed or taken out ends: what it works on may go on for a moment. */
  apply(wanted: readonly HouseServerSettings[]): void {
    const next = new Map<string, HouseServer>()
    for (const settings of wanted) {
      const known = this.#servers.get(settings.name)
      const same = known?.settings.digest === settings.digest
      next.set(settings.name, same && known ? known : new HouseServer(settings, this.#portsOf(settings)))
    }
    for (const [name, server] of this.#servers) {
      if (next.get(name) === server) continue
      const why = next.has(name) ? "Its configuration was changed" : "It was taken out of the configuration"
      const ending = server.close(why, CHANGE_GRACE_MS).finally(() => this.#ending.delete(ending))
      this.#ending.add(ending)
    }
    this.#servers = next
  }

  /** Of all servers that the agent has; side by side, so that one that is slow costs no more than itself. */
  async tools(agentId: string, cwd: string, signal: AbortSignal): Promise<Tool[]> {
    const own = this.servers.filter((server) => server.isFor(agentId))
    return (await Promise.all(own.map((server) => server.tools(cwd, signal)))).flat()
  }

  takeRedefined(agentId: string): { server: string; tools: string[] }[] {
    return this.servers
      .filter((server) => server.isFor(agentId))
      .map((server) => ({ server: server.settings.name, tools: server.takeRedefined() }))
      .filter(({ tools }) => tools.length > 0)
  }

  /** Resolves when nothing of any server runs. */
  async close(): Promise<void> {
    await Promise.all([...this.servers.map((server) => server.close("The gateway is stopping")), ...this.#ending])
  }
}
