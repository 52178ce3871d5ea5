// What was allowed beforehand answers a question: a grant that a human gave, a list of commands or hosts, a context rule. Nothing here
// lifts a denial, and what must be asked each time (protected files, elevated mode, doubts of a rule) is answered by nothing.
import { contextAllowing } from "./contexts.ts"
import type { Basis } from "./mode.ts"
import type { Objection } from "./objection.ts"
import { matchesHost } from "./places.ts"
import type { Grant } from "./rules.ts"
import type { Scene } from "./scene.ts"
import { matchesAll } from "./shell/match.ts"

/** What answers this question without a human. */
export function answerTo(scene: Scene, asked: Objection): Basis | undefined {
  switch (asked.answer) {
    case "each":
      return undefined
    case "taint":
      return contextAllowing(scene)
    case "host":
      return grantFor(scene) ?? commandListed(scene)
    case "mode":
      return grantFor(scene) ?? commandListed(scene) ?? hostListed(scene) ?? contextAllowing(scene)
    default:
      throw new TypeError(`Unknown kind of question ${JSON.stringify(asked.answer satisfies never)}`)
  }
}

function grantFor(scene: Scene): Basis | undefined {
  const grant = scene.grants.find((one) => isFor(one, scene) && covers(one, scene))
  if (!grant) return undefined
  const reason = `${scene.call.tool} was allowed for good by ${grant.createdBy}`
  return { rule: "grant", source: `grant ${grant.id}`, reason }
}

function isFor({ agentId, scope, sessionKey, tool }: Grant, scene: Scene): boolean {
  if (tool !== scene.call.tool || agentId !== scene.agentId) return false
  return scope === "agent" || sessionKey === scene.sessionKey
}

function covers({ match }: Grant, { call }: Scene): boolean {
  if ((call.messages?.length ?? 0) > 0) return false
  // The very same call is recognised by its fingerprint, where approvals are looked up.
  if ("exact" in match) return false
  if ("command" in match) return call.command !== undefined && matchesAll(call.command, match.command)
  // Names as they were shown: a "*" in a file's name is no pattern here.
  if ("hosts" in match)
    return call.hosts.length > 0 && call.writes.length === 0 && call.hosts.every((host) => match.hosts.includes(host))
  const touched = [...call.reads, ...call.writes]
  return touched.length > 0 && call.hosts.length === 0 && touched.every((path) => match.paths.includes(path))
}

function commandListed({ call, layers }: Scene): Basis | undefined {
  const { command } = call
  const layer = command && layers.find(({ commands = [] }) => matchesAll(command, commands))
  if (!layer) return undefined
  const source = `${layer.source}.commands`
  return { rule: "commands.allow", source, reason: `every program of the command is listed in ${source}` }
}

/** For calls that contact hosts and do nothing else. */
function hostListed({ call, layers }: Scene): Basis | undefined {
  const { class: kind, hosts, messages = [], reads, writes } = call
  if (kind === "exec" || hosts.length === 0 || writes.length + reads.length + messages.length > 0) return undefined
  const found = hosts.map((host) => layers.find((layer) => layer.hosts?.some((pattern) => matchesHost(pattern, host))))
  if (found.includes(undefined)) return undefined
  const source = `${found[0]?.source ?? "policy"}.hosts`
  return { rule: "hosts.allow", source, reason: `${hosts.join(", ")} is listed in ${source}` }
}
