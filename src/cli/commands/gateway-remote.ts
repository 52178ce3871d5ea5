// pincer gateway call|probe|discover: any gateway, here or elsewhere, asked directly.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"

/** The flags that say which gateway; --token and --token-file are everywhere. */
export function targetOptions(command: Command): Command {
  return command
    .option("--url <address>", "a gateway by its address, for example ws://127.0.0.1:18789; the same as --server")
    .option("--password <text>", "its token by another name")
}

export function registerAutonomy(group: Command, cli: () => Cli): void {
  const autonomy = group
    .command("autonomy")
    .description(
      "Whether work begins by itself: ticks of schedules and heartbeats. While it is off, each is recorded as skipped; what you start yourself runs. It counts at once and stays over restarts.",
    )
    .addHelpText("after", "\nExample:\n  pincer gateway autonomy off\n  pincer gateway autonomy status --json")
  for (const [word, enabled, what] of [
    ["on", true, "Lets work begin by itself."],
    ["off", false, "Lets no work begin by itself; what runs goes on."],
  ] as const)
    targetOptions(autonomy.command(word))
      .description(what)
      .option("--json", "print the state as JSON")
      .addHelpText("after", `\nExample:\n  pincer gateway autonomy ${word}`)
      .action(async (flags) => {
        const { setAutonomy } = await import("../gateway-autonomy.ts")
        await setAutonomy(cli(), enabled, flags)
      })
  targetOptions(autonomy.command("status", { isDefault: true }))
    .description("Says whether it is on, why, since when, and what of it there is.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway autonomy status")
    .action(async (flags) => {
      const { showAutonomy } = await import("../gateway-autonomy.ts")
      await showAutonomy(cli(), flags)
    })
}

export function registerRemote(group: Command, cli: () => Cli): void {
  targetOptions(group.command("call"))
    .argument("<method>", "for example health or sessions.list")
    .description(
      "Calls one method of the control plane and prints its answer as JSON. docs/protocol.md lists them all.",
    )
    .option("--params <json>", 'what it is called with: JSON, "@file", or "-" for standard input', "{}")
    .option("--expect-final", "of methods that answer twice (agent), wait for the second answer")
    .option("--stream", "print every answer and event on the way, one JSON a line; implies --expect-final")
    .option("--timeout <time>", "longest wait: milliseconds, or 10s, 2m", "30000")
    .option("--json", "errors as JSON, too")
    .addHelpText(
      "after",
      `\nExample:\n  pincer gateway call health\n  pincer gateway call agent --expect-final --params '{"message": "hello"}'`,
    )
    .action(async (method: string, flags) => {
      const { callMethod } = await import("../gateway-call.ts")
      await callMethod(cli(), method, flags)
    })
  targetOptions(group.command("probe"))
    .description(
      "Says which gateways can be reached and whether they let this command in: the one that is named, that of this home, and with --discover those on the network. Exit code 1 when none does.",
    )
    .option("--timeout <time>", "longest wait for each: milliseconds, or 10s, 2m", "5000")
    .option("--discover", "also those that announce themselves; they are shown no token")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway probe --url wss://gateway-host --token-file ~/gateway.token")
    .action(async (flags) => {
      const { probeGateways } = await import("../gateway-probe.ts")
      await probeGateways(cli(), flags)
    })
  group
    .command("discover")
    .description(
      "Lists the gateway of this home and those that announce themselves on the local network (mDNS). What they say of themselves is not checked.",
    )
    .option("--timeout <time>", "how long to listen: milliseconds, or 10s", "2000")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway discover --timeout 5s")
    .action(async (flags) => {
      const { discoverGateways } = await import("../gateway-discover.ts")
      await discoverGateways(cli(), flags)
    })
}
