// Whether a tool may be used at all, with these arguments, now, this often, from here: the lists of the six dimensions, and each policy
// layer's profile, lists, argument rules, rates and contexts. A layer can only take away.
import { createRequire } from "node:module"
import type { CommandSegment } from "./command.ts"
import type { Finding } from "./finding.ts"
import { permitsTool } from "./permissions.ts"
import { matchesHost, matchesPath } from "./places.ts"
import { type ArgumentRule, type ContextRule, type PolicyLayer, PROFILES, type RateRule } from "./rules.ts"
import type { CallFacts, Scene } from "./scene.ts"
import { matchesEntry } from "./shell/match.ts"
import { filesOf } from "./shell/touched.ts"
import { KNOWN_TOOLS, matchesTool } from "./tool-names.ts"

const require = createRequire(import.meta.url)

export interface Availability {
  deny?: Finding
  /** A context rule wants a question. */
  ask?: Finding
}

export function availability(scene: Scene): Availability {
  const { call, permissions } = scene
  if (!permitsTool(permissions, call.tool).allowed) {
    const preset = permissions.preset === "" ? "" : ` of the preset ${permissions.preset}`
    return {
      deny: {
        rule: permissions.preset === "" ? "permissions.allowed" : `preset.${permissions.preset}`,
        source: permissions.sources.allowed ?? "built in",
        reason: `${call.tool} is not among the allowed tools${preset} (${permissions.allowed.join(", ")}): name it in --allowed-tools or the permissions of the agent`,
      },
    }
  }
  let ask: Finding | undefined
  for (const layer of scene.layers) {
    const found = lists(layer, call.tool) ?? argumentsOf(layer, scene) ?? rates(layer, scene) ?? contexts(layer, scene)
    if (found?.verdict === "deny") return { deny: found }
    ask ??= found
  }
  return ask ? { ask } : {}
}

type Judged = Finding & { verdict: "ask" | "deny" }

function lists(layer: PolicyLayer, tool: string): Judged | undefined {
  const has = (names: readonly string[] | undefined) => names?.some((name) => matchesTool(name, tool)) ?? false
  const deny = (rule: string, source: string, reason: string): Judged => ({ verdict: "deny", rule, source, reason })
  if (has(layer.alsoAllow)) return undefined
  if (layer.profile !== undefined && layer.profile !== "full" && !has(PROFILES[layer.profile]))
    return deny("tools.profile", `${layer.source}.profile`, `${tool} is not in the profile "${layer.profile}"`)
  const { allow = [] } = layer
  // A list that names only tools of plug-ins would leave the agent without hands: it adds, it does not restrict (protocol §12.1).
  const restricts = allow.some((name) => KNOWN_TOOLS.some((known) => matchesTool(name, known)))
  if (allow.length > 0 && restricts && !has(allow))
    return deny("tools.allow", `${layer.source}.allow`, `${tool} is not in the list of allowed tools`)
  return undefined
}

function argumentsOf(layer: PolicyLayer, scene: Scene): Judged | undefined {
  for (const [i, rule] of (layer.arguments ?? []).entries()) {
    if (!rule.tools.some((name) => matchesTool(name, scene.call.tool))) continue
    const source = `${layer.source}.arguments[${i}]`
    const found =
      paths(rule, scene) ?? hosts(rule, scene.call) ?? commands(rule, scene.call) ?? schema(rule, scene.call)
    if (found) return { ...found, source }
  }
  return undefined
}

type Problem = Omit<Judged, "source">

/** What a call touches, the files of a command included. */
function touched(call: CallFacts): { paths: string[]; unknown: boolean } {
  const files = call.command ? filesOf(call.command) : { reads: [], writes: [] }
  const paths = [...call.reads, ...call.writes, ...files.reads, ...files.writes]
  return { paths, unknown: (call.command?.unknown.length ?? 0) > 0 }
}

function paths({ paths: rule }: ArgumentRule, { call, workspace }: Scene): Problem | undefined {
  if (!rule) return undefined
  const all = touched(call)
  for (const path of all.paths) {
    const bad = rule.deny?.find((pattern) => matchesPath(pattern, path, workspace))
    if (bad !== undefined)
      return { verdict: "deny", rule: "arguments.paths", reason: `${call.tool} touches ${path}, which ${bad} denies` }
    if (rule.allow?.length && !rule.allow.some((pattern) => matchesPath(pattern, path, workspace)))
      return { verdict: "deny", rule: "arguments.paths", reason: `${call.tool} touches ${path}, which no rule allows` }
  }
  if (!all.unknown) return undefined
  return {
    verdict: "ask",
    rule: "arguments.paths",
    reason: `${call.tool} touches files that are only known when it runs (${call.command?.unknown[0]})`,
  }
}

function hosts({ hosts: rule }: ArgumentRule, { hosts: contacted, tool }: CallFacts): Problem | undefined {
  for (const host of rule ? contacted : []) {
    const bad = rule?.deny?.find((pattern) => matchesHost(pattern, host))
    if (bad !== undefined)
      return { verdict: "deny", rule: "arguments.hosts", reason: `${tool} contacts ${host}, which ${bad} denies` }
    if (rule?.allow?.length && !rule.allow.some((pattern) => matchesHost(pattern, host)))
      return { verdict: "deny", rule: "arguments.hosts", reason: `${tool} contacts ${host}, which no rule allows` }
  }
  return undefined
}

