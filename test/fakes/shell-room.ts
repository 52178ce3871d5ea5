// A folder laid out for a line of shell, and the judge over it: facts, allow-list, and that nothing outside the folder is touched.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import type { TestContext } from "node:test"
import type { CommandFacts } from "../../src/policy/command.ts"
import { disk } from "../../src/policy/shell/disk.ts"
import { commandFacts } from "../../src/policy/shell/facts.ts"
import { matchesAll } from "../../src/policy/shell/match.ts"
import { filesOf } from "../../src/policy/shell/touched.ts"
import { ALLOWED, BASE, type SetupFile } from "../corpus/shell-case.ts"

const PATH = "/usr/local/bin:/usr/bin:/bin"

export interface ShellRoom {
  cwd: string
  /** A file that is not there, outside of the folder. */
  canary: string
  facts(command: string, more?: { shell?: string; env?: Record<string, string>; cwd?: string }): Promise<CommandFacts>
  lay(files: readonly SetupFile[]): Promise<void>
  /** The allow-list of the corpus, resolved here. */
  entries: string[][]
  /** Whether the line would run without asking. */
  allowed(facts: CommandFacts): boolean
}

export async function shellRoom(t: TestContext): Promise<ShellRoom> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "shell-")))
  t.after(() => rm(base, { recursive: true, force: true }))
  const [cwd, home, canary] = [join(base, "work"), join(base, "home"), join(base, "canary")]
  await mkdir(home)
  await mkdir(cwd)
  execFileSync("git", ["init", "-q", cwd], { env: { PATH, HOME: home, GIT_CONFIG_NOSYSTEM: "1" } })
  const lay = async (files: readonly SetupFile[]) => {
    for (const { path, content = "", mode, link } of files) {
      const full = join(cwd, path)
      await mkdir(dirname(full), { recursive: true })
      await rm(full, { force: true })
      if (link === undefined) await writeFile(full, fill(content, canary))
      else await symlink(fill(link, canary), full)
      if (mode !== undefined) await chmod(full, mode)
    }
  }
  await lay(BASE)
  const entries = await Promise.all(ALLOWED.map(resolveEntry))
  return {
    ...{ cwd, canary, lay, entries },
    facts: (command, more = {}) =>
      commandFacts(fill(command, canary), { cwd, env: { PATH, HOME: home }, shell: "/bin/bash", ...more }),
    allowed(facts) {
      const { reads, writes } = filesOf(facts)
      const inside = [...reads, ...writes].every((path) => path === cwd || path.startsWith(`${cwd}/`))
      return matchesAll(facts, entries) && inside
    },
  }
}

export function fill(text: string, canary: string): string {
  return text.replaceAll("{canary}", canary).replaceAll("{port}", "9")
}

async function resolveEntry([name, ...words]: readonly string[]): Promise<string[]> {
  let program = `/usr/bin/${name}`
  for (const folder of PATH.split(delimiter).reverse()) program = (await disk.real(join(folder, name!))) ?? program
  return [program, ...words.map((word) => (word.startsWith("hash of ") ? hashOf(word.slice(8)) : word))]
}

function hashOf(path: string): string {
  const file = BASE.find((one) => one.path === path)!
  return `sha256:${createHash("sha256").update(file.content!).digest("hex")}`
}
