// The one question asked before every tool call: may this run? Pure: everything it needs is handed in.
// Until the full pipeline is here: reads inside the workspace pass, everything else asks, and with nobody to ask is denied.

import { isAbsolute, resolve } from "node:path"

export interface DecideInput {
  tool: string
  class: "read" | "search" | "write" | "exec" | "network" | "control"
  /** What the call will touch; absolute, symlinks resolved. */
  reads: string[]
  writes: string[]
  hosts: string[]
  /** The session's working directory, absolute, symlinks resolved. */
  workspace: string
  /** Pincer's own folder (token, configuration, transcripts), absolute, symlinks resolved. Reading it asks, wherever it lies. */
  home: string
  /** Whether a human who may answer can be reached now. */
  canAsk: boolean
}

export interface Decision {
  verdict: "allow" | "ask" | "deny"
  /** The step that decided, as data … */
  step: "workspace-read" | "own-state" | "ask" | "non-interactive"
  /** … and in words. */
  reason: string
}

/** True when `path` is `root` or lies below it. Both are absolute and resolved; a path that is not (".." in it) is never inside. */
export function isInside(path: string, root: string): boolean {
  if (!isAbsolute(path) || !isAbsolute(root) || resolve(path) !== path) return false
  const base = resolve(root)
  return path === base || path.startsWith(base.endsWith("/") ? base : `${base}/`)
}

export function decide(input: DecideInput): Decision {
  const { tool, workspace } = input
  const touches = input.reads.length + input.writes.length + input.hosts.length
  if (input.class === "control" && touches === 0)
    return { verdict: "allow", step: "own-state", reason: `${tool} only changes the session's own notes` }
  const readsOnly =
    (input.class === "read" || input.class === "search") && input.writes.length === 0 && input.hosts.length === 0
  // What says that it reads and not what is taken for one that could not tell.
  if (
    readsOnly &&
    input.reads.length > 0 &&
    !readsHome(input) &&
    input.reads.every((path) => isInside(path, workspace))
  )
    return { verdict: "allow", step: "workspace-read", reason: `${tool} reads inside the workspace ${workspace}` }
  const why = because(input)
  if (input.canAsk) return { verdict: "ask", step: "ask", reason: why }
  return { verdict: "deny", step: "non-interactive", reason: `${why}, and nobody who could approve it is connected` }
}

/** Whether the call would see Pincer's own folder from a workspace around it: by name, or by searching a folder that holds it. */
function readsHome({ class: kind, home, reads, workspace }: DecideInput): boolean {
  // The agent's own workspace lies in that folder; the rest of it is outside of that workspace.
  if (isInside(workspace, home)) return false
  return reads.some((path) => isInside(path, home) || (kind === "search" && isInside(home, path)))
}

function because(input: DecideInput): string {
  if (input.class === "exec") return `${input.tool} runs a command on this machine`
  if (input.hosts.length > 0) return `${input.tool} contacts ${input.hosts.join(", ")}`
  if (input.class === "network") return `${input.tool} uses the network`
  if (input.writes.length > 0) return `${input.tool} changes ${input.writes.join(", ")}`
  const outside = input.reads.find((path) => !isInside(path, input.workspace))
  if (outside === undefined && readsHome(input)) return `${input.tool} would read Pincer's own folder ${input.home}`
  if (outside !== undefined) return `${input.tool} reads ${outside} outside the workspace ${input.workspace}`
  return `${input.tool} does not say what it reads`
}
