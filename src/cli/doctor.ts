// `pincer doctor`: one check after the other, each with a stable id. Without --fix it reads only: it makes nothing and changes no mode.
import { readFileSync, statSync } from "node:fs"
import { type Clock, systemClock } from "../base/clock.ts"
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { type GatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { type LoadedConfig, loadConfig } from "../config/load.ts"
import { type Env, envValue, type Paths, resolvePaths } from "../config/paths.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"
import { confirmed } from "./confirm.ts"
import { called, openClient, otherGateway, type Target } from "./connect.ts"
import { inert } from "./inert.ts"
import { Exit } from "./report.ts"

interface Found {
  id: string
  category: string
  verdict: "ok" | "warning" | "problem" | "skipped"
  text: string
  fix?: string
  repair?: Change[]
}

type Change =
  | { type: "mode"; path: string; from: number; to: number }
  | { type: "remove"; path: string }
  | { type: "write"; path: string; before: string; after: string }

interface Plan {
  id: string
  changes: Change[]
}

interface Listed {
  id: string
  category: string
  about: string
}

type Look =
  | { state: "none" }
  | { state: "silent"; why: string; fix: string }
  | {
      state: "answers"
      name: string
      tookMs: number
      ask(method: string, params: Record<string, unknown>, timeoutMs: number): Promise<Record<string, unknown>>
    }

interface Room {
  env: Env
  paths: Paths
  version: string
  clock: Clock
  config: { loaded: LoadedConfig } | { refused: string }
  running: GatewayInfo | undefined
  inside: boolean
  reach(): Promise<Look>
  service(): Promise<{ file: string; drift?: string; failed: boolean; words: string } | undefined>
  portHolder(host: string, port: number): Promise<{ kind: string; process?: { pid: number; name: string } } | undefined>
}

interface Choice {
  only: string[]
  skip: string[]
  security: boolean
}

/** What the gateway's room lends: handed in by the command. */
export interface DoctorKit {
  examine(room: Room, choice: Choice): AsyncIterable<Found>
  chosen(choice: Choice): Listed[]
  summaryOf(found: readonly Found[]): { passed: number; failed: number; warnings: number; skipped: number }
  plansOf(found: readonly Found[]): Plan[]
  shownPlan(plan: Plan): string[]
  repair(
    plans: readonly Plan[],
    place: { home: string; version: string; now: number },
  ): { id: string; checks: string[] }
  undoRepair(home: string, id: string | undefined, now: number): { record: Recorded; left: string[] }
  repairs(home: string): Recorded[]
}

interface Recorded {
  id: string
  at: number
  checks: string[]
  undoneAt: number | null
}

export interface DoctorFlags {
  json?: boolean
  only?: string[]
  skip?: string[]
  security?: boolean
  list?: boolean
  strict?: boolean
  fix?: boolean
  yes?: boolean
}

/** Throws Exit(1) when something is wrong; with --strict, also when something is doubtful. */
export async function runDoctor(cli: Cli, flags: DoctorFlags, kit: DoctorKit): Promise<void> {
  const choice: Choice = { only: flags.only ?? [], skip: flags.skip ?? [], security: flags.security === true }
  if (flags.list) {
    listChecks(cli, kit.chosen(choice), flags.json === true)
    return
  }
  const link = new Link(cli)
  try {
    let found = await look(cli, kit, link, choice, flags.json !== true)
    let outcome: Record<string, unknown> | undefined
    if (flags.fix) {
      outcome = await fix(cli, kit, found, choice, flags)
      if (outcome["id"] !== undefined) found = await look(cli, kit, link, choice, false)
    }
    const { failed, warnings } = kit.summaryOf(found)
    if (flags.json) {
      const checks = found.map(({ repair, ...rest }) => ({ ...rest, repairable: repair !== undefined }))
      cli.out.json({ ok: failed === 0, checks, summary: kit.summaryOf(found), ...(outcome ? { repair: outcome } : {}) })
    } else conclude(cli, failed, warnings, kit.plansOf(found).length > 0 && !flags.fix)
    if (failed > 0 || (flags.strict && warnings > 0)) throw new Exit(1)
  } finally {
    link.close()
  }
}

function listChecks({ out }: Cli, rows: Listed[], json: boolean): void {
  if (json) out.json(rows.map(({ id, category, about }) => ({ id, category, about })))
  else
    out.table(
      ["ID", "CATEGORY", "LOOKS AT"],
      rows.map(({ id, category, about }) => [id, category, about]),
    )
}

async function look(cli: Cli, kit: DoctorKit, link: Link, choice: Choice, tell: boolean): Promise<Found[]> {
  const found: Found[] = []
  for await (const one of kit.examine(roomOf(cli, link), choice)) {
    found.push(one)
    if (tell) show(cli, one)
  }
  return found
}

function show({ out }: Cli, { id, verdict, text, fix: command }: Found): void {
  const signs = { ok: ["✓", "green"], warning: ["!", "yellow"], problem: ["✗", "red"], skipped: ["-", "dim"] } as const
  const [sign, style] = signs[verdict]
  out.line(`${out.paint(sign, style)} ${id.padEnd(18)} ${inert(text)}`)
  if (command !== undefined) out.line(`${" ".repeat(21)}${out.paint("fix:", "dim")} ${inert(command)}`)
}

function conclude({ out }: Cli, failed: number, warnings: number, repairable: boolean): void {
  const doubts = warnings === 0 ? "" : ` ${warnings} ${warnings === 1 ? "warning" : "warnings"}.`
  if (failed === 0) out.line(`${out.paint("Nothing is wrong.", "green", "bold")}${doubts}`)
  else out.line(`${out.paint(`${failed} ${failed === 1 ? "problem" : "problems"}.`, "red", "bold")}${doubts}`)
  if (repairable) out.line("Some of it can be put right here: pincer doctor --fix shows how, and asks.")
}

/** Shows what would change, asks, changes, looks again; takes it back when a check still does not pass. */
async function fix(cli: Cli, kit: DoctorKit, found: Found[], choice: Choice, flags: DoctorFlags) {
  const plans = kit.plansOf(found)
  const tell = (line: string) => (flags.json ? undefined : cli.out.line(inert(line)))
  if (plans.length === 0) {
    tell("There is nothing that the doctor can put right by itself.")
    return { applied: false, planned: [] }
  }
  for (const plan of plans) for (const line of kit.shownPlan(plan)) tell(line)
  const planned = plans.map(({ id, changes }) => ({
    check: id,
    changes: changes.length,
    diff: kit.shownPlan({ id, changes }),
  }))
  if (flags.json && !flags.yes) return { applied: false, planned }
  if (!(await confirmed(cli, "Change that?", flags.yes === true))) return { applied: false, planned }
  const { home } = resolvePaths(cli.env, cli.flags)
  const { id, checks } = kit.repair(plans, { home, version: cli.version, now: Date.now() })
  const still = await failing(cli, kit, checks, choice)
  if (still.length > 0) {
    kit.undoRepair(home, id, Date.now())
    throw new PincerError("INTERNAL_ERROR", `The repair did not help ${still.join(", ")} and was taken back`)
  }
  tell(`Done and looked at again: ${checks.join(", ")}. To take it back: pincer doctor undo ${id}`)
  return { applied: true, id, checks, verified: true }
}

/** Checks that would still be repaired. */
async function failing(cli: Cli, kit: DoctorKit, checks: string[], choice: Choice): Promise<string[]> {
  const link = new Link(cli)
  try {
    const again = await look(cli, kit, link, { ...choice, only: checks, skip: [] }, false)
    return again.filter((one) => one.repair !== undefined).map(({ id }) => id)
  } finally {
    link.close()
  }
}

/** `pincer doctor undo`. */
export function undoDoctor(
  cli: Cli,
  id: string | undefined,
  flags: { json?: boolean; list?: boolean },
  kit: Pick<DoctorKit, "repairs" | "undoRepair">,
): void {
  const { home } = resolvePaths(cli.env, cli.flags)
  if (flags.list) {
    const rows = kit.repairs(home)
    if (flags.json) cli.out.json(rows.map(({ id: name, at, checks, undoneAt }) => ({ id: name, at, checks, undoneAt })))
    else if (rows.length === 0) cli.out.line("The doctor has changed nothing in this home yet.")
    else
      cli.out.table(
        ["ID", "STATE", "CHECKS"],
        rows.map((row) => [row.id, row.undoneAt === null ? "stands" : "taken back", row.checks.join(", ")]),
      )
    return
  }
  const { record, left } = kit.undoRepair(home, id, Date.now())
  if (flags.json) cli.out.json({ undone: record.id, checks: record.checks, left })
  else {
    cli.out.line(`Taken back: ${record.id} (${record.checks.join(", ")}).`)
    for (const why of left) cli.out.line(`! Left as it is: ${inert(why)}`)
  }
  if (left.length > 0) throw new Exit(1)
}

function roomOf(cli: Cli, link: Link): Room {
  const paths = resolvePaths(cli.env, cli.flags)
  return {
    env: cli.env,
    paths,
    version: cli.version,
    clock: systemClock,
    config: readConfig(cli),
    running: runningGateway(paths.home),
    inside: false,
    reach: () => link.reach(),
    service: async () => (await import("./service/view.ts")).viewService(cli),
    portHolder: async (host, port) => (await import("./port-holder.ts")).portHolder(host, port),
  }
}

function readConfig(cli: Cli): Room["config"] {
  try {
    return { loaded: loadConfig({ env: cli.env, flags: cli.flags }) }
  } catch (error) {
    return { refused: asPincerError(error).message }
  }
}

/** The connection to the gateway: made when a check first needs it, and once. */
class Link {
  readonly #cli: Cli
  #look: Promise<Look> | undefined
  #client: GatewayClient | undefined

  constructor(cli: Cli) {
    this.#cli = cli
  }

  reach(): Promise<Look> {
    this.#look ??= this.#open()
    return this.#look
  }

  close(): void {
    this.#client?.close()
  }

  async #open(): Promise<Look> {
    const cli = this.#cli
    const paths = resolvePaths(cli.env, cli.flags)
    let target: Pick<Target, "url" | "token" | "namedBy"> | undefined
    try {
      target = await otherGateway(cli)
    } catch (error) {
      return { state: "silent", why: asPincerError(error).message, fix: "check the address and the token" }
    }
    const running = target ? undefined : runningGateway(paths.home)
    if (!target && !running) return { state: "none" }
    const fix = target ? "check the address and the token" : "pincer gateway restart"
    const meant = target ?? { url: running?.url ?? "", token: tokenUnchanged(cli, paths) }
    const started = performance.now()
    try {
      const client = await openClient(cli, meant, { connectTimeoutMs: 5_000 })
      this.#client = client
      await client.request("health", {}, { timeoutMs: 5_000 })
      const tookMs = Math.round(performance.now() - started)
      return { state: "answers", name: called(meant), tookMs, ask: asker(client) }
    } catch (error) {
      return { state: "silent", why: asPincerError(error).message, fix }
    }
  }
}

function asker(client: GatewayClient): (Look & { state: "answers" })["ask"] {
  return async (method, params, timeoutMs) => {
    const answer: unknown = await client.request(method, params, { timeoutMs })
    return isObject(answer) ? answer : {}
  }
}

/** The home's token, read without putting its mode right. */
function tokenUnchanged(cli: Cli, { token }: Paths): string | undefined {
  const given = cli.flags.token ?? envValue(cli.env, "PINCER_GATEWAY_TOKEN")
  if (given !== undefined) return given
  if (statSync(token, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  return readFileSync(token, "utf8").trim()
}
