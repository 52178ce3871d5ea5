// What a human allowed for good answers a question. It never lifts a denial, and never answers for untrusted text, protected files or
// elevated mode: those are asked each time.
import type { Finding } from "./finding.ts"
import type { Place } from "./placement.ts"
import type { Grant } from "./rules.ts"
import type { Scene } from "./scene.ts"
import { matchesAll } from "./shell/match.ts"

const ASKED_EACH_TIME = /^(?:taint|protected|elevated|context|arguments)\b/

/** The grant that answers this question, as what decided. */
export function grantFor(scene: Scene, asks: Finding, { placement }: Place): Finding | undefined {
  if (ASKED_EACH_TIME.test(asks.rule)) return undefined
  const grant = scene.grants.find((one) => mine(one, scene) && covers(one, scene))
  if (!grant) return undefined
  const where = placement.type === "host" ? " on this machine" : ""
  return {
    rule: "grant",
    source: `grant ${grant.id}`,
    reason: `${scene.call.tool} was allowed for good${where} by ${grant.createdBy}`,
  }
}

function mine({ agentId, scope, sessionKey, tool }: Grant, scene: Scene): boolean {
  if (tool !== scene.call.tool || agentId !== scene.agentId) return false
  return scope === "agent" || sessionKey === scene.sessionKey
}

function covers({ match }: Grant, { call }: Scene): boolean {
  // The very same call is recognised by its fingerprint, where approvals are looked up.
  if ("exact" in match) return false
  if ("command" in match) return call.command !== undefined && matchesAll(call.command, match.command)
  // Names as they were shown: a "*" in a file's name is no pattern here.
  if ("hosts" in match)
    return call.hosts.length > 0 && call.writes.length === 0 && call.hosts.every((host) => match.hosts.includes(host))
  const touched = [...call.reads, ...call.writes]
  return touched.length > 0 && call.hosts.length === 0 && touched.every((path) => match.paths.includes(path))
}
