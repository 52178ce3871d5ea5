// `pincer status`: the verdict first, then the facts, and for each problem the command that fixes it.
import { statSync } from "node:fs"
import { asPincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { called, otherGateway, reachGateway } from "./connect.ts"
import { inert } from "./inert.ts"
import { Exit } from "./report.ts"
import { stringOf } from "./turn.ts"

interface Problem {
  text: string
  /** The command that fixes it. */
  fix: string
}

interface Status {
  verdict: "running" | "stopped" | "unreachable"
  url?: string
  /** What named the address, when it is not this home's gateway. */
  namedBy?: string
  home?: string
  problems: Problem[]
  facts: [string, string][]
  gateway?: Record<string, unknown>
}

/** Throws Exit(1) unless the gateway runs and answers. */
export async function showStatus(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const status = await readStatus(cli)
  if (flags.json) {
    const { facts: _, ...rest } = status
    cli.out.json(rest)
  } else show(cli, status)
  if (status.verdict !== "running") throw new Exit(1)
}

async function readStatus(cli: Cli): Promise<Status> {
  const named = await otherGateway(cli)
  const { home } = resolvePaths(cli.env, cli.flags)
  const running = named ? undefined : runningGateway(home)
  if (!named && !running)
    return {
      verdict: "stopped",
      home,
      problems: [{ text: `No gateway runs on ${home}.`, fix: "pincer gateway start" }],
      facts: [["Home", home]],
    }
  const url = named?.url ?? running?.url ?? ""
  const name = named ? called(named) : url
  const by = named?.namedBy === undefined ? {} : { namedBy: named.namedBy }
  try {
    const link = await reachGateway(cli, { otherwise: "refuse", connectTimeoutMs: 5_000 })
    try {
      const answer: unknown = await link.client.request("status", {}, { timeoutMs: 5_000 })
      const gateway = isObject(answer) ? answer : {}
      return {
        verdict: "running",
        url,
        ...by,
        gateway,
        facts: factsOf(gateway, name),
        problems: problemsOf(cli, gateway, named === undefined),
      }
    } finally {
      await link.close()
    }
  } catch (error) {
    const { message, code } = asPincerError(error)
    const auth = code === "AUTH_REQUIRED" || code === "NOT_PAIRED"
    const fix = auth
      ? "pincer status --token-file <file with its token>"
      : named
        ? "pincer doctor"
        : "pincer gateway restart"
    return {
      verdict: "unreachable",
      url,
      ...by,
      ...(named ? {} : { home }),
      problems: [{ text: message, fix }],
      facts: [["Gateway", name]],
    }
  }
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
  const { approvals, jobs, sandbox, today } = gateway
  const facts: [string, string][] = []
  if (isObject(jobs)) facts.push(["Jobs", `${num(jobs["running"])} running, ${num(jobs["queued"])} queued`])
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

function problemsOf(cli: Cli, gateway: Record<string, unknown>, own: boolean): Problem[] {
  const problems: Problem[] = []
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
  const path = stringOf(gateway["configPath"])
  if (own && path !== undefined && changedSince(path, num(gateway["startedAt"])))
    problems.push({ text: "The configuration has changed since the gateway started.", fix: "pincer gateway restart" })
  return problems
}

/** An external agent that could answer instead. */
function said(gateway: Record<string, unknown>): string {
  const suggestion = stringOf(gateway["suggestion"])
  return suggestion === undefined ? "" : ` ${suggestion}`
}

function changedSince(path: string, at: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && stat.mtimeMs > at
}

function show(cli: Cli, status: Status): void {
  const { out } = cli
  const words = {
    running: status.problems.length === 0 ? "Pincer is running and well." : "Pincer is running.",
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
