// pincer acp setup: attached to the group of `pincer acp`.
import type { Command } from "commander"
import type { AcpSetupFlags } from "../acp-setup.ts"
import type { Cli } from "../cli.ts"

export function registerAcpSetup(group: Command, cli: () => Cli): void {
  group
    .command("setup")
    .argument("<editor>", "zed, jetbrains, neovim or emacs")
    .summary("what an editor must be told to use Pincer")
    .description(
      "Prints the exact configuration with which an editor uses Pincer as an agent. With --write it is put into the editor's settings, after the difference was shown.",
    )
    .option("--write", "change the settings file (Zed, JetBrains); the one before is kept as .bak")
    .option("--yes", "write without a question")
    .option("--name <text>", "as the editor shows it", "Pincer")
    .option("--session <key>", "the session that every conversation goes on with")
    .option("--url <address>", "a gateway on another machine; with --token-file")
    .option("--json", "print it as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  pincer acp setup zed --write\n  pincer acp setup neovim >> ~/.config/nvim/lua/pincer.lua",
    )
    // "pincer acp" has flags of the same names, and takes them wherever they stand.
    .action(async (editor: string, _own: AcpSetupFlags, command: Command) => {
      const { setUpEditor } = await import("../acp-setup.ts")
      await setUpEditor(cli(), editor, command.optsWithGlobals<AcpSetupFlags>())
    })
}
