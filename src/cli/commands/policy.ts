// pincer policy: what would be decided about a call, and what a change of the policy would change.

import { addPermissionFlags } from "../permission-flags.ts"
import type { ExplainFlags, PolicyTestFlags } from "../policy.ts"
import type { CommandGroup } from "./group.ts"

async function room() {
  const [trial, { recordedLeave }] = await Promise.all([
    import("../../gateway/policy/policy-trial.ts"),
    import("../../store/leave.ts"),
  ])
  return { ...trial, recordedLeave }
}

export const policy: CommandGroup = (program, cli) => {
  const group = program
    .command("policy")
    .summary("what calls are decided like, and what a change would change")
    .description("Judges calls without carrying them out. No gateway is needed.")
  group
    .command("test")
    .argument("<file>", 'calls, one JSON object a line: {"tool": "Bash", "args": {…}}, or an export of the audit')
    .description(
      "Decides recorded calls again and shows what is decided otherwise: than when they were recorded, or with another policy.",
    )
    .option("--policy <file>", "a piece of pincer.json whose sections stand in for those of the configuration")
    .option("--with-grants", "with what humans allowed for longer and the elevated sessions, as they are now")
    .option("--all", "show the calls that stay as they are, too")
    .option("--fail-on-change", "exit code 1 when anything is decided otherwise")
    .option("--json", "print them as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  pincer audit export -o calls.jsonl\n  pincer policy test calls.jsonl --policy strict.json",
    )
    .action(async (file: string, flags: PolicyTestFlags) => {
      const { testPolicy } = await import("../policy.ts")
      await testPolicy(cli(), file, flags, await room())
    })
  addPermissionFlags(
    group
      .command("explain")
      .argument("<tool>", "its name")
      .argument("[arguments]", "as a JSON object")
      .description("Shows what would be decided about one call, and every step that looked at it."),
  )
    .option("-a, --agent <id>", "of this agent; default: the default agent")
    .option("-C, --cwd <folder>", "in this workspace; default: where you are")
    .option("--tainted", "as if the conversation had read text from outside")
    .option("--unattended", "as if nobody could be asked")
    .option("--json", "print it as JSON")
    .addHelpText("after", `\nExample:\n  pincer policy explain Bash '{"command": "git push"}' --tainted`)
    .action(async (tool: string, json: string | undefined, flags: ExplainFlags) => {
      const { explainPolicy } = await import("../policy.ts")
      await explainPolicy(cli(), tool, json, flags, await room())
    })
}
