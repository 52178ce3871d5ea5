// pincer cron: what the gateway does by the clock.
import type { Command } from "commander"
import type { LedgerFlags, ScheduleListFlags } from "../cron.ts"
import type { ScheduleFlags } from "../cron-words.ts"
import { addPermissionFlags } from "../permission-flags.ts"
import type { CommandGroup } from "./group.ts"

const load = () => import("../cron.ts")

export const cron: CommandGroup = (program, cli) => {
  const group = program
    .command("cron")
    .alias("schedule")
    .summary("what is done by the clock")
    .description(
      "Schedules: agents, workflows and commands by the clock, and the record of every time that one was due.",
    )
  ruleFlags(workFlags(group.command("add")))
    .option("--disabled", "add it switched off")
    .option("--declare <key>", "there is one schedule of each key: the same again changes the one that is there")
    .description("Adds a schedule and prints its id.")
    .addHelpText(
      "after",
      '\nExample:\n  pincer cron add -n daily-check -m "check the open tasks" -c "0 9 * * 1-5" --tz Europe/Berlin\n  pincer cron add -n status -m "report the status" -e 300\n  pincer cron add --command "npm test" --every 1h --alert-to main\n  pincer cron add --workflow nightly.yaml --at "tomorrow 2:00" --delete-after-run',
    )
    .action(async (flags: ScheduleFlags) => (await load()).addSchedule(cli(), flags))
  group
    .command("list")
    .alias("ls")
    .description("Lists schedules, the one that is due first at the head.")
    .option("-A, --all", "also those that are off or over")
    .option("-a, --agent <id>", "only those of this agent")
    .option("--search <text>", "only those that have this in name, rule or work")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer cron list --all")
    .action(async (flags: ScheduleListFlags) => (await load()).listSchedules(cli(), flags))
  group
    .command("show")
    .alias("get")
    .argument("<schedule>", "its id, the beginning of it, or its name")
    .description("Shows a schedule.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer cron show daily-check")
    .action(async (word: string, flags: { json?: boolean }) => (await load()).showSchedule(cli(), word, flags))
  editing(group, cli)
  group
    .command("scratch")
    .argument("<schedule>", "its id, the beginning of it, or its name")
    .description("Shows the notes that programs keep with a schedule between its runs, or writes them.")
    .option("--set <text>", "these notes; - for standard input")
    .option("--clear", "none any more")
    .option("--expect <revision>", "refuse when they were changed since this revision")
    .option("--json", "print them as JSON")
    .addHelpText("after", '\nExample:\n  pincer cron scratch nightly --set "done up to 2026-05-01"')
    .action(async (word: string, flags) => (await load()).scratchOf(cli(), word, flags))
  for (const verb of ["enable", "disable", "remove"] as const) changing(group, verb, cli)
  running(group, cli)
  looking(group, cli)
}

function editing(group: Command, cli: Parameters<CommandGroup>[1]): void {
  ruleFlags(workFlags(group.command("edit").argument("<schedule>", "its id, the beginning of it, or its name")))
    .description("Changes what the flags say of a schedule, and nothing else.")
    .option("--clear <fields>", "names of flags, with commas: what they said counts no more")
    .addHelpText("after", '\nExample:\n  pincer cron edit daily-check --cron "30 8 * * *" --clear retries,timeout')
    .action(async (word: string, flags: ScheduleFlags & { clear?: string }) =>
      (await load()).editSchedule(cli(), word, flags),
    )
}

function running(group: Command, cli: Parameters<CommandGroup>[1]): void {
  group
    .command("run")
    .argument("<schedule>", "its id, the beginning of it, or its name")
    .description("Starts a schedule now, beside its rule. Exit code with --wait: 0 it ran, 1 it did not go well.")
    .option("--due", "only if it is due")
    .option("-w, --wait", "stay until it has ended, and print what came of it")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer cron run daily-check --wait")
    .action(async (word: string, flags: { due?: boolean; wait?: boolean; json?: boolean }) =>
      (await load()).runSchedule(cli(), word, flags),
    )
  group
    .command("next")
    .argument("<rule...>", 'a cron expression, "every 10m", or a time')
    .description("Says when a rule would be due, without adding it.")
    .option("--tz <zone>", "IANA time zone; default: the gateway's")
    .option("-n, --count <number>", "how many times", "5")
    .option("--json", "print them as JSON")
    .addHelpText("after", '\nExample:\n  pincer cron next "30 2 * * *" --tz America/New_York --count 10')
    .action(async (words: string[], flags: { tz?: string; count: string; json?: boolean }) =>
      (await load()).previewRule(cli(), words, flags),
    )
}

