// pincer chat: the conversation.
import { addTurnFlags, type TurnFlags } from "../turn-flags.ts"
import type { CommandGroup } from "./group.ts"

export const chat: CommandGroup = (program, cli) => {
  addTurnFlags(program.command("chat"))
    .summary("open a conversation (also: pincer alone)")
    .description(
      "Opens a conversation in the terminal. Without a gateway on this home it starts one in the background.",
    )
    .addHelpText("after", "\nExample:\n  pincer chat --session work\nInside: /help")
    .action(async (flags: TurnFlags) => {
      const { converse } = await import("../converse.ts")
      await converse(cli(), flags)
    })
}
