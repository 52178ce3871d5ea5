// pincer approvals: what waits for a human, and the rules that answers wrote.
import type { CommandGroup } from "./group.ts"

export const approvals: CommandGroup = (program, cli) => {
  const group = program
    .command("approvals")
    .alias("approval")
    .summary("answer what waits for you, see and forget rules")
    .description("What waits for a human's answer, and what answers allowed for longer.")
  group
    .command("list")
    .alias("ls")
    .description("Lists what waits, oldest first.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer approvals list")
    .action(async (flags) => {
      const { listApprovals } = await import("../approvals.ts")
      await listApprovals(cli(), flags)
    })
  group
    .command("show")
    .argument("<id>", "the approval, or a part of its id that no other has")
    .description("Shows one approval in full, decided or not.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer approvals show 3f2a")
    .action(async (id: string, flags) => {
      const { showApproval } = await import("../approvals.ts")
      await showApproval(cli(), id, flags)
    })
  group
    .command("allow")
    .argument("<id>", "the approval, or a part of its id that no other has")
    .description("Allows it, once unless a flag says more.")
    .option("--session", "also when exactly this is wanted again in its session")
    .option("--always", "write the rule that it offers (see: pincer approvals show)")
    .option("--answer <json>", "what is answered to a question: its fields as a JSON object")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer approvals allow 3f2a --session")
    .action(async (id: string, flags) => {
      const { allowApproval } = await import("../approvals.ts")
      await allowApproval(cli(), id, flags)
    })
  group
    .command("deny")
    .argument("<id>", "the approval, or a part of its id that no other has")
    .description("Refuses it.")
    .option("--reason <text>", "why; the model is told")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", '\nExample:\n  pincer approvals deny 3f2a --reason "use the test database"')
    .action(async (id: string, flags) => {
      const { denyApproval } = await import("../approvals.ts")
      await denyApproval(cli(), id, flags)
    })
  group
    .command("rules")
    .description("Lists what answers allowed for longer: rules of agents, calls for the rest of their session.")
    .option("-a, --agent <id>", "only those of this agent")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer approvals rules --agent main")
    .action(async (flags) => {
      const { listRules } = await import("../approvals.ts")
      await listRules(cli(), flags)
    })
  group
    .command("forget")
    .argument("<id>", "the rule, or a part of its id that no other has")
    .description("Removes a rule: what it let pass asks again.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer approvals forget 91c0")
    .action(async (id: string, flags) => {
      const { forgetRule } = await import("../approvals.ts")
      await forgetRule(cli(), id, flags)
    })
  group
    .command("watch")
    .description(
      "Asks as questions come, of all sessions, until Ctrl-C. In a pipe it only prints them, one JSON object a line.",
    )
    .addHelpText("after", "\nExample:\n  pincer approvals watch")
    .action(async () => {
      const { watchApprovals } = await import("../approvals-watch.ts")
      await watchApprovals(cli())
    })
}
