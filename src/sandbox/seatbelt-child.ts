// A program of its own that has the package write rules, so that nothing of it is loaded into the daemon and its working folder, which the
// package puts into the rules, is one where nothing can be. Imports nothing but Node's own. It ends with whoever started it, and when
// nothing was asked for a while.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { RulesAnswer, RulesQuestion } from "./seatbelt-package.ts"

interface Manager {
  wrapWithSandbox(command: string, shell: string, config: object): Promise<unknown>
}

const IDLE_MS = 60_000
const SHELL = "/bin/sh"
/** The package shows what is run in the system's log: it is never told. */
const PLACEHOLDER = "true"

let manager: Manager | undefined

/** `order`: where to look for the package, its name and its only version. Throws a sentence. */
async function load([from, name, version]: string[]): Promise<Manager> {
  const require = createRequire(join(from!, "here.js"))
  let entry: string
  try {
    entry = require.resolve(name!)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") throw new Error("not installed")
    throw error
  }
  const folder = entry.slice(0, entry.lastIndexOf(name!) + name!.length)
  const said = (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version?: unknown }).version
  if (said !== version) throw new Error(`there in version ${String(said)}`)
  const loaded = (await import(pathToFileURL(entry).href)) as { SandboxManager?: Partial<Manager> }
  if (typeof loaded.SandboxManager?.wrapWithSandbox !== "function")
    throw new Error("there without SandboxManager.wrapWithSandbox")
  return loaded.SandboxManager as Manager
}

async function answer({ asked, id }: RulesQuestion): Promise<RulesAnswer> {
  let found: Manager
  try {
    found = manager ??= await load(process.argv.slice(2))
  } catch (error) {
    return { id, fault: sentence(error), isPackage: true }
  }
  const named = (paths: readonly string[]) => paths.map((path) => ({ path, literal: true }))
  const filesystem = {
    denyRead: named(asked.denyRead),
    allowRead: named(asked.read),
    allowWrite: named(asked.write),
    denyWrite: named(asked.denyWrite),
  }
  const network = { allowedDomains: [], deniedDomains: [] }
  try {
    const command = await found.wrapWithSandbox(PLACEHOLDER, SHELL, { network, filesystem })
    return { id, command: String(command) }
  } catch (error) {
    return { id, fault: sentence(error), isPackage: false }
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const idle = setTimeout(() => process.exit(0), IDLE_MS)
process.once("disconnect", () => process.exit(0))
process.on("message", (question: RulesQuestion) => {
  idle.refresh()
  void answer(question).then((said) => process.send?.(said))
})
