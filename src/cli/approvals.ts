// `pincer approvals`: what waits for a human, answered from the command line; what answers allowed for longer, listed and forgotten.
import { PincerError } from "../base/errors.ts"
import { isObject, parseJson } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"
import { fieldsOf, withGateway } from "./one-call.ts"
import { questionOf, showOffer, showQuestion, visible } from "./question.ts"
import type { Screen } from "./screen.ts"
import { duration } from "./status.ts"

type Fields = Record<string, unknown>

/** What waits, oldest first. */
export async function pendingApprovals(client: GatewayClient): Promise<Fields[]> {
  const rows: unknown = await client.request("exec.approval.list")
  return Array.isArray(rows) ? rows.filter(isObject) : []
}

/** The one of these ids that begins or ends with `part`; `part` itself when none does. Throws INVALID_PARAMS when several do. */
export function idFor(ids: readonly string[], part: string, what: string): string {
  if (ids.includes(part)) return part
  const found = part === "" ? [] : ids.filter((id) => id.startsWith(part) || id.endsWith(part))
  if (found.length > 1)
    throw new PincerError("INVALID_PARAMS", `"${part}" fits ${found.length} ${what}: ${found.join(", ")}`)
  return found[0] ?? part
}

async function approvalId(client: GatewayClient, part: string): Promise<string> {
  const ids = (await pendingApprovals(client)).map((row) => String(row["id"]))
  return idFor(ids, part, "approvals")
}

export async function listApprovals(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const rows = await withGateway(cli, pendingApprovals)
  if (flags.json) {
    cli.out.json(rows)
    return
  }
  if (rows.length === 0) {
    cli.err.line("Nothing waits for an answer.")
    return
  }
  const now = Date.now()
  const cells = rows.map((row) => {
    const { expiresAtMs, id, kind, sessionKey, summary, tool } = questionOf(row)
    const left = duration(Math.max(0, expiresAtMs - now))
    return [id, kind === "tool" ? tool : kind, sessionKey, left, visible(summary)]
  })
  cli.out.table(["ID", "WHAT", "SESSION", "LEFT", "SUMMARY"], cells)
}

/** One approval in full. */
export function showRow(out: Screen, row: Fields): void {
  const question = questionOf(row)
  showQuestion(out, question)
  if (question.offer !== undefined) {
    out.line(`    ${out.paint('"always" would write:', "dim")} ${visible(inertLine(question.offer))}`)
  }
  if (question.asks?.type === "url") out.line(`    visit ${visible(inertLine(question.asks.url))}`)
  for (const field of question.asks?.type === "form" ? question.asks.fields : []) {
    const choices = field.choices.map(({ value }) => value).join(" | ")
    const what = `${field.name}: ${choices === "" ? field.type : choices}${field.required ? "" : " (optional)"}`
    out.line(`    ${visible(inertLine(what))}`)
  }
  const status = String(row["status"])
  const by = typeof row["resolvedBy"] === "string" ? ` by ${row["resolvedBy"]}` : ""
  const why = typeof row["denyReason"] === "string" ? `: ${row["denyReason"]}` : ""
  out.facts([
    ["Id", question.id],
    ["Session", question.sessionKey],
    ["Status", status === "pending" ? `waits until ${timeOf(question.expiresAtMs)}` : `${status}${by}${why}`],
  ])
}

function timeOf(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : "it is answered"
}

export async function showApproval(cli: Cli, part: string, flags: { json?: boolean }): Promise<void> {
  const row = await withGateway(cli, async (client) =>
    fieldsOf(client, "exec.approval.get", { id: await approvalId(client, part) }),
  )
  if (flags.json) cli.out.json(row)
  else showRow(cli.out, row)
}

export async function allowApproval(
  cli: Cli,
  part: string,
  flags: { session?: boolean; always?: boolean; answer?: string; json?: boolean },
): Promise<void> {
  if (flags.session && flags.always)
    throw new PincerError("INVALID_PARAMS", "Pass either --session or --always, not both")
  const given = flags.answer === undefined ? {} : { answer: answerOf(flags.answer) }
  const decision = flags.always ? "allow-always" : flags.session ? "allow-session" : "allow-once"
  await withGateway(cli, async (client) => {
    const id = await approvalId(client, part)
    if (flags.always && !flags.json) {
      const { offer } = questionOf(await fieldsOf(client, "exec.approval.get", { id }))
      if (offer !== undefined) showOffer(cli.out, offer)
    }
    await answer(cli, client, { id, decision, ...given }, flags)
  })
}

function answerOf(text: string): Fields {
  try {
    const value = parseJson(text)
    if (isObject(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new PincerError("INVALID_PARAMS", '--answer takes a JSON object with the fields, such as {"name":"x"}')
}

export async function denyApproval(cli: Cli, part: string, flags: { reason?: string; json?: boolean }): Promise<void> {
  await withGateway(cli, async (client) => {
    const id = await approvalId(client, part)
    const reason = flags.reason === undefined ? {} : { reason: flags.reason }
    await answer(cli, client, { id, decision: "deny", ...reason }, flags)
  })
}

const DONE: Readonly<Record<string, string>> = {
  "allow-once": "Allowed once",
  "allow-session": "Allowed for this session",
  "allow-always": "Allowed, and the rule is written",
  deny: "Denied",
}

async function answer(cli: Cli, client: GatewayClient, params: Fields, flags: { json?: boolean }): Promise<void> {
  const result = await fieldsOf(client, "exec.approval.resolve", params)
  if (flags.json) cli.out.json(result)
  else cli.out.line(`${DONE[String(result["decision"])] ?? inertLine(String(result["decision"]))}.`)
}

async function rulesOf(client: GatewayClient, agentId?: string): Promise<Fields[]> {
  const { rules } = await fieldsOf(client, "approvals.rules.list", agentId === undefined ? {} : { agentId })
  return Array.isArray(rules) ? rules.filter(isObject) : []
}

export async function listRules(cli: Cli, flags: { agent?: string; json?: boolean }): Promise<void> {
  const rules = await withGateway(cli, (client) => rulesOf(client, flags.agent))
  if (flags.json) {
    cli.out.json(rules)
    return
  }
  if (rules.length === 0) {
    cli.err.line("No rules: every question is asked.")
    return
  }
  const now = Date.now()
  const cells = rules.map((rule) => {
    const used = rule["lastUsedAtMs"]
    const where = rule["scope"] === "session" ? String(rule["sessionKey"]) : `agent ${String(rule["agentId"])}`
    const last = typeof used === "number" ? `${duration(Math.max(0, now - used))} ago` : "never"
    return [String(rule["id"]), where, String(rule["createdBy"]), last, visible(String(rule["text"]))]
  })
  cli.out.table(["ID", "FOR", "BY", "USED", "RULE"], cells)
}

export async function forgetRule(cli: Cli, part: string, flags: { json?: boolean }): Promise<void> {
  const gone = await withGateway(cli, async (client) => {
    const ids = (await rulesOf(client)).map((rule) => String(rule["id"]))
    return fieldsOf(client, "approvals.rules.remove", { id: idFor(ids, part, "rules") })
  })
  if (flags.json) cli.out.json(gone)
  else
    cli.out.line(`Forgotten: ${visible(inertLine(String(isObject(gone["removed"]) ? gone["removed"]["text"] : "")))}`)
}
