// What the permission mode says of a call that may exist and has its place: nothing asks, what changes something asks, or nothing that
// needs leave runs. Some things ask in every mode: protected files, Pincer's own folder.
import type { Placement } from "../protocol/decision.ts"
import { denial, type Objection, question } from "./objection.ts"
import { isInside, protectedPath } from "./places.ts"
import type { Scene } from "./scene.ts"
import { filesOf } from "./shell/touched.ts"
import { taintObjections } from "./taint.ts"

/** Why a call passes, when nothing is found against it. */
export interface Basis {
  rule: string
  source: string
  reason: string
}

export type ModeAnswer = { objections: readonly Objection[] } | { objections: readonly []; basis: Basis }

export function modeOf(scene: Scene, placement: Placement): ModeAnswer {
  const { call, permissions } = scene
  const { mode } = permissions
  const source = permissions.sources.mode ?? "built in"
  const allow = (rule: string, reason: string): ModeAnswer => ({ objections: [], basis: { rule, source, reason } })
  if (call.class === "control" && touchesNothing(scene))
    return allow("mode.ownState", `${call.tool} only changes the session's own notes`)
  if (readsWithin(scene) && !readsHome(scene))
    return allow("mode.workspaceRead", `${call.tool} reads inside the workspace ${scene.workspace}`)
  const why = because(scene, placement)
  if (mode === "deny-all") {
    const cure = "use --approve-reads to be asked, or --approve-all"
    const reason = `${why}, and the mode deny-all refuses whatever needs permission`
    return { objections: [denial("mode.deny-all", source, reason, cure)] }
  }
  const objections = [...protectedObjections(scene, placement), ...doubts(scene), ...taintObjections(scene)]
  const basis = mode === "approve-all" ? approveAll(scene) : approveReads(scene, placement)
  if (!basis) objections.push(question("mode", "mode.approve-reads", source, why, "--approve-all allows it"))
  return objections.length > 0 || !basis ? { objections } : allow(basis.rule, basis.reason)
}

function approveAll({ call }: Scene): Omit<Basis, "source"> {
  return { rule: "mode.approve-all", reason: `the mode approve-all asks for nothing that ${call.tool} does here` }
}

/** What passes although it is not only reading: what stays in the sandbox, and what the session was elevated for. */
function approveReads({ call, elevation }: Scene, placement: Placement): Omit<Basis, "source"> | undefined {
  if (call.class !== "exec") return undefined
  if (placement.type === "sandbox" && !isUnknown(call))
    return { rule: "sandbox.inside", reason: `${call.tool} stays inside the limits of "${placement.profile}"` }
  if (placement.type === "host" && placement.because === "elevated" && elevation?.level === "full")
    return { rule: "elevated.full", reason: "this session is elevated in full" }
  return undefined
}

function protectedObjections(scene: Scene, placement: Placement): Objection[] {
  const { call, home, workspace } = scene
  const named = call.command ? filesOf(call.command).writes : []
  // The sandbox has nothing but the workspace to write to.
  const byCommand = placement.type === "sandbox" ? named.filter((path) => isInside(path, workspace)) : named
  const written = [...call.writes, ...byCommand]
  const found: Objection[] = []
  for (const path of written) {
    const what = protectedPath(path, home, workspace)
    if (what === undefined) continue
    found.push(question("each", "protected.path", "built in", `${call.tool} changes ${path}, ${what}`))
    break
  }
  if (readsHome(scene))
    found.push(question("each", "protected.home", "built in", `${call.tool} would read Pincer's own folder ${home}`))
  return found
}

/** What somebody says of a call of an external agent and what is in it do not agree: no mode is an answer to that. */
function doubts({ call }: Scene): Objection[] {
  return call.doubt === undefined ? [] : [question("mode", "claims.contradict", "built in", call.doubt)]
}

/** A tool of an external agent of which nobody knows what it does: it is taken for one that does anything. */
function isUnknown({ class: kind, command, from }: Scene["call"]): boolean {
  return kind === "exec" && from === "acp" && command === undefined
}

function touchesNothing({ call }: Scene): boolean {
  return call.reads.length + call.writes.length + call.hosts.length + (call.messages?.length ?? 0) === 0
}

/** What says that it reads and not what is taken for one that could not tell. */
function readsWithin({ call, workspace }: Scene): boolean {
  const reader = call.class === "read" || call.class === "search"
  if (
    !reader ||
    call.doubt !== undefined ||
    call.writes.length > 0 ||
    call.hosts.length > 0 ||
    (call.messages?.length ?? 0) > 0
  )
    return false
  return call.reads.length > 0 && call.reads.every((path) => isInside(path, workspace))
}

/** Whether the call would see Pincer's own folder: by name, or by searching a folder that holds it. */
function readsHome({ call, home, workspace }: Scene): boolean {
  // The agent's own workspace lies in that folder; the rest of it is outside of that workspace.
  const own = (path: string) => isInside(workspace, home) && isInside(path, workspace)
  return call.reads.some(
    (path) => !own(path) && (isInside(path, home) || (call.class === "search" && isInside(home, path))),
  )
}

/** Why leave is needed, in words. */
function because({ call, home, workspace }: Scene, placement: Placement): string {
  const { class: kind, hosts, messages = [], reads, tool, writes } = call
  if (isUnknown(call)) return `${tool} does not say what it touches`
  if (call.from === "mcp") return `${tool} belongs to an MCP server, and what it does is not known here`
  if (kind === "exec")
    return placement.type === "host" ? `${tool} runs a command on this machine` : `${tool} runs a command`
  if (messages.length > 0) return `${tool} sends a message to ${messages.join(", ")}`
  if (hosts.length > 0) return `${tool} contacts ${hosts.join(", ")}`
  if (kind === "network") return `${tool} uses the network`
  if (writes.length > 0) return `${tool} changes ${writes.join(", ")}`
  const outside = reads.find((path) => !isInside(path, workspace))
  if (outside !== undefined) return `${tool} reads ${outside} outside the workspace ${workspace}`
  return reads.length > 0 ? `${tool} reads ${home}` : `${tool} does not say what it touches`
}
