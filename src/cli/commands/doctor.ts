// pincer doctor: looks at everything that can be wrong and changes nothing.
import type { CommandGroup } from "./group.ts"

export const doctor: CommandGroup = (program, cli) => {
  program
    .command("doctor")
    .summary("look for what is wrong; changes nothing")
    .description(
      "Checks this machine, the home, the configuration, the gateway and its model. Changes nothing. Exit code 1 when something is wrong.",
    )
    .option("--json", "print the checks as JSON")
    .addHelpText("after", "\nExample:\n  pincer doctor --json")
    .action(async (flags) => {
      const { examine } = await import("../doctor.ts")
      const { inspectDatabase } = await import("../../store/inspect.ts")
      const { configuredWarnings } = await import("../../gateway/policy-warnings.ts")
      await examine(cli(), flags, { inspectDatabase, policyWarnings: configuredWarnings })
    })
}
