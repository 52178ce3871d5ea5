// `pincer session files|diff`: what the turns of a session did to files.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { inert, inertLine } from "./inert.ts"
import { fieldsOf, withLink } from "./one-call.ts"

type Fields = Record<string, unknown>

const rowsOf = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isObject) : [])
const words = (value: unknown) => (typeof value === "string" ? value : "")

export async function listFiles(
  cli: Cli,
  key: string,
  folder: string | undefined,
  flags: { search?: string; json?: boolean },
): Promise<void> {
  const { search } = flags
  const params = { key, ...(folder === undefined ? {} : { path: folder }), ...(search === undefined ? {} : { search }) }
  const found = await withLink(cli, "start", ({ client }) => fieldsOf(client, "sessions.files.list", params))
  if (flags.json) {
    cli.out.json(found)
    return
  }
  const browser = isObject(found["browser"]) ? found["browser"] : undefined
  if (browser) {
    for (const { kind, path } of rowsOf(browser["entries"]))
      cli.out.line(`${inertLine(words(path))}${kind === "directory" ? "/" : ""}`)
    if (browser["truncated"] === true) cli.err.line("There are more: name a folder further down.")
    return
  }
  const files = rowsOf(found["files"])
  if (files.length === 0) cli.err.line("No turn of this session has read or changed a file.")
  for (const { kind, missing, path } of files)
    cli.out.line(`${words(kind).padEnd(8)}  ${inertLine(words(path))}${missing === true ? "  (not there)" : ""}`)
}

const WHY: Readonly<Record<string, string>> = {
  not_git: "does not work in a git checkout",
  unknown_session: 'is unknown: run "pincer session list"',
  unknown_commit: "works in a checkout that has no such commit",
}

export async function showDiff(
  cli: Cli,
  key: string,
  flags: { uncommitted?: boolean; commit?: string; stat?: boolean; json?: boolean },
): Promise<void> {
  const { commit } = flags
  const scope = commit === undefined ? (flags.uncommitted ? "uncommitted" : "all") : "commit"
  const params = { key, scope, ...(commit === undefined ? {} : { commit }) }
  const diff = await withLink(cli, "start", ({ client }) => fieldsOf(client, "sessions.diff", params))
  const why = words(diff["unavailableReason"])
  if (why !== "") throw new PincerError("NOT_FOUND", `Session "${key}" ${WHY[why] ?? why}`)
  if (flags.json) {
    cli.out.json(diff)
    return
  }
  const files = rowsOf(diff["files"])
  for (const file of files) cli.out.line(statOf(file))
  const since = words(diff["baseRef"]) === "" ? "" : ` since ${inertLine(words(diff["baseRef"]))}`
  const sums = `${files.length} files, +${Number(diff["additions"])} -${Number(diff["deletions"])}${since}`
  cli.out.line(files.length === 0 ? `No difference${since}.` : sums)
  if (flags.stat) return
  for (const { patch } of files)
    if (typeof patch === "string") cli.out.line(`\n${coloured(cli, inert(patch.trimEnd()))}`)
}

function statOf({ additions, binary, deletions, oldPath, path, status }: Fields): string {
  const from = typeof oldPath === "string" ? `${inertLine(oldPath)} -> ` : ""
  const size = binary === true ? "binary" : `+${Number(additions)} -${Number(deletions)}`
  return `${words(status).padEnd(9)} ${from}${inertLine(words(path))}  ${size}`
}

function coloured({ out }: Pick<Cli, "out">, patch: string): string {
  return patch
    .split("\n")
    .map((line) => {
      if (/^(\+\+\+|---|diff |index |@@)/.test(line)) return out.paint(line, "dim")
      return line.startsWith("+") ? out.paint(line, "green") : line.startsWith("-") ? out.paint(line, "red") : line
    })
    .join("\n")
}
