// Model services for this gateway: configuration and environment into a catalogue; a look around this machine once it is ready.
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Env } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import { resolveSecret } from "../config/secrets.ts"
import { baseUrlOf, type Discovered, discover, probeLocal, withLocal } from "../providers/discovery.ts"
import { OpenCatalogue } from "../providers/open-catalogue.ts"
import { services } from "../providers/services.ts"

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
}

/** Found on this machine by a look around. */
type LocalServers = Parameters<typeof withLocal>[1]

export function openModels({ config, env, base, clock, log }: ModelsOptions): Models {
  const found = () => {
    const discovered = discoverIn(config(), env, base)
    for (const problem of discovered.problems) log.warn({}, problem)
    return discovered
  }
  const catalogue = new OpenCatalogue({
    discovered: found(),
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
  let servers: LocalServers = []
  let looking: AbortController | undefined
  const lookAround = () => {
    looking?.abort()
    const controller = new AbortController()
    looking = controller
    look(catalogue, config(), env, controller.signal, log)
      .then((local) => {
        servers = local ?? servers
      })
      .catch((error: unknown) => log.warn({ err: error }, "Looking for model servers on this machine failed"))
    return () => looking?.abort()
  }
  return {
    catalogue,
    lookAround,
    renew() {
      if (!config().models.discover) servers = []
      const discovered = found()
      catalogue.replace(servers.length > 0 ? withLocal(discovered, servers) : discovered)
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
async function look(
  catalogue: OpenCatalogue,
  config: Config,
  env: Env,
  signal: AbortSignal,
  log: Logger,
): Promise<LocalServers | undefined> {
  let servers: LocalServers | undefined
  if (config.models.discover) {
    const local = services.filter((row) => row.local)
    const rows = config.models.localServers ?? local.map((row) => ({ id: row.id, baseUrl: baseUrlOf(row, env) }))
    servers = await probeLocal(rows, PROBE_MS, signal)
    if (signal.aborted) return undefined
    if (servers.length > 0) {
      catalogue.replace(withLocal(catalogue.discovered, servers))
      log.info({ servers: servers.map((one) => one.id) }, "Model servers on this machine")
    }
  }
  await catalogue.findDefaults(LIST_MS, signal)
  return servers
}
