// The one question asked before every tool call, from every door: may this run, and where? Pure: everything it looks at is handed in.
// The steps of R-16 in their order: identity, hard deny, availability, placement, mode, ask. Each can only narrow what the one before
// left; the first that refuses decides, and the answer names it.
import type { Decision, DecisionStep, DecisionTrail, Placement } from "../protocol/decision.ts"
import { availability } from "./availability.ts"
import type { Finding } from "./finding.ts"
import { grantFor } from "./grants.ts"
import { modeOf } from "./mode.ts"
import { permitsTool } from "./permissions.ts"
import { placementOf } from "./placement.ts"
import { NOT_FOR_SUB_AGENTS } from "./rules.ts"
import type { Scene } from "./scene.ts"
import { matchesTool } from "./tool-names.ts"

export { isInside } from "./places.ts"

const NOWHERE: Placement = { type: "none" }

export function decide(scene: Scene): Decision {
  const trail: DecisionTrail[] = []
  const answer = (step: DecisionStep, verdict: Decision["verdict"], found: Finding, placement: Placement): Decision => {
    trail.push({ step, result: verdict, rule: found.rule, source: found.source, reason: found.reason })
    const { reason, rule, source } = found
    const shown = verdict === "deny" ? NOWHERE : placement
    return { verdict, step, rule, source, reason, placement: shown, taint: scene.taint, trail }
  }
  const pass = (step: DecisionStep, rule: string, reason: string) =>
    void trail.push({ step, result: "pass", rule, source: "built in", reason })

  const stranger = identity(scene)
  if (stranger) return answer("identity", "deny", stranger, NOWHERE)
  pass("identity", "identity.known", `asked through ${scene.origin.door}`)

  const denied = hardDeny(scene)
  if (denied) return answer("deny", "deny", denied, NOWHERE)
  pass("deny", "deny.none", "no rule denies it")

  const available = availability(scene)
  if (available.deny) return answer("availability", "deny", available.deny, NOWHERE)
  pass("availability", "tools.available", `${scene.call.tool} is available`)

  const place = placementOf(scene)
  if (place.deny) return answer("placement", "deny", place.deny, NOWHERE)
  pass("placement", `placement.${place.placement.type}`, place.reason)

  const mode = modeOf(scene, place)
  if (mode.verdict === "deny") return answer("mode", "deny", mode, NOWHERE)
  const asks = available.ask ?? place.ask ?? (mode.verdict === "ask" ? mode : undefined)
  if (!asks) return answer("mode", "allow", mode, place.placement)
  const grant = grantFor(scene, asks, place)
  if (grant) return answer("mode", "allow", grant, place.placement)
  pass("mode", asks.rule, asks.reason)
  if (scene.canAsk) return answer("ask", "ask", asks, place.placement)
  return unattended(scene, asks, answer)
}

/** Sub-agents lose what could start or steer others; a layer gives it back with alsoAllow. */
function identity({ call, layers, subAgent }: Scene): Finding | undefined {
  if (!subAgent || !NOT_FOR_SUB_AGENTS.some((name) => matchesTool(name, call.tool))) return undefined
  if (layers.some((layer) => layer.alsoAllow?.some((name) => matchesTool(name, call.tool)))) return undefined
  return {
    rule: "identity.subAgent",
    source: "built in",
    reason: `${call.tool} is not for sub-agents: name it in alsoAllow of the agent's policy to give it`,
  }
}

function hardDeny({ call, layers, permissions }: Scene): Finding | undefined {
  if (permitsTool(permissions, call.tool).denied) {
    const source = permissions.sources.denied ?? "permissions"
    return { rule: "permissions.denied", source, reason: `${call.tool} is among the denied tools` }
  }
  for (const layer of layers) {
    const at = layer.deny?.findIndex((name) => matchesTool(name, call.tool)) ?? -1
    if (at >= 0)
      return { rule: "tools.deny", source: `${layer.source}.deny[${at}]`, reason: `${call.tool} is denied by policy` }
  }
  return undefined
}

function unattended(
  { permissions }: Scene,
  asks: Finding,
  answer: (step: DecisionStep, verdict: Decision["verdict"], found: Finding, placement: Placement) => Decision,
): Decision {
  const fails = permissions.nonInteractive === "fail"
  const decision = answer(
    "ask",
    "deny",
    {
      rule: `nonInteractive.${permissions.nonInteractive}`,
      source: permissions.sources.nonInteractive ?? "built in",
      reason: `${asks.reason}, and nobody who could approve it is connected`,
    },
    NOWHERE,
  )
  return fails ? { ...decision, endsTurn: true } : decision
}
