// pincer logs: what the gateway wrote down.
import type { CommandGroup } from "./group.ts"

export const logs: CommandGroup = (program, cli) => {
  program
    .command("logs")
    .summary("show the gateway's log")
    .description("Shows the gateway's log. Of this home it is read from the file, whether the gateway runs or not.")
    .option("-f, --follow", "go on showing what comes")
    .option("-n, --lines <number>", "how many lines at most", "100")
    .option("--level <level>", "only lines of this level or above: debug, info, warn, error")
    .option("--json", "print the lines as they are: one JSON object each")
    .addHelpText("after", "\nExample:\n  pincer logs -f --level warn")
    .action(async (flags) => {
      const { showLogs } = await import("../logs.ts")
      await showLogs(cli(), flags)
    })
}
