// The file system of a confined program as arguments for bubblewrap, in the order in which they are mounted: what is not named is
// absent. Looks at the disk only to leave out what is not there.
import { existsSync, lstatSync, readlinkSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import type { Pinned } from "./pinned.ts"
import type { SandboxProfile } from "./sandbox.ts"
import { SECRETS } from "./secret-names.ts"
import { realOf, toolFolders } from "./tool-folders.ts"

export interface Layout {
  /** Absolute, symlinks resolved. */
  workspace: string
  profile: SandboxProfile
  /** Absolute paths that stay absent, also inside the workspace. */
  hidden: readonly string[]
  /** Single files of ours, read-only. */
  bind: readonly { from: string; to: string }[]
  /** Files of the workspace that may be read, not changed. */
  frozen: readonly string[]
  /** The folder that stands for /etc. */
  etc: string
  pinned: Pinned
  /** This bubblewrap can limit the size of what is in memory. */
  sized: boolean
  /** Search path of the program: tools outside of /usr come in with it, read-only. */
  path: string
}

/** Where distributions keep programs beside /usr, as links into it or as folders. */
const SYSTEM = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"]
const TMP_BYTES = String(1024 ** 3)
const SHM_BYTES = String(256 * 1024 ** 2)
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
/** What git runs and obeys later, outside of any sandbox: it may be read, not changed. */
const GIT = [".git/config", ".git/hooks", ".git/modules"]

/** Throws INVALID_PARAMS for a workspace that is the whole machine, CONFLICT for one that is a link by now. */
export function mountsOf(layout: Layout): string[] {
  const { bind, etc, frozen, hidden, path, pinned, profile, sized, workspace } = layout
  refuseWorkspace(workspace, profile.workspace === "read-write")
  const mounts = ["--ro-bind", "/usr", "/usr", ...SYSTEM.flatMap(systemMount), "--ro-bind", etc, "/etc"]
  mounts.push("--proc", "/proc", ...procMounts(), "--dev", "/dev")
  const scratch = (place: string, bytes: string) => [
    ...["--perms", "1777", ...(sized ? ["--size", bytes] : []), "--tmpfs", place],
  ]
  mounts.push(...scratch("/dev/shm", SHM_BYTES), ...scratch("/tmp", TMP_BYTES), ...scratch("/var/tmp", TMP_BYTES))
  const within = (one: string) => covers(workspace, one)
  const read = profile.read.filter((one) => !within(one))
  const write = profile.write.filter((one) => !within(one))
  const tools = toolFolders(path, hidden, workspace)
  const made = new Set<string>(["/", "/tmp", "/var", "/var/tmp", "/usr", "/etc", "/dev", "/proc", "/dev/shm"])
  for (const one of [...tools, ...read, ...write, workspace, ...bind.map(({ to }) => to)])
    mounts.push(...parents(one, made))
  for (const folder of [...tools, ...read]) mounts.push("--ro-bind-try", folder, folder)
  for (const one of write) mounts.push("--bind-try", one, one)
  mounts.push(...pinned.bind(workspace, profile.workspace === "read-write"))
  if (profile.workspace === "read-write") mounts.push(...gitMounts(workspace, pinned))
  for (const file of frozen) mounts.push("--ro-bind", file, file)
  mounts.push(...hiddenMounts(layout))
  for (const { from, to } of bind) mounts.push("--ro-bind", from, to)
  return [...mounts, "--remount-ro", "/dev", "--remount-ro", "/"]
}

/** What a program inside can see of this path. For a sentence before bubblewrap fails without one. */
export function isVisible(place: string, { bind, hidden, path, profile, workspace }: Layout): boolean {
  const seen = ["/usr", ...SYSTEM, "/dev", "/proc", "/tmp", workspace, ...profile.read, ...profile.write]
  return [...seen, ...toolFolders(path, hidden, workspace), ...bind.map(({ to }) => to)].some((one) =>
    covers(one, place),
  )
}

function refuseWorkspace(workspace: string, writable: boolean): void {
  const refuse = (why: string) =>
    new PincerError("INVALID_PARAMS", `${workspace} cannot be the workspace of a sandbox: ${why}`)
  if (/^\/(?:(?:usr|etc|bin|sbin|lib\w*|proc|sys|dev|boot|run)(?:\/.*)?|var|tmp|home)?$/.test(workspace))
    throw refuse("it is a part of the system, work in a folder of its own")
  const home = realOf(homedir())
  // What is planted in a home (.bashrc, .local/bin) runs later outside of every sandbox.
  if (writable && home !== undefined && covers(workspace, home))
    throw refuse("it holds your whole home folder, work in a folder of its own")
}

/** Folders above a mount, open to all: those that bubblewrap makes by itself are for root alone. */
function parents(place: string, made: Set<string>): string[] {
  const above = dirname(place)
  if (made.has(above)) return []
  made.add(above)
  return [...parents(above, made), "--perms", "0755", "--dir", above]
}

function procMounts(): string[] {
  const there = (name: string) => existsSync(`/proc/${name}`)
  return [
    ...["sys", "irq", "bus", "fs"].filter(there).flatMap((name) => ["--ro-bind", `/proc/${name}`, `/proc/${name}`]),
    ...CLOSED_PROC.filter(there).flatMap((name) => ["--ro-bind", "/dev/null", `/proc/${name}`]),
  ]
}

export function covers(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`)
}

function systemMount(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return []
  return found.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path]
}

/**
 * The .git folder is a mount of its own, so that it cannot be moved away and another put in its place; what is in GIT is read-only.
 * One that is a link was refused before (git-guard.ts).
 */
function gitMounts(workspace: string, pinned: Pinned): string[] {
  const git = join(workspace, ".git")
  const kind = lstatSync(git, { throwIfNoEntry: false })
  // Of a linked work tree: it says where the repository and its settings are.
  if (kind?.isFile()) return pinned.bind(git, false)
  if (!kind?.isDirectory()) return []
  const mounts = pinned.bind(git, true)
  for (const name of GIT) {
    const place = join(workspace, name)
    const found = lstatSync(place, { throwIfNoEntry: false })
    if (found?.isDirectory() || found?.isFile()) mounts.push(...pinned.bind(place, false))
    else if (!found && name === ".git/hooks") mounts.push("--tmpfs", place, "--remount-ro", place)
  }
  return mounts
}

/** An empty folder, or an empty file, over everything that must not be seen and would be. */
function hiddenMounts({ hidden, profile, workspace }: Layout): string[] {
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