function looking(group: Command, cli: Parameters<CommandGroup>[1]): void {
  group
    .command("history")
    .alias("runs")
    .argument("[schedule]", "its id, the beginning of it, or its name; default: all")
    .description("Shows every time that a schedule was due, newest first, and what came of it.")
    .option("-n, --limit <number>", "how many at most", "20")
    .option("--status <word>", "only those that are ok, error or skipped")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer cron history daily-check --status error")
    .action(async (word: string | undefined, flags: LedgerFlags) => (await load()).showHistory(cli(), word, flags))
  group
    .command("import")
    .argument("<file>", "jobs.json of ClawGo or OpenClaw")
    .description("Adds the schedules that another program keeps in a file, and says what could not be taken over.")
    .option("--disabled", "add them switched off")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer cron import ~/.clawgo/cron/jobs.json --disabled")
    .action(async (file: string, flags: { json?: boolean; disabled?: boolean }) => {
      const { importSchedules } = await import("../cron-import.ts")
      await importSchedules(cli(), file, flags)
    })
  group
    .command("status")
    .description("Says how many schedules there are and when the next one is due.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer cron status")
    .action(async (flags: { json?: boolean }) => (await load()).showCronStatus(cli(), flags))
}

const CHANGES = {
  enable: "Switches schedules on; what passed meanwhile is not made up for.",
  disable: "Switches schedules off; what waits is not begun, what runs goes on.",
  remove: "Removes schedules; their record stays until it is old.",
} as const

function changing(group: Command, verb: keyof typeof CHANGES, cli: Parameters<CommandGroup>[1]): void {
  const command = group.command(verb)
  if (verb === "remove") command.alias("rm")
  command
    .argument("<schedule...>", "ids, beginnings of ids, or names")
    .description(CHANGES[verb])
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", `\nExample:\n  pincer cron ${verb} daily-check`)
    .action(async (words: string[], flags: { json?: boolean }) =>
      (await load()).changeSchedules(cli(), verb, words, flags),
    )
}

function ruleFlags(command: Command): Command {
  return command
    .option("--at <time>", 'once: 2026-05-01T09:00:00Z, "2026-05-01 09:00", 09:00, "tomorrow 9:00" or 10m')
    .option("-e, --every <time>", "again and again: seconds, or like 10m, 1h30m; wins over --cron")
    .option("-c, --cron <expression>", "minute hour day month weekday, seconds before them if wanted; or @daily")
    .option("--tz <zone>", "IANA time zone of --cron and --at; default: the gateway's")
    .option("--catch-up <how>", "what passed while nothing ran: none, last or all")
    .option("--catch-up-max <number>", "with all: so many at most")
    .option("--overlap <how>", "while an earlier one is at work: skip, queue or cancel-running")
    .option("--jitter <time>", "put each off by less than this")
    .option("--retries <number>", "further attempts after a failure")
    .option("--backoff <time>", "the pause before the first of them; doubled for each further one")
    .option("--timeout <time>", "an attempt has failed after so long")
    .option("--max-runs <number>", "over after so many")
    .option("--until <time>", "not due after this time")
    .option("--delete-after-run", "removed once it is over and went well")
    .option("--json", "print it as JSON")
}

function workFlags(command: Command): Command {
  return addPermissionFlags(command)
    .option("-n, --name <text>", "what it is called; default: the beginning of what it does")
    .option("--description <text>", "for people")
    .option("-m, --message <text>", "said to the agent, in a session of its own for each time")
    .option("--workflow <file>", "this workflow is run")
    .option("--arg <name=value>", "an argument of the workflow; again for more", (word: string, all: string[] = []) => [
      ...all,
      word,
    ])
    .option("--command <line>", "this line of the shell is run, judged and confined as an agent's")
    .option("-a, --agent <id>", "the agent that does it")
    .option("-S, --session <key>", "the message is said in this session")
    .option("--main", "the message is told to the main session as a system event")
    .option("--model <name>", "the model, as provider/model")
    .option("--thinking <level>", "off, minimal, low, medium, high or xhigh")
    .option("-C, --cwd <folder>", "where its tools work; default: the agent's workspace")
    .option("-d, --deliver", "tell the message itself, without a model")
    .option("--channel <name>", 'with --deliver: "session"')
    .option("--to <id>", "with --deliver: the session's key, or a URL; default: the main session")
    .option("--result-to <place>", "tell the result in this session, or to this URL")
    .option("--alert-to <place>", "tell failures in this session, or to this URL")
    .option("--alert-after <number>", "only after so many failures in a row")
}
