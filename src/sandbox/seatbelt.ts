// The macOS back end: the system's own /usr/bin/sandbox-exec with a profile made for each program, and the egress on a loopback port as
// the only way out. Before the first program it tries on this machine that what must be denied is denied; else nothing runs.
// Not run by our tests on macOS: they hold the rules that are written, and that a confinement which does not confine is refused.
import { execFile } from "node:child_process"
import { once } from "node:events"
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { openLoopbackEgress } from "./egress.ts"
import { proxyEnvironment } from "./forwarder-program.ts"
import { refuseLink } from "./git-guard.ts"
import type { BackendReport, Confined, ConfineRequest, Program, SandboxBackend, SandboxProfile } from "./sandbox.ts"
import { type SeatbeltLayout, seatbeltRules } from "./seatbelt-rules.ts"

export interface SeatbeltOptions {
  /** Default: where macOS has it. */
  sandboxExec?: string
  /** Default: this process's. Programs are never root. */
  uid?: number | undefined
}

const SANDBOX_EXEC = "/usr/bin/sandbox-exec"
const TRIAL_MS = 10_000
/** `ulimit -f` counts these. */
const BLOCK = 512
const LIMITED = 'ulimit -t "$1" && ulimit -f "$2" && ulimit -n "$3" && shift 3 && exec "$@"'
/** Each answer is the number of what went wrong; 0: all that must be possible is, and nothing else. */
const TRIAL = `cat "$1/mine" >/dev/null 2>&1 || exit 21
echo x 2>/dev/null >"$1/new" || exit 22
cat "$2/secret" >/dev/null 2>&1 && exit 23
ls "$2" >/dev/null 2>&1 && exit 24
(echo x >"$2/new") 2>/dev/null && exit 25
cat "$1/hidden/secret" >/dev/null 2>&1 && exit 26
/bin/bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"' "$3" 2>/dev/null && exit 27
exit 0`
const FAULTS: Readonly<Record<number, string>> = {
  21: "the workspace could not be read",
  22: "the workspace could not be written",
  23: "a file outside could be read",
  24: "a folder outside could be listed",
  25: "a file outside could be written",
  26: "a hidden file in the workspace could be read",
  27: "a port of this machine could be reached",
}
const TRIAL_PROFILE: SandboxProfile = {
  name: "trial",
  workspace: "read-write",
  read: [],
  write: [],
  network: [],
  loopbackPorts: [],
  limits: { processes: 64, memoryBytes: 2 ** 30, cpuSeconds: 10, fileBytes: 2 ** 20, openFiles: 64 },
}

export class Seatbelt implements SandboxBackend {
  readonly name = "seatbelt"
  readonly #sandboxExec: string
  readonly #uid: number | undefined
  #report: Promise<BackendReport> | undefined

  constructor(options: SeatbeltOptions = {}) {
    this.#sandboxExec = options.sandboxExec ?? SANDBOX_EXEC
    this.#uid = "uid" in options ? options.uid : process.getuid?.()
  }

  check(): Promise<BackendReport> {
    this.#report ??= this.#try()
    return this.#report
  }

  /** Each program's files go with the program. */
  close(): void {
    this.#report = undefined
  }

  async confine(request: ConfineRequest): Promise<Confined> {
    const report = await this.check()
    if (!report.available)
      throw new PincerError("UNAVAILABLE", `Commands cannot run confined: ${report.detail}`, { retryable: false })
    return this.#confined(request)
  }

  async #confined(request: ConfineRequest): Promise<Confined> {
    const { egress: gate, profile } = request
    if (profile.network.length > 0 && !gate)
      throw new PincerError("UNAVAILABLE", `Sandbox profile "${profile.name}" has network, and nobody to decide it`)
    const temporary = realpathSync(mkdtempSync(join(tmpdir(), "pincer-tmp-")))
    const remove = async () => rmSync(temporary, { recursive: true, force: true })
    try {
      const open = gate !== undefined && profile.network.length + profile.loopbackPorts.length > 0
      const egress = open ? await openLoopbackEgress({ profile, gate }) : undefined
      const close = async () => {
        await egress?.close()
        await remove()
      }
      try {
        return { ...this.#program(request, temporary, egress?.port), close }
      } catch (error) {
        await egress?.close()
        throw error
      }
    } catch (error) {
      await remove()
      throw error
    }
  }

