// What the permission mode says of a call that may exist and has its place: nothing asks, writing asks, or nothing that needs leave runs.
import type { PermissionMode } from "../protocol/permission.ts"
import type { Finding } from "./finding.ts"
import type { Place } from "./placement.ts"
import { isInside, matchesHost, protectedPath } from "./places.ts"
import type { TaintRule, RuleVerdict } from "./rules.ts"
import type { Scene } from "./scene.ts"
import { matchesAll } from "./shell/match.ts"

export type ModeAnswer = Finding & { verdict: RuleVerdict }

export function modeOf(scene: Scene, place: Place): ModeAnswer {
  const { call, permissions } = scene
  const { mode } = permissions
  const source = permissions.sources.mode ?? "built in"
  const say = (verdict: RuleVerdict, rule: string, reason: string): ModeAnswer => ({ verdict, rule, source, reason })
  const touches = call.reads.length + call.writes.length + call.hosts.length + (call.messages?.length ?? 0)
  if (call.class === "control" && touches === 0)
    return say("allow", "mode.ownState", `${call.tool} only changes the session's own notes`)
  const hidden = readsHome(scene)
  if (!hidden && readsWithin(scene))
    return say("allow", "mode.workspaceRead", `${call.tool} reads inside the workspace`)
  if (mode === "deny-all")
    return say(
      "deny",
      "mode.deny-all",
      `${because(scene, place)}, and the mode deny-all refuses whatever needs permission`,
    )
  const guarded = call.writes
    .map((path) => [path, protectedPath(path, scene.home, scene.workspace)] as const)
    .find(([, why]) => why)
  if (guarded) return say("ask", "protected.path", `${call.tool} changes ${guarded[0]}, ${guarded[1]}`)
  if (hidden) return say("ask", "protected.home", `${call.tool} would read Pincer's own folder ${scene.home}`)
  const tainted = taintOf(scene, mode)
  if (tainted) return tainted
  if (mode === "approve-all") return say("allow", "mode.approve-all", "the mode approve-all asks for nothing")
  return approveReads(scene, place, say)
}

function approveReads(
  scene: Scene,
  place: Place,
  say: (verdict: RuleVerdict, rule: string, reason: string) => ModeAnswer,
): ModeAnswer {
  const { call, layers } = scene
  if (call.class === "exec" && place.placement.type === "sandbox")
    return say(
      "allow",
      "sandbox.inside",
      `${call.tool} runs in the sandbox "${place.placement.profile}" and stays inside its limits`,
    )
  if (call.class === "exec" && place.placement.type === "host" && scene.elevation?.level === "full")
    return say("allow", "elevated.full", "the session is elevated in full")
  const { command } = call
  if (command && layers.some((layer) => matchesAll(command, layer.commands ?? [])))
    return say("allow", "commands.allow", `every program of the command is on the list of allowed commands`)
  const allowedHost = (host: string) =>
    layers.some((layer) => layer.hosts?.some((pattern) => matchesHost(pattern, host)))
  if (call.class === "network" && call.writes.length === 0 && call.hosts.length > 0 && call.hosts.every(allowedHost))
    return say("allow", "hosts.allow", `${call.hosts.join(", ")} may be contacted`)
  return say("ask", "mode.approve-reads", because(scene, place))
}

/** Reading, and nothing else, of paths that all lie in the workspace. What could not tell what it reads is not taken for a reader. */
function readsWithin({ call, workspace }: Scene): boolean {
  const reader = call.class === "read" || call.class === "search"
  if (!reader || call.writes.length > 0 || call.hosts.length > 0 || call.reads.length === 0) return false
  return call.reads.every((path) => isInside(path, workspace))
}

/** Whether the call would see Pincer's own folder from a workspace around it: by name, or by searching a folder that holds it. */
function readsHome({ call, home, workspace }: Scene): boolean {
  // The agent's own workspace lies in that folder; the rest of it is outside of that workspace.
  if (isInside(workspace, home)) return call.reads.some((path) => isInside(path, home) && !isInside(path, workspace))
  return call.reads.some((path) => isInside(path, home) || (call.class === "search" && isInside(home, path)))
}

const TAINT_DEFAULT: Required<TaintRule> = { exec: "ask", network: "ask", messages: "ask" }
const STRICTER: Readonly<Record<RuleVerdict, number>> = { allow: 0, ask: 1, deny: 2 }

/** A conversation that has read text from outside is asked about before it acts on the world. approve-all is the user's word against it. */
function taintOf(scene: Scene, mode: PermissionMode): ModeAnswer | undefined {
  const { call, layers, taint } = scene
  const last = taint.at(-1)
  if (!last) return undefined
  const kinds: (keyof TaintRule)[] = []
  if (call.class === "exec") kinds.push("exec")
  if (call.class === "network" || call.hosts.length > 0) kinds.push("network")
  if ((call.messages?.length ?? 0) > 0) kinds.push("messages")
  for (const kind of kinds) {
    const said = layers.flatMap(({ source, tainted }) => (tainted?.[kind] ? [{ verdict: tainted[kind], source }] : []))
    const strictest = said.toSorted((a, b) => STRICTER[b.verdict] - STRICTER[a.verdict])[0]
    const verdict = strictest?.verdict ?? TAINT_DEFAULT[kind]
    if (verdict === "allow" || (verdict === "ask" && mode === "approve-all")) continue
    return {
      verdict,
      rule: `taint.${kind}`,
      source: strictest ? `${strictest.source}.tainted.${kind}` : "built in",
      reason: `${call.tool} would act after this conversation has read untrusted text (${last.source}: ${last.detail})`,
    }
  }
  return undefined
}

/** Why leave is needed, in words. */
function because({ call, home, workspace }: Scene, { placement }: Place): string {
  if (call.class === "exec")
    return placement.type === "host" ? `${call.tool} runs a command on this machine` : `${call.tool} runs a command`
  if ((call.messages?.length ?? 0) > 0) return `${call.tool} sends a message to ${call.messages?.join(", ")}`
  if (call.hosts.length > 0) return `${call.tool} contacts ${call.hosts.join(", ")}`
  if (call.class === "network") return `${call.tool} uses the network`
  if (call.writes.length > 0) return `${call.tool} changes ${call.writes.join(", ")}`
  const outside = call.reads.find((path) => !isInside(path, workspace))
  if (outside !== undefined) return `${call.tool} reads ${outside} outside the workspace ${workspace}`
  return call.reads.length > 0 ? `${call.tool} reads ${home}` : `${call.tool} does not say what it touches`
}
