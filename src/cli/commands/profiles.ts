// pincer profiles: separate homes, each a Pincer of its own.
import type { CommandGroup } from "./group.ts"

export const profiles: CommandGroup = (program, cli) => {
  const group = program
    .command("profiles")
    .summary("separate homes with gateways of their own")
    .description("The profiles of this user: each has its own home, configuration, database, token and gateway.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer profiles add work && pincer --profile work gateway start")
    .action(async (flags) => {
      const { listProfiles } = await import("../profiles.ts")
      listProfiles(cli(), flags)
    })
  group
    .command("list")
    .description("Shows the profiles, their ports, and where their gateways run.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer profiles list --json")
    .action(async (_flags, command) => {
      const { listProfiles } = await import("../profiles.ts")
      listProfiles(cli(), command.optsWithGlobals())
    })
  group
    .command("add")
    .argument("<name>", "letters, digits, - and _")
    .description("Makes a home and a configuration with a port that no other profile has.")
    .option("--port <number>", "the port; default: the next one")
    .option("--json", "print what was made as JSON")
    .addHelpText("after", "\nExample:\n  pincer profiles add work --port 18800")
    .action(async (name: string, _flags, command) => {
      const { addProfile } = await import("../profiles.ts")
      await addProfile(cli(), name, command.optsWithGlobals())
    })
}
