// `pincer audit`: what was decided and done. Asked of the gateway that runs; without one it is read from the home's database, so that
// it can be verified without starting anything.
import { closeSync, createReadStream, openSync, writeSync } from "node:fs"
import { resolve } from "node:path"
import { createInterface } from "node:readline"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { expandPath, resolvePaths } from "../config/paths.ts"
import {
  AUDIT_TYPES,
  type AuditFilter,
  type AuditRecord,
  type AuditType,
  type AuditVerification,
} from "../protocol/audit.ts"
import type { Cli } from "./cli.ts"
import { otherGateway, reachGateway } from "./connect.ts"
import { inertJson } from "./inert.ts"
import { Exit } from "./report.ts"
import { countOf } from "./sessions.ts"

interface Link {
  seq: number
  hash: string
}

/** What the store's room lends for reading without a gateway: its audit-file.ts, handed in by the command. */
export interface Offline {
  openAuditFile(path: string): { reads: Omit<Source, "close">; close(): void } | undefined
  ExportWalk: new () => { take(line: string): void; result(): AuditVerification }
  exportHead(previous: Link, at: number): string
  exportLine(record: AuditRecord): string
  exportEnd(head: Link, records: number): string
}

export interface AuditListFlags {
  limit: string
  session?: string
  tool?: string
  type?: string
  since?: string
  until?: string
  after?: string
  json?: boolean
}

interface Source {
  list(filter: AuditFilter): Promise<AuditRecord[]>
  get(seq: number): Promise<AuditRecord | undefined>
  verify(): Promise<AuditVerification>
  close(): Promise<void> | void
}

const EMPTY: Source = {
  list: async () => [],
  get: async () => undefined,
  verify: async () => ({ ok: true, records: 0, head: { seq: 0, hash: "0".repeat(64) }, prunedThrough: 0 }),
  close: () => undefined,
}
const PAGE = 1_000

async function withSource<T>(cli: Cli, offline: Offline, use: (source: Source) => Promise<T>): Promise<T> {
  const source = await openSource(cli, offline)
  try {
    return await use(source)
  } finally {
    await source.close()
  }
}

async function openSource(cli: Cli, offline: Offline): Promise<Source> {
  const { db, home } = resolvePaths(cli.env, cli.flags)
  if (!runningGateway(home) && !(await otherGateway(cli))) {
    const file = offline.openAuditFile(db)
    if (!file) return EMPTY
    const { reads } = file
    return {
      list: (filter) => reads.list(filter),
      get: (seq) => reads.get(seq),
      verify: () => reads.verify(),
      close: () => file.close(),
    }
  }
  const link = await reachGateway(cli, { otherwise: "refuse" })
  const ask = async (method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> => {
    const answer: unknown = await link.client.request(method, params)
    if (isObject(answer)) return answer
    throw new PincerError("INTERNAL_ERROR", `The gateway's answer to ${method} is not understood`)
  }
  return {
    list: async (filter) => (await ask("audit.list", { ...filter }))["records"] as AuditRecord[],
    get: async (seq) => ((await ask("audit.list", { after: seq - 1, limit: 1 }))["records"] as AuditRecord[])[0],
    verify: async () => (await ask("audit.verify", {})) as unknown as AuditVerification,
    close: () => link.close(),
  }
}

export async function listAudit(cli: Cli, flags: AuditListFlags, offline: Offline): Promise<void> {
  const filter = filterOf(flags)
  const records = await withSource(cli, offline, (source) => source.list(filter))
  // What came last stands last, where the eye is.
  if (filter.newest) records.reverse()
  if (flags.json) {
    cli.out.json(records)
    return
  }
  if (records.length === 0) {
    cli.err.line("No records.")
    return
  }
  cli.out.table(
    ["NO", "TIME", "WHO", "TYPE", "TOOL", "OUTCOME", "SUMMARY"],
    records.map((record) => [
      String(record.seq),
      new Date(record.at).toISOString().replace(/\.\d+Z$/, "Z"),
      record.who,
      record.type,
      record.tool,
      record.outcome ?? record.verdict ?? "",
      record.summary,
    ]),
  )
}

function filterOf(flags: AuditListFlags): AuditFilter {
  return {
    limit: Math.min(PAGE, countOf(flags.limit, "--limit")),
    ...(flags.after === undefined ? { newest: true } : { after: numberOf(flags.after, "--after") }),
    ...(flags.session === undefined ? {} : { sessionKey: keyOf(flags.session) }),
    ...(flags.tool === undefined ? {} : { tool: flags.tool }),
    ...(flags.type === undefined ? {} : { type: typeOf(flags.type) }),
    ...(flags.since === undefined ? {} : { since: timeOf(flags.since, "--since") }),
    ...(flags.until === undefined ? {} : { until: timeOf(flags.until, "--until") }),
  }
}

/** A session's whole key, or its rest within the agent "main". */
function keyOf(name: string): string {
  return name.startsWith("agent:") ? name : `agent:main:${name}`
}

function typeOf(name: string): AuditType {
  const type = AUDIT_TYPES.find((one) => one === name)
  if (type) return type
  throw new PincerError("INVALID_PARAMS", `--type: "${name}" is not one of ${AUDIT_TYPES.join(", ")}`)
}

function numberOf(text: string, flag: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text)
  throw new PincerError("INVALID_PARAMS", `${flag}: "${text}" is not the number of a record`)
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A date ("2026-03-01", with or without a time), or how long ago: "30m", "12h", "7d". */
function timeOf(text: string, flag: string): number {
  const ago = /^(\d{1,6})([mhd])$/.exec(text)
  if (ago) return Date.now() - Number(ago[1]) * UNITS[ago[2]!]!
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at)) return at
  throw new PincerError(
    "INVALID_PARAMS",
    `${flag}: "${text}" is no date: write it like 2026-03-01, or like 12h or 7d ago`,
  )
}

