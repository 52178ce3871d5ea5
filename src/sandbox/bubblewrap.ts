// The Linux back end: bubblewrap, driven directly. The file system is a list of mounts (the system read-only, the workspace, a private
// /tmp); everything else is absent. Own process, network, IPC and host name spaces; no privileges, a seccomp filter, limits; and never
// effective root: a daemon that is root gives the program an ordinary user's rights. Without a network rule there is no network.
import { execFile } from "node:child_process"
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { type Layout, mountsOf } from "./bubblewrap-mounts.ts"
import { openEgress } from "./egress.ts"
import { forwardedProgram } from "./forwarder-program.ts"
import { installCommand } from "./install.ts"
import type { BackendReport, Confined, ConfineRequest, Program, SandboxBackend, SandboxLimits } from "./sandbox.ts"
import { seccompFilter } from "./seccomp.ts"

export interface BubblewrapOptions {
  /** Where bwrap is; default: looked for on the search path. */
  bwrap?: string
  /** Who programs run as when the daemon is root and their folder belongs to root. */
  uid: number
  /** The search path of the gateway, where bwrap, prlimit and setpriv are looked for. */
  path: string
}

interface Tools {
  bwrap: string
  prlimit: string
  /** Only needed by root. */
  setpriv: string | undefined
}

const TRIAL_MS = 10_000
const FILTER = "seccomp"
/** The number under which bwrap finds the filter. */
const FILTER_FD = "9"

export class Bubblewrap implements SandboxBackend {
  readonly name = "bubblewrap"
  readonly #options: BubblewrapOptions
  readonly #isRoot = process.getuid?.() === 0
  #report: Promise<BackendReport> | undefined
  #folder: string | undefined

  constructor(options: BubblewrapOptions) {
    this.#options = options
  }

  check(): Promise<BackendReport> {
    this.#report ??= this.#try()
    return this.#report
  }

  close(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
    this.#folder = undefined
  }

  async confine(request: ConfineRequest): Promise<Confined> {
    const report = await this.check()
    // It may have been there at the start and be gone now: looked for each time.
    const tools = this.#tools()
    if (!report.available || !tools) throw missing(report.available ? lost() : report)
    const { egress: gate, profile } = request
    if (profile.network.length + profile.loopbackPorts.length === 0) return this.#wrapped(tools, request, [])
    if (!gate)
      throw new PincerError("UNAVAILABLE", `Sandbox profile "${profile.name}" has network, and nobody to decide it`)
    const user = this.#userOf(request.workspace)
    const egress = await openEgress({ profile, gate, ...(user ? { owner: user } : {}) })
    try {
      const { bind, program } = forwardedProgram(request.program, egress, profile.loopbackPorts)
      const wrapped = this.#wrapped(tools, { ...request, program }, bind)
      return { ...wrapped, close: () => egress.close() }
    } catch (error) {
      await egress.close()
      throw error
    }
  }

  /** Who the program is when the daemon is root; undefined when it is simply the daemon's own user. */
  #userOf(workspace: string): { uid: number; gid: number } | undefined {
    if (!this.#isRoot) return undefined
    const { gid, uid } = statSync(workspace)
    return uid === 0 ? { uid: this.#options.uid, gid: this.#options.uid } : { uid, gid: gid === 0 ? uid : gid }
  }

  #wrapped(tools: Tools, request: ConfineRequest, bind: Layout["bind"]): Confined {
    const { hidden, profile, program, workspace } = request
    const user = this.#userOf(workspace)
    const folder = this.#ownFiles()
    const filter = seccompFilter(process.arch) ? join(folder, FILTER) : undefined
    const mounts = mountsOf({ workspace, profile, hidden, bind, files: folder, path: program.env["PATH"] ?? "" })
    const bwrap = bubblewrapArgs({ tools, mounts, program, limits: profile.limits, user, filter: filter !== undefined })
    const run = filter === undefined ? bwrap : ["/bin/sh", "-c", `exec "$@" ${FILTER_FD}<"$0"`, filter, ...bwrap]
    const note = this.#isRoot && profile.workspace === "read-write" ? rootNote(workspace, user?.uid) : undefined
    return {
      file: run[0]!,
      args: run.slice(1),
      cwd: "/",
      env: { PATH: "/usr/bin:/bin" },
      ...(note === undefined ? {} : { note }),
      close: async () => undefined,
    }
  }

