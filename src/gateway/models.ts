// Model services for this gateway: configuration and environment into a catalogue; a look around this machine once it is ready.
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Env } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import { resolveSecret } from "../config/secrets.ts"
import { baseUrlOf, type Discovered, discover, fromRow, type LocalServer, probeLocal } from "../providers/discovery.ts"
import { OpenCatalogue } from "../providers/open-catalogue.ts"
import { services } from "../providers/services.ts"

const PROBE_MS = 400

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
      if (!config.models.discover) return () => undefined
      const rows =
        config.models.localServers ??
        services.filter((row) => row.local).map((row) => ({ id: row.id, baseUrl: baseUrlOf(row, env) }))
      probeLocal(rows, PROBE_MS, controller.signal)
        .then((servers) => {
          if (controller.signal.aborted || servers.length === 0) return
          catalogue.replace(withLocal(catalogue.discovered, servers))
          log.info({ servers: servers.map((one) => one.id) }, "Model servers on this machine")
        })
        .catch((error: unknown) => log.warn({ err: error }, "Looking for model servers on this machine failed"))
      return () => controller.abort()
    },
  }
}

/** Local servers come after what the user named and before the offline model. */
function withLocal(found: Discovered, servers: readonly LocalServer[]): Discovered {
  const known = new Set(found.settings.map((one) => one.id))
  const fresh = servers.filter((one) => !known.has(one.id))
  const rest = found.settings.filter((one) => one.id !== "offline")
  const offline = found.settings.filter((one) => one.id === "offline")
  const row = services.find((one) => one.local)!
  const added = fresh.map((one) => ({
    ...fromRow({ ...row, id: one.id, baseUrl: one.baseUrl, baseUrlEnv: undefined }, {}, () => undefined),
    models: one.models,
  }))
  return {
    settings: [...rest, ...added, ...offline],
    defaultModels: new Map([...found.defaultModels, ...fresh.map((one) => [one.id, one.models[0]!] as const)]),
    sources: new Map([...found.sources, ...fresh.map((one) => [one.id, `a server at ${one.baseUrl}`] as const)]),
    problems: found.problems,
  }
}