export async function showAudit(cli: Cli, number: string, flags: { json?: boolean }, offline: Offline): Promise<void> {
  const seq = numberOf(number, "number")
  const record = await withSource(cli, offline, (source) => source.get(seq))
  if (record?.seq !== seq)
    throw new PincerError("NOT_FOUND", `The audit has no record ${number}: run "pincer audit list"`)
  if (flags.json) {
    cli.out.json(record)
    return
  }
  const { at, ...rest } = record
  const facts = Object.entries(rest).filter(([, value]) => value !== "")
  cli.out.facts([
    ["at", new Date(at).toISOString()],
    ...facts.map(([name, value]): [string, string] => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  ])
}

/** Exit code 1 when something is not as it was. */
export async function verifyAudit(cli: Cli, flags: { file?: string; json?: boolean }, offline: Offline): Promise<void> {
  const { file } = flags
  const found =
    file === undefined
      ? await withSource(cli, offline, (source) => source.verify())
      : await verifyExport(expandPath(file, cli.env, cli.cwd), offline)
  if (flags.json) cli.out.json(found)
  else tellVerdict(cli, found)
  if (!found.ok) throw new Exit(1)
}

function tellVerdict(cli: Cli, found: AuditVerification): void {
  const { firstBad, head, ok, prunedThrough, reason, records } = found
  const pruned = prunedThrough === 0 ? "" : ` Records up to ${prunedThrough} were pruned.`
  if (!ok) {
    cli.err.line(
      `${cli.err.paint("The audit was tampered with.", "red")} First bad record: ${firstBad}. ${reason}.${pruned}`,
    )
    return
  }
  if (records === 0) cli.out.line(`The audit is empty.${pruned}`)
  else
    cli.out.line(`${records} records, all as they were written.${pruned} Record ${head.seq} has the hash ${head.hash}`)
}

async function verifyExport(path: string, offline: Offline): Promise<AuditVerification> {
  const walk = new offline.ExportWalk()
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY }))
      if (line !== "") walk.take(line)
    return walk.result()
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new PincerError("INVALID_PARAMS", `${path} is not an export of the audit: ${error.message}`, {
        cause: error,
      })
    throw new PincerError("NOT_FOUND", `${path} cannot be read: name a file that "pincer audit export" wrote`, {
      cause: error,
    })
  }
}

/** Writes every record as a line, between a first line that says what it is and a last one that says where the chain ended. */
export async function exportAudit(cli: Cli, flags: { output?: string }, offline: Offline): Promise<void> {
  const to = flags.output === undefined ? undefined : resolve(cli.cwd, flags.output)
  const lines = openOutput(cli, to)
  try {
    const count = await withSource(cli, offline, (source) => writeExport(source, offline, lines.write))
    if (to !== undefined)
      cli.err.line(`Wrote ${count} records to ${to}. To check them: pincer audit verify --file ${to}`)
  } finally {
    lines.close()
  }
}

async function writeExport(source: Source, offline: Offline, write: (line: string) => void): Promise<number> {
  let page = await source.list({ after: 0, limit: PAGE })
  const first = page[0]
  let head = first ? { seq: first.seq - 1, hash: first.previous } : { seq: 0, hash: "0".repeat(64) }
  write(offline.exportHead(head, Date.now()))
  let count = 0
  while (page.length > 0) {
    for (const record of page) write(offline.exportLine(record))
    count += page.length
    head = { seq: page.at(-1)!.seq, hash: page.at(-1)!.hash }
    page = await source.list({ after: head.seq, limit: PAGE })
  }
  write(offline.exportEnd(head, count))
  return count
}

function openOutput(cli: Cli, path: string | undefined): { write: (line: string) => void; close: () => void } {
  if (path === undefined)
    return {
      write: (line) => cli.out.write(`${cli.out.isTerminal ? inertJson(line) : line}\n`),
      close: () => undefined,
    }
  try {
    const fd = openSync(path, "w", 0o600)
    return { write: (line) => void writeSync(fd, `${line}\n`), close: () => closeSync(fd) }
  } catch (error) {
    throw new PincerError("UNAVAILABLE", `${path} cannot be written: choose another file with -o`, {
      cause: error,
      retryable: false,
    })
  }
}

export async function pruneAudit(cli: Cli, flags: { before: string; json?: boolean }): Promise<void> {
  const before = timeOf(flags.before, "--before")
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    const pruned: unknown = await link.client.request("audit.prune", { before })
    if (flags.json) {
      cli.out.json(pruned)
      return
    }
    const { removed, through } = isObject(pruned) ? pruned : {}
    if (removed === 0) cli.out.line("Nothing is that old.")
    else cli.out.line(`Removed ${Number(removed)} records, up to ${Number(through)}. The rest still verifies.`)
  } finally {
    await link.close()
  }
}
