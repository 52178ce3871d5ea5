// pincer workflow: typed, durable workflows and pipelines.
import type { Command } from "commander"
import type { CommandGroup } from "./group.ts"

const UNSANDBOXED = "without a gateway: programs on the host, as far as tools.elevated lets the command line have that"

export const workflow: CommandGroup = (program, cli) => {
  const group = program
    .command("workflow")
    .alias("workflows")
    .summary("run workflows and look after their runs")
    .description(
      "Workflow files and pipelines: checked before they act, journalled step by step, resumable after any stop.",
    )
  starting(
    group
      .command("run")
      .argument("<what...>", "a workflow file, or a pipeline such as 'exec --json gh pr list | pick title'")
      .description("Runs it. Exit code: 0 done, or waiting for somebody; 1 failed; 2 cannot be read."),
  )
    .option("--dry-run", "only check it and say what would run")
    .option("--detach", "print the run's id and leave it at work; needs a gateway")
    .option("--unsandboxed", UNSANDBOXED)
    .addHelpText("after", "\nExample:\n  pincer workflow run inbox.lobster --arg who=ann")
    .action(async (what: string[], flags) => {
      const { runWorkflow } = await import("../workflow.ts")
      await runWorkflow(cli(), what, flags)
    })
  group
    .command("plan")
    .argument("<what...>", "a workflow file, or a pipeline")
    .option("--arg <name=value...>", "an argument; JSON where it reads as such")
    .option("--args-json <json>", "all arguments as one JSON object")
    .option("-C, --cwd <folder>", "where it would work; default: the current folder")
    .option("--json", "print the plan as JSON")
    .description(
      "Says what a workflow would do: files within it opened up, loops once, what acts, who is asked, what is known of its price.",
    )
    .addHelpText("after", "\nExample:\n  pincer workflow plan inbox.lobster --arg who=ann")
    .action(async (what: string[], flags) => {
      const { planRun } = await import("../workflow.ts")
      await planRun(cli(), what, flags)
    })
  group
    .command("check")
    .argument("<file>", "a workflow file")
    .option("--strict", "warnings count as errors")
    .option("--json", "print the problems as JSON")
    .description(
      "Says everything that is wrong with a workflow before anything acts. Exit code 2 when there are errors.",
    )
    .addHelpText("after", "\nExample:\n  pincer workflow check inbox.lobster")
    .action(async (file: string, flags) => {
      const { checkWorkflowFile } = await import("../workflow-look.ts")
      await checkWorkflowFile(cli(), file, flags)
    })
  group
    .command("graph")
    .argument("<what>", "a workflow file, or the id of a run")
    .option("--format <name>", "mermaid, dot, ascii, svg or json", "mermaid")
    .option("--run <id>", "show the steps of this run on it")
    .description("Draws a workflow; with a run, the status of each step.")
    .addHelpText("after", "\nExample:\n  pincer workflow graph inbox.lobster --format svg > inbox.svg")
    .action(async (what: string, flags) => {
      const { drawWorkflow } = await import("../workflow-look.ts")
      await drawWorkflow(cli(), what, flags)
    })
  group
    .command("schema")
    .alias("serve-schema")
    .description("Prints the JSON Schema of workflow files, for editors.")
    .addHelpText("after", "\nExample:\n  pincer workflow schema > workflow.schema.json")
    .action(async () => {
      const { workflowSchemaText } = await import("../../protocol/workflow-schema.ts")
      cli().out.write(workflowSchemaText())
    })
  group
    .command("test")
    .argument("<file>", "a workflow file")
    .option("--cases <file>", "its cases; default: FILE.test.yaml beside it")
    .option("--only <text>", "only cases whose names hold this")
    .option("--json", "print the results as JSON")
    .description(
      "Tries a workflow with what its steps would have said. Nothing acts. Exit code 1 when a case does not hold.",
    )
    .addHelpText("after", "\nExample:\n  pincer workflow test inbox.lobster")
    .action(async (file: string, flags) => {
      const { testWorkflow } = await import("../workflow-test.ts")
      await testWorkflow(cli(), file, flags)
    })
  group
    .command("doctor")
    .option("--unsandboxed", UNSANDBOXED)
    .option("--json", "print the checks as JSON")
    .description("Tries whether workflows can run here. Exit code 1 when something does not work.")
    .addHelpText("after", "\nExample:\n  pincer workflow doctor")
    .action(async (flags) => {
      const { workflowDoctor } = await import("../workflow-doctor.ts")
      await workflowDoctor(cli(), flags)
    })
  looking(group, cli)
  answering(group, cli)
}

