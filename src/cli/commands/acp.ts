// pincer acp: this program as an ACP agent for editors, and what belongs to that.
import type { Command } from "commander"
import type { AcpFlags } from "../acp.ts"
import type { Cli } from "../cli.ts"
import { Exit } from "../report.ts"
import { registerAcpClient } from "./acp-client.ts"
import { registerAcpSetup } from "./acp-setup.ts"
import type { CommandGroup } from "./group.ts"

/** Serves until the client goes; the exit code. */
export async function runAcp(cli: Cli, flags: AcpFlags): Promise<number> {
  const { serveAcp } = await import("../acp.ts")
  return serveAcp(cli, flags, () => import("../../acp/bridge/bridge.ts"))
}

export const acp: CommandGroup = (program, cli) => {
  const group = program
    .command("acp")
    .summary("this program as an agent for editors (ACP)")
    .description(
      "Speaks the Agent Client Protocol on standard input and output: editors and other ACP clients start it. Sessions are the gateway's; a gateway is started when none runs.",
    )
  options(group)
    .addHelpText(
      "after",
      "\n--token, --token-file and --verbose as everywhere.\n\nExample:\n  pincer acp\n  pincer acp --url wss://gateway-host:18789 --token-file ~/gateway.token\n  pincer acp --session agent:main:main",
    )
    .action(async (flags: AcpFlags & { gatewayUrl?: string }) => {
      throw new Exit(await runAcp(cli(), { ...flags, url: flags.url ?? flags.gatewayUrl }))
    })
  registerAcpClient(group, cli)
  registerAcpSetup(group, cli)
}

function options(group: Command): Command {
  return group
    .option("--url <address>", "a gateway by its address; only --token or --password go with it")
    .option("--gateway-url <address>", "the same")
    .option("--password <text>", "its password; --password-file shows it to fewer eyes")
    .option("--password-file <path>", "a file that holds its password")
    .option("--session <key>", "the session that new conversations go on with")
    .option("--session-label <label>", "the same by its label; it must exist")
    .option("--require-existing", "refuse a session that does not exist")
    .option("--reset-session", "empty the session before its first use")
    .option("--no-prefix-cwd", "accepted: the folder is never put before what you say")
    .option("--provenance <what>", "tell the model where prompts come from: off, meta or meta+receipt")
    .option("--protocol-2", "answer version 2 of ACP, a draft, to clients that ask for it")
}
