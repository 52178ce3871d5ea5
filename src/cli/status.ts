// `pincer status`: the verdict first, then the facts, and for each problem the command that fixes it.
import { asPincerError, type PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayInfo } from "../config/gateway-file.ts"
import type { Cli } from "./cli.ts"
import { called, otherGateway, reachGateway, type Target } from "./connect.ts"
import { millisecondsOf, pointedAt, type TargetFlags } from "./gateway-target.ts"
import { inert } from "./inert.ts"
import { type OwnProblem, type OwnView, viewOwn } from "./own-gateway.ts"
import { Exit } from "./report.ts"
import { stringOf } from "./turn.ts"

export interface StatusFlags extends TargetFlags {
  json?: boolean
  /** --no-probe: what this machine shows, without connecting. */
  probe?: boolean
  deep?: boolean
}

interface Status {
  verdict: "running" | "stopped" | "unreachable"
  url?: string
  /** What named the address, when it is not this home's gateway. */
  namedBy?: string
  home?: string
  /** The process and the service of this home; absent for a gateway elsewhere. */
  service?: Record<string, unknown>
  /** Absent with --no-probe, and when nothing runs. */
  probe?: { reachable: boolean; latencyMs: number; error?: string }
  problems: OwnProblem[]
  /** What to type next; the first problem's. */
  next?: string
  facts: [string, string][]
  gateway?: Record<string, unknown>
  /** With --deep. */
  deep?: Record<string, unknown>
}

const DEFAULT_TIMEOUT = "5000"

/** Throws Exit(1) unless the gateway runs and answers. */
export async function showStatus(given: Cli, flags: StatusFlags): Promise<void> {
  const cli = pointedAt(given, flags)
  const status = await readStatus(cli, flags)
  const next = status.problems[0]?.fix
  if (next !== undefined) status.next = next
  if (flags.json) {
    const { facts: _, ...rest } = status
    cli.out.json(rest)
  } else show(cli, status)
  if (status.verdict !== "running") throw new Exit(1)
}

async function readStatus(cli: Cli, flags: StatusFlags): Promise<Status> {
  const timeoutMs = millisecondsOf(flags.timeout ?? DEFAULT_TIMEOUT)
  const named = await otherGateway(cli)
  if (named) {
    const base = { url: named.url, ...(named.namedBy === undefined ? {} : { namedBy: named.namedBy }) }
    if (flags.probe === false)
      return { verdict: "unreachable", ...base, problems: [], facts: [["Gateway", `${called(named)}, not asked`]] }
    return { ...base, ...(await ask(cli, { name: called(named), named, timeoutMs, deep: flags.deep === true })) }
  }
  const own = await viewOwn(cli)
  const { running, home } = own
  const base = { home, service: serviceJson(own) }
  const facts = serviceFacts(own)
  if (!running) return { verdict: "stopped", ...base, problems: own.problems, facts: [["Home", home], ...facts] }
  if (flags.probe === false)
    return {
      verdict: "running",
      url: running.url,
      ...base,
      problems: own.problems,
      facts: [["Gateway", `${running.url}, pid ${running.pid}, version ${running.version}, not asked`], ...facts],
    }
  const asked = await ask(cli, { name: running.url, running, timeoutMs, deep: flags.deep === true })
  return {
    url: running.url,
    ...base,
    ...asked,
    problems: [...asked.problems, ...own.problems],
    facts: [...asked.facts, ...facts],
  }
}

interface Asking {
  name: string
  /** One of the two. */
  named?: Target
  running?: GatewayInfo
  timeoutMs: number
  deep: boolean
}

type Asked = Pick<Status, "verdict" | "problems" | "facts"> & Partial<Status>

async function ask(cli: Cli, asking: Asking): Promise<Asked> {
  const { name, named, timeoutMs } = asking
  const began = performance.now()
  const latency = () => Math.round((performance.now() - began) * 10) / 10
  try {
    const link = await reachGateway(cli, { otherwise: "refuse", connectTimeoutMs: timeoutMs })
    try {
      const answer: unknown = await link.client.request("status", {}, { timeoutMs })
      const probe = { reachable: true, latencyMs: latency() }
      const gateway = isObject(answer) ? answer : {}
      const more = asking.deep ? await (await import("./status-deep.ts")).lookDeeper(link.client, gateway) : undefined
      return {
        verdict: "running",
        probe,
        gateway,
        ...(more ? { deep: more.json } : {}),
        facts: [...factsOf(gateway, name), ...(more?.facts ?? [])],
        problems: [...problemsOf(cli, gateway, named === undefined), ...(more?.problems ?? [])],
      }
    } finally {
      await link.close()
    }
  } catch (error) {
    const refusal = asPincerError(error)
    return {
      verdict: "unreachable",
      probe: { reachable: false, latencyMs: latency(), error: refusal.message },
      problems: [whyUnreachable(refusal, asking)],
      facts: [["Gateway", name]],
    }
  }
}

