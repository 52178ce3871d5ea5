// pincer session: names, tags, the archive, and bringing a session back from a file.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"

const CHANGES = [
  { verb: "tag", takes: "<tag>", about: "Adds a tag to a session.", example: "pincer session tag work urgent" },
  { verb: "untag", takes: "<tag>", about: "Takes a tag from a session.", example: "pincer session untag work urgent" },
  { verb: "archive", about: "Puts a session away: lists leave it out.", example: "pincer session archive work" },
  { verb: "unarchive", about: "Takes a session back from the archive.", example: "pincer session unarchive work" },
] as const

/** Adds the verbs to the group. */
export function sessionChanges(group: Command, cli: () => Cli): void {
  group
    .command("rename")
    .argument("<key>", "the session")
    .argument("<name...>", 'what it is to be called; "" takes the name away')
    .description("Gives a session a name.")
    .option("--json", "print the session as JSON")
    .addHelpText("after", "\nExample:\n  pincer session rename work Quarterly report")
    .action(async (key: string, words: string[], flags) => {
      const { changeSession } = await import("../session-changes.ts")
      await changeSession(cli(), "rename", key, { name: words.join(" ") }, flags)
    })
  for (const change of CHANGES) {
    const command = group.command(change.verb).argument("<key>", "the session").description(change.about)
    if ("takes" in change) command.argument(change.takes, "the tag")
    command
      .option("--json", "print the session as JSON")
      .addHelpText("after", `\nExample:\n  ${change.example}`)
      .action(async (key: string, ...rest: unknown[]) => {
        const { changeSession } = await import("../session-changes.ts")
        const tag = "takes" in change ? { tag: String(rest[0]) } : {}
        const flags = rest["takes" in change ? 1 : 0] as { json?: boolean }
        await changeSession(cli(), change.verb, key, tag, flags)
      })
  }
  group
    .command("import")
    .argument("<file>", 'what "session export --format json" wrote; - for standard input')
    .description("Brings a session back from a file. One of the same name is replaced.")
    .option("--json", "print the session as JSON")
    .addHelpText("after", "\nExample:\n  pincer session import work.json")
    .action(async (file: string, flags) => {
      const { importSession } = await import("../session-changes.ts")
      await importSession(cli(), file, flags)
    })
}
