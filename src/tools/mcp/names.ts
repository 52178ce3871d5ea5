// How tools of MCP servers are called: mcp__<server>__<tool>, of the characters that every model service takes, at most 64 of them. A
// server's part holds no "__", so a name can be taken apart again.
import { createHash } from "node:crypto"

const MAX_NAME = 64
const MAX_LABEL = 24

/** One label for each server, in order; servers of the same name are told apart, also where case does not count. */
export function serverLabels(names: readonly string[]): string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    const label = labelOf(name)
    let free = label
    for (let number = 2; taken.has(free.toLowerCase()); number += 1) free = `${label}_${number}`
    taken.add(free.toLowerCase())
    return free
  })
}

function labelOf(name: string): string {
  const plain = sanitize(name).replace(/_{2,}/g, "_").replace(/^_|_$/g, "")
  if (plain === "") return `server_${digest(name)}`
  return plain.length <= MAX_LABEL ? plain : `${plain.slice(0, MAX_LABEL - 7).replace(/_$/, "")}_${digest(name)}`
}

/** What the tools of one server are called; names that are cut or would be the same get a mark of what they were. */
export function toolNames(label: string, names: readonly string[]): string[] {
  const plain = names.map((name) => `mcp__${label}__${sanitize(name)}`)
  const counts = Map.groupBy(plain, (name) => name)
  return plain.map((name, at) => {
    if (name.length <= MAX_NAME && counts.get(name)!.length === 1) return name
    return `${name.slice(0, MAX_NAME - 7)}_${digest(names[at]!)}`
  })
}

function sanitize(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, "_")
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 6)
}