  /** Small files that every sandbox gets: who there is, which names resolve, the filter. Made once. */
  #ownFiles(): string {
    if (this.#folder !== undefined) return this.#folder
    const folder = mkdtempSync(join(tmpdir(), "pincer-sandbox-"))
    const put = (name: string, content: string | Buffer) => writeFileSync(join(folder, name), content, { mode: 0o644 })
    const ids = [...new Set([this.#isRoot ? this.#options.uid : (process.getuid?.() ?? 1000), 1000])]
    put("passwd", `root:x:0:0::/:/bin/sh\n${ids.map((id) => `agent${id}:x:${id}:${id}::/tmp:/bin/sh\n`).join("")}`)
    put("group", `root:x:0:\n${ids.map((id) => `agent${id}:x:${id}:\n`).join("")}`)
    put("hosts", "127.0.0.1 localhost\n::1 localhost\n")
    put("resolv.conf", "")
    put("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    const filter = seccompFilter(process.arch)
    if (filter) put(FILTER, filter)
    chmodSync(folder, 0o755)
    this.#folder = folder
    return folder
  }

  #tools(): Tools | undefined {
    const { bwrap: named, path } = this.#options
    const bwrap = named ?? find("bwrap", path)
    const prlimit = find("prlimit", path)
    const setpriv = find("setpriv", path)
    if (bwrap === undefined || !isProgram(bwrap) || prlimit === undefined) return undefined
    return this.#isRoot && setpriv === undefined ? undefined : { bwrap, prlimit, setpriv }
  }

  async #try(): Promise<BackendReport> {
    const base = { backend: "bubblewrap" as const, facts: [], warnings: [] }
    const install = installCommand("bubblewrap")
    const tools = this.#tools()
    if (!tools) {
      const { bwrap: named, path } = this.#options
      const lacks =
        named !== undefined && !isProgram(named)
          ? named
          : find("bwrap", path) === undefined
            ? "bubblewrap (bwrap)"
            : "util-linux (prlimit, setpriv)"
      return { ...base, available: false, detail: `${lacks} is not installed`, install }
    }
    const failure = await this.#trial(tools)
    if (failure !== undefined)
      return {
        ...base,
        available: false,
        detail: `${tools.bwrap} cannot confine here: ${failure}. Containers need permission for user namespaces and for mounting /proc`,
      }
    return { ...base, available: true, detail: `${tools.bwrap}`, facts: this.#facts(), warnings: this.#warnings() }
  }

  /** One harmless command, confined for real; what it says when it fails. */
  #trial(tools: Tools): Promise<string | undefined> {
    const folder = this.#ownFiles()
    const workspace = folder
    const program: Program = { file: "/bin/sh", args: ["-c", "exit 0"], cwd: workspace, env: { PATH: "/usr/bin:/bin" } }
    const profile = {
      name: "trial",
      workspace: "read-only",
      read: [],
      write: [],
      network: [],
      loopbackPorts: [],
      limits: TRIAL_LIMITS,
    } as const
    const { args, cwd, env, file } = this.#wrapped(tools, { program, workspace, profile, hidden: [] }, [])
    return new Promise((resolve) => {
      execFile(file, [...args], { cwd, env, timeout: TRIAL_MS }, (error, _out, stderr) => {
        if (!error) resolve(undefined)
        else resolve((stderr.trim() || error.message).split("\n")[0]!.slice(0, 200))
      })
    })
  }

  #facts(): string[] {
    return [
      "Files: the workspace; the system read-only; a private /tmp; nothing else",
      "Network: none, unless the profile names hosts: then through a proxy that decides each connection",
      "Processes: own process space; everything ends with the command",
      "Rights: no capabilities, no new privileges, no further namespaces",
      seccompFilter(process.arch)
        ? "System calls: mounts, tracing, kernel keys and modules are filtered"
        : "System calls: not filtered on this processor",
      this.#isRoot
        ? `User: the owner of the workspace, or ${this.#options.uid} where that is root; never root`
        : "User: the one that Pincer runs as",
    ]
  }

  #warnings(): string[] {
    if (!this.#isRoot) return []
    return [
      `Pincer runs as root. Commands run as the owner of their folder, and as user ${this.#options.uid} in folders of root, which they can only read: run Pincer as an ordinary user, or chown the folder`,
    ]
  }
}

const TRIAL_LIMITS: SandboxLimits = {
  processes: 64,
  memoryBytes: 1024 ** 3,
  cpuSeconds: 5,
  fileBytes: 1024 ** 2,
  openFiles: 64,
}

function lost(): BackendReport {
  return {
    backend: "bubblewrap",
    available: false,
    detail: "bubblewrap is not there any more",
    install: installCommand("bubblewrap"),
    facts: [],
    warnings: [],
  }
}

function missing({ detail, install }: BackendReport): PincerError {
  const cure = install === undefined ? "" : `: install it with "${install}"`
  return new PincerError("UNAVAILABLE", `The sandbox cannot be used, so nothing was run: ${detail}${cure}`, {
    retryable: false,
  })
}

function rootNote(workspace: string, uid: number | undefined): string | undefined {
  if (statSync(workspace).uid !== 0) return undefined
  return `${workspace} belongs to root and Pincer runs as root: commands run as user ${uid} and can only read it. Run Pincer as an ordinary user, or: chown -R ${uid} ${workspace}`
}

function find(name: string, path: string): string | undefined {
  for (const folder of [...path.split(delimiter), "/usr/bin", "/bin", "/usr/local/bin"])
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

export interface BubblewrapCommand {
  tools: Tools
  mounts: readonly string[]
  program: Program
  limits: SandboxLimits
  user: { uid: number; gid: number } | undefined
  filter: boolean
}

/** The whole command line. Pure. */
export function bubblewrapArgs({ filter, limits, mounts, program, tools, user }: BubblewrapCommand): string[] {
  const { args, cwd, env, file } = program
  const environment = Object.entries({ ...env, HOME: "/tmp", TMPDIR: "/tmp" }).flatMap(([name, value]) => [
    "--setenv",
    name,
    value,
  ])
  const identity =
    user === undefined
      ? ["--unshare-user", "--disable-userns"]
      : // setpriv needs these three to give up everything; they do not reach the program.
        ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
  return [
    tools.bwrap,
    ...identity,
    ...["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...["--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv"],
    ...environment,
    ...mounts,
    ...["--chdir", cwd],
    ...(filter ? ["--seccomp", FILTER_FD] : []),
    "--",
    ...(user === undefined ? [] : setprivArgs(tools, user)),
    ...limitArgs(tools, limits),
    file,
    ...args,
  ]
}

function setprivArgs({ setpriv }: Tools, { gid, uid }: { uid: number; gid: number }): string[] {
  return [
    setpriv ?? "setpriv",
    ...["--reuid", String(uid), "--regid", String(gid), "--clear-groups"],
    ...["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"],
  ]
}

function limitArgs({ prlimit }: Tools, limits: SandboxLimits): string[] {
  return [
    prlimit,
    `--nproc=${limits.processes}`,
    `--data=${limits.memoryBytes}`,
    `--cpu=${limits.cpuSeconds}`,
    `--fsize=${limits.fileBytes}`,
    `--nofile=${limits.openFiles}`,
    "--core=0",
    "--",
  ]
}
