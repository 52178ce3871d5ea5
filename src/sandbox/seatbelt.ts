// The macOS back end: the system's own sandbox-exec with rules that a package writes for each program, which are read and judged before
// they are used and end in guards of ours; the egress on a loopback port is the only way out. Before the first program it tries on this
// machine that what must be denied is denied; else nothing runs. Not run by our tests on macOS: see docs/adr/0008.
import { execFile } from "node:child_process"
import { once } from "node:events"
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { openLoopbackEgress } from "./egress.ts"
import { proxyEnvironment } from "./forwarder-program.ts"
import { refuseLink } from "./git-guard.ts"
import type { BackendReport, Confined, ConfineRequest, Program, SandboxBackend, SandboxProfile } from "./sandbox.ts"
import { faultOf } from "./seatbelt-check.ts"
import { PACKAGE, PACKAGE_VERSION, RuleWriter, type RuleWriterOptions } from "./seatbelt-package.ts"
import { type AskedRules, askedOf, guardsOf, type SeatbeltLayout, SYSTEM } from "./seatbelt-rules.ts"
import { SECRETS } from "./secret-names.ts"
import { toolFolders } from "./tool-folders.ts"

export interface SeatbeltOptions {
  /** Default: where macOS has it. */
  sandboxExec?: string
  /** Default: this process's. Programs are never root. */
  uid?: number | undefined
  writer?: RuleWriterOptions
  /** Search path of the programs: tools outside of the system can be read with it. */
  path?: string
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
mv "$1/hidden" "$1/moved" 2>/dev/null && exit 28
[ -e "$2/secret" ] && exit 29
for one in "$1/hidden/secret" "$2/secret"; do
  ln "$one" "$1/hard" 2>/dev/null && cat "$1/hard" >/dev/null 2>&1 && exit 30
done
exit 0`
const FAULTS: Readonly<Record<number, string>> = {
  21: "the workspace could not be read",
  22: "the workspace could not be written",
  23: "a file outside could be read",
  24: "a folder outside could be listed",
  25: "a file outside could be written",
  26: "a hidden file in the workspace could be read",
  27: "a port of this machine could be reached",
  28: "a hidden folder in the workspace could be moved away",
  29: "a file outside could be seen",
  30: "a closed file could be read through a hard link",
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

/** To see whether there is somebody who writes rules. */
const NOTHING: AskedRules = { read: [], write: [], denyRead: ["/"], denyWrite: [] }

export class Seatbelt implements SandboxBackend {
  readonly name = "seatbelt"
  readonly #sandboxExec: string
  readonly #uid: number | undefined
  readonly #writer: RuleWriter
  readonly #path: string
  #report: Promise<BackendReport> | undefined

  constructor(options: SeatbeltOptions = {}) {
    this.#sandboxExec = options.sandboxExec ?? SANDBOX_EXEC
    this.#uid = "uid" in options ? options.uid : process.getuid?.()
    this.#writer = new RuleWriter(options.writer)
    this.#path = options.path ?? ""
  }

  /** What is not installed may be by the next time. */
  async check(): Promise<BackendReport> {
    this.#report ??= this.#try()
    const report = await this.#report
    if (report.install !== undefined) this.#report = undefined
    return report
  }

  /** Each program's files go with the program. */
  close(): void {
    this.#report = undefined
    this.#writer.close()
  }

  async confine(request: ConfineRequest): Promise<Confined> {
    const report = await this.check()
    if (!report.available)
      throw new PincerError(
        "UNAVAILABLE",
        `The sandbox cannot be used, so nothing was run: ${report.detail}${report.install === undefined ? "" : `: install it with "${report.install}"`}`,
        { retryable: false },
      )
    return this.#confined(request)
  }

  async #confined(request: ConfineRequest): Promise<Confined> {
    const { egress: gate, profile } = request
    if (profile.network.length > 0 && !gate)
      throw new PincerError("UNAVAILABLE", `Sandbox profile "${profile.name}" has network, and nobody to decide it`)
    const temporary = realpathSync.native(mkdtempSync(join(tmpdir(), "pincer-tmp-")))
    const remove = async () => rmSync(temporary, { recursive: true, force: true })
    try {
      const open = gate !== undefined && profile.network.length + profile.loopbackPorts.length > 0
      const egress = open ? await openLoopbackEgress({ profile, gate }) : undefined
      const close = async () => {
        await egress?.close()
        await remove()
      }
      try {
        return { ...(await this.#program(request, temporary, egress?.port)), close }
      } catch (error) {
        await egress?.close()
        throw error
      }
    } catch (error) {
      await remove()
      throw error
    }
  }

  async #program(request: ConfineRequest, temporary: string, egressPort: number | undefined): Promise<Program> {
    const { hidden, profile, program, workspace } = request
    const rules = await this.#rules({
      profile: { ...profile, read: present(profile.read), write: present(profile.write) },
      workspace: resolved(workspace),
      git: profile.workspace === "read-write" ? kindOfGit(resolved(workspace)) : "none",
      hidden: [
        ...new Set([
          ...hidden.flatMap((path) => [path, resolved(path)]),
          ...secretsIn([workspace, ...profile.read, ...profile.write]),
        ]),
      ],
      temporary,
      egressPort,
      system: [
        ...present(SYSTEM).filter((path) => SYSTEM.includes(path)),
        ...present(toolFolders(this.#path, hidden, resolved(workspace))),
      ],
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

  /** Throws UNAVAILABLE for rules that are not those that were asked for. */
  async #rules(layout: SeatbeltLayout): Promise<string> {
    const asked = askedOf(layout)
    const said = await this.#writer.rulesFor(asked)
    const fault = said.type === "fault" ? said.fault : faultOf(said.rules, asked)
    if (said.type === "rules" && fault === undefined) return said.rules + guardsOf(layout)
    throw new PincerError(
      "UNAVAILABLE",
      said.type === "fault" ? said.fault : `The rules of ${PACKAGE} are not used: ${fault}`,
      {
        retryable: false,
      },
    )
  }

  async #try(): Promise<BackendReport> {
    const base = { backend: "seatbelt" as const, facts: FACTS, warnings: WARNINGS }
    const none = (detail: string, install?: string): BackendReport => ({
      ...{ ...base, available: false, detail, facts: [], warnings: [] },
      ...(install === undefined ? {} : { install }),
    })
    if (this.#uid === 0) return none("Pincer runs as root, and commands are never root: start it as an ordinary user")
    // Whether there is a package at all: its own refusal names the line that installs it.
    const said = await this.#writer.rulesFor(NOTHING)
    if (said.type === "fault") return none(said.fault, said.install)
    if (!isProgram(this.#sandboxExec)) return none(`${this.#sandboxExec} is not there: it is part of macOS`)
    const fault = await this.#trial()
    if (fault !== undefined) return none(`${this.#sandboxExec} does not confine here: ${fault}`)
    return { ...base, available: true, detail: `${this.#sandboxExec}, rules of ${PACKAGE} ${PACKAGE_VERSION}` }
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
  return realpathSync.native(mkdtempSync(join(tmpdir(), `pincer-seatbelt-${name}-`)))
}

function secretsIn(roots: readonly string[]): string[] {
  const places = present(roots).flatMap((root) => SECRETS.map((name) => join(root, name)))
  return places.filter((place) => lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === false)
}

/** Those that are there, as what they lead to. */
function present(paths: readonly string[]): string[] {
  return paths.filter((path) => existsSync(path)).map((path) => realpathSync.native(path))
}

/** What is not there is taken as it is written: it cannot lead elsewhere. */
function resolved(path: string): string {
  try {
    return realpathSync.native(path)
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
