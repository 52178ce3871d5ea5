// Model services for this gateway: configuration and environment into a catalogue; a look around this machine once it is ready.
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Env } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import { resolveSecret } from "../config/secrets.ts"
import { baseUrlOf, discover, probeLocal, withLocal } from "../providers/discovery.ts"
import { OpenCatalogue } from "../providers/open-catalogue.ts"
import { services } from "../providers/services.ts"

const PROBE_MS = 400
/** Servers that the user named may be further away. */
const LIST_MS = 5_000

export interface Models {
  catalogue: OpenCatalogue
  /** Looks for model servers on this machine; the returned function stops looking. Resolves nothing: the catalogue takes them up. */
  lookAround(): () => void
}

export function openModels(options: { config: Config; env: Env; base: string; clock: Clock; log: Logger }): Models {
  const { config, env, base, clock, log } = options
  const found = discover({
    configured: config.providers,
    env,
    discover: config.models.discover,
    chosenModel: config.agents.defaults.model,
    keyOf(id) {
      const ref = config.providers[id]?.apiKey
      return ref === undefined ? undefined : resolveSecret(ref, { env, base, name: `providers.${id}.apiKey` })
    },
  })
  for (const problem of found.problems) log.warn({}, problem)
  const catalogue = new OpenCatalogue({
    discovered: found,
    chosenModel: config.agents.defaults.model,
    fallbackProviders: config.models.fallbackProviders,
    prices: config.models.prices,
    clock,
    log,
  })
  return {
    catalogue,
    lookAround() {
      const controller = new AbortController()
      look(catalogue, config, env, controller.signal, log).catch((error: unknown) =>
        log.warn({ err: error }, "Looking for model servers on this machine failed"),
      )
      return () => controller.abort()
    },
  }
}

async function look(
  catalogue: OpenCatalogue,
  config: Config,
  env: Env,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  if (config.models.discover) {
    const local = services.filter((row) => row.local)
    const rows = config.models.localServers ?? local.map((row) => ({ id: row.id, baseUrl: baseUrlOf(row, env) }))
    const servers = await probeLocal(rows, PROBE_MS, signal)
    if (signal.aborted) return
    if (servers.length > 0) {
      catalogue.replace(withLocal(catalogue.discovered, servers))
      log.info({ servers: servers.map((one) => one.id) }, "Model servers on this machine")
    }
  }
  await catalogue.findDefaults(LIST_MS, signal)
}
