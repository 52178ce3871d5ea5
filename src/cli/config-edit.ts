// `pincer config edit`: a person's editor on a copy of the file. What is saved is checked before it replaces anything; what is wrong with
// it is shown, and the copy is opened again or kept.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { asPincerError, PincerError } from "../base/errors.ts"
import { makeFolder } from "../base/folder.ts"
import { hashOf } from "../config/edit.ts"
import { readConfigFile } from "../config/load.ts"
import { envValue, resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { type JsonFlag, tell, withDoor } from "./configuration.ts"
import { inert } from "./inert.ts"

/** Opens $VISUAL, $EDITOR, or vi. Throws what the last try was refused with when nobody can be asked to mend it. */
export async function editConfig(cli: Cli, flags: JsonFlag): Promise<void> {
  const { config, home } = resolvePaths(cli.env, cli.flags)
  const before = readConfigFile(config)?.text
  makeFolder(home)
  // Beside the file, where its secrets are as safe, and with its name, so that editors know what it is.
  const folder = mkdtempSync(join(home, "config-edit-"))
  const copy = join(folder, "pincer.json")
  writeFileSync(copy, before ?? "{\n}\n", { mode: 0o600 })
  for (;;) {
    await runEditor(cli, copy)
    const after = readFileSync(copy, "utf8")
    if (after === (before ?? "{\n}\n")) {
      rmSync(folder, { recursive: true, force: true })
      if (flags.json) cli.out.json({ path: config, changed: [], restart: [], unchanged: true })
      else cli.out.line("Nothing was changed.")
      return
    }
    const refusal = await tryToWrite(cli, after, before, flags)
    if (!refusal) {
      rmSync(folder, { recursive: true, force: true })
      return
    }
    cli.err.line(inert(refusal.message))
    if (refusal.code === "CONFLICT" || !(await wantsAgain(cli)))
      throw new PincerError(refusal.code, `${config} is as before; what was edited is kept in ${copy}`, {
        cause: refusal,
      })
  }
}

async function tryToWrite(
  cli: Cli,
  after: string,
  before: string | undefined,
  flags: JsonFlag,
): Promise<PincerError | undefined> {
  try {
    await withDoor(cli, async (door) => {
      const outcome = await door.change({ type: "text", text: after }, hashOf(before))
      tell(cli, outcome, { edited: outcome.path }, `Changed ${outcome.path}.`, flags)
    })
    return undefined
  } catch (error) {
    return asPincerError(error)
  }
}

async function wantsAgain(cli: Cli): Promise<boolean> {
  if (!cli.interactive) return false
  const { createInterface } = await import("node:readline/promises")
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return !/^n/i.test((await lines.question("Open the editor again? [Y/n] ")).trim())
  } finally {
    lines.close()
  }
}

async function runEditor(cli: Cli, file: string): Promise<void> {
  const editor = envValue(cli.env, "VISUAL") ?? envValue(cli.env, "EDITOR") ?? "vi"
  // The variable holds a command with its flags ("code --wait"), as git and others read it.
  const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, editor, file], { stdio: "inherit", env: { ...cli.env } })
  const [code] = await once(child, "close")
  if (code !== 0)
    throw new PincerError(
      "ABORTED",
      `The editor "${editor}" ended with ${code}: nothing was changed (the copy is ${file})`,
    )
}
