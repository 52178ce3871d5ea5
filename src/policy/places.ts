// Paths and hosts as rules see them. Paths are absolute and resolved by whoever asks; what is not, is never inside anything.
import { basename, isAbsolute, resolve } from "node:path"
import { wildcard } from "./tool-names.ts"

/** True when `path` is `root` or lies below it. Both are absolute and resolved; a path that is not (".." in it) is never inside. */
export function isInside(path: string, root: string): boolean {
  if (!isAbsolute(path) || !isAbsolute(root) || resolve(path) !== path) return false
  const base = resolve(root)
  return path === base || path.startsWith(base.endsWith("/") ? base : `${base}/`)
}

/**
 * Whether a path is meant by a pattern: that file, or that folder with everything below it. "*" stands for a part of one name, "**" for
 * any number of folders. Relative patterns are below the workspace.
 */
export function matchesPath(pattern: string, path: string, workspace: string): boolean {
  return matchesParts(partsOf(absolute(pattern, workspace)), partsOf(path))
}

/** Whether a folder may hold something that the pattern means: what is searched through and not named file by file. */
export function mayHold(folder: string, pattern: string, workspace: string): boolean {
  const parts = partsOf(absolute(pattern, workspace))
  const free = parts.findIndex((part) => part.includes("*"))
  const fixed = `/${parts.slice(0, free < 0 ? parts.length : free).join("/")}`
  return isInside(fixed, folder) || (free >= 0 && isInside(folder, fixed))
}

function absolute(pattern: string, workspace: string): string {
  return isAbsolute(pattern) ? pattern : resolve(workspace, pattern)
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "")
}

/** For each start of the pattern, how far into the path it can reach: a row for each of its parts, so time is bounded. */
function matchesParts(pattern: readonly string[], path: readonly string[]): boolean {
  let reached = new Set([0])
  for (const part of pattern) {
    const next = new Set<number>()
    for (const at of reached) {
      if (part === "**") for (let to = at; to <= path.length; to++) next.add(to)
      else if (at < path.length && wildcard(part, path[at]!)) next.add(at + 1)
    }
    reached = next
  }
  // What it reaches is a folder that holds the path, or the path itself.
  return reached.size > 0
}

/** "example.com", "*.example.com", "example.com:8443", "*"; without a port in the pattern any port will do. */
export function matchesHost(pattern: string, host: string): boolean {
  const [wantedName, wantedPort] = splitHost(pattern.trim().toLowerCase())
  const [name, port] = splitHost(host.toLowerCase())
  if (wantedPort !== undefined && wantedPort !== port) return false
  if (wantedName === "*") return true
  if (wantedName.startsWith("*.")) return name.endsWith(wantedName.slice(1)) && name.length > wantedName.length - 1
  return wantedName === name
}

function splitHost(text: string): [string, string | undefined] {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text)
  return match ? [match[1]!.replace(/\.$/, ""), match[2]] : [text, undefined]
}

/** Files that carry standing orders for agents, and those that programs read as commands: changing one always asks (A25). */
const ORDERS =
  /^(?:(?:agents|claude|gemini|soul|memory|skill|copilot-instructions)\.md|\.(?:cursor|windsurf|cline)rules)$/i
/** Names that are ordinary words when they are written small. */
const OWN_ORDERS = /^(?:HEARTBEAT|TOOLS|IDENTITY|USER|BOOTSTRAP)\.md$/
const STARTERS = new RegExp(
  `^(?:${[
    "\\.(?:bashrc|bash_profile|bash_login|bash_logout|bash_aliases|profile|zshrc|zshenv|zprofile|zlogin|zlogout|kshrc|cshrc|tcshrc|login)",
    "\\.(?:inputrc|vimrc|exrc|nanorc|emacs|npmrc|yarnrc(?:\\.yml)?|pypirc|netrc|gitconfig|gitmodules|gitattributes|envrc|direnvrc)",
    "\\.(?:pam_environment|xprofile|xinitrc|xsession|mcp\\.json|pre-commit-config\\.yaml)",
    "crontab|authorized_keys|sudoers|ld\\.so\\.preload|pincer\\.json",
  ].join("|")})$`,
  "i",
)
const FOLDERS = new RegExp(
  `/(?:${[
    "\\.git/(?:hooks|config|info|modules)|\\.(?:husky|ssh|gnupg|aws|kube|docker|vscode|idea|claude|cursor|pincer)",
    "\\.config/(?:autostart|systemd|fish|git|gcloud|environment\\.d)|\\.local/(?:bin|share/(?:applications|systemd))|\\.github/workflows",
    "LaunchAgents|LaunchDaemons",
  ].join("|")})(?:/|$)`,
  "i",
)
const SYSTEM = /^\/(?:etc|boot|usr|s?bin|lib(?:32|64)?|var\/spool\/cron|Library|System)(?:\/|$)/
const MEMORY = /\/memory\/[^/]+\.md$/i

/** Why a change of this file is always asked for; undefined when it is an ordinary one. */
export function protectedPath(path: string, home: string, workspace: string): string | undefined {
  if (isInside(path, home) && !(isInside(workspace, home) && isInside(path, workspace))) return "Pincer's own folder"
  const name = basename(path)
  if (ORDERS.test(name) || OWN_ORDERS.test(name) || MEMORY.test(path)) return "a file with standing orders for agents"
  if (STARTERS.test(name)) return "a file that other programs read as commands"
  if (SYSTEM.test(path) && !isInside(path, workspace)) return "a file of the system"
  // The workspace's own place says nothing about what lies in it.
  const below = isInside(path, workspace) ? path.slice(resolve(workspace).length) : path
  return FOLDERS.test(below) ? "a folder whose files other programs run or trust" : undefined
}
