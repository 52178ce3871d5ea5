// A passphrase without its ever standing in a command line, where other users could read it: from a file, from the environment, or typed
// at a terminal that does not show it.
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { Writable } from "node:stream"
import { PincerError } from "../base/errors.ts"
import { envValue, expandPath } from "../config/paths.ts"
import type { Cli } from "./cli.ts"

export const PASSPHRASE_VARIABLE = "PINCER_BACKUP_PASSPHRASE"

/** Undefined when none was given and nobody can be asked. `twice`: typed again, so that a slip does not lock a backup for ever. */
export async function passphraseOf(
  cli: Cli,
  { file, twice }: { file?: string | undefined; twice: boolean },
): Promise<string | undefined> {
  if (file !== undefined) return fromFile(expandPath(file, cli.env, cli.cwd))
  const variable = envValue(cli.env, PASSPHRASE_VARIABLE)
  if (variable !== undefined) return variable
  if (!cli.interactive) return undefined
  const first = await typed(cli, "Passphrase: ")
  if (twice && (await typed(cli, "Again: ")) !== first)
    throw new PincerError("INVALID_PARAMS", "The two passphrases differ: try again")
  return first
}

function fromFile(path: string): string {
  try {
    const text = readFileSync(path, "utf8").replace(/\r?\n$/, "")
    if (text === "") throw new PincerError("INVALID_PARAMS", `--passphrase-file: ${path} is empty`)
    return text
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("NOT_FOUND", `--passphrase-file: ${path} cannot be read`, { cause: error })
  }
}

function typed(cli: Cli, prompt: string): Promise<string> {
  cli.err.write(prompt)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  return new Promise((resolve, reject) => {
    lines.once("line", (line) => {
      cli.err.line()
      lines.close()
      resolve(line)
    })
    lines.once("SIGINT", () => lines.close())
    lines.once("close", () => reject(new PincerError("ABORTED", "No passphrase was typed")))
  })
}
