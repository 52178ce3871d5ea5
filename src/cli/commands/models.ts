// pincer models: which models there are, and whether one answers.
import type { CommandGroup } from "./group.ts"
import { localCommands } from "./models-local.ts"

export const models: CommandGroup = (program, cli) => {
  const group = program.command("models").summary("list models, try one").description("The models that agents can use.")
  group
    .command("list")
    .description("Lists the models of all services that are configured or were found.")
    .option("--provider <id>", "only those of this service")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer models list --provider openai")
    .action(async (flags) => {
      const { listModels } = await import("../models.ts")
      await listModels(cli(), flags)
    })
  group
    .command("probe")
    .argument("[name]", "provider/model; default: the model that answers now")
    .description("Makes one tiny real request to a model. Exit code 1 when it does not answer.")
    .option("--timeout <seconds>", "longest wait", "20")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer models probe ollama/qwen3")
    .action(async (name: string | undefined, flags) => {
      const { probeModel } = await import("../models.ts")
      await probeModel(cli(), name, flags)
    })
  localCommands(group, cli)
}
