// What runs models: node-llama-cpp, installed on demand into the home without its scripts and without the parts for other machines
// (85 MB instead of 725), or a llama-server that is there. Nothing of either is ever loaded into the gateway.
import { existsSync, readFileSync } from "node:fs"
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject, parseJson } from "../base/json.ts"
import { runProgram } from "../base/process.ts"
import { excerpt } from "../base/text.ts"

export type ModelEngine =
  /** `path`: the package's folder. */
  { type: "node-llama-cpp"; path: string; version: string } | { type: "llama-server"; path: string }

export const ENGINE_VERSION = "3.22.1"
const NAME = "node-llama-cpp"
/** The package with the machine code, by platform and architecture. */
const PLATFORMS: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "linux-arm": "linux-armv7l",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
}
const INSTALL_MS = 10 * 60_000
const MAX_SAID = 20_000

export function engineFolder(home: string): string {
  return join(home, "engine")
}

/** Ours first. A few looks at files, without starting anything. */
export function findEngine(home: string, path: string): ModelEngine | undefined {
  const own = join(engineFolder(home), "node_modules", NAME)
  const version = versionOf(own)
  if (version !== undefined) return { type: "node-llama-cpp", path: own, version }
  for (const folder of path.split(delimiter)) {
    if (folder === "") continue
    const file = join(folder, process.platform === "win32" ? "llama-server.exe" : "llama-server")
    if (existsSync(file)) return { type: "llama-server", path: file }
  }
  return undefined
}

function versionOf(folder: string): string | undefined {
  const file = join(folder, "package.json")
  if (!existsSync(file)) return undefined
  try {
    const said = parseJson(readFileSync(file, "utf8"))
    const version = isObject(said) ? said["version"] : undefined
    return typeof version === "string" ? version : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

export interface Installing {
  home: string
  /** Whole environment of npm: its settings, proxies and the way to programs. */
  env: Record<string, string>
  signal: AbortSignal
  /** The program to run; default npm. */
  npm?: string
  timeoutMs?: number
  platform?: string
  arch?: string
}

/** Installs beside what is there and puts it in place when it is complete. Throws UNAVAILABLE with what npm said. */
export async function installEngine(options: Installing): Promise<ModelEngine> {
  const { home, platform = process.platform, arch = process.arch } = options
  const binary = PLATFORMS[`${platform}-${arch}`]
  if (binary === undefined)
    throw new PincerError(
      "UNAVAILABLE",
      `${NAME} has no ready-made program for ${platform}-${arch}: install llama.cpp, whose llama-server is used when it is on the PATH`,
      { retryable: false },
    )
  const folder = engineFolder(home)
  const fresh = `${folder}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true, mode: 0o700 })
  try {
    await writeFile(join(fresh, "package.json"), `${JSON.stringify({ private: true, name: "pincer-engine" })}\n`)
    await runNpm(fresh, [`${NAME}@${ENGINE_VERSION}`, `@node-llama-cpp/${binary}@${ENGINE_VERSION}`], options)
    const modules = join(fresh, "node_modules")
    if (versionOf(join(modules, NAME)) !== ENGINE_VERSION || !existsSync(join(modules, "@node-llama-cpp", binary)))
      throw new PincerError("UNAVAILABLE", `npm ended without installing ${NAME} ${ENGINE_VERSION} for ${binary}`)
    await rm(folder, { recursive: true, force: true })
    await rename(fresh, folder)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw error
  }
  return { type: "node-llama-cpp", path: join(folder, "node_modules", NAME), version: ENGINE_VERSION }
}

async function runNpm(cwd: string, packages: readonly string[], options: Installing): Promise<void> {
  const { npm = "npm", timeoutMs = INSTALL_MS, env, signal } = options
  const flags = ["--omit=optional", "--ignore-scripts", "--save-exact", "--no-audit", "--no-fund", "--loglevel=error"]
  const run = await runProgram(npm, ["install", ...flags, ...packages], {
    cwd,
    env,
    signal,
    timeoutMs,
    maxChars: MAX_SAID,
  })
  if (run.canceled) throw new PincerError("ABORTED", "The installation was stopped; nothing of it is left")
  if (run.timedOut)
    throw new PincerError(
      "TIMEOUT",
      `npm was not done within ${Math.round(timeoutMs / 60_000)} minutes: check the network and the registry (npm config get registry)`,
    )
  if (run.exitCode !== 0)
    throw new PincerError(
      "UNAVAILABLE",
      `npm could not install ${packages.join(" and ")}: ${excerpt(run.output.trim() || "it said nothing", 600)}`,
    )
}

/** False when there was none. */
export async function removeEngine(home: string): Promise<boolean> {
  const folder = engineFolder(home)
  if (!existsSync(folder)) return false
  await rm(folder, { recursive: true, force: true })
  return true
}

/** Bytes that a folder takes. */
export async function sizeOfFolder(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    entries.filter((one) => one.isFile()).map(async (one) => (await stat(join(one.parentPath, one.name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
