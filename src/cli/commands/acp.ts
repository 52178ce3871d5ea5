// pincer acp: this program as an ACP agent for editors, and what belongs to that.
import { registerAcpClient } from "./acp-client.ts"
import { registerAcpSetup } from "./acp-setup.ts"
import type { CommandGroup } from "./group.ts"

export const acp: CommandGroup = (program, cli) => {
  const group = program
    .command("acp")
    .summary("try ACP agents by hand")
    .description("The Agent Client Protocol, which editors speak with agents.")
  registerAcpClient(group, cli)
  registerAcpSetup(group, cli)
}
