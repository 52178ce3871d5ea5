// pincer session: going back and on another way, the files that a session worked on, and groups.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"

const ways = () => import("../session-ways.ts")
const files = () => import("../session-files.ts")

/** Adds the verbs to the group. */
export function sessionWays(group: Command, cli: () => Cli): void {
  group
    .command("rewind")
    .argument("<key>", "the session")
    .argument(
      "[message]",
      "the id of a message: before it if the user said it, after it otherwise; default: what was said last",
    )
    .description("Goes back in a session. What followed stays as a branch.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer session rewind work")
    .action(async (key: string, message: string | undefined, flags) =>
      (await ways()).rewindSession(cli(), key, message, flags),
    )
  group
    .command("branches")
    .argument("[key]", "the session", "main")
    .description("Lists the ways that a conversation took; the one that counts is marked.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer session branches work")
    .action(async (key: string, flags) => (await ways()).listBranches(cli(), key, flags))
  group
    .command("switch")
    .argument("<key>", "the session")
    .argument("<branch>", 'its number in "session branches", or its id')
    .description("Lets a branch that was left count again.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer session switch work 2")
    .action(async (key: string, branch: string, flags) => (await ways()).switchBranch(cli(), key, branch, flags))
  group
    .command("fork")
    .argument("<key>", "the session")
    .argument("[new-key]", "what the new one is called; default: an id")
    .description("Goes on with a conversation in a second session; the first stays as it is.")
    .option("--at <message>", "the id of the message where the new one ends")
    .option("-C, --cwd <folder>", "where the new one works")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer session fork work another-try")
    .action(async (key: string, newKey: string | undefined, flags) =>
      (await ways()).forkSession(cli(), key, newKey, flags),
    )
  sessionFiles(group, cli)
  sessionGroups(group, cli)
}

function sessionFiles(group: Command, cli: () => Cli): void {
  group
    .command("files")
    .argument("[key]", "the session", "main")
    .argument("[folder]", "a folder within the session's, instead of what its turns touched")
    .description("Lists files that a session's turns read or changed, or what its folder holds.")
    .option("--search <text>", "what is named like this below the folder")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExamples:\n  pincer session files work\n  pincer session files work src")
    .action(async (key: string, folder: string | undefined, flags) =>
      (await files()).listFiles(cli(), key, folder, flags),
    )
  group
    .command("diff")
    .argument("[key]", "the session", "main")
    .description("Shows what is different in the git checkout where a session works, since it left its upstream.")
    .option("--uncommitted", "only since the last commit")
    .option("--commit <id>", "what one commit changed")
    .option("--stat", "only which files")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer session diff work --uncommitted")
    .action(async (key: string, flags) => (await files()).showDiff(cli(), key, flags))
}

function sessionGroups(group: Command, cli: () => Cli): void {
  group
    .command("group")
    .argument("<key>", "the session")
    .argument("<name>", 'the group; "" takes it out of its group')
    .description("Sorts a session into a group.")
    .option("--json", "print the session as JSON")
    .addHelpText("after", "\nExample:\n  pincer session group work Customers")
    .action(async (key: string, name: string, flags) => (await ways()).groupSession(cli(), key, name, flags))
  const groups = group.command("groups").description("The groups that sessions are sorted into.")
  groups
    .command("list", { isDefault: true })
    .description("Lists the groups, in order.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer session groups list")
    .action(async (flags) => (await ways()).changeGroups(cli(), "list", {}, flags))
  groups
    .command("order")
    .argument("<names...>", "all of them, in their order; sessions of others are in none any more")
    .description("Says which groups there are, and in which order.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer session groups order Customers Home")
    .action(async (names: string[], flags) => (await ways()).changeGroups(cli(), "put", { names }, flags))
  groups
    .command("rename")
    .argument("<name>", "the group")
    .argument("<to>", "its new name")
    .description("Gives a group another name; its sessions go with it.")
    .option("--json", "print the groups as JSON")
    .addHelpText("after", "\nExample:\n  pincer session groups rename Home House")
    .action(async (name: string, to: string, flags) =>
      (await ways()).changeGroups(cli(), "rename", { name, to }, flags),
    )
  groups
    .command("delete")
    .alias("rm")
    .argument("<name>", "the group")
    .description("Takes a group away; its sessions stay.")
    .option("--json", "print the groups as JSON")
    .addHelpText("after", "\nExample:\n  pincer session groups delete Home")
    .action(async (name: string, flags) => (await ways()).changeGroups(cli(), "delete", { name }, flags))
}
