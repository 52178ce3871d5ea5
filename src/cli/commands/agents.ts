// pincer agents: which agents there are, external ones among them; adding, removing, trying one.
import type { AddAgentFlags } from "../agent-config.ts"
import type { CommandGroup } from "./group.ts"

export const agents: CommandGroup = (program, cli) => {
  const group = program
    .command("agents")
    .summary("list, add, remove and try agents")
    .description(
      "Agents: minds of Pincer's own with a model, and external ones that are installed here (Codex, Claude Code, Gemini CLI …).",
    )
  group
    .command("list")
    .alias("ls")
    .description("Lists the agents that are configured and the known external ones that are installed.")
    .option("--all", "also known agents that are not installed, with the line that installs them")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer agents list --all")
    .action(async (flags: { all?: boolean; json?: boolean }) => {
      const { listAgents } = await import("../agents.ts")
      await listAgents(cli(), flags)
    })
  group
    .command("show")
    .argument("<name>", "the agent")
    .description("Shows one agent: what runs it, how it is started or installed.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer agents show codex")
    .action(async (name: string, flags: { json?: boolean }) => {
      const { showAgent } = await import("../agents.ts")
      await showAgent(cli(), name, flags)
    })
  group
    .command("add")
    .argument("<name>", 'its id: a-z, 0-9, "-" and "_"')
    .description(
      "Writes an agent into the configuration: a known external one, one with a command of your own, or one of Pincer's own with a model. Shows what it wrote.",
    )
    .option(
      "--agent <known>",
      'the known external agent that it is; default: the name itself (see "pincer agents list --all")',
    )
    .option("--command <words>", "program and arguments of an agent that speaks ACP on its standard input and output")
    .option("--env <name=value...>", "added to its environment; NAME alone is taken from the gateway's environment")
    .option("--workspace <folder>", "where it works when a session names no folder")
    .option("--model <name>", "the model that it uses")
    .option("--confined", "its own process runs in the sandbox, too")
    .option("--json", "print what was written as JSON")
    .addHelpText(
      "after",
      '\nExample:\n  pincer agents add codex --env OPENAI_API_KEY\n  pincer agents add mine --command "node my-agent.js --acp"\n  pincer agents add research --model ollama/qwen3',
    )
    .action(async (name: string, flags: AddAgentFlags) => {
      const { addAgent } = await import("../agent-config.ts")
      const { findAgent } = await import("../../acp/host/find.ts")
      const { knownAgents } = await import("../../acp/host/known-agents.ts")
      await addAgent(cli(), name, flags, { knownAgents, findAgent })
    })
  group
    .command("remove")
    .alias("rm")
    .argument("<name>", "the agent")
    .description("Takes an agent out of the configuration. Its sessions stay.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer agents remove research")
    .action(async (name: string, flags: { json?: boolean }) => {
      const { removeAgent } = await import("../agent-config.ts")
      const { knownAgents } = await import("../../acp/host/known-agents.ts")
      await removeAgent(cli(), name, flags, knownAgents)
    })
  group
    .command("doctor")
    .argument("[name]", "the agent; default: every external one that is configured or installed")
    .description(
      "Starts external agents, shakes hands and opens a session in an empty folder: shows what each can do and how long it takes. No model is asked. Exit code 1 when one is not ready.",
    )
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer agents doctor codex")
    .action(async (name: string | undefined, flags: { json?: boolean }) => {
      const { examineAgents } = await import("../agent-doctor.ts")
      await examineAgents(cli(), name, flags)
    })
}
