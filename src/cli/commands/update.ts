// pincer update: is there a newer version, and how to get it.
import type { CommandGroup } from "./group.ts"

export const update: CommandGroup = (program, cli) => {
  program
    .command("update")
    .summary("whether there is a newer version")
    .description("Asks the package registry for the newest version and says what to type to get it. Changes nothing.")
    .option("--check", "exit code 1 when there is one, or when that cannot be known")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", "\nExample:\n  pincer update --check")
    .action(async (flags) => {
      const { showUpdate } = await import("../update.ts")
      const { checkUpdate } = await import("../../gateway/update-check.ts")
      await showUpdate(cli(), flags, checkUpdate)
    })
}
