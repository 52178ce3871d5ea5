// pincer chat: the conversation.
import { addPermissionFlags } from "../permission-flags.ts"
import type { CommandGroup } from "./group.ts"

export const chat: CommandGroup = (program, cli) => {
  addPermissionFlags(program.command("chat"))
    .summary("open a conversation (also: pincer alone)")
    .description(
      "Opens a conversation in the terminal. Without a gateway on this home it starts one in the background.",
    )
    .option("-S, --session <key>", 'the session to go on with; default: "main"')
    .option("-a, --agent <id>", "the agent that answers")
    .option("--model <name>", "the model that answers, as provider/model")
    .option("-C, --cwd <folder>", "where its tools work; default: the current folder")
    .option("--thinking <level>", "off, minimal, low, medium, high or xhigh")
    .option("--elevated <level>", "let its commands leave the sandbox: on, ask, full, off; with minutes: ask:30")
    .addHelpText("after", "\nExample:\n  pincer chat --session work\nInside: /help")
    .action(async (flags) => {
      const { converse } = await import("../converse.ts")
      await converse(cli(), flags)
    })
}
