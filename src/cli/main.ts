// The program's entry. Asking for the version must cost next to nothing, so nothing is imported before that is ruled out. Editors wait for
// the bridge, so it is reached without the command tree.
import { readFileSync } from "node:fs"

const args = process.argv.slice(2)

if (args.length === 1 && (args[0] === "--version" || args[0] === "-v" || args[0] === "-V")) {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
  process.stdout.write(`${/"version":\s*"([^"]+)"/.exec(text)?.[1]}\n`)
} else if (args[0] === "acp" && (await import("./acp-words.ts")).needsTree(args.slice(1)) === false) {
  const { runAcpMain } = await import("./acp-main.ts")
  await runAcpMain(args.slice(1))
} else if (args[0] === "lobster") {
  const { runLobsterMain } = await import("./lobster-main.ts")
  await runLobsterMain(args.slice(1))
} else if (args[0] === "gateway" && args[1] === "call") {
  const { readCallWords, runCallMain } = await import("./gateway-call-main.ts")
  const words = readCallWords(args.slice(2))
  if (words) await runCallMain(words)
  else await (await import("./program.ts")).run(args)
} else {
  const { run } = await import("./program.ts")
  await run(args)
}
