// The one question asked before every tool call: may this run? Pure: everything it needs is handed in.
// Until the full pipeline is here: reads inside the workspace pass, everything else asks, and with nobody to ask is denied.

export interface DecideInput {
  tool: string
  class: "read" | "search" | "write" | "exec" | "network" | "control"
  /** What the call will touch; absolute, symlinks resolved. */
  reads: string[]
  writes: string[]
  hosts: string[]
  /** The session's working directory, absolute, symlinks resolved. */
  workspace: string
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

/** True when `path` is `root` or lies below it. Both absolute and resolved. */
export function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`)
}

export function decide(input: DecideInput): Decision {
  const { tool, workspace } = input
  if (input.class === "control")
    return { verdict: "allow", step: "own-state", reason: `${tool} only changes the session's own notes` }
  const readsOnly =
    (input.class === "read" || input.class === "search") && input.writes.length === 0 && input.hosts.length === 0
  if (readsOnly && input.reads.every((path) => isInside(path, workspace)))
    return { verdict: "allow", step: "workspace-read", reason: `${tool} reads inside the workspace ${workspace}` }
  const why = because(input)
  if (input.canAsk) return { verdict: "ask", step: "ask", reason: why }
  return { verdict: "deny", step: "non-interactive", reason: `${why}, and nobody who could approve it is connected` }
}

function because(input: DecideInput): string {
  if (input.class === "exec") return `${input.tool} runs a command on this machine`
  if (input.hosts.length > 0) return `${input.tool} contacts ${input.hosts.join(", ")}`
  if (input.class === "network") return `${input.tool} uses the network`
  if (input.writes.length > 0) return `${input.tool} changes ${input.writes.join(", ")}`
  const outside = input.reads.find((path) => !isInside(path, input.workspace))
  return `${input.tool} reads ${outside ?? input.reads.join(", ")} outside the workspace ${input.workspace}`
}
