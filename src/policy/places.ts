// Paths and hosts as rules see them. Paths are absolute and resolved by whoever asks; what is not, is never inside anything.
import { basename, isAbsolute, resolve } from "node:path"
import { wildcard } from "./tool-names.ts"

/** True when `path` is `root` or lies below it. Both are absolute and resolved; a path that is not (".." in it) is never inside. */
export function isInside(path: string, root: string): boolean {
  if (!isAbsolute(path) || !isAbsolute(root) || resolve(path) !== path) return false
  const base = resolve(root)
  return path === base || path.startsWith(base.endsWith("/") ? base : `${base}/`)
}

/** Whether a path is meant by a pattern: exact, a folder with "/**", "*" within one name. Relative patterns are below the workspace. */
export function matchesPath(pattern: string, path: string, workspace: string): boolean {
  const full = isAbsolute(pattern) ? pattern : resolve(workspace, pattern.replace(/^\.\//, ""))
  if (full.endsWith("/**")) return isInside(path, full.slice(0, -3) || "/")
  const [a, b] = [full.split("/"), path.split("/")]
  return a.length === b.length && a.every((part, i) => wildcard(part, b[i]!))
}

/** "example.com", "*.example.com", "example.com:8443", "*"; without a port in the pattern any port will do. */
export function matchesHost(pattern: string, host: string): boolean {
  const [wantedName, wantedPort] = splitHost(pattern.toLowerCase())
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

/** Files that carry orders or start programs later: changing one is asked for, whatever the mode (A25). */
const ORDERS = /^(?:agents|claude|gemini|soul|memory|heartbeat|tools|identity|user)\.md$/i
const STARTERS =
  /^(?:\.bashrc|\.bash_profile|\.bash_login|\.bash_logout|\.profile|\.zshrc|\.zshenv|\.zprofile|\.zlogin|\.kshrc|\.cshrc|\.tcshrc|\.inputrc|\.vimrc|\.exrc|\.nanorc|\.emacs|\.npmrc|\.yarnrc|\.pypirc|\.netrc|\.gitconfig|\.gitmodules|\.envrc|\.pam_environment|crontab|authorized_keys|sudoers|ld\.so\.preload)$/i
const FOLDERS =
  /\/(?:\.git\/(?:hooks|config|info)|\.git\/modules|\.husky|\.ssh|\.gnupg|\.aws|\.kube|\.docker|\.config\/(?:autostart|systemd|fish|git|gcloud)|\.vscode|\.idea|\.claude|\.cursor|\.pincer|memory|cron(?:\.d|\.daily|\.hourly|\.weekly|\.monthly)?|systemd|init\.d|profile\.d|LaunchAgents|LaunchDaemons)(?:\/|$)/

/** Why a change of this file is always asked for; undefined when it is an ordinary one. */
export function protectedPath(path: string, home: string, workspace: string): string | undefined {
  if (isInside(path, home) && !isInside(path, workspace)) return "Pincer's own folder"
  const name = basename(path)
  if (ORDERS.test(name)) return "a file with standing orders for agents"
  if (STARTERS.test(name)) return "a file that other programs read as commands"
  return FOLDERS.test(path) ? "a folder whose files other programs run or trust" : undefined
}
