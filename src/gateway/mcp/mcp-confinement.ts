// What is started instead of an MCP server's program. Where this machine has a sandbox a server is confined unless the owner says
// otherwise: it sees its folder, what its own words name, and the web; not the user's home, keys, or other programs' services.
import { existsSync, mkdirSync, realpathSync, statSync } from "node:fs"
import { dirname, isAbsolute, join, resolve } from "node:path"
import type { Rights } from "../../agent/rights.ts"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"
import type { McpServerSettings } from "../../config/mcp.ts"
import { isInside } from "../../policy/places.ts"
import type { Sandbox } from "../../sandbox/index.ts"
import { refuseOpening } from "../../sandbox/profile.ts"
import type { Confined, Program, SandboxProfile } from "../../sandbox/sandbox.ts"
import { AuditedEgress } from "../policy/audited-egress.ts"

/** Of servers for which no profile is named. */
const DEFAULT_PROFILE = "workspace+net"
/** A server lives long: it may compute for a year. */
const CPU_SECONDS = 31_536_000

interface Rooms {
  clock: Clock
  home: string
  log: Logger
  rights: Pick<Rights, "audit">
  sandbox: Sandbox
}

/** Throws UNAVAILABLE when a sandbox is demanded that is not there, NOT_FOUND for a folder that does not exist. */
export async function confineServer(
  { clock, home, log, rights, sandbox }: Rooms,
  name: string,
  settings: McpServerSettings,
  program: Program,
): Promise<Confined> {
  const cwd = folderOf(program.cwd, home, sandbox)
  const free: Confined = { ...program, cwd, close: async () => undefined }
  const wanted = settings.sandbox
  if (wanted === "off") return free
  if (wanted === "auto" && !(await sandbox.report()).available) {
    log.warn({ server: name }, "This machine has no sandbox: the MCP server runs as you do")
    return free
  }
  const from = sandbox.profile(wanted === "auto" ? DEFAULT_PROFILE : wanted)
  for (const path of settings.read) refuseOpening(path, `of MCP server ${name}`, [home])
  for (const path of settings.write) refuseOpening(path, `of MCP server ${name}`, [home], true)
  const named = namedBy(program, cwd, home)
  const write = [...from.write, ...settings.write, ...named.write]
  const profile: SandboxProfile = {
    ...from,
    write,
    read: [...from.read, ...settings.read, ...named.read].filter((path) => !write.some((one) => isInside(path, one))),
    limits: { ...from.limits, cpuSeconds: CPU_SECONDS },
  }
  const where = { agentId: "", sessionKey: "", turnId: "", callId: "", tool: `mcp:${name}`, profile: profile.name }
  const egress = new AuditedEgress({ ...where, workspace: cwd }, (entry) => rights.audit({ ...entry, at: clock.now() }))
  const confined = await sandbox.confine({ program: { ...program, cwd }, workspace: cwd, profile, egress })
  return { ...confined, close: () => confined.close().finally(() => egress.close()) }
}

/** Symlinks resolved. Folders of ours are made. */
function folderOf(cwd: string, home: string, sandbox: Sandbox): string {
  if (isInside(cwd, home)) {
    mkdirSync(cwd, { recursive: true, mode: 0o700 })
    sandbox.handOver(cwd)
  }
  try {
    return realpathSync(cwd)
  } catch (error) {
    throw new PincerError("NOT_FOUND", `its folder ${cwd} does not exist: make it, or change "cwd"`, { cause: error })
  }
}

/**
 * Paths that stand in the server's own words, which the owner wrote: folders are the server's to work in, files and their package may
 * be read. What would open the sandbox is left out.
 */
function namedBy({ args, file }: Program, cwd: string, home: string): { read: string[]; write: string[] } {
  const read = new Set<string>()
  const write = new Set<string>()
  const isNew = (path: string) => !isInside(path, cwd) && !isInside(path, "/usr")
  for (const [at, word] of [file, ...args].entries()) {
    // As it is written and as what it leads to: programs look at both.
    for (const path of isAbsolute(word) && existsSync(word) ? new Set([resolve(word), realpathSync(word)]) : []) {
      if (!isNew(path)) continue
      const isFolder = statSync(path).isDirectory()
      if (isFolder && at > 0 && mayOpen(path, home, true)) write.add(path)
      if (isFolder) continue
      const place = packageOf(path)
      if (mayOpen(place, home, false)) read.add(place)
      else if (mayOpen(path, home, false)) read.add(path)
    }
  }
  return { read: [...read], write: [...write] }
}

/** The folder with everything that a program's file needs: that of its package and those beside it, else its own. */
function packageOf(file: string): string {
  const modules = /^(.*?\/node_modules)\//.exec(file)?.[1]
  if (modules !== undefined) return modules
  for (let folder = dirname(file); folder !== "/"; folder = dirname(folder))
    if (existsSync(join(folder, "package.json")) || existsSync(join(folder, "pyproject.toml"))) return folder
  return dirname(file)
}

function mayOpen(path: string, home: string, writable: boolean): boolean {
  try {
    refuseOpening(path, "", [home], writable)
    return true
  } catch (error) {
    if (error instanceof PincerError) return false
    throw error
  }
}
