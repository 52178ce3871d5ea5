// Calls judged without carrying them out: what a configuration would decide about a call that is written down. Scenes are put together
// as for real calls, but for counts that the record lacks; what humans allowed beyond one call counts where it is handed in.
import { realpathSync } from "node:fs"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { parseWith } from "../../base/schema.ts"
import type { Env } from "../../config/paths.ts"
import { permissions } from "../../config/policy.ts"
import type { Config } from "../../config/schema.ts"
import { decide } from "../../policy/decide.ts"
import { policyWarnings } from "../../policy/names.ts"
import { resolvePermissions, summary } from "../../policy/permissions.ts"
import type { CallFacts, SandboxScene, Scene } from "../../policy/scene.ts"
import type { Decision } from "../../protocol/decision.ts"
import type { Origin } from "../../protocol/turn.ts"
import { openSandbox, type Sandbox } from "../../sandbox/index.ts"
import type { RecordedLeave } from "../../store/leave.ts"
import { tools } from "../../tools/index.ts"
import type { Tool, ToolSettings } from "../../tools/tool.ts"
import { configuredPermissions, policyLayers } from "./rights.ts"

const text = z.string().min(1)
const paths = z.array(z.string()).default([])
const mark = z.object({ source: z.enum(["web", "channel", "mcp", "outside", "host"]), detail: z.string() })
const origin = z.object({
  door: z
    .enum(["control", "openai", "cli", "rpc", "job", "acp", "channel", "schedule", "workflow", "test"])
    .default("cli"),
  ...{ clientId: text.optional(), deviceId: text.optional(), channel: text.optional(), sender: text.optional() },
  parentTurnId: text.optional(),
})
const times = z.object({ turn: z.number(), minute: z.number(), day: z.number() })

/** One line of a file: a call with its arguments, the facts of a call, or a line of the audit. Other fields are passed over. */
const recordSchema = z.object({
  tool: text.optional(),
  args: z.record(z.string(), z.unknown()).optional(),
  /** What it touches, instead of arguments; for tools that are not here. */
  call: z
    .object({
      tool: text,
      class: z.enum(["read", "search", "write", "exec", "network", "control"]),
      ...{ reads: paths, writes: paths, hosts: paths, messages: z.array(z.string()).optional() },
      args: z.record(z.string(), z.unknown()).default({}),
    })
    .optional(),
  ...{ agentId: text.optional(), sessionKey: text.optional(), cwd: text.optional(), at: z.number().optional() },
  ...{ provider: text.optional(), model: text.optional(), permissions: permissions.optional() },
  origin: origin.optional(),
  /** Of a line of the audit. */
  ...{ door: z.string().optional(), type: z.string().optional(), summary: z.string().optional() },
  /** What was decided when it was recorded. */
  verdict: z.string().optional(),
  ...{ subAgent: z.boolean().optional(), canAsk: z.boolean().optional(), counts: times.optional() },
  taint: z.array(mark).default([]),
  /** Whether there was a sandbox; default: whether there is one here. */
  sandbox: z.boolean().optional(),
})
export type TrialRecord = z.infer<typeof recordSchema>

export interface TrialAnswer {
  decision: Decision
  /** The six dimensions that held, in one line. */
  permissions: string
  warnings: readonly string[]
  /** The record has no arguments: only its names, time and origin were judged. */
  partial: boolean
}

export interface TrialPlace {
  config: Config
  env: Env
  home: string
  cwd: string
  /** ms since 1970, for records without a time. */
  now: number
  /** That of this configuration, if it is open already. */
  sandbox?: Sandbox
  /** What humans allowed, as it is now; absent: nothing. */
  leave?: RecordedLeave
}

/** Throws INVALID_PARAMS that names the line. */
export function parseRecord(value: unknown, where: string): TrialRecord {
  const record = parseWith(recordSchema, value, where)
  if (record.tool !== undefined || record.call !== undefined) return record
  throw new PincerError("INVALID_PARAMS", `${where}: names no tool: write {"tool": "Bash", "args": {"command": "ls"}}`)
}

/** What this configuration would decide. */
export async function judgeRecord(record: TrialRecord, place: TrialPlace): Promise<TrialAnswer> {
  const { facts, partial } = await factsOf(record, folderOf(record.cwd ?? place.cwd), place)
  return { ...(await judgeCall(facts, record, place)), partial }
}

/** The same of facts that somebody else has looked at. */
export async function judgeCall(
  facts: CallFacts,
  record: Omit<TrialRecord, "tool" | "args" | "call">,
  place: TrialPlace,
): Promise<Omit<TrialAnswer, "partial">> {
  const { config, home, now } = place
  const agentId = record.agentId ?? config.agents.default
  const from = originOf(record)
  const workspace = folderOf(record.cwd ?? place.cwd)
  const layers = policyLayers(config, agentId, from, record.provider, record.model)
  const resolved = resolvePermissions([
    ...configuredPermissions(config, agentId, from),
    ...(record.permissions ? [{ source: "request", permissions: record.permissions }] : []),
  ])
  const at = record.at ?? now
  const sessionKey = record.sessionKey ?? `agent:${agentId}:main`
  const scene: Scene = {
    call: facts,
    agentId,
    sessionKey,
    origin: from,
    provider: record.provider,
    model: record.model,
    subAgent: record.subAgent ?? from.parentTurnId !== undefined,
    workspace,
    home: folderOf(home),
    now: at,
    utcOffsetMinutes: -new Date(at).getTimezoneOffset(),
    permissions: resolved,
    layers,
    grants: place.leave?.grants ?? [],
    taint: record.taint,
    elevation: place.leave?.elevations.find((one) => one.sessionKey === sessionKey && one.expiresAt > now),
    sandbox: await sandboxOf(record, agentId, place),
    counts: record.counts ?? { turn: 0, minute: 0, day: 0 },
    canAsk: record.canAsk ?? true,
  }
  return { decision: decide(scene), permissions: summary(resolved), warnings: policyWarnings(layers) }
}

