// `pincer session rewind|branches|switch|fork|group|groups`: the ways of a conversation, and what sessions are sorted into.
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { inert, inertLine } from "./inert.ts"
import { fieldsOf, withLink } from "./one-call.ts"
import { messagesOf } from "./sessions.ts"

type Fields = Record<string, unknown>
type Json = { json?: boolean }

const rowsOf = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isObject) : [])
const words = (value: unknown) => (typeof value === "string" ? value : "")

export async function rewindSession(cli: Cli, key: string, message: string | undefined, flags: Json): Promise<void> {
  const done = await withLink(cli, "start", async ({ client }) => {
    const entryId = message ?? lastSaid(key, await fieldsOf(client, "sessions.get", { key, limit: 1000 }))
    return fieldsOf(client, "sessions.rewind", { key, entryId })
  })
  if (flags.json) {
    cli.out.json(done)
    return
  }
  cli.out.line(`${inertLine(key)} goes on after ${Number(done["messageCount"])} messages.`)
  const said = words(done["editorText"])
  if (said !== "") cli.out.line(`What was said there:\n${inert(said)}`)
  cli.out.line(cli.out.paint(`What followed: pincer session branches ${inertLine(key)}`, "dim"))
}

function lastSaid(key: string, session: Fields): string {
  const said = messagesOf(session).findLast(({ role }) => role === "user")
  if (typeof said?.["id"] === "string") return said["id"]
  throw new PincerError("NOT_FOUND", `Nothing was said in "${key}" that one could go back to`)
}

export async function listBranches(cli: Cli, key: string, flags: Json): Promise<void> {
  const branches = await withLink(cli, "start", async ({ client }) => branchesOf(client, key))
  if (flags.json) {
    cli.out.json(branches)
    return
  }
  if (branches.length === 0) cli.err.line("No messages.")
  else
    cli.out.table(
      ["", "NO", "MESSAGES", "LAST SAID", "ID"],
      branches.map((branch, i) => [
        branch["active"] === true ? "*" : "",
        String(i + 1),
        String(branch["messageCount"]),
        words(branch["headline"]),
        words(branch["leafEntryId"]),
      ]),
    )
}

async function branchesOf(client: Parameters<typeof fieldsOf>[0], key: string): Promise<Fields[]> {
  return rowsOf((await fieldsOf(client, "sessions.branches.list", { key }))["branches"])
}

export async function switchBranch(cli: Cli, key: string, branch: string, flags: Json): Promise<void> {
  const done = await withLink(cli, "start", async ({ client }) => {
    const all = await branchesOf(client, key)
    const found = /^\d{1,3}$/.test(branch) ? all[Number(branch) - 1] : undefined
    if (/^\d{1,3}$/.test(branch) && !found)
      throw new PincerError("NOT_FOUND", `"${key}" has no branch ${branch}: run "pincer session branches ${key}"`)
    return fieldsOf(client, "sessions.branches.switch", { key, leafEntryId: found?.["leafEntryId"] ?? branch })
  })
  if (flags.json) cli.out.json(done)
  else cli.out.line(`${inertLine(key)} goes on after ${Number(done["messageCount"])} messages.`)
}

export async function forkSession(
  cli: Cli,
  key: string,
  newKey: string | undefined,
  flags: Json & { at?: string; cwd?: string },
): Promise<void> {
  const done = await withLink(cli, "start", ({ client }) =>
    fieldsOf(client, "sessions.fork", {
      key,
      ...(newKey === undefined ? {} : { newKey }),
      ...(flags.at === undefined ? {} : { entryId: flags.at }),
      ...(flags.cwd === undefined ? {} : { cwd: resolve(cli.cwd, flags.cwd) }),
    }),
  )
  if (flags.json) cli.out.json(done)
  else cli.out.line(`${inertLine(words(done["key"]))} goes on with what was said in ${inertLine(key)}.`)
}

export async function groupSession(cli: Cli, key: string, name: string, flags: Json): Promise<void> {
  const category = name.trim() === "" ? null : name
  const patch = { targets: [{ key }], patch: { category } }
  const entry = await withLink(cli, "start", async ({ client }) => {
    const [outcome] = rowsOf((await fieldsOf(client, "sessions.patchMany", patch))["outcomes"])
    const error = outcome && isObject(outcome["error"]) ? words(outcome["error"]["message"]) : ""
    if (error !== "") throw new PincerError("NOT_FOUND", error)
    return (await fieldsOf(client, "sessions.describe", { key }))["session"]
  })
  if (flags.json) cli.out.json(entry)
  else
    cli.out.line(
      category === null ? `${inertLine(key)} is in no group.` : `${inertLine(key)} is in ${inertLine(category)}.`,
    )
}

export async function changeGroups(
  cli: Cli,
  verb: "list" | "put" | "rename" | "delete",
  params: Fields,
  flags: Json,
): Promise<void> {
  const done = await withLink(cli, "start", ({ client }) => fieldsOf(client, `sessions.groups.${verb}`, params))
  const groups = rowsOf(done["groups"])
  if (flags.json) {
    cli.out.json(verb === "list" ? groups : done)
    return
  }
  for (const { name } of groups) cli.out.line(inertLine(words(name)))
  if (groups.length === 0) cli.err.line("No groups.")
  const moved = Number(done["updatedSessions"] ?? 0)
  if (moved > 0) cli.err.line(`${moved} ${moved === 1 ? "session" : "sessions"} changed.`)
}
