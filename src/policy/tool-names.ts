// One name for each tool, whatever a policy calls it: canonical names, aliases, groups, patterns.
import { TOOL_NAMES } from "../protocol/permission.ts"

/** Every tool of ours; TOOL_NAMES leaves those out that touch nothing but the conversation. */
const ALIASES: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    AskUser: ["ask_user", "askuser", "askuserquestion"],
    Bash: ["exec", "bash", "shell", "process"],
    Edit: ["edit", "edit_file", "apply_patch", "apply-patch"],
    Glob: ["glob", "find_files"],
    Grep: ["grep", "grep_files", "search"],
    LS: ["ls", "list_dir", "list_files"],
    MultiEdit: ["multiedit", "multi_edit"],
    NotebookEdit: ["notebookedit", "notebook_edit"],
    Read: ["read", "read_file"],
    TodoWrite: ["todowrite", "todo_write"],
    WebFetch: ["webfetch", "web_fetch"],
    WebSearch: ["websearch", "web_search"],
    Write: ["write", "write_file"],
  }),
)

/** Groups as policies name them (protocol §12.1). A tool that a later room brings joins its group here. */
export const GROUPS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    "group:runtime": ["Bash"],
    "group:fs": ["Read", "Write", "Edit", "MultiEdit", "NotebookEdit", "Glob", "Grep", "LS"],
    "group:web": ["WebFetch", "WebSearch"],
    "group:sessions": ["sessions_list", "sessions_history", "sessions_send", "sessions_spawn", "session_status"],
    "group:memory": ["memory_search", "memory_get"],
    "group:ui": ["browser", "canvas"],
    "group:automation": ["cron", "gateway"],
    "group:messaging": ["message"],
    "group:nodes": ["nodes"],
    "group:pincer": TOOL_NAMES,
    "group:clawdbot": TOOL_NAMES,
    "group:openclaw": TOOL_NAMES,
    "group:plugins": ["mcp:*"],
  }),
)

const byAlias = new Map([...ALIASES].flatMap(([name, aliases]) => aliases.map((alias) => [alias, name])))
/** Names that are no plug-in's, in lower case. */
const ours = new Set([...ALIASES.keys(), ...[...GROUPS.values()].flat()].map((name) => name.toLowerCase()))
ours.delete("mcp:*")

/** The canonical name of a tool or its alias; a group's own name; undefined for what is neither. */
export function canonicalTool(name: string): string | undefined {
  if (ALIASES.has(name)) return name
  const lower = name.toLowerCase()
  if (GROUPS.has(lower)) return lower
  // The capitalised names are case sensitive (IM-PERM-01), aliases are written small.
  return name === lower ? byAlias.get(lower) : undefined
}

/** Whether a name, alias, group or pattern with `*` (any case) covers a tool. Never another tool by its prefix alone. */
export function matchesTool(pattern: string, tool: string): boolean {
  const wanted = ofServer(pattern.trim().toLowerCase())
  const named = ofServer(tool.toLowerCase())
  const group = GROUPS.get(wanted)
  if (group) return group.some((member) => matchesTool(member, tool))
  if (!wanted.includes("*")) return (byAlias.get(wanted) ?? wanted).toLowerCase() === named
  return wildcard(wanted, named)
}

/** Models call a tool of an MCP server mcp__server__tool, lists may also say mcp:server:tool. A server's part holds no "__". */
function ofServer(name: string): string {
  return name.replace(/^mcp__(.+?)__(?=.)/, "mcp:$1:").replace(/^mcp__(?=\*)/, "mcp:")
}

export function matchesAny(patterns: readonly string[] | undefined, tool: string): boolean {
  return patterns?.some((pattern) => matchesTool(pattern, tool)) ?? false
}

/** Whether a list names anything but tools of plug-ins and unknown ones. A lone "*" does. */
export function namesOurs(patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const wanted = ofServer(pattern.trim().toLowerCase())
    if (wanted === "group:plugins" || wanted.startsWith("mcp:")) return false
    if (GROUPS.has(wanted) || byAlias.has(wanted)) return true
    return wanted.includes("*") ? [...ours].some((name) => wildcard(wanted, name)) : ours.has(wanted)
  })
}

/** The tools that a pattern stands for, as far as they are known, and `tool` itself if it is one of them. */
export function toolsOf(pattern: string, tool: string): string[] {
  return [...new Set([...TOOL_NAMES, ...(GROUPS.get(pattern.trim().toLowerCase()) ?? []), tool])].filter(
    (name) => !name.includes("*") && matchesTool(pattern, name),
  )
}

/** `*` stands for any run of characters; linear in time. */
export function wildcard(pattern: string, text: string): boolean {
  const parts = pattern.split("*")
  const [first = "", last = ""] = [parts[0], parts.at(-1)]
  if (parts.length === 1) return pattern === text
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  const end = text.length - last.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