/** A denied program is denied wherever in the line it stands; what is not known before it runs is asked for. */
function commands({ commands: rule }: ArgumentRule, { command, tool }: CallFacts): Problem | undefined {
  if (!rule?.deny?.length || !command) return undefined
  for (const segment of command.segments) {
    const bad = rule.deny.find((entry) => names(segment, entry))
    if (bad)
      return { verdict: "deny", rule: "arguments.commands", reason: `${tool} runs ${bad.join(" ")}, which is denied` }
  }
  const unsure = command.unknown[0] ?? command.segments.find((one) => one.interprets !== null)?.interprets
  if (unsure === undefined) return undefined
  return {
    verdict: "ask",
    rule: "arguments.commands",
    reason: `${tool} runs what is only known when it runs (${unsure}), while some commands are denied`,
  }
}

/** A deny entry needs no full path: "rm" means any program of that name. Extra arguments do not get around it. */
function names(segment: CommandSegment, entry: readonly string[]): boolean {
  const [program = "", ...words] = entry
  const path = segment.program ?? segment.argv[0] ?? ""
  const base = path.slice(path.lastIndexOf("/") + 1)
  const typed = (segment.argv[0] ?? "").split("/").at(-1)
  if (program.startsWith("/") ? path !== program : base !== program && typed !== program) return false
  if (words.length === 0 || (words.length === 1 && words[0] === "**")) return true
  if (matchesEntry(segment, [path, ...words])) return true
  return words
    .filter((word) => word !== "**")
    .every((word) => segment.argv.slice(1).some((given) => given === null || given === word))
}

type Validate = (value: unknown) => boolean
const validators = new WeakMap<object, Validate>()

function schema({ schema: rule }: ArgumentRule, { args, tool }: CallFacts): Problem | undefined {
  if (!rule) return undefined
  let validate = validators.get(rule)
  if (!validate) {
    const { Ajv2020 } = require("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js")
    validate = new Ajv2020({ strict: false, allErrors: false }).compile(rule) as Validate
    validators.set(rule, validate)
  }
  if (validate(args)) return undefined
  return {
    verdict: "deny",
    rule: "arguments.schema",
    reason: `The arguments of ${tool} do not satisfy the policy's schema`,
  }
}

function rates(layer: PolicyLayer, { call, counts }: Scene): Judged | undefined {
  for (const [i, rule] of (layer.rates ?? []).entries()) {
    if (!rule.tools.some((name) => matchesTool(name, call.tool))) continue
    const over = exceeded(rule, counts)
    if (!over) continue
    const reason = `${call.tool} was used ${over.used} times ${over.words}, ${over.limit} are allowed`
    return { verdict: "deny", rule: `rate.${over.key}`, source: `${layer.source}.rates[${i}].${over.key}`, reason }
  }
  return undefined
}

function exceeded(rule: RateRule, counts: Scene["counts"]) {
  const limits = [
    { key: "perTurn", limit: rule.perTurn, used: counts.turn, words: "in this turn" },
    { key: "perMinute", limit: rule.perMinute, used: counts.minute, words: "in the last minute" },
    { key: "perDay", limit: rule.perDay, used: counts.day, words: "in the last day" },
  ]
  return limits.find(({ limit, used }) => limit !== undefined && used >= limit)
}

function contexts(layer: PolicyLayer, scene: Scene): Judged | undefined {
  let ask: Judged | undefined
  for (const [i, rule] of (layer.contexts ?? []).entries()) {
    if (!rule.tools.some((name) => matchesTool(name, scene.call.tool)) || !holds(rule, scene)) continue
    const words = Object.keys(rule.when).join(", ")
    const found: Judged = {
      verdict: rule.verdict,
      rule: "context",
      source: `${layer.source}.contexts[${i}]`,
      reason: `${scene.call.tool} is restricted here and now (rule on ${words})`,
    }
    if (rule.verdict === "deny") return found
    ask ??= found
  }
  return ask
}

function holds({ when }: ContextRule, { now, origin, subAgent, taint, utcOffsetMinutes }: Scene): boolean {
  const local = new Date(now + utcOffsetMinutes * 60_000)
  const minutes = local.getUTCHours() * 60 + local.getUTCMinutes()
  if (when.between && !within(minutes, when.between)) return false
  if (when.days && !when.days.includes(local.getUTCDay())) return false
  if (when.doors && !when.doors.includes(origin.door)) return false
  if (when.channels && !when.channels.includes(origin.channel ?? "")) return false
  if (when.senders && !when.senders.includes(origin.sender ?? origin.clientId ?? "")) return false
  if (when.tainted !== undefined && when.tainted !== taint.length > 0) return false
  return when.subAgent === undefined || when.subAgent === subAgent
}

function within(minutes: number, [from, to]: readonly [string, string]): boolean {
  const of = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5))
  const [a, b] = [of(from), of(to)]
  return a <= b ? minutes >= a && minutes < b : minutes >= a || minutes < b
}