function originOf(record: Pick<TrialRecord, "origin" | "door" | "subAgent">): Origin {
  if (record.origin) return record.origin
  const door = origin.shape.door.safeParse(record.door)
  return { door: door.success ? door.data : "cli", ...(record.subAgent ? { parentTurnId: "recorded" } : {}) }
}

function folderOf(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    // A folder of another machine or of another day: as it is written.
    return path
  }
}

async function factsOf(
  record: TrialRecord,
  workspace: string,
  place: TrialPlace,
): Promise<{ facts: CallFacts; partial: boolean }> {
  const { call } = record
  if (call) {
    const { messages, ...rest } = call
    const facts = { ...rest, aliases: [], from: "builtin", ...(messages ? { messages } : {}) } as const
    return { facts, partial: false }
  }
  const name = record.tool ?? ""
  const tool = tools.find((one) => one.name === name || one.aliases.includes(name))
  if (!tool && record.args === undefined) return { facts: emptyFacts(name, "control"), partial: true }
  if (!tool)
    throw new PincerError(
      "INVALID_PARAMS",
      `Unknown tool "${name}": tools are ${tools.map((one) => one.name).join(", ")}`,
    )
  const args = record.args ?? argumentsIn(record, tool)
  if (args === undefined) return { facts: emptyFacts(tool.name, tool.class), partial: true }
  const parsed = parseWith(tool.args, args, `Arguments of ${tool.name}`)
  const touch = await tool.touch(parsed, workspace, settingsOf(place))
  const { reads, writes, hosts, facts: command, messages } = touch
  const facts: CallFacts = {
    ...{ tool: tool.name, aliases: tool.aliases, class: tool.class, from: tool.from ?? "builtin", args: parsed },
    ...{ reads, writes, hosts },
    ...(command ? { command } : {}),
    ...(messages ? { messages } : {}),
  }
  return { facts, partial: false }
}

/** The audit keeps digests of arguments; a short command is its own summary. */
function argumentsIn({ summary: line, type }: TrialRecord, tool: Tool): Record<string, unknown> | undefined {
  if (type === undefined || tool.class !== "exec" || !line || line.length >= 200 || line.includes("…")) return undefined
  return { command: line }
}

function emptyFacts(tool: string, kind: CallFacts["class"]): CallFacts {
  return { tool, aliases: [], class: kind, from: "builtin", args: {}, reads: [], writes: [], hosts: [] }
}

export function settingsOf({ config, env }: Pick<TrialPlace, "config" | "env">): ToolSettings {
  const { exec, fetch, maxOutputChars, search } = config.tools
  const around = { PATH: env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin", HOME: env["HOME"] ?? "/", ...exec.env }
  return {
    maxOutputChars,
    exec: { ...exec, env: around },
    fetch,
    search: {
      service: search.service,
      apiKey: () => undefined,
      ...(search.baseUrl === undefined ? {} : { baseUrl: search.baseUrl }),
    },
  }
}

/** What the sandbox of this machine can do, tried once for a configuration: it takes longer than to judge a thousand calls. */
const reports = new WeakMap<Config["sandbox"], ReturnType<Sandbox["report"]>>()

function triedOut({ sandbox: settings }: Config, sandbox: Sandbox): ReturnType<Sandbox["report"]> {
  const known = reports.get(settings)
  if (known) return known
  const tried = sandbox.report()
  reports.set(settings, tried)
  return tried
}

async function sandboxOf(
  record: Pick<TrialRecord, "sandbox">,
  agentId: string,
  { config, env, home, sandbox: open }: TrialPlace,
): Promise<SandboxScene> {
  const { defaults, entries } = config.agents
  const own = open ? undefined : openSandbox(config.sandbox, { path: env["PATH"] ?? "", hidden: [folderOf(home)] })
  const sandbox = (open ?? own)!
  try {
    const profile = sandbox.profile(entries[agentId]?.sandbox ?? defaults.sandbox)
    const scene = {
      profile: profile.name,
      workspace: profile.workspace,
      network: profile.network.length + profile.loopbackPorts.length > 0,
    }
    if (record.sandbox !== undefined)
      return { ...scene, available: record.sandbox, detail: record.sandbox ? "as recorded" : "there was none" }
    const { available, detail, install } = await triedOut(config, sandbox)
    return { ...scene, available, detail, ...(install === undefined ? {} : { install }) }
  } finally {
    own?.close()
  }
}
