// pincer update: is there a newer version, getting it, and what became of that.
import type { CommandGroup } from "./group.ts"

export const update: CommandGroup = (program, cli) => {
  const group = program
    .command("update")
    .summary("whether there is a newer version, and getting it")
    .description("Asks the package registry for the newest version and says what to type to get it. Changes nothing.")
    .option("--check", "exit code 1 when there is one, or when that cannot be known")
    .option("--run", "get it: the same as pincer update run")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", "\nExamples:\n  pincer update --check\n  pincer update run")
    .action(async (flags) => {
      if (flags.run) {
        await run(flags)
        return
      }
      const { showUpdate } = await import("../update.ts")
      const { checkUpdate } = await import("../../gateway/update-check.ts")
      await showUpdate(cli(), flags, checkUpdate)
    })
  group
    .command("run")
    .description(
      "Installs the newest version with the npm that put this one there, has it say its version, and restarts the gateway into it.",
    )
    .option("--to <version>", "this version; not an older one")
    .option("--timeout <seconds>", "how long npm may take", "300")
    .option("--no-restart", "leave the gateway as it runs")
    .option("--session <key>", "a session that is told afterwards what became of it")
    .option("--note <text>", "what is said there, too")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer backup create && pincer update run")
    .action((_flags, command) => run(command.optsWithGlobals()))
  group
    .command("history")
    .description("Updates that were made or tried, newest first.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer update history")
    .action(async (_flags, command) => {
      const { updateHistory } = await import("../update-run.ts")
      await updateHistory(cli(), command.optsWithGlobals())
    })

  async function run(flags: Record<string, unknown>): Promise<void> {
    const { runUpdate } = await import("../update-run.ts")
    const { UpdateDesk } = await import("../../gateway/update/desk.ts")
    const { systemClock } = await import("../../base/clock.ts")
    const { silentLogger } = await import("../../base/log.ts")
    const around = { clock: systemClock, log: silentLogger, node: process.execPath }
    await runUpdate(cli(), flags, ({ onWords, ...room }) => {
      const desk = new UpdateDesk({ ...around, ...room })
      desk.onChanged = ({ words }) => onWords(words ?? "")
      return desk
    })
  }
}
