// Where known agents are, without running anything: packages in the places where npm puts them, then programs on PATH. A folder that
// somebody works in counts only when it is handed in: what lies in a cloned repository must not run because it has the right name.
import { open, readFile, realpath, stat } from "node:fs/promises"
import { delimiter, dirname, isAbsolute, join, relative, resolve } from "node:path"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { isObject, parseJson } from "../../base/json.ts"
import type { KnownAgent } from "./known-agent.ts"

export interface AgentPlaces {
  /** The value of PATH; relative entries are passed over. */
  path: string
  /** Pincer's own home: <home>/agents is a prefix that npm may install into. */
  home: string
  /** The user's home folder. */
  userHome: string
  /** Its node_modules, and those of the folders above it, count too, last. */
  cwd?: string
  /** The Node that runs scripts. */
  node: string
  platform: NodeJS.Platform
}

export type AgentFinding =
  | { type: "found"; argv: [string, ...string[]]; version?: string; from: string }
  | { type: "missing"; install: string }

type Found = Extract<AgentFinding, { type: "found" }>

interface Root {
  /** A node_modules folder. */
  folder: string
  from: string
}

const MAX_MANIFEST_BYTES = 1_000_000

/** Never throws: what cannot be looked into holds nothing. */
export async function findAgent(agent: KnownAgent, places: AgentPlaces): Promise<AgentFinding> {
  for (const root of await globalRoots(places)) {
    const found = await inPackages(agent, root, places)
    if (found) return found
  }
  const onPath = await onThePath(agent, places)
  if (onPath) return onPath
  for (const root of foldersAbove(places.cwd)) {
    const found = await inPackages(agent, root, places)
    if (found) return found
  }
  return { type: "missing", install: agent.install }
}

/** What a person who asked for it is told. */
export function notInstalled(agent: KnownAgent): PincerError {
  return new PincerError("NOT_FOUND", `${agent.title} is not installed on the gateway's machine: ${agent.install}`, {
    details: { code: "AGENT_NOT_INSTALLED", agent: agent.name, install: agent.install },
  })
}

const KEPT_MS = 30_000

/** Finds with a memory of half a minute; an agent that was missing is looked for again when it is asked for. */
export class AgentFinder {
  readonly #places: AgentPlaces
  readonly #clock: Pick<Clock, "now">
  readonly #kept = new Map<string, { at: number; finding: Promise<AgentFinding> }>()

  constructor(places: AgentPlaces, clock: Pick<Clock, "now">) {
    this.#places = places
    this.#clock = clock
  }

