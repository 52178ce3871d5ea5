// Rules about what a call's arguments may be: paths, hosts, commands, JSON Schema. What is not allowed is denied; what cannot be known
// before it runs is asked.
import { compileSchema, type SchemaCheck } from "../base/json-schema.ts"
import type { CommandSegment } from "./command.ts"
import { denial, type Objection, question } from "./objection.ts"
import { matchesHost, matchesPath, mayHold } from "./places.ts"
import type { ArgumentRule, PolicyLayer } from "./rules.ts"
import type { CallFacts, Scene } from "./scene.ts"
import { matchesEntry, needsNoEntry } from "./shell/match.ts"
import { filesOf } from "./shell/touched.ts"
import { matchesAny } from "./tool-names.ts"

export function argumentObjections(scene: Scene, { arguments: rules = [], source }: PolicyLayer): Objection[] {
  return rules.flatMap((rule, at) => {
    if (!matchesAny(rule.tools, scene.call.tool)) return []
    const where = `${source}.arguments[${at}]`
    return [
      ...paths(rule, scene, `${where}.paths`),
      ...hosts(rule, scene.call, `${where}.hosts`),
      ...commands(rule, scene.call, `${where}.commands`),
      ...schema(rule, scene.call, `${where}.schema`),
    ]
  })
}

function paths({ paths: rule }: ArgumentRule, { call, workspace }: Scene, source: string): Objection[] {
  if (!rule) return []
  const { allow = [], deny = [] } = rule
  const files = call.command ? filesOf(call.command) : { reads: [], writes: [] }
  const touched = [...call.reads, ...call.writes, ...files.reads, ...files.writes]
  for (const path of touched) {
    const bad = deny.find((pattern) => matchesPath(pattern, path, workspace))
    if (bad !== undefined)
      return [denial("arguments.paths", source, `${call.tool} touches ${path}, which "${bad}" denies (${source})`)]
    if (allow.length > 0 && !allow.some((pattern) => matchesPath(pattern, path, workspace)))
      return [
        denial("arguments.paths", source, `${call.tool} touches ${path}, which no entry of ${source}.allow covers`),
      ]
  }
  return [...throughFolders(call, touched, deny, workspace, source), ...unknownPaths(call, source)]
}

/** Searching a folder, or handing it to a program, may reach into what is denied below it. */
function throughFolders(
  call: CallFacts,
  touched: readonly string[],
  deny: readonly string[],
  workspace: string,
  source: string,
): Objection[] {
  if (call.class !== "search" && call.class !== "exec") return []
  for (const folder of touched) {
    const within = deny.find((pattern) => mayHold(folder, pattern, workspace))
    if (within !== undefined) {
      const reason = `${call.tool} goes through ${folder}, which may hold what "${within}" denies (${source})`
      return [question("each", "arguments.paths", source, reason)]
    }
  }
  return []
}

function unknownPaths({ command, tool }: CallFacts, source: string): Objection[] {
  const why = command === undefined ? undefined : (command.unknown[0] ?? interpreted(command.segments))
  if (why === undefined) return []
  const reason = `${tool} touches files that are only known when it runs (${why}), and ${source} restricts them`
  return [question("each", "arguments.paths", source, reason)]
}

function hosts({ hosts: rule }: ArgumentRule, { hosts: contacted, tool }: CallFacts, source: string): Objection[] {
  const { allow = [], deny = [] } = rule ?? {}
  for (const host of rule ? contacted : []) {
    const bad = deny.find((pattern) => matchesHost(pattern, host))
    if (bad !== undefined)
      return [denial("arguments.hosts", source, `${tool} contacts ${host}, which "${bad}" denies (${source})`)]
    if (allow.length > 0 && !allow.some((pattern) => matchesHost(pattern, host)))
      return [denial("arguments.hosts", source, `${tool} contacts ${host}, which no entry of ${source}.allow covers`)]
  }
  return []
}

/** Every program of the line must pass. A denied one is denied wherever it stands. */
function commands({ commands: rule }: ArgumentRule, { command, tool }: CallFacts, source: string): Objection[] {
  if (!rule || !command) return []
  const { allow = [], deny = [] } = rule
  for (const segment of command.segments) {
    const bad = deny.find((entry) => isMeant(segment, entry))
    if (bad) return [denial("arguments.commands", source, `${tool} runs ${bad.join(" ")}, which ${source}.deny denies`)]
    if (allow.length > 0 && isKnown(segment) && !needsNoEntry(segment) && !allowedBy(segment, allow)) {
      const reason = `${tool} runs ${segment.argv.join(" ")}, which no entry of ${source}.allow covers`
      return [denial("arguments.commands", source, reason)]
    }
  }
  const unsure = command.unknown[0] ?? interpreted(command.segments) ?? unknownWords(command.segments)
  if (unsure === undefined) return []
  const reason = `${tool} runs what is only known when it runs (${unsure}), and ${source} restricts commands`
  return [question("each", "arguments.commands", source, reason)]
}

function isKnown({ argv }: CommandSegment): boolean {
  return !argv.includes(null)
}

function allowedBy(segment: CommandSegment, entries: readonly (readonly string[])[]): boolean {
  return entries.some((entry) => matchesEntry(segment, entry))
}

function interpreted(segments: readonly CommandSegment[]): string | undefined {
  return segments.find((one) => one.interprets !== null)?.interprets ?? undefined
}

function unknownWords(segments: readonly CommandSegment[]): string | undefined {
  const found = segments.find((one) => !isKnown(one))
  return found && `a word of ${found.name ?? "the command"}`
}

/** A deny entry needs no full path: "rm" means any program of that name. More arguments do not get around it. */
function isMeant(segment: CommandSegment, [program = "", ...words]: readonly string[]): boolean {
  const last = (path: string | null | undefined) => path?.slice(path.lastIndexOf("/") + 1)
  const called = [segment.program, segment.name, segment.argv[0]]
  const named = program.startsWith("/") ? called.includes(program) : called.some((name) => last(name) === program)
  if (!named) return false
  const wanted = words.filter((word) => word !== "**")
  const given = segment.argv.slice(1)
  // In any order and place: options move about, and a word that is not known may be any of them.
  return wanted.every((word) => given.some((one) => one === null || one === word))
}

const checks = new WeakMap<object, SchemaCheck>()

function schema({ schema: rule }: ArgumentRule, { args, tool }: CallFacts, source: string): Objection[] {
  if (!rule) return []
  let check = checks.get(rule)
  if (!check) {
    check = checkOf(rule)
    checks.set(rule, check)
  }
  const problem = check(args)
  if (problem === undefined) return []
  return [denial("arguments.schema", source, `The arguments of ${tool} do not satisfy ${source}: ${problem}`)]
}

/** A schema that is none lets nothing through. */
function checkOf(rule: Readonly<Record<string, unknown>>): SchemaCheck {
  try {
    return compileSchema(rule)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return () => `the schema itself is not valid (${why})`
  }
}
