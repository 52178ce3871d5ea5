// The steps that look at names only: who asks (identity), what is denied outright, and what is on no list of allowed tools.
import { denial, type Objection } from "./objection.ts"
import { isDenied, permitsTool } from "./permissions.ts"
import { NOT_FOR_SUB_AGENTS, PROFILES } from "./profiles.ts"
import type { PolicyLayer } from "./rules.ts"
import type { Scene } from "./scene.ts"
import { matchesAny, matchesTool, namesOurs } from "./tool-names.ts"

/** Denials for whoever asks: a channel, a sender, a turn that another turn started. */
export function identity(scene: Scene): Objection[] {
  const { call, layers, subAgent } = scene
  const found = layers.filter((layer) => layer.about !== undefined).flatMap((layer) => denied(layer, call.tool))
  const kept = layers.some((layer) => layer.about === "subAgents" && matchesAny(layer.alsoAllow, call.tool))
  if (!subAgent || kept || !matchesAny(NOT_FOR_SUB_AGENTS, call.tool)) return found
  const reason = `${call.tool} is not for turns that other turns started`
  return [...found, denial("identity.subAgent", "built in", reason, "name it in policy.subAgents.alsoAllow")]
}

/** As much of a scene as a tool's name is judged by. */
export type NamedScene = Pick<Scene, "layers" | "permissions"> & { call: { tool: string } }

/** Denials for everybody. They beat every allowance. */
export function outright({ call, layers, permissions }: NamedScene): Objection[] {
  const found = layers.filter((layer) => layer.about === undefined).flatMap((layer) => denied(layer, call.tool))
  if (!isDenied(permissions, call.tool)) return found
  const source = permissions.sources.denied ?? "permissions"
  const reason = `${call.tool} is among the denied tools (${permissions.denied.join(", ")})`
  const cure = source === "request" ? "leave it out of --denied-tools" : `take it out of deniedTools in ${source}`
  return [denial("permissions.denied", source, reason, cure), ...found]
}

function denied({ deny = [], source }: PolicyLayer, tool: string): Objection[] {
  const at = deny.findIndex((name) => matchesTool(name, tool))
  if (at < 0) return []
  const key = `${source}.deny[${at}]`
  return [denial("tools.deny", key, `${tool} is denied by policy (${key})`, `take "${deny[at]}" out of ${source}.deny`)]
}

/** Tools that are on no list: of the six dimensions, of a profile, of a layer. */
export function unlisted({ call, layers, permissions }: NamedScene): Objection[] {
  const { tool } = call
  const found = layers.flatMap((layer) => notIn(layer, tool))
  if (permitsTool(permissions, tool)) return found
  const { preset, sources } = permissions
  const named = sources.allowed === sources.preset && preset !== ""
  const reason = `${tool} is not among the allowed tools${named ? ` of the preset ${preset}` : ""} (${permissions.allowed.join(", ")})`
  const rule = named ? `preset.${preset}` : "permissions.allowed"
  return [
    denial(rule, sources.allowed ?? "built in", reason, "name it in --allowed-tools, or in allowedTools of the agent"),
    ...found,
  ]
}

function notIn({ allow = [], alsoAllow, profile, source }: PolicyLayer, tool: string): Objection[] {
  if (matchesAny(alsoAllow, tool)) return []
  if (profile !== undefined && profile !== "full" && !matchesAny(PROFILES[profile], tool)) {
    const reason = `${tool} is not in the profile "${profile}" (${source}.profile)`
    return [denial("tools.profile", `${source}.profile`, reason, `name it in ${source}.alsoAllow`)]
  }
  if (allow.length === 0 || !namesOurs(allow) || matchesAny(allow, tool)) return []
  const reason = `${tool} is not in ${source}.allow (${allow.join(", ")})`
  return [denial("tools.allow", `${source}.allow`, reason, `name it in ${source}.allow`)]
}

/** Sentences about lists that do not mean what they seem to. */
export function policyWarnings(layers: readonly PolicyLayer[]): string[] {
  return layers.flatMap(({ allow = [], source }) =>
    allow.length === 0 || namesOurs(allow)
      ? []
      : [
          `${source}.allow names only tools of plug-ins or unknown ones (${allow.join(", ")}): it is ignored, so that the built-in tools stay. To take those away, name them in ${source}.deny`,
        ],
  )
}
