// Whether bubblewrap can confine here: what is installed, what it can do, and one harmless program run confined for real. Containers and
// kernel settings forbid it in ways that only trying tells.
import { execFile } from "node:child_process"
import { accessSync, constants, existsSync, mkdtempSync, realpathSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { Tools } from "./bubblewrap-args.ts"
import { installCommand } from "./install.ts"
import type { BackendReport, Confined, ConfineRequest, SandboxLimits } from "./sandbox.ts"
import { seccompFilter } from "./seccomp.ts"

export interface Abilities {
  version: string
  /** Binds what is open, not what has a name. */
  bindFd: boolean
  /** Limits the size of folders in memory. */
  sized: boolean
  disableUserns: boolean
}

export interface Places {
  /** Where bwrap is; default: looked for. */
  bwrap?: string
  /** Who programs run as when the daemon is root and their folder belongs to root. */
  uid: number
  /** The search path of the gateway, where bwrap, prlimit and setpriv are looked for. */
  path: string
  /** Numbers of open files that must not be passed on. */
  inherited: readonly number[]
}

type Wrap = (tools: Tools, abilities: Abilities, request: ConfineRequest) => Confined

const TRIAL_MS = 10_000
const NONE: Abilities = { version: "?", bindFd: false, sized: false, disableUserns: false }
const TRIAL_LIMITS: SandboxLimits = {
  processes: 64,
  memoryBytes: 1024 ** 3,
  cpuSeconds: 5,
  fileBytes: 1024 ** 2,
  openFiles: 64,
}

export async function tryOut(places: Places, wrap: Wrap): Promise<{ report: BackendReport; abilities: Abilities }> {
  const tools = findTools(places)
  if (tools.missing !== undefined) {
    const detail = `${tools.missing} is not installed`
    const install = installCommand("bubblewrap util-linux")
    return { report: { ...nothing(detail), install }, abilities: NONE }
  }
  const abilities = await abilitiesOf(tools.found.bwrap)
  let failure = await attempt(tools.found, abilities, wrap)
  if (failure !== undefined && abilities.disableUserns) {
    // Where /proc/sys is read-only the kernel's count cannot be set; the filter forbids new name spaces all the same.
    const lesser = { ...abilities, disableUserns: false }
    if (seccompFilter(process.arch) && (await attempt(tools.found, lesser, wrap)) === undefined)
      return { report: good(tools.found, lesser, places), abilities: lesser }
  }
  if (failure === undefined) return { report: good(tools.found, abilities, places), abilities }
  if (existsSync("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"))
    failure += ' (Ubuntu: allow it with "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")'
  const detail = `${tools.found.bwrap} cannot confine here: ${failure}. Containers need permission for user namespaces and for mounting /proc`
  return { report: nothing(detail), abilities }
}

function nothing(detail: string): BackendReport {
  return { backend: "bubblewrap", available: false, detail, facts: [], warnings: [] }
}

function good(tools: Tools, abilities: Abilities, { inherited, uid }: Places): BackendReport {
  return {
    backend: "bubblewrap",
    available: true,
    detail: `bubblewrap ${abilities.version} (${tools.bwrap})`,
    facts: facts(uid),
    warnings: warnings(abilities, uid, tools.shell.endsWith("bash") ? [] : inherited.filter((fd) => fd > 9)),
  }
}

/** One harmless command, confined for real; what it says when it fails. */
async function attempt(tools: Tools, abilities: Abilities, wrap: Wrap): Promise<string | undefined> {
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "pincer-trial-")))
  const program = { file: "/bin/sh", args: ["-c", "exit 0"], cwd: "/usr", env: { PATH: "/usr/bin:/bin" } }
  const none = { read: [], write: [], network: [], loopbackPorts: [] }
  const profile = { name: "trial", workspace: "read-only", ...none, limits: TRIAL_LIMITS } as const
  try {
    const confined = wrap(tools, abilities, { program, workspace, profile, hidden: [] })
    const { args, cwd, env, file } = confined
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    execFile(file, [...args], { cwd, env, timeout: TRIAL_MS }, (error, _out, stderr) => {
      resolve(error ? (stderr.trim() || error.message).split("\n")[0]!.slice(0, 200) : undefined)
    })
    return await promise.finally(() => confined.close())
  } finally {
    rmSync(workspace, { recursive: true, force: true })
  }
}