  #program(request: ConfineRequest, temporary: string, egressPort: number | undefined): Program {
    const { hidden, profile, program, workspace } = request
    const rules = seatbeltRules({
      profile: { ...profile, read: profile.read.map(resolved), write: profile.write.map(resolved) },
      workspace: resolved(workspace),
      git: profile.workspace === "read-write" ? kindOfGit(resolved(workspace)) : "none",
      hidden: [...new Set(hidden.flatMap((path) => [path, resolved(path)]))],
      temporary,
      egressPort,
    })
    const { cpuSeconds, fileBytes, openFiles } = profile.limits
    const limits = [cpuSeconds, Math.ceil(fileBytes / BLOCK), openFiles].map(String)
    const confined = [this.#sandboxExec, "-p", rules, program.file, ...program.args]
    return {
      file: "/bin/sh",
      args: ["-c", LIMITED, "sh", ...limits, ...confined],
      cwd: program.cwd,
      env: { ...program.env, TMPDIR: temporary, ...(egressPort === undefined ? {} : proxyEnvironment(egressPort)) },
    }
  }

  async #try(): Promise<BackendReport> {
    const base = { backend: "seatbelt" as const, facts: FACTS, warnings: WARNINGS }
    const none = (detail: string): BackendReport => ({ ...base, available: false, detail, facts: [], warnings: [] })
    if (this.#uid === 0) return none("Pincer runs as root, and commands are never root: start it as an ordinary user")
    if (!isProgram(this.#sandboxExec)) return none(`${this.#sandboxExec} is not there: it is part of macOS`)
    const fault = await this.#trial()
    if (fault !== undefined) return none(`${this.#sandboxExec} does not confine here: ${fault}`)
    return { ...base, available: true, detail: this.#sandboxExec }
  }

  /** A program that tries what it must not be able to do. What went wrong, or undefined. */
  async #trial(): Promise<string | undefined> {
    const [inside, outside] = [madeFolder("in"), madeFolder("out")]
    const listener = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1")
    try {
      await once(listener, "listening")
      const { port } = listener.address() as AddressInfo
      writeFileSync(join(inside, "mine"), "x")
      writeFileSync(join(outside, "secret"), "x")
      const hidden = join(inside, "hidden")
      mkdirSync(hidden)
      writeFileSync(join(hidden, "secret"), "x")
      const args = ["-c", TRIAL, "sh", inside, outside, String(port)]
      const program = { file: "/bin/sh", args, cwd: inside, env: { PATH: "/usr/bin:/bin" } }
      const confined = await this.#confined({ program, workspace: inside, profile: TRIAL_PROFILE, hidden: [hidden] })
      return await run(confined).finally(() => confined.close())
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    } finally {
      listener.close()
      for (const folder of [inside, outside]) rmSync(folder, { recursive: true, force: true })
    }
  }
}

const FACTS = [
  "Files: the workspace; the system read-only; a private folder for temporary files; nothing else",
  "Network: none, unless the profile names hosts: then through a proxy that decides each connection",
  "Limits: processor time, file size and open files",
]
/** Throws INVALID_PARAMS for a link. */
function kindOfGit(workspace: string): SeatbeltLayout["git"] {
  const git = join(workspace, ".git")
  refuseLink(git)
  const found = lstatSync(git, { throwIfNoEntry: false })
  if (!found) return "none"
  return found.isDirectory() ? "folder" : "file"
}

const WARNINGS = [
  "macOS has no limits on memory and processes of one command: they are not set",
  "Listed loopbackPorts are open without the proxy too: such connections are not recorded one by one",
  "This back end is tried on the machine it runs on, at the start; Pincer's own tests do not run on macOS",
]

function run(program: Program): Promise<string | undefined> {
  const { args, cwd, env, file } = program
  return new Promise((resolve) => {
    execFile(file, [...args], { cwd, env, timeout: TRIAL_MS, killSignal: "SIGKILL" }, (error, _out, stderr) => {
      if (!error) return resolve(undefined)
      const fault = typeof error.code === "number" ? FAULTS[error.code] : undefined
      resolve(fault ?? (stderr.trim() || error.message).split("\n")[0]!.slice(0, 200))
    })
  })
}

function madeFolder(name: string): string {
  return realpathSync(mkdtempSync(join(tmpdir(), `pincer-seatbelt-${name}-`)))
}

/** What is not there is taken as it is written: it cannot lead elsewhere. */
function resolved(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return path
    throw error
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch (error) {
    if (error instanceof Error && "code" in error) return false
    throw error
  }
}
