// What a confined program may see, write and reach: the built-in profiles, custom ones, what two of them have in common, and the refusal
// of whatever would open the sandbox (A39). Paths are resolved through symlinks before they are judged.
import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs"
import { isIP } from "node:net"
import { homedir } from "node:os"
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { normalHost } from "./egress-host.ts"
import { EgressRules } from "./egress-rules.ts"
import type { NetworkRule, SandboxLimits, SandboxProfile } from "./sandbox.ts"

export const DEFAULT_LIMITS: SandboxLimits = {
  processes: 256,
  memoryBytes: 4 * 1024 ** 3,
  cpuSeconds: 600,
  fileBytes: 1024 ** 3,
  openFiles: 1024,
}

const base: SandboxProfile = {
  name: "workspace",
  workspace: "read-write",
  read: [],
  write: [],
  network: [],
  loopbackPorts: [],
  limits: DEFAULT_LIMITS,
}

export const BUILT_IN: readonly SandboxProfile[] = [
  { ...base, name: "read-only", workspace: "read-only" },
  base,
  { ...base, name: "workspace+net", network: [{ host: "*" }] },
]

/** A custom profile as the configuration has it: another one, changed. */
export interface ProfileSettings {
  /** The profile that it starts from; default "workspace". */
  extends?: string
  workspace?: SandboxProfile["workspace"]
  read?: readonly string[]
  write?: readonly string[]
  /** "example.com", "*.example.com:8443", "*". */
  network?: readonly string[]
  loopbackPorts?: readonly number[]
  limits?: Partial<SandboxLimits>
}

/** Folders whose content is keys, sockets or the system itself; those above them are refused as well. */
const CLOSED = [
  ...["/proc", "/sys", "/dev", "/boot", "/run", "/var/run", "/var/lib/docker", "/var/lib/containers", "/var/spool"],
  ...["/etc/ssh", "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssl/private"],
  ...["/etc/kubernetes", "/etc/docker", "/etc/NetworkManager", "/etc/wireguard"],
]
/** Where programs leave sockets and other people's files: parts of them may be named, not the whole. */
const SHARED = /^\/(?:usr|etc|home|var|root|Users|tmp|var\/tmp|var\/lib|private|mnt|media|srv|opt)?$/
/** What is written there runs later, outside of any sandbox. */
const PROGRAMS = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/root", "/nix", "/gnu"]
/** Below a home, or anywhere else. */
const KEYS = [
  ...[".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure", ".config/gcloud", ".config/gh", ".config/op"],
  ...[".netrc", ".npmrc", ".pypirc", ".git-credentials", ".password-store", ".local/share/keyrings", ".vault-token"],
  ...[".mozilla", ".config/google-chrome", ".config/chromium", ".config/BraveSoftware", ".config/microsoft-edge"],
  ...["Library/Keychains", "Library/Application Support/Google/Chrome", "Library/Application Support/Firefox"],
]
const SOCKETS =
  /\.sock(?:et)?$|\/(?:docker|podman|containerd|dbus|ssh|gpg-agent)[^/]*\.(?:sock|pid)|\/ssh-[^/]+\/agent\.\d+$/

/** The profile with this name. Throws NOT_FOUND naming those that there are, INVALID_PARAMS for one that would open the sandbox. */
export function findProfile(
  name: string,
  custom: Readonly<Record<string, ProfileSettings>>,
  closed: readonly string[],
  seen: readonly string[] = [],
): SandboxProfile {
  const settings = custom[name]
  if (!settings) {
    const found = BUILT_IN.find((profile) => profile.name === name)
    if (found) return found
    const known = [...BUILT_IN.map((profile) => profile.name), ...Object.keys(custom)].join(", ")
    throw new PincerError("NOT_FOUND", `Unknown sandbox profile "${name}": there are ${known}`)
  }
  if (seen.includes(name))
    throw new PincerError("INVALID_PARAMS", `Sandbox profile "${name}" extends itself: ${[...seen, name].join(" -> ")}`)
  const from = findProfile(settings.extends ?? "workspace", custom, closed, [...seen, name])
  const profile: SandboxProfile = {
    name,
    workspace: settings.workspace ?? from.workspace,
    read: [...from.read, ...(settings.read ?? [])],
    write: [...from.write, ...(settings.write ?? [])],
    network: settings.network?.map(parseRule) ?? from.network,
    loopbackPorts: settings.loopbackPorts ?? from.loopbackPorts,
    limits: { ...from.limits, ...settings.limits },
  }
  for (const path of profile.read) refuseOpening(path, name, closed)
  for (const path of profile.write) refuseOpening(path, name, closed, true)
  const inside = profile.read.find((path) => profile.write.some((other) => covers(other, path)))
  if (inside !== undefined)
    throw new PincerError(
      "INVALID_PARAMS",
      `Sandbox profile "${name}": ${inside} is to be read only, and can be written`,
    )
  // Throws for rules that mean nothing.
  new EgressRules(profile)
  return profile
}

