// What `pincer session` changes: names, tags, the archive; and sessions that come back from files.
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { reachGateway } from "./connect.ts"
import { inertLine } from "./inert.ts"
import { readStdin } from "./stdin.ts"

type Fields = Record<string, unknown>

const DONE = {
  rename: "Renamed",
  tag: "Tagged",
  untag: "Untagged",
  archive: "Archived",
  unarchive: "Took from the archive",
} as const

async function call(cli: Cli, method: string, params: Fields): Promise<Fields> {
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    const answer: unknown = await link.client.request(method, params)
    return isObject(answer) ? answer : {}
  } finally {
    await link.close()
  }
}

export async function changeSession(
  cli: Cli,
  verb: keyof typeof DONE,
  key: string,
  change: Fields,
  flags: { json?: boolean },
): Promise<void> {
  const session = await call(cli, `session.${verb}`, { session: key, ...change }).catch((error: unknown) => {
    if (error instanceof PincerError && /Session not found/.test(error.message))
      throw new PincerError("NOT_FOUND", `Unknown session "${key}": run "pincer session list"`, { cause: error })
    throw error
  })
  if (flags.json) cli.out.json(session)
  else cli.out.line(`${DONE[verb]} ${inertLine(key)}${tail(session)}.`)
}

function tail(session: Fields): string {
  const name = typeof session["name"] === "string" ? ` "${inertLine(session["name"])}"` : ""
  const tags = Array.isArray(session["tags"])
    ? ` [${session["tags"].map((tag) => inertLine(String(tag))).join(", ")}]`
    : ""
  return `${name}${tags}`
}

export async function importSession(cli: Cli, file: string, flags: { json?: boolean }): Promise<void> {
  const data = file === "-" ? await readStdin(false) : readText(resolve(cli.cwd, file))
  if (!data?.trim()) throw new PincerError("INVALID_PARAMS", `${file} is empty: give what "session export" wrote`)
  const session = await call(cli, "session.import", { data })
  if (flags.json) cli.out.json(session)
  else cli.out.line(`Imported ${inertLine(String(session["session_key"] ?? session["id"]))}${tail(session)}.`)
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new PincerError("NOT_FOUND", `${path} cannot be read: name a file that exists`, { cause: error })
  }
}
