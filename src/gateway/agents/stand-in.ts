// Who answers when no model service does: an external agent that is installed here and that somebody has logged in to. It then runs the
// turns of the default agent, until a model service is there or the configuration says who answers. One that nobody has logged in to
// is only suggested (agents.ts): its first answer would be an error.
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { AgentFinder } from "../../acp/host/find.ts"
import type { KnownAgent } from "../../acp/host/known-agent.ts"
import type { AgentProfile } from "../../agent/agent.ts"
import type { Config } from "../../config/schema.ts"
import type { Catalogue } from "../../providers/catalogue.ts"

export interface StandInPorts {
  config(): Config
  /** In the order of preference. */
  known: readonly KnownAgent[]
  finder: Pick<AgentFinder, "find">
  catalogue: Pick<Catalogue, "chosen">
  /** Home of the user whom the gateway runs as, where agents keep what shows that they are logged in. */
  userHome: string
}

export class StandIn {
  readonly #ports: StandInPorts
  #found: KnownAgent | undefined
  #shown: { of: ReadonlyMap<string, AgentProfile>; as: ReadonlyMap<string, AgentProfile> } | undefined

  constructor(ports: StandInPorts) {
    this.#ports = ports
  }

  /** Looks for one where nobody else can answer. Costs a few looks at files when nobody has logged in to any. */
  async look(): Promise<void> {
    this.#found = undefined
    if (!this.#isWanted()) return
    for (const agent of this.#ports.known) {
      if (!this.#isLoggedIn(agent)) continue
      const finding = await this.#ports.finder.find(agent)
      if (finding.type !== "found") continue
      this.#found = agent
      return
    }
  }

  /** The agents as they count now. */
  over(agents: ReadonlyMap<string, AgentProfile>): ReadonlyMap<string, AgentProfile> {
    const found = this.#found
    if (!found || !this.#isWanted()) return agents
    if (this.#shown?.of === agents) return this.#shown.as
    const id = this.#ports.config().agents.default
    const own = agents.get(id)
    const other = agents.get(found.name)
    if (!own || own.hosted || !other?.hosted) return agents
    const as = new Map(agents).set(id, { ...own, hosted: other.hosted, model: undefined, fallbacks: [] })
    this.#shown = { of: agents, as }
    return as
  }

  /** Who was chosen, why, and how to change it: one line. Undefined when a model service answers. */
  why(): string | undefined {
    const found = this.#found
    if (!found || !this.#isWanted()) return undefined
    const { default: id } = this.#ports.config().agents
    return `${found.title}, which is installed here and logged in to: no model service is configured. To change it, set a key such as ANTHROPIC_API_KEY, or: pincer config set agents.entries.${id}.model provider/model`
  }

  #isWanted(): boolean {
    const { agents, models } = this.#ports.config()
    const own = agents.entries[agents.default]
    const said = agents.defaults.model ?? own?.model ?? own?.acp
    return models.discover && said === undefined && this.#isLastResort(this.#ports.catalogue.chosen().provider)
  }

  /** Rules, or a model file that nobody has named. */
  #isLastResort(provider: string): boolean {
    return provider === "offline" || (provider === "local" && !Object.hasOwn(this.#ports.config().providers, provider))
  }

  #isLoggedIn({ login = [] }: KnownAgent): boolean {
    return login.some((file) => existsSync(join(this.#ports.userHome, file)))
  }
}
