// A sandbox profile as a Seatbelt profile, the rule language of macOS's own sandbox. Pure. Everything is denied first; then the system
// read-only, the workspace, a private folder for temporary files and the way out are opened; hidden paths are denied again last, as the
// last rule that matches decides.
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
}

/** Where installed programs are, not where services keep their data (var) and people their settings (etc). */
const INSTALLED = ["bin", "sbin", "lib", "libexec", "opt", "Cellar", "Caskroom", "Frameworks", "include", "share"]
const PREFIXES = ["/usr/local", "/opt/homebrew", "/opt/local"]
/** The system and its compilers: nothing of a user lies here. */
const SYSTEM = [
  ...["/System", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/share", "/usr/include", "/bin", "/sbin"],
  ...["/Library/Apple", "/Library/Frameworks", "/Library/Developer/CommandLineTools", "/Applications/Xcode.app"],
  ...["/private/var/db/dyld", "/private/var/db/timezone", "/private/var/select", "/private/etc/ssl/cert.pem"],
  ...["/private/etc/ssl/certs", "/private/etc/ssl/openssl.cnf"],
  ...PREFIXES.flatMap((prefix) => INSTALLED.map((name) => `${prefix}/${name}`)),
  ...PREFIXES.flatMap((prefix) => ["ca-certificates", "openssl@3"].map((name) => `${prefix}/etc/${name}`)),
]
const SYSTEM_FILES = [
  ...["/", "/private/etc/localtime", "/private/etc/passwd", "/private/etc/group", "/private/etc/protocols"],
  ...["/private/etc/services", "/private/etc/shells", "/private/var/db/xcode_select_link"],
  ...[
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/dtracehelper",
    "/dev/fd",
    "/dev/autofs_nowait",
  ],
]
const DEVICES = ["/dev/null", "/dev/zero", "/dev/tty", "/dev/dtracehelper"]
/** User names, time zone and notifications of it; none of them reaches the network or a key. */
const SERVICES = [
  "com.apple.system.opendirectoryd.libinfo",
  "com.apple.system.opendirectoryd.membership",
  "com.apple.system.notification_center",
  "com.apple.system.logger",
]

/** Throws INVALID_PARAMS for a path that cannot be written into rules. */
export function seatbeltRules(layout: SeatbeltLayout): string {
  const { profile, temporary, workspace } = layout
  const write = [...profile.write, temporary, ...(profile.workspace === "read-write" ? [workspace] : [])]
  const read = [...profile.read, workspace, ...write]
  const rules = [
    "(version 1)",
    "(deny default)",
    "(allow process-exec)",
    "(allow process-fork)",
    "(allow signal (target same-sandbox))",
    "(allow process-info* (target same-sandbox))",
    "(allow sysctl-read)",
    "(allow ipc-posix-sem)",
    allow(
      "mach-lookup",
      SERVICES.map((name) => `(global-name ${quoted(name)})`),
    ),
    allow("file-read*", [...SYSTEM.map(subpath), ...SYSTEM_FILES.map(literal), ...read.map(subpath)]),
    // The way to what is open, by name only: the folders above are not listed.
    allow("file-read-metadata", above([...SYSTEM, ...SYSTEM_FILES, ...read]).map(literal)),
    allow("file-write*", [...write.map(subpath), ...DEVICES.map(literal)]),
    allow("file-ioctl", DEVICES.map(literal)),
    ...network(layout),
    ...gitRules(layout),
    ...closed(layout.hidden),
  ]
  return `${rules.join("\n")}\n`
}

/** Only numbers of ports of this machine's loopback: names and other addresses are the egress's to judge. */
function network({ egressPort, profile }: SeatbeltLayout): string[] {
  const rules = ["(deny network*)"]
  const ports = [...profile.loopbackPorts, ...(egressPort === undefined ? [] : [egressPort])]
  if (ports.length > 0)
    rules.push(
      allow(
        "network-outbound",
        ports.map((port) => `(remote tcp ${quoted(`localhost:${port}`)})`),
      ),
    )
  return rules
}

/** A repository's settings and hooks cannot be changed, made or moved away; nor the file that says where they are. */
function gitRules({ git, workspace }: SeatbeltLayout): string[] {
  const own = `${workspace}/.git`
  if (git === "none") return []
  if (git === "file") return [`(deny file-write* ${literal(own)})`]
  const folders = ["hooks", "modules"].map((name) => subpath(`${own}/${name}`))
  const files = ["config", "commondir", "config.worktree"].map((name) => literal(`${own}/${name}`))
  return [`(deny file-write* ${[...folders, ...files].join(" ")})`, `(deny file-write-unlink ${literal(own)})`]
}

function closed(hidden: readonly string[]): string[] {
  if (hidden.length === 0) return []
  return [
    `(deny file* ${hidden.map(subpath).join(" ")})`,
    // A folder above that is renamed would take them out of the rule.
    `(deny file-write-unlink ${above(hidden).map(literal).join(" ")})`,
  ]
}

function above(paths: readonly string[]): string[] {
  const found = new Set<string>()
  for (const path of paths) for (let at = dirname(path); !found.has(at); at = dirname(at)) found.add(at)
  return [...found].sort()
}

function allow(what: string, to: readonly string[]): string {
  return `(allow ${what} ${to.join(" ")})`
}

function subpath(path: string): string {
  return `(subpath ${quoted(path)})`
}

function literal(path: string): string {
  return `(literal ${quoted(path)})`
}

function quoted(text: string): string {
  if (/[\u0000-\u001f\u007f]/.test(text))
    throw new PincerError(
      "INVALID_PARAMS",
      `${JSON.stringify(text)} cannot be confined on macOS: rename it without control characters`,
    )
  return `"${text.replace(/[\\"]/g, "\\$&")}"`
}