/** Flags of whatever begins a run. */
function starting(command: Command): Command {
  return command
    .option("--arg <name=value...>", "an argument; JSON where it reads as such")
    .option("--args-json <json>", "all arguments as one JSON object")
    .option("-C, --cwd <folder>", "where it works; default: the current folder")
    .option("-a, --agent <id>", "whose sandbox and rules hold for its steps")
    .option("--recovery <how>", "after a crash: resume by itself, or mark and wait (default)")
    .option("--json", "print the envelope")
}

function looking(group: Command, cli: Parameters<CommandGroup>[1]): void {
  group
    .command("list")
    .alias("ls")
    .option("--runs", "runs instead of files")
    .option(
      "--status <words>",
      "with --runs: running, waiting, completed, failed, canceled, uncertain; several with commas",
    )
    .option("--search <text>", "with --runs: part of the title, the file or the id")
    .option("-n, --limit <number>", "how many at most", "20")
    .option("-C, --cwd <folder>", "where files are looked for; default: the current folder")
    .option("--json", "print them as JSON")
    .description("Lists workflow files, or runs.")
    .addHelpText("after", "\nExample:\n  pincer workflow list --runs --status failed")
    .action(async (flags) => {
      const { listWorkflows } = await import("../workflow-look.ts")
      await listWorkflows(cli(), flags)
    })
  group
    .command("show")
    .argument("<run>", "the run's id")
    .option("--json", "print it as JSON")
    .description("Shows a run: its steps with their times, what waits, what came out.")
    .action(async (id: string, flags) => {
      const { showRun } = await import("../workflow-look.ts")
      await showRun(cli(), id, flags)
    })
  group
    .command("watch")
    .argument("<run>", "the run's id")
    .option("--json", "one event a line as JSON")
    .description("Shows what happened in a run and what happens until it ends or waits.")
    .action(async (id: string, flags) => {
      const { watchRun } = await import("../workflow.ts")
      await watchRun(cli(), id, flags)
    })
  group
    .command("pending")
    .option("--json", "print them as JSON, with their tokens")
    .description("Lists what waits for somebody.")
    .action(async (flags) => {
      const { listPending } = await import("../workflow-look.ts")
      await listPending(cli(), flags)
    })
  group
    .command("export")
    .argument("<run>", "the run's id")
    .description("Prints everything that is kept of a run as JSON.")
    .action(async (id: string) => {
      const { exportRun } = await import("../workflow-look.ts")
      await exportRun(cli(), id)
    })
}

function answering(group: Command, cli: Parameters<CommandGroup>[1]): void {
  group
    .command("resume")
    .argument("<what>", "a token, the eight characters of an approval, or the id of a run that was cut off")
    .option("--approve <yes|no>", "the answer to an approval")
    .option("--reason <text>", "with --approve no")
    .option("--response-json <json>", "the answer to a question")
    .option("--cancel", "withdraw what waits and end the run")
    .option("--as <name>", "who answers, as the gate names people")
    .option("--unsandboxed", UNSANDBOXED)
    .option("--json", "print the envelope")
    .description("Answers what a run waits for and goes on with it; or goes on with a run that was cut off.")
    .addHelpText("after", "\nExample:\n  pincer workflow resume 3f2a9c01 --approve yes")
    .action(async (what: string, flags) => {
      const { resumeRun } = await import("../workflow.ts")
      await resumeRun(cli(), what, flags)
    })
  group
    .command("retry")
    .argument("<run>", "a run that failed")
    .option("--from <step>", "begin again at this step; default: the one that failed")
    .option("--unsandboxed", UNSANDBOXED)
    .option("--json", "print the envelope")
    .description("Runs a failed run again; everything before the step is kept.")
    .action(async (id: string, flags) => {
      const { retryRun } = await import("../workflow.ts")
      await retryRun(cli(), id, flags)
    })
  for (const verb of ["cancel", "delete"] as const)
    group
      .command(verb)
      .argument("<run>", "the run's id")
      .option("--json", "print the outcome as JSON")
      .description(verb === "cancel" ? "Ends a run and whatever it started." : "Removes a run that has ended.")
      .action(async (id: string, flags) => {
        const { changeRun } = await import("../workflow.ts")
        await changeRun(cli(), verb, id, flags)
      })
}
