// One name for each tool, whatever a policy calls it: canonical names, aliases, groups, patterns.

/** The twelve, in the order in which lists show them (IM-PERM-01). */
export const KNOWN_TOOLS: readonly string[] = [
  "Bash",
  "Edit",
  "Glob",
  "Grep",
  "LS",
  "MultiEdit",
  "NotebookEdit",
  "Read",
  "TodoWrite",
  "WebFetch",
  "WebSearch",
  "Write",
]

const ALIASES: Readonly<Record<string, readonly string[]>> = {
  Bash: ["exec", "shell", "process"],
  Edit: ["edit_file", "apply_patch", "apply-patch"],
  Glob: ["find_files"],
  Grep: ["grep_files", "search"],
  LS: ["list_dir", "list_files"],
  MultiEdit: ["multi_edit"],
  NotebookEdit: ["notebook_edit"],
  Read: ["read_file"],
  TodoWrite: ["todo_write"],
  WebFetch: ["web_fetch"],
  WebSearch: ["web_search"],
  Write: ["write_file"],
}

/** Groups as policies name them (protocol §12.1). What a later room brings joins its group here. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  "group:runtime": ["Bash"],
  "group:fs": ["Read", "Write", "Edit", "MultiEdit", "NotebookEdit", "Glob", "Grep", "LS"],
  "group:web": ["WebFetch", "WebSearch"],
  "group:sessions": ["sessions_list", "sessions_history", "sessions_send", "sessions_spawn", "session_status"],
  "group:memory": ["memory_search", "memory_get"],
  "group:ui": ["browser", "canvas"],
  "group:automation": ["cron", "gateway"],
  "group:messaging": ["message"],
  "group:nodes": ["nodes"],
  "group:pincer": KNOWN_TOOLS,
  "group:clawdbot": KNOWN_TOOLS,
  "group:openclaw": KNOWN_TOOLS,
  "group:plugins": ["mcp:*"],
}

const byAlias = new Map<string, string>()
for (const name of KNOWN_TOOLS) {
  byAlias.set(name.toLowerCase(), name)
  for (const alias of ALIASES[name] ?? []) byAlias.set(alias, name)
}

/** The canonical name of a tool or its alias; a group's own name; undefined for what is neither. */
export function canonicalTool(name: string): string | undefined {
  if (KNOWN_TOOLS.includes(name)) return name
  const lower = name.toLowerCase()
  if (GROUPS[lower]) return lower
  // The capitalised names are case sensitive (IM-PERM-01), aliases are written small.
  return name === lower ? byAlias.get(lower) : undefined
}

/** Whether a name, alias, group or pattern with `*` (any case) covers a tool. Never another tool by its prefix alone. */
export function matchesTool(pattern: string, tool: string): boolean {
  const wanted = pattern.trim().toLowerCase()
  const group = GROUPS[wanted]
  if (group) return group.some((member) => matchesTool(member, tool))
  if (!wanted.includes("*")) return (byAlias.get(wanted) ?? wanted).toLowerCase() === tool.toLowerCase()
  return wildcard(wanted, tool.toLowerCase())
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