function abilitiesOf(bwrap: string): Promise<Abilities> {
  const { promise, resolve } = Promise.withResolvers<Abilities>()
  execFile(bwrap, ["--help"], { timeout: TRIAL_MS, env: {} }, (_error, out, err) => {
    const help = out + err
    const has = (option: string) => help.includes(`--${option} `)
    execFile(bwrap, ["--version"], { timeout: TRIAL_MS, env: {} }, (_failed, version) =>
      resolve({
        version: /[\d.]+/.exec(version)?.[0] ?? "?",
        bindFd: has("bind-fd") && has("ro-bind-fd"),
        sized: has("size"),
        disableUserns: has("disable-userns"),
      }),
    )
  })
  return promise
}

function facts(uid: number): string[] {
  const isRoot = process.getuid?.() === 0
  return [
    "Files: the workspace; the system read-only; a private /tmp; nothing else",
    "Git: hooks, configuration and submodules of the workspace are read-only",
    "Network: none, unless the profile names hosts: then through a proxy that decides each connection",
    "Processes: own process space; everything ends with the command",
    "Rights: no capabilities, no new privileges, no further namespaces",
    seccompFilter(process.arch)
      ? "System calls: mounts, tracing, kernel keys and modules are filtered"
      : "System calls: not filtered on this processor",
    isRoot
      ? `User: the owner of the workspace, or ${uid} where that is root; never root`
      : "User: the one that Pincer runs as",
    "Limits: memory, CPU time, file size and open files of each process; processes of each command",
  ]
}

function warnings(abilities: Abilities, uid: number, leaked: readonly number[]): string[] {
  const found: string[] = []
  if (process.getuid?.() === 0)
    found.push(
      `Pincer runs as root. Commands run as the owner of their folder, and as user ${uid} in folders of root, which they can only read: run Pincer as an ordinary user, or chown the folder`,
    )
  if (!abilities.bindFd)
    found.push("This bubblewrap cannot bind open folders: with two commands at once in one workspace, update it first")
  if (!abilities.sized) found.push("This bubblewrap cannot limit the size of /tmp in the sandbox: update it")
  if (!abilities.disableUserns && process.getuid?.() !== 0)
    found.push("The kernel's own limit of namespaces cannot be set here: only the system call filter forbids them")
  if (leaked.length > 0)
    found.push(
      `Pincer was started with open files (${leaked.join(", ")}) that commands inherit: start it from a plain terminal`,
    )
  return found
}

/** Looked for anew each time: what was there may be gone. */
export function findTools({
  bwrap: named,
  inherited,
  path,
}: Places): { found: Tools; missing?: never } | { missing: string } {
  const bwrap = named ?? find("bwrap", path)
  const prlimit = find("prlimit", path)
  const setpriv = find("setpriv", path)
  if (bwrap === undefined || !isProgram(bwrap)) return { missing: named ?? "bubblewrap (bwrap)" }
  if (prlimit === undefined) return { missing: "util-linux (prlimit)" }
  if (process.getuid?.() === 0 && setpriv === undefined) return { missing: "util-linux (setpriv)" }
  const shell = inherited.some((fd) => fd > 9) && isProgram("/bin/bash") ? "/bin/bash" : "/bin/sh"
  return { found: { bwrap, prlimit, setpriv, shell } }
}

function find(name: string, path: string): string | undefined {
  // The system's own first: a search path may name folders that others can write.
  for (const folder of ["/usr/bin", "/bin", "/usr/local/bin", ...path.split(delimiter)])
    if (folder.startsWith("/") && isProgram(join(folder, name))) return join(folder, name)
  return undefined
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    // Not there, or not ours to run: it is not a program for us.
    return false
  }
}
