// One question with yes or no, for what cannot simply be done again.
import { createInterface } from "node:readline"
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"

/** Whether the person says yes. `yes`: said already by a flag. Throws INVALID_PARAMS when nobody can be asked. */
export async function confirmed(cli: Cli, question: string, yes: boolean): Promise<boolean> {
  if (yes) return true
  if (!cli.interactive)
    throw new PincerError("INVALID_PARAMS", `${question} Nobody can be asked here: add --yes if that is meant`)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await new Promise<string>((resolve) => {
      lines.question(`${question} [y/N] `, resolve)
      lines.once("close", () => resolve(""))
    })
    return /^\s*(?:y|yes|是|好)\s*$/i.test(answer)
  } finally {
    lines.close()
  }
}
