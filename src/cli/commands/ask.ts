// pincer ask, and the command that is meant when none is named.
import { type Command, Option } from "commander"
import type { AskFlags } from "../ask.ts"
import { addPermissionFlags } from "../permission-flags.ts"
import type { CommandGroup } from "./group.ts"

function withFlags(command: Command): Command {
  command
    .argument("[text...]", "what to ask; standard input is added to it")
    .option("-p, --prompt <text>", "what to ask; wins over the words")
    .addOption(new Option("-m, --message <text>", "the same").hideHelp())
    .option("-S, --session <key>", "go on with this session; default: a new one for each question")
    .option("-a, --agent <id>", "the agent that answers")
    .option("--model <name>", "the model that answers, as provider/model")
    .option("-C, --cwd <folder>", "where its tools work; default: the current folder")
    .option("--system <text>", "added to the agent's instructions for this question")
    .option("--thinking <level>", "off, minimal, low, medium, high or xhigh")
    .option("--elevated <level>", "let its commands leave the sandbox: on, ask, full, off; with minutes: ask:30")
    .option("--attach <file...>", "files to go with it: text, pictures, documents")
    .option("--timeout <seconds>", "end the turn after so long")
    .option("--format <format>", "text, json (one event a line) or quiet (the last words only)", "text")
    .option("--json", "the same as --format json")
  return addPermissionFlags(command)
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
        words.length > 0 || flags.prompt !== undefined || flags.message !== undefined || flags.attach !== undefined
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
