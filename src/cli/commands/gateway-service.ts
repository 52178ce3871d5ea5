// pincer gateway install|uninstall: the gateway as a service of the system.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"

export function registerService(group: Command, cli: () => Cli): void {
  group
    .command("install")
    .description(
      "Makes the gateway of this home a service (systemd or launchd) that starts with the login or the machine, and starts it. Again, it updates the service. No secret is written into it.",
    )
    .option("--system", "a service of the machine; root's default")
    .option("--user", "a service of yours; the default for everybody else")
    .option("--run-as <user>", "with --system: as whom it runs; default: who called sudo, or you")
    .option("-H, --host <address>", "where it listens; default: the configuration's")
    .option("--port <number>", "default: the configuration's")
    .option("--dry-run", "print the unit or property list, and change nothing")
    .option("--no-start", "do not start it now")
    .option("--force", "replace a file that was not written by this command")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway install --dry-run\n  pincer --profile work gateway install")
    .action(async (flags) => {
      const { installService } = await import("../gateway-install.ts")
      await installService(cli(), flags)
    })
  group
    .command("uninstall")
    .description("Stops and removes the service of this home. The home stays as it is.")
    .option("--system", "the machine's; default: the one that is there")
    .option("--user", "yours")
    .option("--dry-run", "say what would be removed")
    .option("--force", "remove a file that was not written by pincer gateway install")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway uninstall")
    .action(async (flags) => {
      const { uninstallService } = await import("../gateway-install.ts")
      await uninstallService(cli(), flags)
    })
}
