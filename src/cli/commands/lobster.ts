// pincer lobster: Lobster's own command line. `main.ts` goes past this tree when it is the first word; here it stands for help, and for flags of
// ours before it.
import type { Cli } from "../cli.ts"
import { Exit } from "../report.ts"
import type { CommandGroup } from "./group.ts"

export const lobster: CommandGroup = (program, cli) => {
  program
    .command("lobster")
    .argument("[words...]", "what Lobster would be given")
    .summary("pipelines and workflow files with Lobster's own command line")
    .description(
      "Runs pipelines and workflow files with the command line of Lobster; its own help: pincer lobster help.",
    )
    .allowUnknownOption()
    .helpOption(false)
    .action(async (_words: string[], _flags, command) => {
      const { runLobsterMain } = await import("../lobster-main.ts")
      await runLobsterMain(command.args, homeOf(cli()))
      throw new Exit(Number(process.exitCode ?? 0))
    })
}

/** Lobster's words know no flags of ours: they are handed on as variables. */
function homeOf({ flags }: Cli): Record<string, string> {
  const named = { PINCER_HOME: flags.home, PINCER_PROFILE: flags.profile, PINCER_CONFIG: flags.config }
  return Object.fromEntries(Object.entries(named).filter((one): one is [string, string] => one[1] !== undefined))
}
