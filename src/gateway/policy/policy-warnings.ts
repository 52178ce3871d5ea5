// What a configuration's rules say that is not meant: looked for in every layer there is, whoever it would hold for.
import type { LayerSettings, PolicySettings } from "../../config/policy.ts"
import type { Config } from "../../config/schema.ts"
import { policyWarnings } from "../../policy/names.ts"
import type { PolicyLayer } from "../../policy/rules.ts"

/** One sentence each, for the log of the start and for `pincer doctor`. */
export function configuredWarnings(config: Pick<Config, "agents" | "policy">): string[] {
  const { defaults, entries } = config.agents
  const found: [string, PolicySettings | undefined][] = [
    ["policy", config.policy],
    ["agents.defaults.policy", defaults.policy],
    ...Object.entries(entries).map(([id, { policy }]): [string, PolicySettings | undefined] => [
      `agents.entries.${id}.policy`,
      policy,
    ]),
  ]
  return policyWarnings(found.flatMap(([source, policy]) => (policy ? layersIn(source, policy) : [])))
}

function layersIn(
  source: string,
  { byChannel = {}, byProvider = {}, subAgents, ...own }: PolicySettings,
): PolicyLayer[] {
  const layers: PolicyLayer[] = [{ ...own, source }]
  const add = (place: string, settings: LayerSettings) => layers.push({ ...settings, source: `${source}.${place}` })
  for (const [name, settings] of Object.entries(byProvider)) add(`byProvider.${name}`, settings)
  for (const [name, { bySender = {}, permissions: _, ...settings }] of Object.entries(byChannel)) {
    add(`byChannel.${name}`, settings)
    for (const [sender, rules] of Object.entries(bySender)) add(`byChannel.${name}.bySender.${sender}`, rules)
  }
  if (subAgents) add("subAgents", subAgents)
  return layers
}
