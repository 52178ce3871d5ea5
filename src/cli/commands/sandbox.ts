// pincer sandbox: what commands of agents may see, write and reach here; and a shell inside, for trying.
import type { CommandGroup } from "./group.ts"

export const sandbox: CommandGroup = (program, cli) => {
  const group = program
    .command("sandbox")
    .summary("what confines commands here, and a shell inside")
    .description("Commands of agents run in a sandbox. These look at it and try it; no gateway is needed.")
  group
    .command("check")
    .description(
      "Confines a harmless command for real and says what is confined here. Exit code 1 when nothing can be.",
    )
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer sandbox check --json")
    .action(async (flags) => {
      const { checkSandbox } = await import("../sandbox-view.ts")
      const { openSandbox } = await import("../../sandbox/index.ts")
      await checkSandbox(cli(), flags, openSandbox)
    })
  group
    .command("explain")
    .argument("[command...]", "a command, after --: also what would be decided about it, and why")
    .description("Shows the sandbox that an agent's commands get, and which setting each part comes from.")
    .option("--sandbox-profile <name>", "this profile instead of the agent's")
    .option("-a, --agent <id>", "of this agent; default: the default agent")
    .option("-S, --session <key>", "of the agent of this session")
    .option("--cwd <folder>", "in this workspace; default: where you are")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExamples:\n  pincer sandbox explain --agent main\n  pincer sandbox explain -- git push")
    .action(async (command: string[], flags) => {
      const { explainSandbox } = await import("../sandbox-view.ts")
      const { openSandbox } = await import("../../sandbox/index.ts")
      const room = command.length === 0 ? undefined : await import("../../gateway/policy/policy-trial.ts")
      const { recordedLeave } = await import("../../store/leave.ts")
      await explainSandbox(cli(), command, flags, openSandbox, room && { ...room, recordedLeave })
    })
  group
    .command("run")
    .argument("[command...]", "program and arguments, after --; default: a shell")
    .description("Runs a program as an agent's command would be run. It has this terminal's input and output.")
    .option("--sandbox-profile <name>", "this profile instead of the configured one")
    .option("--cwd <folder>", "the workspace; default: where you are")
    .addHelpText("after", "\nExample:\n  pincer sandbox run -- npm test")
    .action(async (command: string[], flags) => {
      const { runInSandbox } = await import("../sandbox-run.ts")
      const { openSandbox } = await import("../../sandbox/index.ts")
      const { commandEnvironment } = await import("../../tools/environment.ts")
      await runInSandbox(cli(), command, flags, openSandbox, commandEnvironment)
    })
}
