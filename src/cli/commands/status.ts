// pincer status: how it is, on one screen.
import type { CommandGroup } from "./group.ts"

export const status: CommandGroup = (program, cli) => {
  program
    .command("status")
    .summary("how it is, and what to do about it")
    .description(
      "Says in one line how it is, then the facts, and for each problem the command that fixes it. Exit code 1 when it does not run.",
    )
    .option("--deep", "also ask whether the model service answers, and for room on the disk")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer status")
    .action(async (flags) => {
      const { showStatus } = await import("../status.ts")
      await showStatus(cli(), flags)
    })
}
