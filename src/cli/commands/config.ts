// pincer config: the configuration, through the gateway that runs with it or on the file itself.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"
import type { CommandGroup } from "./group.ts"

export const config: CommandGroup = (program, cli) => {
  const group = program
    .command("config")
    .summary("read and change the configuration")
    .description(
      "The configuration. A change through these commands is checked as a whole, kept for undo, and counts at once in a running gateway where it can.",
    )
  addReading(group, cli)
  addChanging(group, cli)
  addFile(group, cli)
}

function addReading(group: Command, cli: () => Cli): void {
  group
    .command("get")
    .argument("[key]", "for example gateway.port; default: everything")
    .description("Shows what the file says with its defaults, secrets left out.")
    .option("--running", "what counts in the running gateway")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer config get agents.defaults.model")
    .action(async (key: string | undefined, flags) => {
      const { getConfig } = await import("../configuration.ts")
      await getConfig(cli(), key, flags)
    })
  group
    .command("check")
    .description("Says everything that is wrong with the file, with line and column. Exit code 2 when something is.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config check")
    .action(async (flags) => {
      const { checkConfig } = await import("../configuration.ts")
      await checkConfig(cli(), flags)
    })
  group
    .command("diff")
    .description("Where the file differs from what counts in the running gateway, or else from what one last ran with.")
    .option("--last-good", "from the configuration that a gateway last ran with")
    .option("--defaults", "from the defaults")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer config diff --last-good")
    .action(async (flags) => {
      const { diffConfig } = await import("../config-diff.ts")
      await diffConfig(cli(), flags)
    })
  group
    .command("schema")
    .argument("[path]", 'for example providers.openai; "" for the top')
    .description("What may stand in the file: the JSON Schema, or one place of it in words.")
    .option("--json", "print the place as JSON")
    .addHelpText("after", "\nExample:\n  pincer config schema gateway.auth")
    .action(async (path: string | undefined, flags) => {
      const { showSchema } = await import("../config-schema.ts")
      showSchema(cli(), path, flags)
    })
  group
    .command("path")
    .description("Where the file is.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer config path")
    .action(async (flags) => {
      const { configPath } = await import("../configuration.ts")
      configPath(cli(), flags)
    })
}

function addChanging(group: Command, cli: () => Cli): void {
  group
    .command("set")
    .argument("<key>", "for example agents.defaults.model")
    .argument("<value...>", "JSON, or text as it is; several words are one text")
    .description("Changes one key. Comments stay; what would not be valid is refused and changes nothing.")
    .option("--string", "take the value as text even if it is JSON")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config set agents.defaults.model ollama/qwen3")
    .action(async (key: string, words: string[], flags) => {
      const { setConfig } = await import("../configuration.ts")
      await setConfig(cli(), key, words, flags)
    })
  group
    .command("unset")
    .argument("<key>", "for example agents.defaults.model")
    .description("Takes one key out of the file, so that its default counts.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config unset gateway.port")
    .action(async (key: string, flags) => {
      const { unsetConfig } = await import("../configuration.ts")
      await unsetConfig(cli(), key, flags)
    })
  group
    .command("patch")
    .argument("<object>", "JSON5; null takes a key out, lists are replaced; - for standard input")
    .description("Merges an object into the file.")
    .option("--dry-run", "show the change, make none")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config patch '{turns: {maxQueued: 20}}'")
    .action(async (text: string, flags) => {
      const { patchConfig } = await import("../configuration.ts")
      await patchConfig(cli(), text, flags)
    })
  group
    .command("reload")
    .description("Has the running gateway read the file. What it refuses changes nothing, and is the exit code.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config reload")
    .action(async (flags) => {
      const { reloadConfig } = await import("../configuration.ts")
      await reloadConfig(cli(), flags)
    })
}

function addFile(group: Command, cli: () => Cli): void {
  group
    .command("edit")
    .description("Opens a copy in $VISUAL or $EDITOR; what is saved is checked before it replaces the file.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  EDITOR=nano pincer config edit")
    .action(async (flags) => {
      const { editConfig } = await import("../config-edit.ts")
      await editConfig(cli(), flags)
    })
  group
    .command("import")
    .argument("[file]", "default: where that program keeps its configuration")
    .description(
      "Takes settings over from another gateway, and lists what has no counterpart. Its own files stay as they are.",
    )
    .requiredOption("--from <program>", "openclaw, clawgo or openclaw-py")
    .option("--dry-run", "say what would be taken over, write nothing")
    .option("--overrule", "also what your file says already")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config import --from openclaw --dry-run")
    .action(async (file: string | undefined, flags) => {
      const { importConfig } = await import("../config-import.ts")
      await importConfig(cli(), file, flags)
    })
  group
    .command("history")
    .description("What the file said before each change through these commands or the gateway.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer config history")
    .action(async (flags) => {
      const { showHistory } = await import("../configuration.ts")
      await showHistory(cli(), flags)
    })
  group
    .command("undo")
    .argument("[number]", 'of "pincer config history"; default 1, the last change')
    .description("Puts back what the file said before a change. Undone again it is as it was.")
    .option("--last-good", "put back what a gateway last ran with")
    .option("--dry-run", "show the change, make none")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config undo --dry-run")
    .action(async (number: string | undefined, flags) => {
      const { undoConfig } = await import("../configuration.ts")
      await undoConfig(cli(), number, flags)
    })
}
