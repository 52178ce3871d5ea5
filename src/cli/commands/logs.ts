// pincer logs: what the gateway wrote down.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"
import type { CommandGroup } from "./group.ts"

/** The same of `pincer logs` and `pincer logs tail`. */
function tailing(command: Command, cli: () => Cli): void {
  command
    .option("-f, --follow", "go on showing what comes")
    .option("-n, --lines <number>", "how many lines at most", "100")
    .option("--level <level>", "only lines of this level or above: debug, info, warn, error")
    .option("--session <key>", "only lines about this session; the end of its key is enough")
    .option("--agent <id>", "only lines about this agent")
    .option("--since <time>", "only lines from this time on: 30m, 12h, 7d, or a date")
    .option("--grep <text>", "only lines that hold this text, in whatever case")
    .option("--json", "print the lines as they are: one JSON object each")
    .action(async (_flags, called: Command) => {
      const { showLogs } = await import("../logs.ts")
      await showLogs(cli(), called.optsWithGlobals())
    })
}

export const logs: CommandGroup = (program, cli) => {
  const group = program
    .command("logs")
    .summary("show the gateway's log")
    .description(
      "Shows the gateway's log. Of this home it is read from the files, put-aside ones too, whether the gateway runs or not.",
    )
    .addHelpText("after", "\nExample:\n  pincer logs -f --level warn")
  tailing(group, cli)
  const tail = group
    .command("tail")
    .description("The same as pincer logs: its newest lines.")
    .addHelpText("after", "\nExample:\n  pincer logs tail -f --session main --since 1h")
  tailing(tail, cli)
  group
    .command("path")
    .description("Where the log is.")
    .option("--json", "print it, and the files that were put aside, as JSON")
    .addHelpText("after", '\nExample:\n  tail -f "$(pincer logs path)"')
    .action(async (_flags, called: Command) => {
      const { showLogPath } = await import("../logs.ts")
      showLogPath(cli(), called.optsWithGlobals())
    })
}
