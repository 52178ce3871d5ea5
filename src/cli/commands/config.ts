// pincer config: pincer.json, read and changed on disk; no gateway is needed.
import type { CommandGroup } from "./group.ts"

export const config: CommandGroup = (program, cli) => {
  const group = program
    .command("config")
    .summary("read and change the configuration")
    .description("The configuration file. Changes count when the gateway starts again.")
  group
    .command("get")
    .argument("[key]", "for example gateway.port; default: everything")
    .description("Shows the configuration with its defaults, secrets left out.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer config get agents.defaults.model")
    .action(async (key: string | undefined, flags) => {
      const { getConfig } = await import("../configuration.ts")
      getConfig(cli(), key, flags)
    })
  group
    .command("set")
    .argument("<key>", "for example agents.defaults.model")
    .argument("<value>", "JSON, or text as it is")
    .description("Changes one key. Comments stay; the file before is kept as .bak; what would not be valid is refused.")
    .option("--string", "take the value as text even if it is JSON")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config set agents.defaults.model ollama/qwen3")
    .action(async (key: string, value: string, flags) => {
      const { setConfig } = await import("../configuration.ts")
      setConfig(cli(), key, value, flags)
    })
  group
    .command("unset")
    .argument("<key>", "for example agents.defaults.model")
    .description("Takes one key out of the file, so that its default counts.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config unset gateway.port")
    .action(async (key: string, flags) => {
      const { unsetConfig } = await import("../configuration.ts")
      unsetConfig(cli(), key, flags)
    })
  group
    .command("check")
    .description("Says everything that is wrong with the file. Exit code 2 when something is.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer config check")
    .action(async (flags) => {
      const { checkConfig } = await import("../configuration.ts")
      checkConfig(cli(), flags)
    })
  group
    .command("path")
    .description("Where the file is.")
    .option("--json", "print it as JSON")
    .addHelpText("after", '\nExample:\n  $EDITOR "$(pincer config path)"')
    .action(async (flags) => {
      const { configPath } = await import("../configuration.ts")
      configPath(cli(), flags)
    })
}
