// pincer doctor: looks at everything that can be wrong; changes something only when it was asked to, and can take that back.
import type { Command } from "commander"
import type { DoctorKit } from "../doctor.ts"
import type { CommandGroup } from "./group.ts"

async function kit(): Promise<DoctorKit> {
  const { chosen, examine, summaryOf } = await import("../../gateway/doctor/examine.ts")
  return { chosen, examine, summaryOf, ...(await repairing()) }
}

async function repairing() {
  const { plansOf, repair, repairs, shownPlan, undoRepair } = await import("../../gateway/doctor/repair.ts")
  return { plansOf, repair, repairs, shownPlan, undoRepair }
}

/** "a,b" and several times the same option. */
function names(given: string, before: string[] = []): string[] {
  return [
    ...before,
    ...given
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== ""),
  ]
}

export const doctor: CommandGroup = (program, cli) => {
  const group = program
    .command("doctor")
    .summary("look for what is wrong")
    .description(
      "Checks this machine, the home, the configuration, the database, the gateway and its model. Changes nothing unless --fix is given. Exit code 1 when something is wrong.",
    )
    .option("--only <ids>", "only these checks: ids, or the part before the dot", names)
    .option("--skip <ids>", "leave out these checks", names)
    .option("--security", "only what concerns safety: exposure, permissions, tokens, policies, sandbox")
    .option("--fix", "show what can be put right, ask, keep what was there, change it and look again")
    .option("-y, --yes", "with --fix: do not ask")
    .option("--strict", "exit code 1 also for warnings")
    .option("--list", "show the checks and look at nothing")
    .option("--json", "print the findings as JSON")
    .addHelpText("after", "\nExample:\n  pincer doctor --security --json")
    .action(async (flags) => {
      const { runDoctor } = await import("../doctor.ts")
      await runDoctor(cli(), flags, await kit())
    })
  group
    .command("undo")
    .argument("[id]", "of the repair; default: the newest that stands")
    .description("Takes back what doctor --fix changed. What was changed by others since stays, and is named.")
    .option("--list", "show the repairs of this home")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer doctor undo")
    .action(async (id: string | undefined, _flags, called: Command) => {
      const { undoDoctor } = await import("../doctor.ts")
      undoDoctor(cli(), id, called.optsWithGlobals(), await repairing())
    })
}
