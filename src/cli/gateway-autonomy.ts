// `pincer gateway autonomy on|off|status`: whether work begins by itself. It is a key of the configuration, so that it counts at once in
// a gateway that runs, and in the next one where none does.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { loadConfig } from "../config/load.ts"
import type { Cli } from "./cli.ts"
import { type ConfigDoor, openDoor } from "./config-door.ts"
import { pointedAt, type TargetFlags } from "./gateway-target.ts"
import { inert } from "./inert.ts"

type Fields = Record<string, unknown>

export async function showAutonomy(given: Cli, flags: TargetFlags & { json?: boolean }): Promise<void> {
  const cli = pointedAt(given, flags)
  await within(cli, async (door) => {
    tell(cli, door.client ? await asked(door, "autonomy.get") : filed(cli, door), undefined, flags.json)
  })
}

export async function setAutonomy(
  given: Cli,
  enabled: boolean,
  flags: TargetFlags & { json?: boolean },
): Promise<void> {
  const cli = pointedAt(given, flags)
  await within(cli, async (door) => {
    if (door.client) return tell(cli, await asked(door, "autonomy.set", { enabled }), enabled, flags.json)
    const switchedAt = new Date().toISOString()
    await door.change({ type: "patch", patch: { autonomy: { enabled, switchedAt } } })
    tell(cli, filed(cli, door), enabled, flags.json)
  })
}

async function within(cli: Cli, use: (door: ConfigDoor) => Promise<void>): Promise<void> {
  const door = await openDoor(cli)
  try {
    await use(door)
  } finally {
    await door.close()
  }
}

async function asked({ client }: ConfigDoor, method: string, params: Fields = {}): Promise<Fields> {
  const answer: unknown = await client?.request(method, params)
  if (isObject(answer)) return answer
  throw new PincerError("INTERNAL_ERROR", `The gateway's answer to ${method} is not understood`)
}

/** What counts once a gateway starts. */
function filed({ env, flags }: Cli, { paths }: ConfigDoor): Fields {
  const { enabled, switchedAt = null } = loadConfig({ env, flags }).config.autonomy
  return {
    enabled,
    reason: switchedAt === null && enabled ? "default" : "configuration",
    switchedAt,
    path: paths.config,
  }
}

const REASONS: Readonly<Record<string, string>> = {
  default: "nobody has switched it off",
  configuration: "the configuration says so",
  "safe-mode": "the gateway runs in safe mode",
}

/** `wanted`: what was asked for; safe mode counts before it. */
function tell({ out, err }: Cli, state: Fields, wanted: boolean | undefined, json: boolean | undefined): void {
  const { enabled, heartbeats, path, reason, schedules, switchedAt } = state
  if (json) {
    out.json(state)
    return
  }
  const on = enabled === true
  const word = on ? "on" : "off"
  if (wanted !== undefined && wanted !== on)
    err.line(`! The configuration says ${wanted ? "on" : "off"} now; it counts once the gateway has left safe mode.`)
  out.line(
    on
      ? "Autonomy is on: schedules and heartbeats begin by themselves."
      : "Autonomy is off: each tick is recorded as skipped, and what you start yourself runs.",
  )
  const facts: [string, string][] = [
    ["State", `${word}, as ${REASONS[String(reason)] ?? inert(String(reason))}`],
    ["Switched", typeof switchedAt === "string" ? inert(switchedAt) : "never by a command"],
  ]
  if (isObject(schedules)) facts.push(["Schedules", schedulesText(schedules)])
  if (isObject(heartbeats)) facts.push(["Heartbeats", heartbeatsText(heartbeats)])
  else facts.push(["Gateway", "not running: this counts at its next start"])
  facts.push(["Kept in", `${inert(String(path))} (autonomy.enabled)`])
  out.facts(facts)
}

function schedulesText({ active, nextAtMs }: Fields): string {
  const next = typeof nextAtMs === "number" ? `, next at ${new Date(nextAtMs).toISOString()}` : ""
  return `${Number(active)} switched on${next}`
}

function heartbeatsText({ enabled, last }: Fields): string {
  const word = enabled === true ? "on" : "off"
  if (!isObject(last) || typeof last["ts"] !== "number") return `${word}, none yet`
  const why = typeof last["reason"] === "string" && last["reason"] !== "" ? ` (${inert(last["reason"])})` : ""
  return `${word}, the last one at ${new Date(last["ts"]).toISOString()}: ${inert(String(last["status"]))}${why}`
}
