// pincer gateway: the daemon in the foreground or in the background.
import { type Command, Option } from "commander"
import { PincerError } from "../../base/errors.ts"
import type { Cli } from "../cli.ts"
import type { RunFlags } from "../gateway-run.ts"
import { registerAutonomy, registerRemote, targetOptions } from "./gateway-remote.ts"
import { registerService } from "./gateway-service.ts"
import type { CommandGroup } from "./group.ts"

/** With the names that PyClaw's command has for the same. */
function runOptions(command: Command): Command {
  return command
    .option("-H, --host <address>", "where it listens; default: 127.0.0.1, or the configuration's")
    .option("--port <number>", "default: 18789, or the configuration's")
    .option("--quiet", "no log on the terminal")
    .option(
      "--strict-config",
      "refuse to start with a configuration that is not valid, instead of using the last good one",
    )
    .addOption(new Option("--bind <address>", "the same as --host").hideHelp())
    .addOption(new Option("--auth-token <text>", "the same as --token").hideHelp())
}

async function run(cli: Cli, { bind, authToken, ...flags }: RunFlags & { bind?: string; authToken?: string }) {
  const { runGateway } = await import("../gateway-run.ts")
  const host = flags.host ?? bind
  const token = cli.flags.token ?? authToken
  await runGateway({ ...cli, flags: { ...cli.flags, ...(token === undefined ? {} : { token }) } }, { ...flags, host })
}

export const gateway: CommandGroup = (program, cli) => {
  const group = program
    .command("gateway")
    .summary("run, start, stop, install, ask the gateway")
    .description("The daemon that everything talks to. Alone it is the same as pincer gateway run.")
    .action(async (_flags, command: Command) => {
      const [word] = command.args
      if (word === undefined) return run(cli(), {})
      const { nearest, visible } = await import("../suggest.ts")
      const near = nearest(
        word,
        visible(command).map((one) => one.name()),
      )
      const meant = near === undefined ? 'see "pincer gateway --help"' : `did you mean "pincer gateway ${near}"?`
      throw new PincerError("INVALID_PARAMS", `Unknown command "gateway ${word}": ${meant}`)
    })
  runOptions(group.command("run"))
    .description("Runs the gateway in the foreground. The log goes to the terminal and to a file; Ctrl-C stops it.")
    .addHelpText("after", "\nExample:\n  pincer gateway run --port 18790")
    .action((flags) => run(cli(), flags))
  group
    .command("start")
    .description("Starts the gateway in the background and waits until it answers.")
    .option("-H, --host <address>", "where it listens")
    .option("--port <number>", "default: 18789, or the configuration's")
    .option("--json", "print what runs as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway start")
    .action(async (flags) => {
      const { startGateway } = await import("../gateway-control.ts")
      await startGateway(cli(), flags)
    })
  group
    .command("stop")
    .description("Asks the gateway of this home to stop and waits until it has.")
    .option("--timeout <seconds>", "longest wait; default: 30, with --force 5")
    .option("--force", "then end it at once, and kill it if need be; a turn that runs is interrupted")
    .option("--json", "print what was stopped as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway stop")
    .action(async (flags) => {
      const { stopGateway } = await import("../gateway-control.ts")
      await stopGateway(cli(), flags)
    })
  group
    .command("restart")
    .description(
      "Stops the gateway of this home and starts it again, with the flags that it had and the configuration as it is now.",
    )
    .option("-H, --host <address>", "where it listens")
    .option("--port <number>", "default: 18789, or the configuration's")
    .option("--timeout <seconds>", "longest wait for the stop; default: 30, with --force 5")
    .option("--force", "end it at once when it has not stopped by then")
    .option("--json", "print what runs as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway restart")
    .action(async (flags) => {
      const { restartGateway } = await import("../gateway-control.ts")
      await restartGateway(cli(), flags)
    })
  targetOptions(group.command("status"))
    .description(
      "Says in one line how it is, then the facts, its service among them, and for each problem the command that fixes it. Exit code 1 when it does not run.",
    )
    .option("--timeout <time>", "longest wait for its answer: milliseconds, or 10s, 2m", "5000")
    .option("--no-probe", "do not connect: what this machine shows of it")
    .option("--deep", "also ask whether the model service answers, and for room on the disk")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway status --deep\n  pincer gateway status --json")
    .action(async (flags) => {
      const { showStatus } = await import("../status.ts")
      await showStatus(cli(), flags)
    })
  registerRemote(group, cli)
  registerAutonomy(group, cli)
  registerService(group, cli)
  // Last, so that its commands do not take it over: they refuse what they do not know.
  group.allowExcessArguments()
}
