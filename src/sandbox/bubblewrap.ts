// The Linux back end: bubblewrap, driven directly. The file system is a list of mounts (the system read-only, the workspace, a private
// /tmp); everything else is absent. Own process, network, IPC and host name spaces; no privileges, a seccomp filter, limits; and never
// effective root: a daemon that is root gives the program an ordinary user's rights. Without a network rule there is no network.
import { realpathSync, statSync } from "node:fs"
import { isAbsolute } from "node:path"
import { PincerError } from "../base/errors.ts"
import { setUpArgs, startArgs, type Tools } from "./bubblewrap-args.ts"
import { covers, isVisible, type Layout, mountsOf } from "./bubblewrap-mounts.ts"
import { type Abilities, findTools, type Places, tryOut } from "./bubblewrap-trial.ts"
import { openEgress } from "./egress.ts"
import { forwardedProgram } from "./forwarder-program.ts"
import { type GitGuard, guardGit } from "./git-guard.ts"
import { clampLimits, inheritedFiles, tasksOf } from "./host-process.ts"
import { installCommand } from "./install.ts"
import { OwnFiles, type UserIds } from "./own-files.ts"
import { folderNote, payloadUser } from "./payload-user.ts"
import { Pinned } from "./pinned.ts"
import type { BackendReport, Confined, ConfineRequest, SandboxBackend } from "./sandbox.ts"

export type BubblewrapOptions = Omit<Places, "inherited">

export class Bubblewrap implements SandboxBackend {
  readonly name = "bubblewrap"
  readonly #places: Places
  readonly #files = new OwnFiles()
  #trial: Promise<{ report: BackendReport; abilities: Abilities }> | undefined

  constructor(options: BubblewrapOptions) {
    this.#places = { ...options, inherited: inheritedFiles() }
  }

  async check(): Promise<BackendReport> {
    return (await this.#tried()).report
  }

  close(): void {
    this.#files.close()
  }

  async confine(request: ConfineRequest): Promise<Confined> {
    const { abilities, report } = await this.#tried()
    // It may have been there at the start and be gone now: looked for each time.
    const tools = findTools(this.#places)
    if (!report.available || tools.missing !== undefined) throw refusal(report, tools.missing)
    checkProgram(request)
    const { egress: gate, profile, workspace } = request
    if (profile.network.length + profile.loopbackPorts.length === 0)
      return this.#wrapped(tools.found, abilities, request, [])
    if (!gate)
      throw new PincerError("UNAVAILABLE", `Sandbox profile "${profile.name}" has network, and nobody to decide it`)
    const user = payloadUser(workspace, this.#places.uid)
    const egress = await openEgress({ profile, gate, ...(user ? { owner: user } : {}) })
    try {
      const { bind, program } = forwardedProgram(request.program, egress, profile.loopbackPorts)
      const wrapped = this.#wrapped(tools.found, abilities, { ...request, program }, bind)
      return { ...wrapped, close: () => wrapped.close().finally(() => egress.close()) }
    } catch (error) {
      await egress.close()
      throw error
    }
  }

  #tried(): Promise<{ report: BackendReport; abilities: Abilities }> {
    this.#trial ??= tryOut(this.#places, (tools, abilities, request) => this.#wrapped(tools, abilities, request, []))
    return this.#trial
  }

  #wrapped(tools: Tools, abilities: Abilities, request: ConfineRequest, bind: Layout["bind"]): Confined {
    const { hidden, profile, program, workspace } = request
    const user = payloadUser(workspace, this.#places.uid)
    const filter = this.#files.filter()
    const pinned = new Pinned(!abilities.bindFd)
    let guard: GitGuard | undefined
    try {
      if (profile.workspace === "read-write") guard = guardGit(workspace)
      const etc = this.#files.etc(user ?? ownIds())
      const path = program.env["PATH"] ?? ""
      const layout = {
        workspace,
        profile,
        hidden,
        bind,
        etc,
        path,
        pinned,
        sized: abilities.sized,
        frozen: guard?.paths ?? [],
      }
      checkVisible(program.file, layout)
      const mounts = mountsOf(layout)
      const { disableUserns } = abilities
      const args = this.#files.args(setUpArgs({ mounts, program, user, disableUserns, filter: filter !== undefined }))
      const limits = clampLimits(profile.limits, user ? tasksOf(user.uid) : 0)
      const held = { args: args.path, filter, redirections: pinned.redirections(), closed: this.#places.inherited }
      const start = startArgs({ tools, program, limits, user, ...held })
      const note = profile.workspace === "read-write" ? folderNote(workspace, user) : undefined
      return {
        ...start,
        cwd: "/",
        env: { PATH: "/usr/bin:/bin" },
        ...(note === undefined ? {} : { note }),
        close: async () => {
          pinned.close()
          args.remove()
          guard?.release()
        },
      }
    } catch (error) {
      pinned.close()
      guard?.release()
      throw error
    }
  }
}

function ownIds(): UserIds {
  return { uid: process.getuid?.() ?? 1000, gid: process.getgid?.() ?? 1000 }
}

function refusal({ available, detail, install }: BackendReport, missing: string | undefined): PincerError {
  const why = available ? `${missing} is not there any more` : detail
  const command = available ? installCommand("bubblewrap util-linux") : install
  const cure = command === undefined ? "" : `: install it with "${command}"`
  return new PincerError("UNAVAILABLE", `The sandbox cannot be used, so nothing was run: ${why}${cure}`, {
    retryable: false,
  })
}

/** What would otherwise end in a sentence of bubblewrap's, or be understood in two ways. */
function checkProgram({ program, profile, workspace }: ConfineRequest): void {
  const { args, cwd, env, file } = program
  const texts = [file, cwd, workspace, ...args, ...Object.entries(env).flat()]
  if (texts.some((text) => text.includes("\0")))
    throw new PincerError(
      "INVALID_PARAMS",
      "A program, its arguments and its environment must not hold a NUL character",
    )
  const name = Object.keys(env).find((one) => one === "" || one.includes("="))
  if (name !== undefined) throw new PincerError("INVALID_PARAMS", `"${name}" is no name of an environment variable`)
  if (file === "" || file.startsWith("-"))
    throw new PincerError("INVALID_PARAMS", `"${file}" is no program: give its name or its path`)
  if (!isAbsolute(workspace) || realOf(workspace) !== workspace)
    throw new PincerError(
      "INVALID_PARAMS",
      `${workspace} is not a folder, or reached through a link: give its own path`,
    )
  const real = realOf(cwd)
  if (real === undefined || ![workspace, ...profile.read, ...profile.write].some((one) => covers(one, real)))
    throw new PincerError(
      "INVALID_PARAMS",
      `The working directory ${cwd} is not in the workspace ${workspace}, and nothing else can be seen in the sandbox`,
    )
}

function realOf(path: string): string | undefined {
  try {
    const real = realpathSync(path)
    return statSync(real).isDirectory() ? real : undefined
  } catch {
    // Not there, or not to be looked at: the caller says that it cannot be used.
    return undefined
  }
}

function checkVisible(file: string, layout: Layout): void {
  if (!isAbsolute(file) || isVisible(file, layout)) return
  throw new PincerError(
    "UNAVAILABLE",
    `${file} cannot be seen in the sandbox: add its folder to sandbox.profiles.<name>.read, or use a program of /usr`,
    { retryable: false },
  )
}
