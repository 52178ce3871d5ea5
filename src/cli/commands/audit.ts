// pincer audit: what was decided and done, and whether that record is whole. It can be read and verified while no gateway runs.
import type { CommandGroup } from "./group.ts"

const offline = () => import("../../store/audit-file.ts")

export const audit: CommandGroup = (program, cli) => {
  const group = program
    .command("audit")
    .summary("what was decided and done; verify that record")
    .description(
      "The record of every decision and effect. It can only grow; what is changed or removed is found by verify.",
    )
  group
    .command("list")
    .alias("ls")
    .description("Lists the newest records.")
    .option("-n, --limit <number>", "how many at most", "50")
    .option("--after <number>", "those after this record, oldest first")
    .option("--session <key>", "only those of this session")
    .option("--tool <name>", "only those of this tool")
    .option("--type <type>", "only decision, effect, approval, elevated, egress, rule or audit")
    .option("--since <time>", "from this date on, or from so long ago: 30m, 12h, 7d")
    .option("--until <time>", "up to this date, or so long ago")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer audit list --tool Bash --since 7d")
    .action(async (flags) => {
      const { listAudit } = await import("../audit.ts")
      await listAudit(cli(), flags, await offline())
    })
  group
    .command("show")
    .argument("<number>", "of the record")
    .description("Shows all of one record.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer audit show 12")
    .action(async (number: string, flags) => {
      const { showAudit } = await import("../audit.ts")
      await showAudit(cli(), number, flags, await offline())
    })
  group
    .command("verify")
    .description("Checks every record and the anchor beside the database. Exit code 1 names the first bad record.")
    .option("--file <file>", "check an export instead")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer audit verify")
    .action(async (flags) => {
      const { verifyAudit } = await import("../audit.ts")
      await verifyAudit(cli(), flags, await offline())
    })
  group
    .command("export")
    .description("Writes all records, one JSON object a line, so that they can be verified on another machine.")
    .option("-o, --output <file>", "where to; default: standard output")
    .option("--json", "the same; the lines are JSON in any case")
    .addHelpText("after", "\nExample:\n  pincer audit export -o audit.jsonl")
    .action(async (flags) => {
      const { exportAudit } = await import("../audit.ts")
      await exportAudit(cli(), flags, await offline())
    })
  group
    .command("prune")
    .description(
      "Removes old records. A signed mark stays, from which the rest still verifies, and a record of who did it.",
    )
    .requiredOption("--before <time>", "a date, or how long ago: 90d")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer audit prune --before 2026-01-01")
    .action(async (flags) => {
      const { pruneAudit } = await import("../audit.ts")
      await pruneAudit(cli(), flags)
    })
}
