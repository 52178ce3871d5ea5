// A confined program on macOS in rules. The package writes most of them from what `askedOf` asks; `guardsOf` is what stands after them,
// where the package opens more than our profiles do or cannot say it: the last rule that matches decides. Pure.
import { dirname } from "node:path"
import { PincerError } from "../base/errors.ts"
import type { SandboxProfile } from "./sandbox.ts"

export interface SeatbeltLayout {
  profile: Pick<SandboxProfile, "workspace" | "read" | "write" | "loopbackPorts">
  /** All paths absolute, symlinks resolved. */
  workspace: string
  hidden: readonly string[]
  /** A folder of this program alone. */
  temporary: string
  /** What .git of the workspace is; what it says git to run may be read, not changed. */
  git: "folder" | "file" | "none"
  /** Port of the egress on 127.0.0.1; undefined: no network at all. */
  egressPort: number | undefined
  /** Of SYSTEM, what is there and leads nowhere else. */
  system: readonly string[]
}

/** What the package is asked for: everything is denied, then these are opened, then parts of them denied again. */
export interface AskedRules {
  read: readonly string[]
  write: readonly string[]
  denyRead: readonly string[]
  denyWrite: readonly string[]
}

/** Where installed programs are, not where services keep their data (var) and people their settings (etc). */
const INSTALLED = ["bin", "sbin", "lib", "libexec", "opt", "Cellar", "Caskroom", "Frameworks", "include", "share"]
const PREFIXES = ["/usr/local", "/opt/homebrew", "/opt/local"]
/** The system and its compilers: nothing of a user lies here. */
export const SYSTEM = [
  ...["/System", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/share", "/usr/include", "/bin", "/sbin"],
  ...["/Library/Apple", "/Library/Frameworks", "/Library/Developer/CommandLineTools", "/Applications/Xcode.app"],
  ...["/private/var/db/dyld", "/private/var/db/timezone", "/private/var/select", "/private/etc/ssl/cert.pem"],
  ...["/private/etc/ssl/certs", "/private/etc/ssl/openssl.cnf", "/private/etc/passwd", "/private/etc/group"],
  ...["/private/etc/protocols", "/private/etc/services", "/private/etc/shells"],
  ...PREFIXES.flatMap((prefix) => INSTALLED.map((name) => `${prefix}/${name}`)),
  ...PREFIXES.flatMap((prefix) => ["ca-certificates", "openssl@3"].map((name) => `${prefix}/etc/${name}`)),
  ...["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/dtracehelper", "/dev/fd"],
  "/dev/autofs_nowait",
]
/** Links of the system on the way to what is open: where they lead may be seen. */
const LINKS = ["/etc", "/tmp", "/var", "/private/etc/localtime", "/private/var/db/xcode_select_link"]
/** User names, time zone and notifications of it; none of them reaches the network or a key. */
const SERVICES = [
  "com.apple.system.opendirectoryd.libinfo",
  "com.apple.system.opendirectoryd.membership",
  "com.apple.system.notification_center",
  "com.apple.system.logger",
]
/** What the package opens for every program, and ours do without: the memory, screens, settings and notifications of others. */
const CLOSED_AGAIN = [
  ...["mach-priv-task-port", "ipc-posix-shm", "iokit-open", "user-preference-read", "distributed-notification-post"],
  ...["sysctl-write", "system-socket"],
]
/** Made writable by the package for its own use, and shared by all that use it. */
export const SHARED = "/private/tmp/claude"
/** Each one that a rule before may have named: one that names it is said to win over one that names all of a kind, wherever they stand. */
const ALL_OF_FILES = [
  ...["file*", "file-read*", "file-read-data", "file-read-metadata", "file-write*", "file-write-data"],
  ...["file-write-create", "file-write-unlink", "file-ioctl"],
].join(" ")
const ALL_OF_NETWORK = "network* network-outbound network-inbound network-bind"
const GIT = ["hooks", "modules", "config", "commondir", "config.worktree"]
/** sandbox-exec cannot read longer texts, which takes more than the path when it is quoted. */
const MAX_TEXT = 900

/** Throws INVALID_PARAMS for a path that cannot be written into rules. */
export function askedOf(layout: SeatbeltLayout): AskedRules {
  const { git, hidden, profile, system, temporary, workspace } = layout
  const write = [...profile.write, temporary, ...(profile.workspace === "read-write" ? [workspace] : [])]
  const shared = write.find((one) => covers(SHARED, one))
  if (shared !== undefined) throw unusable(shared, `${SHARED} is shared by other sandboxes: use another folder`)
  const closed = hidden.filter((one) => !covers(one, workspace))
  const own = `${workspace}/.git`
  const frozen = git === "none" ? [] : git === "file" ? [own] : GIT.map((name) => `${own}/${name}`)
  // A read-only workspace inside of a folder that can be written.
  if (profile.workspace === "read-only" && write.some((one) => covers(one, workspace))) frozen.push(workspace)
  const asked = {
    read: [...new Set([...system, ...profile.read, workspace, ...write])],
    write: [...new Set(write)],
    denyRead: ["/", ...closed],
    denyWrite: [...frozen, ...closed, "/tmp/claude", SHARED],
  }
  for (const path of Object.values(asked).flat()) refuseUnwritable(path)
  return asked
}

/** What stands after the rules of the package. */
export function guardsOf(layout: SeatbeltLayout): string {
  const { read, write } = askedOf(layout)
  const open = [...new Set([...read, ...write])].sort()
  const ways = above([...open, ...LINKS])
  const elsewhere = [...open.map(subpath), ...ways.map(literal)].map((one) => `(require-not ${one})`)
  const rules = [
    ...CLOSED_AGAIN.map((operation) => `(deny ${operation})`),
    "(deny mach-lookup)",
    rule("allow mach-lookup", SERVICES.map(service)),
    ...network(layout),
    rule("allow file-read-metadata", LINKS.map(literal)),
    // The package shows every folder of the machine by its name; these are the ways to what is open.
    `(deny file-read-metadata (require-all (vnode-type DIRECTORY) ${elsewhere.join(" ")}))`,
    ...closed(layout),
  ]
  return `\n\n; Of Pincer, after all others.\n${rules.join("\n")}\n`
}

/** Only numbers of ports of this machine's loopback: names and other addresses are the egress's to judge. */
function network({ egressPort, profile }: SeatbeltLayout): string[] {
  const ports = [...profile.loopbackPorts, ...(egressPort === undefined ? [] : [egressPort])]
  const allowed = ports.map((port) => `(remote tcp ${quoted(`localhost:${port}`)})`)
  return [`(deny ${ALL_OF_NETWORK})`, ...(allowed.length === 0 ? [] : [rule("allow network-outbound", allowed)])]
}

/** Hidden places, by name as well. Where the workspace lies in one (Pincer's own folder holds it), the way to it stays. */
function closed({ hidden, workspace }: SeatbeltLayout): string[] {
  const around = hidden.filter((one) => one !== workspace && covers(one, workspace))
  const inner = hidden.filter((one) => !around.includes(one))
  const outside = around.map((one) => `(require-all ${subpath(one)} (require-not ${subpath(workspace)}))`)
  return [
    ...(around.length === 0 ? [] : [rule(`deny ${ALL_OF_FILES}`, outside)]),
    ...(around.length === 0 ? [] : [rule("allow file-read-metadata", above([workspace]).map(literal))]),
    ...(inner.length === 0 ? [] : [rule(`deny ${ALL_OF_FILES}`, inner.map(subpath))]),
  ]
}

function above(paths: readonly string[]): string[] {
  const found = new Set<string>()
  for (const path of paths) for (let at = dirname(path); !found.has(at); at = dirname(at)) found.add(at)
  return [...found].sort()
}

export function covers(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`)
}

function rule(what: string, filters: readonly string[]): string {
  return `(${what} ${filters.join(" ")})`
}

function subpath(path: string): string {
  return `(subpath ${quoted(path)})`
}

function literal(path: string): string {
  return `(literal ${quoted(path)})`
}

function service(name: string): string {
  return `(global-name ${quoted(name)})`
}

/** What is left after refuseUnwritable() is the same in JSON. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

function refuseUnwritable(path: string): void {
  if (/[\u0000-\u001f\u007f-\u009f\ufffd]/.test(path) || !path.isWellFormed())
    throw unusable(path, "rename it without control characters")
  if (Buffer.byteLength(quoted(path)) > MAX_TEXT) throw unusable(path, "its path is too long")
}

function unusable(path: string, why: string): PincerError {
  return new PincerError("INVALID_PARAMS", `${JSON.stringify(path)} cannot be confined on macOS: ${why}`)
}
