// pincer acp client: attached to the group of `pincer acp`.
import type { Command } from "commander"
import type { AcpClientFlags } from "../acp-client.ts"
import type { Cli } from "../cli.ts"

export function registerAcpClient(group: Command, cli: () => Cli): void {
  group
    .command("client")
    .summary("talk to an ACP agent by hand")
    .description(
      "Starts an ACP agent, by default this program's own bridge, and lets you talk to it: to see whether it works without an editor. Reads below the folder and searches are allowed, everything else is asked for; without a terminal it is refused.",
    )
    .option("--cwd <folder>", "the folder of the session; default: the current one")
    .option("--server-command <program>", "written as --server: the program that is started instead of the bridge")
    .option("--server-args <words>", "everything after it goes to the server; for the bridge after its own word acp")
    .option("--server-verbose", "start the server with --verbose")
    .addHelpText(
      "after",
      "\n-v, --verbose shows every message.\n\nExample:\n  pincer acp client\n  pincer acp client --server-args --url wss://gateway-host:18789 --token-file ~/gateway.token\n  pincer acp client --server node --server-args my-agent.js --acp",
    )
    .action(async (flags: AcpClientFlags) => {
      const { runAcpClient } = await import("../acp-client.ts")
      const { openClient } = await import("../../acp/client/client.ts")
      const { chooseOption, decidePermission } = await import("../../acp/client/decide.ts")
      const { services } = await import("../../providers/services.ts")
      const keyNames = services.flatMap((row) => row.keyEnv)
      await runAcpClient(cli(), flags, { openClient, decidePermission, chooseOption, keyNames })
    })
}
