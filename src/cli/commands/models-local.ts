// pincer models local, download and engine: model files of this machine and what runs them.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"

export function localCommands(models: Command, cli: () => Cli): void {
  local(models, cli)
  engine(models, cli)
  models
    .command("download")
    .argument("<repository>", "owner/name, as in Qwen/Qwen3-4B-GGUF")
    .description(
      "Downloads a model file: the one that is named, else the first in Q4_K_M. A cut-off download goes on where it was.",
    )
    .option("--filename <file>", "which file of the repository")
    .option("--source <hub>", "huggingface or modelscope", "huggingface")
    .option("--base-url <url>", "a mirror of it; for Hugging Face also HF_ENDPOINT")
    .option("--json", "print what came as JSON")
    .addHelpText("after", "\nExample:\n  pincer models download Qwen/Qwen3-4B-GGUF --source modelscope")
    .action(async (repository: string, flags) => {
      const { downloadFrom } = await import("../models-local.ts")
      await downloadFrom(cli(), repository, flags)
    })
}

function local(models: Command, cli: () => Cli): void {
  const group = models.command("local").description("Model files (GGUF) of this machine.")
  group
    .command("list", { isDefault: true })
    .description("Lists them: Pincer's own, and those of LM Studio, llama.cpp and Hugging Face, which are only read.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer models local list")
    .action(async (flags) => {
      const { listLocal } = await import("../models-local.ts")
      await listLocal(cli(), flags)
    })
  group
    .command("add")
    .argument("<file or url>", "a .gguf file, or its https address")
    .description("Copies or downloads a model file into the home. A cut-off download goes on where it was.")
    .option("--name <name>", "what it is to be called")
    .option("--sha256 <sum>", "refuse it unless it has this sum")
    .option("--json", "print what came as JSON")
    .addHelpText("after", "\nExample:\n  pincer models local add ~/Downloads/qwen3-4b-q4_k_m.gguf")
    .action(async (what: string, flags) => {
      const { addLocal } = await import("../models-local.ts")
      await addLocal(cli(), what, flags)
    })
  group
    .command("remove")
    .argument("<name>", "as it is listed")
    .description("Removes a model file from the home. Files of other programs are left alone.")
    .option("--yes", "do not ask")
    .option("--json", "print what was removed as JSON")
    .addHelpText("after", "\nExample:\n  pincer models local remove qwen3-4b-q4_k_m")
    .action(async (name: string, flags) => {
      const { removeLocal } = await import("../models-local.ts")
      await removeLocal(cli(), name, flags)
    })
}

function engine(models: Command, cli: () => Cli): void {
  const group = models
    .command("engine")
    .description("What runs model files: node-llama-cpp, or a llama-server on the PATH.")
  group
    .command("install")
    .description("Installs node-llama-cpp into the home (85 MB) with npm, without install scripts.")
    .option("--json", "print what was installed as JSON")
    .addHelpText("after", "\nExample:\n  pincer models engine install")
    .action(async (flags) => {
      const { installEngineHere } = await import("../models-engine.ts")
      await installEngineHere(cli(), flags)
    })
  group
    .command("status")
    .description("What runs model files here. Exit code 1 when nothing does.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer models engine status")
    .action(async (flags) => {
      const { showEngine } = await import("../models-engine.ts")
      await showEngine(cli(), flags)
    })
  group
    .command("remove")
    .description("Removes what was installed.")
    .option("--json", "print whether there was something as JSON")
    .addHelpText("after", "\nExample:\n  pincer models engine remove")
    .action(async (flags) => {
      const { removeEngineHere } = await import("../models-engine.ts")
      await removeEngineHere(cli(), flags)
    })
}
