// `pincer agents doctor`: starts external agents one after the other and says what they can do, or why they cannot.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { type Reach, reachGateway } from "./connect.ts"
import { inertLine } from "./inert.ts"
import { Exit } from "./report.ts"
import { stringOf } from "./turn.ts"

type Fields = Record<string, unknown>

const PROBE_MS = 180_000

/** Throws Exit(1) when one of them is not ready. */
export async function examineAgents(cli: Cli, name: string | undefined, flags: { json?: boolean }): Promise<void> {
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    const ids = name === undefined ? await externalAgents(link) : [name]
    if (ids.length === 0)
      throw new PincerError("NOT_FOUND", 'No external agent is installed or configured: see "pincer agents list --all"')
    const probes: Fields[] = []
    for (const agentId of ids) {
      const answer: unknown = await link.client.request("agents.probe", { agentId }, { timeoutMs: PROBE_MS })
      const probe = isObject(answer) ? answer : {}
      probes.push(probe)
      if (!flags.json) show(cli, agentId, probe)
    }
    if (flags.json) cli.out.json(probes)
    if (probes.some((probe) => probe["ok"] !== true)) throw new Exit(1)
  } finally {
    await link.close()
  }
}

async function externalAgents(link: Reach): Promise<string[]> {
  const answer: unknown = await link.client.request("agents.list", {}, { timeoutMs: 30_000 })
  const rows = isObject(answer) && Array.isArray(answer["agents"]) ? answer["agents"].filter(isObject) : []
  return rows.filter((row) => row["runsOn"] === "acp").flatMap((row) => stringOf(row["id"]) ?? [])
}

function show({ out }: Cli, id: string, probe: Fields): void {
  const ok = probe["ok"] === true
  const login = probe["session"] === "login"
  const verdict = ok ? "is ready" : login ? "starts, and wants a log-in" : "does not start"
  out.line(`${ok ? out.paint("✓", "green") : out.paint("✗", "red")} ${inertLine(id)} ${verdict}`)
  const facts: [string, string | undefined][] = [
    ["Problem", stringOf(probe["error"])],
    ["Command", Array.isArray(probe["command"]) ? probe["command"].join(" ") : undefined],
    ["Says it is", says(probe)],
    ["Protocol", typeof probe["protocol"] === "number" ? `version ${probe["protocol"]}` : undefined],
    ["Can", Array.isArray(probe["abilities"]) ? probe["abilities"].join(", ") || "only the least" : undefined],
    ["Log-in", logins(probe["authMethods"])],
    ["Took", took(probe)],
  ]
  out.facts(facts.filter((fact): fact is [string, string] => fact[1] !== undefined))
}

function says(probe: Fields): string | undefined {
  const words = [stringOf(probe["name"]), stringOf(probe["version"])].filter((word) => word !== undefined)
  return words.length === 0 ? undefined : words.join(" ")
}

function logins(methods: unknown): string | undefined {
  const list = Array.isArray(methods) ? methods.filter(isObject) : []
  if (list.length === 0) return undefined
  return list
    .map((one) => `${String(one["id"])}${one["credential"] === true ? " (a credential is configured)" : ""}`)
    .join(", ")
}

function took({ sessionMs, startMs }: Fields): string | undefined {
  if (typeof startMs !== "number" || typeof sessionMs !== "number") return undefined
  return `${startMs} ms to start, ${sessionMs} ms to a session`
}
