// `pincer policy`: what would be decided about calls, without carrying any out and without a gateway.
import { readFileSync } from "node:fs"
import { PincerError } from "../base/errors.ts"
import { isObject, parseJson } from "../base/json.ts"
import { excerpt } from "../base/text.ts"
import { checkText, invalidConfig } from "../config/check.ts"
import { parseDocument } from "../config/document.ts"
import { loadConfig } from "../config/load.ts"
import { expandPath, resolvePaths } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import type { Decision } from "../protocol/decision.ts"
import type { Cli } from "./cli.ts"
import { inert, inertLine } from "./inert.ts"
import { type PermissionFlags, permissionsOf } from "./permission-flags.ts"
import { Exit } from "./report.ts"

/** What the gateway's room lends: its policy-trial.ts, handed in by the command. */
export interface TrialRoom<R, L extends TrialLeave> {
  parseRecord(value: unknown, where: string): R
  judgeRecord(record: R, place: TrialWhere<L>): Promise<TrialOutcome>
  /** What humans allowed beyond one call; undefined when there is no database. */
  recordedLeave(path: string): L | undefined
}

export interface TrialLeave {
  grants: readonly { match: object }[]
  elevations: readonly { expiresAt: number }[]
}

interface TrialWhere<L> {
  leave?: L
  config: Config
  env: Cli["env"]
  home: string
  cwd: string
  now: number
}

export interface TrialOutcome {
  decision: Decision
  permissions: string
  warnings: readonly string[]
  partial: boolean
}

interface Recorded {
  tool?: string | undefined
  call?: { tool: string } | undefined
  args?: Record<string, unknown> | undefined
  summary?: string | undefined
  type?: string | undefined
  verdict?: string | undefined
}

export interface PolicyTestFlags {
  policy?: string
  all?: boolean
  withGrants?: boolean
  failOnChange?: boolean
  json?: boolean
}

interface Row {
  line: number
  tool: string
  summary: string
  before: string
  after: string
  rule: string
  reason: string
  partial: boolean
}

/** Exit code 1 with --fail-on-change when something changes. */
export async function testPolicy<R extends Recorded, L extends TrialLeave>(
  cli: Cli,
  file: string,
  flags: PolicyTestFlags,
  room: TrialRoom<R, L>,
): Promise<void> {
  const { assumed, place: now } = withLeave(cli, placeOf<L>(cli), flags.withGrants ? room : undefined)
  const then = flags.policy === undefined ? undefined : withPolicy(now, expandPath(flags.policy, cli.env, cli.cwd))
  const rows: Row[] = []
  for (const { line, value } of linesOf(expandPath(file, cli.env, cli.cwd))) {
    const record = room.parseRecord(value, `${file}, line ${line}`)
    // Of the audit only decisions are calls; effects and answers follow from them.
    if (record.type !== undefined && record.type !== "decision") continue
    const { decision: first, partial } = await room.judgeRecord(record, now)
    const second = then && (await room.judgeRecord(record, then)).decision
    const { reason, rule, verdict } = second ?? first
    const before = second ? first.verdict : (record.verdict ?? verdict)
    const tool = record.tool ?? record.call?.tool ?? ""
    const summary = excerpt(record.summary ?? JSON.stringify(record.args ?? {}), 60)
    rows.push({ line, tool, summary, before, after: verdict, rule, reason, partial })
  }
  const changed = rows.filter((row) => row.before !== row.after)
  tell(cli, flags, rows, changed, assumed)
  if (flags.failOnChange && changed.length > 0) throw new Exit(1)
}

/** The place with what humans allowed, and in words what is taken for granted. */
function withLeave<L extends TrialLeave>(
  cli: Cli,
  place: TrialWhere<L>,
  room: Pick<TrialRoom<never, L>, "recordedLeave"> | undefined,
): { place: TrialWhere<L>; assumed: string } {
  if (!room)
    return {
      place,
      assumed: "Assumed: nothing was allowed for longer, no session is elevated (--with-grants: as it is now).",
    }
  const { db } = resolvePaths(cli.env, cli.flags)
  const leave = room.recordedLeave(db)
  if (!leave)
    return {
      place,
      assumed: `Assumed: nothing was allowed for longer, no session is elevated, as ${db} does not exist.`,
    }
  const rules = leave.grants.filter(({ match }) => !("exact" in match)).length
  const elevated = leave.elevations.filter(({ expiresAt }) => expiresAt > place.now).length
  const single = leave.grants.length - rules
  const left = single === 0 ? "" : ` ${single} single calls that were allowed for a session are left out.`
  return {
    place: { ...place, leave },
    assumed: `Assumed: what is allowed now, ${rules} rules and ${elevated} elevated sessions of ${db}.${left}`,
  }
}