/** "host", "host:port" or "host:*". */
function parseRule(text: string): NetworkRule {
  const match = /^(\[[0-9a-f:.]+\]|[^:\s/]+)(?::(\d{1,5}))?$/i.exec(text.trim())
  if (!match)
    throw new PincerError("INVALID_PARAMS", `Network rule "${text}" is not a host or host:port: write example.com:443`)
  return { host: match[1]!.toLowerCase(), ...(match[2] === undefined ? {} : { ports: [Number(match[2])] }) }
}

/** Throws INVALID_PARAMS naming the path and why. Judged as written and as what it leads to. */
export function refuseOpening(path: string, name: string, closed: readonly string[], writable = false): void {
  const refuse = (why: string) =>
    new PincerError("INVALID_PARAMS", `Sandbox profile "${name}" may not contain ${path}: ${why}`)
  if (!isAbsolute(path) || resolve(path) !== path || path.includes("\0"))
    throw refuse("give an absolute path without dots")
  const home = homedir()
  const real = realOf(path)
  if (real === undefined) throw refuse("where it leads cannot be looked at")
  for (const one of new Set([path, real])) {
    if (SHARED.test(one)) throw refuse("it is too much of this machine, name the folder below it")
    for (const own of [home, realOf(home) ?? home])
      if (covers(one, own)) throw refuse("it holds your whole home folder")
    if (KEYS.some((key) => `${one}/`.includes(`/${key}/`))) throw refuse("it holds keys")
    if (SOCKETS.test(one) || lstatSync(one, { throwIfNoEntry: false })?.isSocket())
      throw refuse("it is a socket of another program, which would act outside of the sandbox")
    const key = KEYS.find((each) => existsSync(join(one, each)))
    if (key !== undefined) throw refuse(`it holds keys (${key})`)
    const shut = [...CLOSED, ...closed].find((folder) => covers(folder, one) || covers(one, folder))
    if (shut !== undefined) throw refuse(`it would open ${shut}`)
    if (writable && PROGRAMS.some((folder) => covers(folder, one)))
      throw refuse("what is written there runs outside of the sandbox later")
  }
}

/** Symlinks resolved, also of what does not exist yet: by the nearest folder above that does. Undefined when we may not look. */
function realOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined
    if ((code !== "ENOENT" && code !== "ENOTDIR") || path === "/") return undefined
    // A link to what does not exist yet leads there once it does. A circle of links is no ENOENT, and ended above.
    if (code === "ENOENT" && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
      return realOf(resolve(dirname(path), readlinkSync(path)))
    const above = realOf(dirname(path))
    return above === undefined ? undefined : join(above, basename(path))
  }
}

function covers(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`)
}

/** What both allow, and nothing else. */
export function narrow(a: SandboxProfile, b: SandboxProfile): SandboxProfile {
  const write = both(a.write, b.write)
  const readable = (profile: SandboxProfile) => [...profile.read, ...profile.write]
  return {
    name: a.name === b.name ? a.name : `${a.name} & ${b.name}`,
    workspace: a.workspace === "read-write" && b.workspace === "read-write" ? "read-write" : "read-only",
    read: both(readable(a), readable(b)).filter((path) => !write.includes(path)),
    write,
    network: narrowNetwork(a.network, b.network),
    loopbackPorts: a.loopbackPorts.filter((port) => b.loopbackPorts.includes(port)),
    limits: {
      processes: Math.min(a.limits.processes, b.limits.processes),
      memoryBytes: Math.min(a.limits.memoryBytes, b.limits.memoryBytes),
      cpuSeconds: Math.min(a.limits.cpuSeconds, b.limits.cpuSeconds),
      fileBytes: Math.min(a.limits.fileBytes, b.limits.fileBytes),
      openFiles: Math.min(a.limits.openFiles, b.limits.openFiles),
    },
  }
}

/** Paths that both lists hold: of a folder and one below it, the one below. */
function both(a: readonly string[], b: readonly string[]): string[] {
  const inner = a.flatMap((one) =>
    b.flatMap((other) => (covers(one, other) ? [other] : covers(other, one) ? [one] : [])),
  )
  return [...new Set(inner)]
}

const WEB_PORTS = [80, 443]

/** A rule survives when the other side covers its host, with the ports that both have. */
function narrowNetwork(a: readonly NetworkRule[], b: readonly NetworkRule[]): NetworkRule[] {
  const out = new Map<string, NetworkRule>()
  for (const one of a)
    for (const other of b) {
      const host = coversHost(one.host, other.host)
        ? other.host
        : coversHost(other.host, one.host)
          ? one.host
          : undefined
      if (host === undefined) continue
      const ports = (one.ports ?? WEB_PORTS).filter((port) => (other.ports ?? WEB_PORTS).includes(port))
      if (ports.length > 0) out.set(`${host} ${ports.join()}`, { host, ports })
    }
  return [...out.values()]
}

function coversHost(pattern: string, host: string): boolean {
  if (pattern === host) return true
  // "*" is every public host: an address that is named is only covered by its own name.
  if (pattern === "*") return host.startsWith("*.") || isIP(normalHost(host) ?? "") === 0
  return pattern.startsWith("*.") && !isIP(host) && host.replace(/^\*/, "x").endsWith(pattern.slice(1))
}
