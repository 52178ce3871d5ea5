// Model services for this gateway: configuration and environment into a catalogue; a look around this machine once it is ready.
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { Env } from "../../config/paths.ts"
import type { Config } from "../../config/schema.ts"
import { resolveSecret } from "../../config/secrets.ts"
import {
  baseUrlOf,
  type Discovered,
  discover,
  probeLocal,
  withLastService,
  withLocal,
} from "../../providers/discovery.ts"
import { OpenCatalogue } from "../../providers/open-catalogue.ts"
import { services } from "../../providers/services.ts"
import type { LocalModels } from "./local-models.ts"

const PROBE_MS = 400
/** Servers that the user named may be further away. */
const LIST_MS = 5_000

export interface Models {
  catalogue: OpenCatalogue
  /** Looks for model servers on this machine; the returned function stops looking. Resolves nothing: the catalogue takes them up. */
  lookAround(): () => void
  /** Takes up what the configuration says now; what is being streamed goes on as it began. */
  renew(): void
}

export interface ModelsOptions {
  /** What counts now. */
  config: () => Config
  env: Env
  /** Relative file references start here. */
  base: string
  clock: Clock
  log: Logger
  /** Model files of this machine. */
  local: Pick<LocalModels, "service" | "look" | "onChanged">
}

/** Found on this machine by a look around. */
type LocalServers = Parameters<typeof withLocal>[1]

export function openModels({ config, env, base, clock, log, local }: ModelsOptions): Models {
  const read = () => {
    const discovered = discoverIn(config(), env, base)
    for (const problem of discovered.problems) log.warn({}, problem)
    return discovered
  }
  let configured = read()
  let servers: LocalServers = []
  /** What was read, what answers on this machine, and its files. */
  const all = () => {
    const found = servers.length > 0 ? withLocal(configured, servers) : configured
    const files = local.service()
    return files ? withLastService(found, files) : found
  }
  const catalogue = new OpenCatalogue({
    discovered: all(),
    get chosenModel() {
      return config().agents.defaults.model
    },
    get fallbackProviders() {
      return config().models.fallbackProviders
    },
    get prices() {
      return config().models.prices
    },
    clock,
    log,
  })
  local.onChanged = () => {
    const { defaultModels } = catalogue.discovered
    const next = all()
    // What services said when they were asked goes on counting.
    for (const { id } of next.settings) {
      const model = id === "local" ? undefined : defaultModels.get(id)
      if (model !== undefined && !next.defaultModels.has(id)) next.defaultModels.set(id, model)
    }
    catalogue.replace(next)
  }
  let looking: AbortController | undefined
  const look = async (signal: AbortSignal) => {
    await local.look({ everywhere: true })
    const found = await lookForServers(config(), env, signal)
    if (signal.aborted) return
    if (found && found.length > 0) {
      servers = found
      catalogue.replace(all())
      log.info({ servers: found.map((one) => one.id) }, "Model servers on this machine")
    }
    await catalogue.findDefaults(LIST_MS, signal)
  }
  const lookAround = () => {
    looking?.abort()
    const controller = new AbortController()
    looking = controller
    look(controller.signal).catch((error: unknown) =>
      log.warn({ err: error }, "Looking for models on this machine failed"),
    )
    return () => looking?.abort()
  }
  return {
    catalogue,
    lookAround,
    renew() {
      if (!config().models.discover) servers = []
      configured = read()
      catalogue.replace(all())
      lookAround()
    },
  }
}

function discoverIn(config: Config, env: Env, base: string): Discovered {
  const { model } = config.agents.defaults
  return discover({
    configured: config.providers,
    env,
    discover: config.models.discover,
    ...(model === undefined ? {} : { chosenModel: model }),
    keyOf(id) {
      const ref = config.providers[id]?.apiKey
      return ref === undefined ? undefined : resolveSecret(ref, { env, base, name: `providers.${id}.apiKey` })
    },
  })
}

/** The servers that answered; undefined when none were looked for. */
async function lookForServers(config: Config, env: Env, signal: AbortSignal): Promise<LocalServers | undefined> {
  if (!config.models.discover) return undefined
  const known = services.filter((row) => row.local)
  const rows = config.models.localServers ?? known.map((row) => ({ id: row.id, baseUrl: baseUrlOf(row, env) }))
  return probeLocal(rows, PROBE_MS, signal)
}
