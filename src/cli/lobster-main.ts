// The short way to `pincer lobster`: scripts start it often, so the command tree is left out.
import { readFileSync } from "node:fs"
import { asPincerError } from "../base/errors.ts"
import { inert } from "./inert.ts"
import { runLobster } from "./lobster.ts"

/** Runs it and ends the process when everything is written. */
export async function runLobsterMain(
  words: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { stderr, stdin, stdout } = process
  const version = /"version":\s*"([^"]+)"/.exec(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
  // Who reads only the beginning, as head does, has read enough.
  stdout.on("error", () => process.exit(0))
  stderr.on("error", () => process.exit(0))
  try {
    process.exitCode = await runLobster(words, {
      env: { ...process.env, ...more },
      cwd: process.cwd(),
      version: version?.[1] ?? "",
      interactive: stdin.isTTY === true && stderr.isTTY === true,
      out: (text) => void stdout.write(text),
      err: (text) => void stderr.write(text),
    })
  } catch (error) {
    stderr.write(`Error: ${inert(asPincerError(error).message)}\n`)
    process.exitCode = 1
  }
}
