// What tools of MCP servers are called: mcp:<server>:<tool> in policies, logs and listings, and mcp__<server>__<tool> towards models,
// whose services take 64 plain characters. Both follow from the server's label and the tool's own name alone, whatever else is offered,
// and lead back to it. A label holds no "__".
import { createHash } from "node:crypto"

const MAX_SPOKEN = 64
const MAX_LABEL = 24
/** What our own tools about a server are called; no tool of a server is spoken of like them. */
const RESERVED = new Set(["resources_list", "resources_read"])

export interface McpToolName {
  /** mcp:<label>:<tool>; what is neither letter, digit, ".", "_" nor "-" in the tool's own name is written as in addresses. */
  id: string
  /** What models call it: at most 64 of a-z, A-Z, 0-9, "_" and "-". */
  spoken: string
}

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
  if (plain === "") return `server_${digest(name).slice(0, 6)}`
  return plain.length <= MAX_LABEL
    ? plain
    : `${plain.slice(0, MAX_LABEL - 7).replace(/_$/, "")}_${digest(name).slice(0, 6)}`
}

/** Throws URIError for a name that is no well-formed text. */
export function toolName(label: string, own: string): McpToolName {
  return { id: `mcp:${label}:${encode(own)}`, spoken: spokenName(label, own) }
}

/** A tool of ours about a server. */
export function aboutServer(label: string, what: "resources/list" | "resources/read"): McpToolName {
  return { id: `mcp:${label}:${what}`, spoken: `mcp__${label}__${what.replace("/", "_")}` }
}

/** Label and own name; undefined for what is no id of such a tool. */
export function readToolId(id: string): { label: string; own: string } | undefined {
  const match = /^mcp:([^:]+):([^:]+)$/.exec(id)
  if (!match) return undefined
  try {
    return { label: match[1]!, own: decodeURIComponent(match[2]!) }
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

/** Unchanged names stay as they are unless they look like changed ones, so that the two kinds never meet. */
function spokenName(label: string, own: string): string {
  const prefix = `mcp__${label}__`
  const plain = sanitize(own)
  const marked = plain !== own || RESERVED.has(own) || /_[0-9a-f]{8}$/.test(own)
  if (!marked && prefix.length + own.length <= MAX_SPOKEN) return prefix + own
  return `${prefix}${plain.slice(0, MAX_SPOKEN - prefix.length - 9)}_${digest(own)}`
}

function sanitize(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, "_")
}

function encode(own: string): string {
  return own.replace(/[^\p{L}\p{N}._-]/gu, (character) =>
    encodeURIComponent(character).replace(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`),
  )
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8)
}
