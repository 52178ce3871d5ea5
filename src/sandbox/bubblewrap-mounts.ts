// The file system of a confined program as arguments for bubblewrap, in the order in which they are mounted: what is not named is
// absent. Looks at the disk only to leave out what is not there.
import { existsSync, lstatSync, readlinkSync, realpathSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { basename, delimiter, dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import type { SandboxProfile } from "./sandbox.ts"

export interface Layout {
  /** Absolute, symlinks resolved. */
  workspace: string
  profile: SandboxProfile
  /** Absolute paths that stay absent, also inside the workspace. */
  hidden: readonly string[]
  /** Single files of ours, read-only. */
  bind: readonly { from: string; to: string }[]
  /** Folder with passwd, group, hosts, resolv.conf, nsswitch.conf. */
  files: string
  /** Search path of the program: tools outside of /usr come in with it, read-only. */
  path: string
}

/** Where distributions keep programs beside /usr, as links into it or as folders. */
const SYSTEM = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
const ETC = [
  "/etc/alternatives",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
  "/etc/ca-certificates",
  "/etc/pki",
  "/etc/crypto-policies",
  "/etc/localtime",
  "/etc/timezone",
  "/etc/mime.types",
  "/etc/terminfo",
  "/etc/services",
  "/etc/protocols",
  "/etc/fonts",
  "/etc/java-openjdk",
  "/nix/store",
  "/gnu/store",
]
const OWN_ETC = ["passwd", "group", "hosts", "resolv.conf", "nsswitch.conf"]
/** Files of /proc through which the kernel itself is steered or watched. */
const CLOSED_PROC = [
  "sysrq-trigger",
  "kcore",
  "keys",
  "key-users",
  "timer_list",
  "kmsg",
  "latency_stats",
  "sched_debug",
]
/** What may lie in a workspace that is somebody's home: it stays unseen. */
const SECRETS = [
  ".ssh",
  ".aws",
  ".gnupg",
  ".kube",
  ".docker",
  ".azure",
  ".config/gcloud",
  ".config/gh",
  ".config/google-chrome",
  ".config/chromium",
  ".mozilla",
  ".password-store",
  ".local/share/keyrings",
  ".netrc",
  ".npmrc",
  ".pypirc",
  ".git-credentials",
  ".bash_history",
  ".zsh_history",
]
/** What git runs and obeys later, outside of any sandbox: it may be read, not changed. */
const GIT = [".git/hooks", ".git/config", ".git/info/attributes", ".git/modules"]

/** Throws INVALID_PARAMS for a workspace that is the whole machine. */
export function mountsOf(layout: Layout): string[] {
  const { bind, files, hidden, path, profile, workspace } = layout
  if (/^\/(?:usr|etc|bin|sbin|lib\w*|proc|sys|dev|boot|run|var)?$/.test(workspace))
    throw new PincerError(
      "INVALID_PARAMS",
      `${workspace} cannot be the workspace of a sandbox: work in a folder of its own`,
    )
  const mounts = ["--ro-bind", "/usr", "/usr", ...SYSTEM.flatMap(systemMount)]
  for (const one of ETC) mounts.push("--ro-bind-try", one, one)
  for (const name of OWN_ETC) mounts.push("--ro-bind", join(files, name), `/etc/${name}`)
  mounts.push("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys")
  for (const name of CLOSED_PROC)
    if (existsSync(`/proc/${name}`)) mounts.push("--ro-bind", "/dev/null", `/proc/${name}`)
  for (const name of ["irq", "bus", "fs"])
    if (existsSync(`/proc/${name}`)) mounts.push("--ro-bind", `/proc/${name}`, `/proc/${name}`)
  mounts.push(
    "--dev",
    "/dev",
    "--tmpfs",
    "/dev/shm",
    "--perms",
    "1777",
    "--tmpfs",
    "/tmp",
    "--perms",
    "1777",
    "--tmpfs",
    "/var/tmp",
  )
  for (const folder of toolFolders(path, hidden, workspace)) mounts.push("--ro-bind-try", folder, folder)
  for (const one of profile.read) mounts.push("--ro-bind-try", one, one)
  for (const one of profile.write) mounts.push("--bind-try", one, one)
  mounts.push(profile.workspace === "read-write" ? "--bind" : "--ro-bind", workspace, workspace)
  if (profile.workspace === "read-write") mounts.push(...gitMounts(workspace))
  mounts.push(...hiddenMounts(hidden, layout))
  for (const { from, to } of bind) mounts.push("--ro-bind", from, to)
  mounts.push("--remount-ro", "/")
  return mounts
}

function systemMount(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return []
  return found.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path]
}

/** Folders of the search path outside the system's own (a Node of nvm, /opt), with the libraries beside them. Never a home as a whole. */
function toolFolders(path: string, hidden: readonly string[], workspace: string): string[] {
  const out = new Set<string>()
  for (const folder of path.split(delimiter)) {
    const real = realOf(folder)
    if (real === undefined || /^\/(?:usr|bin|sbin)(?:\/|$)/.test(real)) continue
    const parent = dirname(real)
    const shut = [...hidden, homedir(), workspace]
    const isTools =
      /^(?:s?bin|\.bin)$/.test(basename(real)) && !shut.some((one) => real === one || one.startsWith(`${real}/`))
    if (!isTools || hidden.some((one) => real.startsWith(`${one}/`))) continue
    out.add(real)
    // npm and its like are links from bin into lib.
    const libraries = join(parent, "lib")
    if (basename(parent) !== ".local" && parent !== "/" && existsSync(libraries)) out.add(libraries)
  }
  return [...out]
}

function realOf(folder: string): string | undefined {
  if (!folder.startsWith("/")) return undefined
  try {
    const real = realpathSync(folder)
    return statSync(real).isDirectory() ? real : undefined
  } catch {
    // A folder of the search path that is not there is nobody's concern.
    return undefined
  }
}

function gitMounts(workspace: string): string[] {
  const mounts: string[] = []
  const isRepository = lstatSync(join(workspace, ".git"), { throwIfNoEntry: false })?.isDirectory() === true
  for (const name of isRepository ? GIT : []) {
    const place = join(workspace, name)
    // A link here would lead the mount elsewhere; what it points to is outside, and so not writable anyway.
    const found = lstatSync(place, { throwIfNoEntry: false })
    if (found && !found.isSymbolicLink()) mounts.push("--ro-bind", place, place)
  }
  return mounts
}

/** An empty folder, or an empty file, over everything that must not be seen and would be. */
function hiddenMounts(hidden: readonly string[], { profile, workspace }: Layout): string[] {
  const roots = [workspace, ...profile.read, ...profile.write]
  const places = [...hidden, ...roots.flatMap((root) => SECRETS.map((name) => join(root, name)))]
  const mounts: string[] = []
  for (const place of new Set(places)) {
    // The workspace may itself lie in what is hidden (Pincer's own folder holds it): its surroundings are absent anyway.
    if (!roots.some((root) => place.startsWith(root.endsWith("/") ? root : `${root}/`))) continue
    const found = lstatSync(place, { throwIfNoEntry: false })
    if (!found || found.isSymbolicLink()) continue
    if (found.isDirectory()) mounts.push("--tmpfs", place, "--remount-ro", place)
    else mounts.push("--ro-bind", "/dev/null", place)
  }
  return mounts
}