  find(agent: KnownAgent): Promise<AgentFinding> {
    const kept = this.#kept.get(agent.name)
    const now = this.#clock.now()
    if (kept && now >= kept.at && now - kept.at < KEPT_MS) return kept.finding
    const finding = findAgent(agent, this.#places)
    this.#kept.set(agent.name, { at: now, finding })
    return finding
  }

  /** How it is started. Throws NOT_FOUND with the line that installs it. */
  async require(agent: KnownAgent): Promise<[string, ...string[]]> {
    let finding = await this.find(agent)
    if (finding.type === "missing") {
      this.#kept.delete(agent.name)
      finding = await this.find(agent)
    }
    if (finding.type === "found") return finding.argv
    throw notInstalled(agent)
  }
}

async function globalRoots({ home, path, platform, userHome }: AgentPlaces): Promise<Root[]> {
  const own = join(home, "agents")
  const roots = [own, join(own, "lib")].map((prefix) => ({ folder: join(prefix, "node_modules"), from: own }))
  for (const entry of pathEntries(path)) {
    // <prefix>/bin/npm leads to <prefix>/lib/node_modules/npm/bin/npm-cli.js; on Windows npm.cmd lies beside node_modules.
    const npm = await realpath(join(entry, "npm")).catch(() => undefined)
    const inside = npm?.replaceAll("\\", "/").match(/^(.*\/node_modules)\/npm\/bin\/npm-cli\.js$/)?.[1]
    if (npm === undefined) continue
    const beside = platform === "win32" ? join(entry, "node_modules") : join(dirname(entry), "lib", "node_modules")
    roots.push({ folder: inside ?? beside, from: "npm's global packages" })
  }
  const mine = join(userHome, ".npm-global")
  roots.push({ folder: join(mine, "lib", "node_modules"), from: mine })
  return roots.filter((root, index) => roots.findIndex((one) => one.folder === root.folder) === index)
}

function foldersAbove(cwd: string | undefined): Root[] {
  const roots: Root[] = []
  for (let folder = cwd; folder !== undefined; ) {
    roots.push({ folder: join(folder, "node_modules"), from: join(folder, "node_modules") })
    folder = dirname(folder) === folder ? undefined : dirname(folder)
  }
  return roots
}

async function inPackages(agent: KnownAgent, root: Root, places: AgentPlaces): Promise<Found | undefined> {
  for (const { name, bin } of agent.packages ?? []) {
    const folder = join(root.folder, ...name.split("/"))
    const manifest = await readManifest(folder)
    const file = manifest && (await programOf(folder, manifest["bin"], bin))
    const argv = file === undefined ? undefined : await startOf(file, places)
    if (!manifest || !argv) continue
    const [, ...args] = agent.command
    return { type: "found", argv: [...argv, ...args], ...versionOf(manifest), from: root.from }
  }
  return undefined
}

async function readManifest(folder: string): Promise<Record<string, unknown> | undefined> {
  const path = join(folder, "package.json")
  try {
    const { size } = await stat(path)
    if (size > MAX_MANIFEST_BYTES) return undefined
    const manifest: unknown = parseJson(await readFile(path, "utf8"))
    return isObject(manifest) ? manifest : undefined
  } catch {
    // Not there, not readable or no JSON: no package that we could use.
    return undefined
  }
}

/** The file that `bin` of a manifest names, if it is one and lies in the package. */
async function programOf(folder: string, bins: unknown, name: string): Promise<string | undefined> {
  const given = typeof bins === "string" ? bins : isObject(bins) ? bins[name] : undefined
  if (typeof given !== "string" || given === "") return undefined
  const file = resolve(folder, given)
  const inside = relative(folder, file)
  if (inside.startsWith("..") || isAbsolute(inside)) return undefined
  return (await isProgram(file, false)) ? file : undefined
}

/** Scripts for Node run under ours, so that no PATH decides which one that is. */
async function startOf(file: string, { node, platform }: AgentPlaces): Promise<[string, ...string[]] | undefined> {
  if (/\.[cm]?js$/.test(file) || (await firstLine(file)).match(/^#!.*\bnode\b/)) return [node, file]
  return (await isProgram(file, platform !== "win32")) ? [file] : undefined
}

async function firstLine(file: string): Promise<string> {
  const handle = await open(file, "r").catch(() => undefined)
  if (!handle) return ""
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0)
    return buffer.subarray(0, bytesRead).toString("latin1").split("\n", 1)[0] ?? ""
  } catch {
    // A folder, or a disk that fails: nothing to run either way.
    return ""
  } finally {
    await handle.close()
  }
}

async function onThePath(agent: KnownAgent, places: AgentPlaces): Promise<Found | undefined> {
  const [program, ...args] = agent.command
  const endings = places.platform === "win32" ? [".exe", ".cmd", ".bat"] : [""]
  for (const entry of pathEntries(places.path))
    for (const ending of endings) {
      const file = join(entry, program + ending)
      if (!(await isProgram(file, places.platform !== "win32"))) continue
      return { type: "found", argv: [file, ...args], ...(await versionAround(file)), from: "PATH" }
    }
  return undefined
}

function pathEntries(path: string): string[] {
  return [...new Set(path.split(delimiter))].filter((entry) => isAbsolute(entry))
}

async function isProgram(file: string, executable: boolean): Promise<boolean> {
  const found = await stat(file).catch(() => undefined)
  return found?.isFile() === true && (!executable || (found.mode & 0o111) !== 0)
}

/** The version of the package that a program on PATH belongs to, where it is one. */
async function versionAround(file: string): Promise<{ version?: string }> {
  let folder = dirname(await realpath(file).catch(() => file))
  for (let level = 0; level < 4 && folder.includes("node_modules"); level += 1) {
    const manifest = await readManifest(folder)
    if (manifest) return versionOf(manifest)
    folder = dirname(folder)
  }
  return {}
}

function versionOf(manifest: Record<string, unknown>): { version?: string } {
  const { version } = manifest
  return typeof version === "string" && /^[\w.+-]{1,64}$/.test(version) ? { version } : {}
}