function whyUnreachable({ code, message }: PincerError, { named, running }: Asking): OwnProblem {
  if (code === "AUTH_REQUIRED" || code === "NOT_PAIRED") {
    const where = named === undefined ? "" : ` --server ${named.url}`
    const from = running?.startedWith?.tokenFrom
    const text = from === undefined ? message : `${message}. It was started with the token that ${from} named.`
    return { text, fix: `pincer status${where} --token-file <file with its token>` }
  }
  if (named) return { text: message, fix: `pincer gateway probe --url ${named.url}` }
  return { text: message, fix: "pincer gateway restart --force" }
}

function serviceJson({ running, service, problems }: OwnView): Record<string, unknown> {
  return {
    status: running ? "running" : "stopped",
    ...(running
      ? { pid: running.pid, port: running.port, version: running.version, startedAt: running.startedAt }
      : {}),
    installed: service !== undefined,
    ...(service ? { supervisor: service } : {}),
    ...(running || problems.length === 0 ? {} : { why: problems[0]?.text }),
  }
}

function serviceFacts({ service, running }: OwnView): [string, string][] {
  if (!service) return []
  const starts = service.enabled ? "starts by itself" : "does not start by itself"
  const mine = running !== undefined && service.pid === running.pid ? "keeps this gateway" : service.words
  return [["Service", `${service.name}: ${mine}, ${starts}${service.drift === undefined ? "" : ", not up to date"}`]]
}

function factsOf(gateway: Record<string, unknown>, name: string): [string, string][] {
  const turns = isObject(gateway["turns"]) ? gateway["turns"] : {}
  const model = isObject(gateway["model"]) ? gateway["model"] : {}
  const sessions = isObject(gateway["sessions"]) ? gateway["sessions"] : {}
  const memory = isObject(gateway["memory"]) ? gateway["memory"] : {}
  const store = isObject(gateway["store"]) ? gateway["store"] : {}
  return [
    [
      "Gateway",
      `${name}, pid ${num(gateway["pid"])}, version ${stringOf(gateway["version"]) ?? "?"}, up ${duration(num(gateway["uptimeMs"]))}`,
    ],
    ["Model", stringOf(model["why"]) ?? "?"],
    [
      "Turns",
      `${num(turns["running"])} running, ${num(turns["waiting"])} waiting for an answer, ${num(turns["queued"])} queued`,
    ],
    ...workFacts(gateway),
    ["Sessions", String(num(sessions["count"]))],
    ...elevatedFacts(gateway["elevated"]),
    ["Memory", `${bytes(num(memory["rssBytes"]))}; database ${bytes(num(store["bytes"]))}`],
    ["Home", stringOf(gateway["home"]) ?? "?"],
  ]
}

/** An older gateway does not tell them. */
function workFacts(gateway: Record<string, unknown>): [string, string][] {
  const { approvals, autonomy, jobs, sandbox, today } = gateway
  const facts: [string, string][] = []
  if (isObject(jobs)) facts.push(["Jobs", `${num(jobs["running"])} running, ${num(jobs["queued"])} queued`])
  if (isObject(autonomy) && autonomy["enabled"] === false)
    facts.push(["Autonomy", "off: no schedule and no heartbeat begins by itself (pincer gateway autonomy on)"])
  if (isObject(approvals)) facts.push(["Approvals", `${num(approvals["pending"])} waiting`])
  if (isObject(today)) {
    const tokens = num(today["inputTokens"]) + num(today["outputTokens"])
    const cost = typeof today["costUsd"] === "number" ? `$${today["costUsd"].toFixed(4)}` : "no price known"
    facts.push(["Today", `${num(today["turns"])} turns, ${tokens} tokens, ${cost} (UTC day)`])
  }
  if (isObject(sandbox))
    facts.push([
      "Sandbox",
      sandbox["available"] === true
        ? `${String(sandbox["backend"])}, profile ${String(sandbox["profile"])}`
        : `not there: ${String(sandbox["detail"])}`,
    ])
  return facts
}

