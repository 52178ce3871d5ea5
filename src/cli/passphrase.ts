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
  const [first, again] = await typed(cli, twice ? ["Passphrase: ", "Again: "] : ["Passphrase: "])
  if (twice && again !== first) throw new PincerError("INVALID_PARAMS", "The two passphrases differ: try again")
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

/** One answer to each prompt. The terminal is silent from before the first prompt until after the last answer. */
function typed(cli: Cli, prompts: readonly string[]): Promise<string[]> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  const answers: string[] = []
  cli.err.write(prompts[0] ?? "")
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      cli.err.line()
      answers.push(line)
      if (answers.length < prompts.length) {
        cli.err.write(prompts[answers.length] ?? "")
        return
      }
      resolve(answers)
      lines.close()
    })
    lines.once("SIGINT", () => lines.close())
    lines.once("close", () => reject(new PincerError("ABORTED", "No passphrase was typed")))
  })
}
