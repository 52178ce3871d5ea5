// The short way to `pincer acp`: from the arguments to the bridge without the command tree.
import { readFileSync } from "node:fs"
import { asPincerError, ERROR_TABLE } from "../base/errors.ts"
import { readAcpWords } from "./acp-words.ts"
import type { Cli } from "./cli.ts"
import { runAcp } from "./commands/acp.ts"
import { inert } from "./inert.ts"
import { Screen } from "./screen.ts"

/** Runs it and ends the process. */
export async function runAcpMain(words: readonly string[]): Promise<never> {
  const { env } = process
  // Whoever prints lands beside the protocol.
  const err = new Screen({ stream: process.stderr, env })
  process.stdout.on("error", () => process.exit(0))
  process.stderr.on("error", () => process.exit(0))
  let code: number
  try {
    const { acp, global } = readAcpWords(words)
    const version = /"version":\s*"([^"]+)"/.exec(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    const cli: Cli = {
      env,
      flags: global,
      out: err,
      err,
      version: version?.[1] ?? "",
      cwd: process.cwd(),
      interactive: false,
      verbose: global.verbose === true,
    }
    code = await runAcp(cli, acp)
  } catch (error) {
    const refusal = asPincerError(error)
    err.line(`pincer: ${inert(refusal.message)}`)
    code = ERROR_TABLE[refusal.code].exit
  }
  process.exit(code)
}
