// pincer plan: what agents declared that they mean to do.
import type { CommandGroup } from "./group.ts"

export const plan: CommandGroup = (program, cli) => {
  const group = program
    .command("plan")
    .alias("plans")
    .summary("see what agents mean to do, take it up again")
    .description("Plans that agents declared in their sessions, with what is done and what is left.")
  group
    .command("list")
    .alias("ls")
    .description("Lists plans, the one last spoken of first.")
    .option("--session <key>", "only those of this session")
    .option("-a, --agent <id>", "only those of this agent")
    .option("--open", "only those that are not done")
    .option("-n, --limit <number>", "how many at most", "20")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer plan list --open")
    .action(async (flags) => {
      const { listPlans } = await import("../plan.ts")
      await listPlans(cli(), flags)
    })
  group
    .command("show")
    .alias("get")
    .argument("<id>", "the plan, or a part of its id that no other has")
    .description("Shows a plan step by step.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer plan show 3f2a")
    .action(async (id: string, flags) => {
      const { showPlan } = await import("../plan.ts")
      await showPlan(cli(), id, flags)
    })
  group
    .command("resume")
    .argument("<id>", "the plan, or a part of its id that no other has")
    .description(
      "Has the agent go on with what is left, in the plan's session. Exit code 1 when there is nothing to do.",
    )
    .option("--wait", "wait for the end and print the answer")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer plan resume 3f2a --wait")
    .action(async (id: string, flags) => {
      const { resumePlan } = await import("../plan.ts")
      await resumePlan(cli(), id, flags)
    })
  group
    .command("delete")
    .alias("rm")
    .argument("<id>", "the plan, or a part of its id that no other has")
    .description("Forgets a plan; its session stays as it is.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer plan delete 3f2a")
    .action(async (id: string, flags) => {
      const { deletePlan } = await import("../plan.ts")
      await deletePlan(cli(), id, flags)
    })
}