/** Sessions whose commands may leave the sandbox now. */
function elevatedFacts(rows: unknown): [string, string][] {
  const list = Array.isArray(rows) ? rows.filter(isObject) : []
  if (list.length === 0) return []
  const said = list.map(
    (row) => `${String(row["sessionKey"])} (${String(row["level"])}, until ${untilOf(row["expiresAtMs"])})`,
  )
  return [["Elevated", said.join(", ")]]
}

function untilOf(ms: unknown): string {
  return typeof ms === "number" ? new Date(ms).toISOString() : "it is turned off"
}

function problemsOf(cli: Cli, gateway: Record<string, unknown>, own: boolean): OwnProblem[] {
  const problems: OwnProblem[] = []
  const version = stringOf(gateway["version"])
  if (version !== undefined && version !== cli.version)
    problems.push({
      text: `The gateway is version ${version}, this command is ${cli.version}.`,
      fix: "pincer gateway restart",
    })
  const model = isObject(gateway["model"]) ? gateway["model"] : {}
  if (model["provider"] === "offline")
    problems.push({
      text: `No language model is configured.${said(gateway)}`,
      fix: "pincer config set agents.defaults.model provider/model",
    })
  const approvals = isObject(gateway["approvals"]) ? num(gateway["approvals"]["pending"]) : 0
  if (approvals > 0)
    problems.push({
      text: `${approvals} ${approvals === 1 ? "call waits" : "calls wait"} for your answer.`,
      fix: "pincer approvals watch",
    })
  const { sandbox } = gateway
  if (isObject(sandbox) && sandbox["available"] === false)
    problems.push({
      text: "Commands cannot be confined: each is asked for or refused.",
      fix: stringOf(sandbox["install"]) ?? "pincer doctor",
    })
  const { configuration } = gateway
  if (own && isObject(configuration))
    problems.unshift(...configProblems(configuration, heldText(gateway), stringOf(gateway["configPath"])))
  return problems
}

/** What waits for a normal start. */
function heldText({ jobs, turns }: Record<string, unknown>): string {
  const [heldTurns, heldJobs] = [turns, jobs].map((one) => (isObject(one) ? num(one["held"]) : 0))
  return heldTurns || heldJobs ? ` Kept for a normal start: turns: ${heldTurns}, jobs: ${heldJobs}.` : ""
}

/** Safe mode before everything else: hardly anything that was configured counts then. */
function configProblems(
  configuration: Record<string, unknown>,
  kept: string,
  path = "the configuration",
): OwnProblem[] {
  const { mode, refused, restart } = configuration
  const why = isObject(refused) ? stringOf(refused["message"]) : undefined
  if (mode === "safe") {
    const text = `SAFE MODE: this machine only, defaults, no schedules, no external agents.${kept}${why === undefined ? "" : ` ${why}`}`
    return [{ text, fix: "pincer config check; pincer config undo --last-good; pincer gateway restart" }]
  }
  if (why !== undefined) {
    const text = `${path} was refused, what worked before counts: ${why}`
    return [{ text, fix: "pincer config edit" }]
  }
  const waiting = Array.isArray(restart) ? restart.map(String) : []
  if (waiting.length === 0) return []
  return [{ text: `Changed, and counts after a restart: ${waiting.join(", ")}.`, fix: "pincer gateway restart" }]
}

/** An external agent that could answer instead. */
function said(gateway: Record<string, unknown>): string {
  const suggestion = stringOf(gateway["suggestion"])
  return suggestion === undefined ? "" : ` ${suggestion}`
}

function show(cli: Cli, status: Status): void {
  const { out } = cli
  const words = {
    running: !status.probe
      ? "Pincer's process is there."
      : status.problems.length === 0
        ? "Pincer is running and well."
        : "Pincer is running.",
    stopped: "Pincer is not running.",
    unreachable: "Pincer does not answer.",
  }
  const colour = status.verdict !== "running" ? "red" : status.problems.length > 0 ? "yellow" : "green"
  out.line(out.paint(words[status.verdict], colour, "bold"))
  out.facts(status.facts)
  for (const { text, fix } of status.problems) {
    out.line(`${out.paint("!", "yellow")} ${inert(text)}`)
    out.line(`  ${out.paint("fix:", "dim")} ${inert(fix)}`)
  }
}

function num(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0
}

/** "3 min 20 s" */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** "1.2 MB" */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`
  const units = ["kB", "MB", "GB", "TB"]
  let value = count / 1000
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}
