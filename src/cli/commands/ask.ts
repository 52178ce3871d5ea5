// pincer ask, and the command that is meant when none is named.
import { type Command, Option } from "commander"
import { envValue } from "../../config/paths.ts"
import type { AskFlags } from "../ask.ts"
import { addTurnFlags } from "../turn-flags.ts"
import type { CommandGroup } from "./group.ts"

function withFlags(command: Command): Command {
  command
    .argument("[text...]", 'what to ask; standard input is added to it, and "-" is standard input alone')
    .option("-p, --prompt <text>", "what to ask; wins over the words")
    .addOption(new Option("-m, --message <text>", "the same").hideHelp())
    .option("--system <text>", "added to the agent's instructions for this question")
    .option("--attach <file...>", "files to go with it: text, pictures, documents")
    .option("--json-strict", "with --format json: nothing but JSON on standard output, nothing on standard error")
  return addTurnFlags(command)
}

export const ask: CommandGroup = (program, cli) => {
  withFlags(program.command("ask"))
    .alias("agent")
    .summary("ask one thing and leave")
    .description(
      "Asks one thing, shows the answer and leaves. Exit code: 0 done, 1 failed, 3 out of time, 5 not permitted, 130 canceled.",
    )
    .addHelpText(
      "after",
      '\nExample:\n  pincer ask "list the files here"\n  git diff | pincer ask "review this" --format quiet',
    )
    .action(async (words: string[], flags: AskFlags) => {
      const { ask: run } = await import("../ask.ts")
      await run(cli(), words, flags)
    })
  withFlags(program.command("implied", { isDefault: true, hidden: true })).action(
    async (words: string[], flags: AskFlags) => {
      const here = cli()
      const asks =
        words.length > 0 ||
        [flags.prompt, flags.message, flags.attach, flags.jsonStrict].some((flag) => flag !== undefined) ||
        envValue(here.env, "PINCER_PROMPT") !== undefined
      if (!asks && here.interactive) {
        const { converse } = await import("../converse.ts")
        await converse(here, flags)
        return
      }
      const { refuseMistyped } = await import("../suggest.ts")
      refuseMistyped(words, program)
      const { ask: run } = await import("../ask.ts")
      await run(here, words, flags)
    },
  )
}
