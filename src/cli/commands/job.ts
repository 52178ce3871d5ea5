// pincer job: work that goes on while nobody waits for it.
import type { Command } from "commander"
import type { ListFlags } from "../job.ts"
import type { SubmitFlags } from "../job-submit.ts"
import { addPermissionFlags } from "../permission-flags.ts"
import { addHostingFlags } from "../turn-flags.ts"
import type { CommandGroup } from "./group.ts"

export const job: CommandGroup = (program, cli) => {
  const group = program
    .command("job")
    .alias("jobs")
    .summary("hand in work and look after it")
    .description("Work that goes on in the gateway while nobody waits for it.")
  submitFlags(group.command("submit"))
    .description("Hands in a job and prints its id. With --watch it stays and shows what happens.")
    .addHelpText(
      "after",
      '\nExample:\n  pincer job submit "write the release notes" --watch\n  pincer job submit -S nightly --attempts 3 < task.md',
    )
    .action(async (words: string[], flags: SubmitFlags) => {
      const { submitJob } = await import("../job-submit.ts")
      await submitJob(cli(), words, flags)
    })
  group
    .command("list")
    .alias("ls")
    .description("Lists jobs, newest first.")
    .option("-n, --limit <number>", "how many at most", "20")
    .option("--status <words>", "only those queued, running, completed, failed or canceled; several with commas")
    .option("-a, --agent <id>", "only those of this agent")
    .option("-S, --session <key>", "only those of this session")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer job list --status queued,running")
    .action(async (flags: ListFlags) => {
      const { listJobs } = await import("../job.ts")
      await listJobs(cli(), flags)
    })
  group
    .command("get")
    .argument("<id>", "the job")
    .description("Shows a job with its result.")
    .option("--result", "print the whole result and nothing else")
    .option("--json", "print it as JSON, with the whole result")
    .addHelpText("after", "\nExample:\n  pincer job get 019d527d-34ed-7272-b336-f67fd49024db --result > answer.md")
    .action(async (id: string, flags: { json?: boolean; result?: boolean }) => {
      const { showJob } = await import("../job.ts")
      await showJob(cli(), id, flags)
    })
  group
    .command("watch")
    .argument("<id>", "the job")
    .description(
      "Shows what a job has done so far and what it does until it ends. Exit code: 0 completed, 1 failed, 3 out of time, 5 not permitted, 130 canceled. Ctrl-C leaves the job alone.",
    )
    .option("--after <place>", "only what happened after this event")
    .option("--json", "one event a line as JSON")
    .addHelpText("after", "\nExample:\n  pincer job watch 019d527d-34ed-7272-b336-f67fd49024db")
    .action(async (id: string, flags: { after?: string; json?: boolean }) => {
      const { watchJob } = await import("../job-watch.ts")
      await watchJob(cli(), id, flags)
    })
  group
    .command("logs")
    .argument("<id>", "the job")
    .description("Prints the log of a job.")
    .option("--json", "one line of the log a line as JSON")
    .addHelpText("after", "\nExample:\n  pincer job logs 019d527d-34ed-7272-b336-f67fd49024db")
    .action(async (id: string, flags: { json?: boolean }) => {
      const { showJobLogs } = await import("../job.ts")
      await showJobLogs(cli(), id, flags)
    })
  for (const verb of ["cancel", "retry", "delete"] as const) changing(group, verb, cli)
}

const CHANGES = {
  cancel: "Stops jobs that have not ended.",
  retry: "Queues failed jobs again.",
  delete: "Removes jobs; those that have not ended are canceled first.",
} as const

function changing(group: Command, verb: keyof typeof CHANGES, cli: Parameters<CommandGroup>[1]): void {
  const command = group.command(verb)
  if (verb === "delete") command.alias("rm")
  command
    .argument("<id...>", "the jobs")
    .description(CHANGES[verb])
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", `\nExample:\n  pincer job ${verb} 019d527d-34ed-7272-b336-f67fd49024db`)
    .action(async (ids: string[], flags: { json?: boolean }) => {
      const { changeJobs } = await import("../job.ts")
      await changeJobs(cli(), verb, ids, flags)
    })
}

function submitFlags(command: Command): Command {
  return addHostingFlags(addPermissionFlags(command))
    .argument("[text...]", "what to do; standard input is added to it")
    .option("-p, --prompt <text>", "what to do; wins over the words")
    .option("-a, --agent <id>", "the agent that does it")
    .option("-S, --session <key>", "the session it belongs to: its jobs run one after another; default: one of its own")
    .option("--model <name>", "the model, as provider/model")
    .option("-C, --cwd <folder>", "where its tools work; default: the current folder")
    .option("--timeout <seconds>", "it has failed after so long")
    .option("--priority <number>", "-100 to 100: the higher, the earlier")
    .option("--attempts <number>", "try again when the model service is out of reach or overloaded")
    .option("--on-interrupt <how>", "after a crash or restart: fail, or resume where it was cut off")
    .option("--callback <url>", "called with the job once it has ended")
    .option("--key <text>", "the same key hands the same job in only once")
    .option("-w, --watch", "stay and show what happens")
    .option("--json", "print the job, and with --watch each event, as JSON")
}