function tell(cli: Cli, flags: PolicyTestFlags, rows: readonly Row[], changed: readonly Row[], assumed: string): void {
  const shown = flags.all ? rows : changed
  const partial = rows.filter((row) => row.partial).length
  if (flags.json) {
    cli.out.json({ calls: rows.length, changed: changed.length, partial, assumed, rows: shown })
    return
  }
  if (shown.length > 0)
    cli.out.table(
      ["LINE", "TOOL", "CALL", "BEFORE", "AFTER", "RULE"],
      shown.map((row) => [
        String(row.line),
        inertLine(row.tool),
        inertLine(row.summary),
        ...[row.before, row.after, row.rule],
      ]),
    )
  const note = partial === 0 ? "" : ` ${partial} have no arguments and were judged by their names only.`
  cli.err.line(`${rows.length} calls, ${changed.length} decided otherwise.${note}`)
  cli.err.line(inertLine(assumed))
}

export interface ExplainFlags extends PermissionFlags {
  agent?: string
  cwd?: string
  tainted?: boolean
  unattended?: boolean
  json?: boolean
}

export async function explainPolicy<R, L extends TrialLeave>(
  cli: Cli,
  tool: string,
  json: string | undefined,
  flags: ExplainFlags,
  room: TrialRoom<R, L>,
): Promise<void> {
  const outcome = await judgeCall(cli, { tool, args: argumentsOf(json) }, flags, room)
  if (flags.json) cli.out.json(shownOutcome(outcome))
  else showOutcome(cli, outcome)
}

/** What would be decided about one call. */
export function judgeCall<R, L extends TrialLeave>(
  cli: Cli,
  call: { tool: string; args: object | undefined },
  flags: ExplainFlags,
  room: TrialRoom<R, L>,
): Promise<TrialOutcome> {
  const permissions = permissionsOf(flags, cli.env, (line) => cli.err.line(line))
  const record = room.parseRecord(
    {
      ...call,
      canAsk: !flags.unattended,
      ...(flags.agent === undefined ? {} : { agentId: flags.agent }),
      ...(flags.cwd === undefined ? {} : { cwd: expandPath(flags.cwd, cli.env, cli.cwd) }),
      ...(permissions ? { permissions } : {}),
      ...(flags.tainted ? { taint: [{ source: "web", detail: "assumed by --tainted" }] } : {}),
    },
    "The call",
  )
  return room.judgeRecord(record, placeOf(cli))
}

export function shownOutcome({ decision, partial, permissions, warnings }: TrialOutcome): object {
  return { ...decision, partial, permissions, warnings }
}

export function showOutcome(cli: Cli, { decision, partial, permissions, warnings }: TrialOutcome): void {
  const { placement, reason, rule, source, trail, verdict } = decision
  const place = placement.type === "sandbox" ? `sandbox (${placement.profile})` : placement.type
  cli.out.facts([
    ["Verdict", verdict],
    ["Why", inert(reason)],
    ["Rule", `${rule} (${inertLine(source)})`],
    ["Runs", place],
    ["Permissions", inertLine(permissions)],
  ])
  cli.out.line()
  cli.out.table(
    ["STEP", "RESULT", "RULE", "SOURCE", "REASON"],
    trail.map((one) => [one.step, one.result, one.rule, inertLine(one.source), inertLine(one.reason)]),
  )
  if (partial) cli.err.line("Judged by its name only: give the arguments as JSON to judge all of it.")
  for (const warning of warnings) cli.err.line(`! ${inertLine(warning)}`)
}

/** Without any, only the name is judged. */
function argumentsOf(json: string | undefined): Record<string, unknown> | undefined {
  if (json === undefined) return undefined
  try {
    const value = parseJson(json)
    if (isObject(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new PincerError("INVALID_PARAMS", `"${excerpt(json, 60)}" is not a JSON object: write '{"command": "ls"}'`)
}

function placeOf<L>(cli: Cli): TrialWhere<L> {
  const { config, paths } = loadConfig({ env: cli.env, flags: cli.flags })
  return { config, env: cli.env, home: paths.home, cwd: cli.cwd, now: Date.now() }
}

/** The configuration with the sections of a file in place of its own. */
function withPolicy<L>(place: TrialWhere<L>, path: string): TrialWhere<L> {
  const { issues, value } = parseDocument(contentOf(path))
  if (!isObject(value) || issues.length > 0)
    throw new PincerError("INVALID_PARAMS", `${path} is no piece of pincer.json: ${issues[0]?.message ?? "write {…}"}`)
  const checked = checkText(JSON.stringify({ ...place.config, ...value }))
  // Places are those of the merged text, which nobody has seen.
  if (!checked.ok)
    throw invalidConfig(
      path,
      checked.issues.map(({ message, path: key }) => ({ message, path: key })),
    )
  return { ...place, config: checked.config }
}

function* linesOf(path: string): Generator<{ line: number; value: unknown }> {
  let line = 0
  for (const text of contentOf(path).split("\n")) {
    line += 1
    if (text.trim() === "") continue
    const value = lineOf(text, `${path}, line ${line}`)
    // The first and last line of an export of the audit say what it is.
    if (isObject(value) && (Object.hasOwn(value, "exportedAt") || Object.hasOwn(value, "end"))) continue
    yield { line, value }
  }
}

function lineOf(text: string, where: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new PincerError("INVALID_PARAMS", `${where}: ${error.message}: each line is one JSON object`, {
      cause: error,
    })
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new PincerError("NOT_FOUND", `${path} cannot be read: name a file that is there`, { cause: error })
  }
}
