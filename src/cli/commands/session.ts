// pincer session: the conversations that the gateway keeps.
import { Option } from "commander"
import type { CommandGroup } from "./group.ts"
import { sessionChanges } from "./session-changes.ts"
import { sessionWays } from "./session-ways.ts"

export const session: CommandGroup = (program, cli) => {
  const group = program
    .command("session")
    .alias("sessions")
    .summary("list, show, export conversations")
    .description("The conversations that the gateway keeps.")
  group
    .command("list")
    .alias("ls")
    .description("Lists sessions, newest first.")
    .option("-n, --limit <number>", "how many at most", "20")
    .option("--search <text>", "only those with this in key, name, tags or title")
    .option("-a, --agent <id>", "only those of this agent")
    .option("--tag <tag>", "only those with this tag")
    .option("--group <name>", "only those of this group")
    .option("--archived", "only those that were put away")
    .option("--all", "those that were put away, too")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer session list --search report")
    .action(async (flags) => {
      const { listSessions } = await import("../sessions.ts")
      await listSessions(cli(), flags)
    })
  group
    .command("show")
    .alias("get")
    .argument("[key]", "the session", "main")
    .description("Shows the newest messages of a session.")
    .option("-n, --limit <number>", "how many messages at most", "50")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer session show main -n 10")
    .action(async (key: string, flags) => {
      const { showSession } = await import("../sessions.ts")
      await showSession(cli(), key, flags)
    })
  group
    .command("delete")
    .alias("rm")
    .argument("<key>", "the session")
    .description("Stops what runs in a session and deletes it with its messages.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer session delete work")
    .action(async (key: string, flags) => {
      const { deleteSession } = await import("../sessions.ts")
      await deleteSession(cli(), key, flags)
    })
  group
    .command("reset")
    .argument("[key]", "the session", "main")
    .description("Stops what runs in a session and empties it; its settings stay.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer session reset")
    .action(async (key: string, flags) => {
      const { resetSession } = await import("../sessions.ts")
      await resetSession(cli(), key, flags)
    })
  group
    .command("export")
    .argument("[key]", "the session", "main")
    .description("Writes a session as Markdown, or as JSON that can be imported again.")
    .option("--format <format>", "md or json", "md")
    .addOption(new Option("--export-format <format>", "the same").hideHelp())
    .option("-o, --output <file>", "where to; default: standard output")
    .option("--json", "the same as --format json")
    .addHelpText("after", "\nExample:\n  pincer session export main --format md -o main.md")
    .action(async (key: string, flags) => {
      const { exportSession } = await import("../sessions.ts")
      await exportSession(cli(), key, flags)
    })
  sessionChanges(group, cli)
  sessionWays(group, cli)
}
