// `pincer session`: the gateway's conversations, listed, shown, emptied, deleted, written out.
import { writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { inert, inertLine } from "./inert.ts"
import { MarkdownStream } from "./markdown.ts"
import { fieldsOf, withLink } from "./one-call.ts"
import { summaryOf } from "./stages.ts"
import { duration } from "./status.ts"
import { stringOf, textIn } from "./turn.ts"

type Fields = Record<string, unknown>

export async function listSessions(
  cli: Cli,
  flags: {
    limit: string
    search?: string
    agent?: string
    tag?: string
    group?: string
    archived?: boolean
    all?: boolean
    json?: boolean
  },
): Promise<void> {
  const params = {
    limit: countOf(flags.limit, "--limit"),
    includeDerivedTitles: true,
    includeLastMessage: true,
    ...(flags.search === undefined ? {} : { search: flags.search }),
    ...(flags.agent === undefined ? {} : { agentId: flags.agent }),
    ...(flags.tag === undefined ? {} : { tag: flags.tag }),
    ...(flags.group === undefined ? {} : { category: flags.group }),
    ...(flags.all ? {} : { archived: flags.archived === true }),
  }
  const list = await withLink(cli, "start", (link) => fieldsOf(link.client, "sessions.list", params))
  const sessions = Array.isArray(list["sessions"]) ? list["sessions"].filter(isObject) : []
  if (flags.json) {
    cli.out.json(sessions)
    return
  }
  if (sessions.length === 0) {
    cli.err.line("No sessions.")
    return
  }
  const now = Number(list["ts"])
  const rows = sessions.map((session) => [
    stringOf(session["key"]) ?? "",
    session["hasActiveRun"] === true ? "running" : `${duration(Math.max(0, now - Number(session["updatedAt"])))} ago`,
    String(session["messageCount"] ?? ""),
    stringOf(session["displayName"]) ??
      stringOf(session["derivedTitle"]) ??
      stringOf(session["lastMessagePreview"]) ??
      "",
  ])
  cli.out.table(["KEY", "LAST USED", "MESSAGES", "TITLE"], rows)
}

export async function showSession(cli: Cli, key: string, flags: { limit: string; json?: boolean }): Promise<void> {
  const session = await withLink(cli, "start", (link) =>
    fieldsOf(link.client, "sessions.get", { key, limit: countOf(flags.limit, "--limit") }),
  )
  if (flags.json) cli.out.json(session)
  else for (const message of messagesOf(session)) showMessage(cli, message)
}

/** Messages of a session in the original gateway's shape (role user, assistant, toolResult, custom). */
export function messagesOf(session: Fields): Fields[] {
  return Array.isArray(session["messages"]) ? session["messages"].filter(isObject) : []
}

/** One message as people read it. */
export function showMessage({ out }: Pick<Cli, "out">, message: Fields): void {
  const text = textIn(message)
  switch (message["role"]) {
    case "user":
      out.line(out.paint(`> ${inert(text).replaceAll("\n", "\n> ")}`, "bold"))
      out.line()
      break
    case "assistant": {
      if (text !== "") {
        if (out.isTerminal) {
          const markdown = new MarkdownStream(out)
          markdown.write(text.trim())
          markdown.end()
        } else out.line(inert(text.trim()))
        out.line()
      }
      for (const call of callsOf(message)) out.line(`${out.paint("●", "cyan")} ${inertLine(callLine(call))}`)
      break
    }
    case "toolResult":
      out.line(out.paint(`  └ ${summaryOf(text)}`, message["isError"] === true ? "red" : "dim"))
      break
    default:
      out.line(out.paint(`! ${inertLine(text)}`, "dim"))
  }
}

function callsOf(message: Fields): Fields[] {
  const { content } = message
  return Array.isArray(content) ? content.filter(isObject).filter((block) => block["type"] === "toolCall") : []
}

function callLine(call: Fields): string {
  const args = isObject(call["arguments"]) ? call["arguments"] : {}
  const words = Object.values(args).map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
  return `${stringOf(call["name"]) ?? "?"}  ${words.join(" ").slice(0, 200)}`
}

export async function deleteSession(cli: Cli, key: string, flags: { json?: boolean }): Promise<void> {
  const gone = await withLink(cli, "start", (link) => fieldsOf(link.client, "sessions.delete", { key }))
  if (gone["deleted"] !== true)
    throw new PincerError("NOT_FOUND", `Unknown session "${key}": run "pincer session list"`)
  if (flags.json) cli.out.json(gone)
  else cli.out.line(`Deleted ${inertLine(String(gone["key"]))}.`)
}

export async function resetSession(cli: Cli, key: string, flags: { json?: boolean }): Promise<void> {
  const reset = await withLink(cli, "start", (link) => fieldsOf(link.client, "sessions.reset", { key }))
  if (flags.json) cli.out.json(reset)
  else cli.out.line(`Emptied ${inertLine(String(reset["key"]))}.`)
}

export async function exportSession(
  cli: Cli,
  key: string,
  flags: { format: string; exportFormat?: string; output?: string; json?: boolean },
): Promise<void> {
  const asked = flags.json ? "json" : (flags.exportFormat ?? flags.format)
  const format = asked === "markdown" ? "md" : asked
  if (format !== "md" && format !== "json")
    throw new PincerError("INVALID_PARAMS", `--format: "${asked}" is not one of md, json`)
  const params = { session: key, format: format === "md" ? "markdown" : "json" }
  const exported = await withLink(cli, "start", (link) => fieldsOf(link.client, "session.export", params)).catch(
    (error: unknown) => {
      if (error instanceof PincerError && /Session not found/.test(error.message))
        throw new PincerError("NOT_FOUND", `Unknown session "${key}": run "pincer session list"`, { cause: error })
      throw error
    },
  )
  const text = `${String(exported["data"]).trimEnd()}\n`
  if (flags.output === undefined) {
    cli.out.write(cli.out.isTerminal ? inert(text) : text)
    return
  }
  const path = resolve(cli.cwd, flags.output)
  try {
    writeFileSync(path, text, { mode: 0o600 })
  } catch (error) {
    throw new PincerError("UNAVAILABLE", `${path} cannot be written: choose another file with -o`, {
      cause: error,
      retryable: false,
    })
  }
  cli.err.line(`Wrote ${path}.`)
}

/** A whole number above 0. Throws INVALID_PARAMS. */
export function countOf(text: string, flag: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  throw new PincerError("INVALID_PARAMS", `${flag}: "${text}" is not a whole number above 0`)
}
