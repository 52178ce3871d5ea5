// `pincer agents list` and `show`: what the gateway says of its agents. It looks for external ones where it would start them.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { nearWords } from "../base/spelling.ts"
import type { Cli } from "./cli.ts"
import { reachGateway } from "./connect.ts"
import { inertLine } from "./inert.ts"
import { stringOf } from "./turn.ts"

type Row = Record<string, unknown>

interface Listed {
  defaultId: string
  rows: Row[]
}

async function askAgents(cli: Cli, all: boolean): Promise<Listed> {
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    const answer: unknown = await link.client.request("agents.list", { all }, { timeoutMs: 30_000 })
    const fields = isObject(answer) ? answer : {}
    const rows = Array.isArray(fields["agents"]) ? fields["agents"].filter(isObject) : []
    return { defaultId: stringOf(fields["defaultId"]) ?? "", rows }
  } finally {
    await link.close()
  }
}

export async function listAgents(cli: Cli, flags: { all?: boolean; json?: boolean }): Promise<void> {
  const { defaultId, rows } = await askAgents(cli, flags.all === true)
  if (flags.json) {
    cli.out.json(rows)
    return
  }
  const { out } = cli
  const star = (row: Row) => (row["id"] === defaultId && out.isTerminal ? "* " : out.isTerminal ? "  " : "")
  out.table(
    [out.isTerminal ? "  AGENT" : "AGENT", "RUNS ON", "STATE", "HOW"],
    rows.map((row) => [`${star(row)}${String(row["id"])}`, runsOn(row), stateOf(row), how(row)]),
  )
  if (!out.isTerminal) return
  const hint = flags.all ? "" : '; known ones that are not installed: "pincer agents list --all"'
  out.line(out.paint(`* answers when none is named${hint}`, "dim"))
}

export async function showAgent(cli: Cli, name: string, flags: { json?: boolean }): Promise<void> {
  const { defaultId, rows } = await askAgents(cli, true)
  const row = rows.find((one) => one["id"] === name)
  if (!row) throw unknownAgent(name, rows)
  if (flags.json) {
    cli.out.json(row)
    return
  }
  const model = isObject(row["model"]) ? row["model"] : {}
  const facts: [string, string | undefined][] = [
    ["Agent", `${name}${name === defaultId ? " (answers when none is named)" : ""}`],
    ["Name", stringOf(row["name"])],
    ["Runs on", row["runsOn"] === "acp" ? `${stringOf(row["title"]) ?? "an agent of your own"}, over ACP` : "a model"],
    ["Model", row["runsOn"] === "acp" ? undefined : stringOf(model["primary"])],
    ["State", `${stateOf(row)}${row["configured"] === true ? "" : ", not in the configuration"}`],
    ["Version", stringOf(row["version"])],
    ["Started with", words(row["command"])],
    ["Found in", stringOf(row["from"])],
    ["To install it", stringOf(row["install"])],
    ["Workspace", stringOf(row["workspace"])],
  ]
  cli.out.facts(facts.filter((fact): fact is [string, string] => fact[1] !== undefined))
  if (row["installed"] === true) cli.out.line(`Try it: pincer ask --agent ${inertLine(name)} "…"`)
}

function unknownAgent(name: string, rows: readonly Row[]): PincerError {
  const ids = rows.map((row) => String(row["id"]))
  const near = nearWords(name, ids)
  const hint = near.length > 0 ? `did you mean ${near.join(" or ")}?` : 'run "pincer agents list --all"'
  return new PincerError("NOT_FOUND", `Unknown agent "${name}": ${hint}`)
}

function runsOn(row: Row): string {
  if (row["runsOn"] === "acp") return stringOf(row["title"]) ?? "ACP"
  return isObject(row["model"]) ? (stringOf(row["model"]["primary"]) ?? "") : ""
}

function stateOf(row: Row): string {
  if (row["installed"] !== true) return "missing"
  if (row["runsOn"] !== "acp") return "ready"
  return row["from"] === undefined ? "configured" : "installed"
}

function how(row: Row): string {
  if (row["installed"] !== true) return stringOf(row["install"]) ?? ""
  return words(row["command"]) ?? ""
}

/** A command as a person would type it. */
function words(command: unknown): string | undefined {
  if (!Array.isArray(command) || command.length === 0) return undefined
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(String(word)) ? String(word) : JSON.stringify(word))).join(" ")
}
