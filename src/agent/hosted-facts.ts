// The facts of an external agent's call, worked out by us. What it calls its tool, its kind and its title are claims: they can make a
// call unclear, never clear. What is unclear is a tool named by the agent that may do anything; what contradicts itself asks.
import { lstat } from "node:fs/promises"
import { PincerError } from "../base/errors.ts"
import type { CallFacts } from "../policy/scene.ts"
import { commandFacts } from "../policy/shell/facts.ts"
import type { ToolView } from "../protocol/tool-view.ts"
import { commandEnvironment } from "../tools/environment.ts"
import { isMissing, resolvePath } from "../tools/paths.ts"
import type { ToolSettings } from "../tools/tool.ts"
import { type RawFacts, rawFacts } from "./hosted-raw.ts"

/** A call as its agent tells of it. */
export interface ToldCall {
  name?: string
  view: ToolView
}

export type Meaning =
  | { type: "exec"; command: string; cwd: string | undefined; writes: string[] }
  | { type: "read"; paths: string[] }
  | { type: "search"; tool: "Grep" | "Glob"; paths: string[] }
  /** `replaces`: a whole new text is given. */
  | { type: "write"; paths: string[]; replaces: boolean }
  | { type: "fetch"; hosts: string[] }
  | { type: "websearch" }
  | { type: "unclear"; paths: string[]; hosts: string[] }

export interface Understood {
  meaning: Meaning
  /** What does not fit together, as a clause. */
  doubt?: string
}

/** What a call would do as far as it can be told from its raw input, its content and its locations. Pure. */
export function understand({ name, view }: ToldCall): Understood {
  const raw = rawFacts(view.rawInput)
  const diffs = (view.content ?? []).flatMap((one) => (one.type === "diff" ? [one.path] : []))
  const locations = (view.locations ?? []).map(({ path }) => path)
  if (!raw) return unclear([...diffs, ...locations], [])
  const paths = [...new Set([...diffs, ...raw.paths, ...locations])]
  const hosts = [...new Set(raw.urls.map((url) => url.host))]
  const { kind } = view
  if (raw.hasCommand) return asCommand(raw, kind, { paths, hosts, diffs })
  if (kind === "execute") return unclear(paths, hosts)
  if (diffs.length > 0 || kind === "edit" || kind === "delete" || kind === "move")
    return asWrite(raw, kind, paths, hosts, diffs)
  if (kind === "fetch") return asFetch(raw, paths, hosts)
  if (kind === "read" && paths.length > 0 && raw.onlyReads) return { meaning: { type: "read", paths } }
  if (kind === "search" && raw.pattern && raw.onlySearches)
    return { meaning: { type: "search", tool: /glob|find|list/i.test(name ?? "") ? "Glob" : "Grep", paths } }
  return unclear(paths, hosts)
}

function unclear(paths: string[], hosts: string[], doubt?: string): Understood {
  return { meaning: { type: "unclear", paths, hosts }, ...(doubt === undefined ? {} : { doubt }) }
}

function asCommand(
  raw: RawFacts,
  kind: ToolView["kind"],
  { diffs, hosts, paths }: { paths: string[]; hosts: string[]; diffs: string[] },
): Understood {
  if (!raw.command) return unclear(paths, hosts, "it holds a command in a form that cannot be read")
  const meaning: Meaning = { type: "exec", command: raw.command.text, cwd: raw.command.cwd, writes: diffs }
  const honest = kind === undefined || kind === "execute" || kind === "other"
  if (!honest) return { meaning, doubt: `its agent calls it "${kind}", and it holds a command` }
  if (diffs.length > 0) return { meaning, doubt: "it holds a command and changes of files" }
  return raw.hasEnvironment ? { meaning, doubt: "it sets variables for its command" } : { meaning }
}

function asWrite(raw: RawFacts, kind: ToolView["kind"], paths: string[], hosts: string[], diffs: string[]): Understood {
  const honest = kind === undefined || kind === "edit" || kind === "delete" || kind === "move" || kind === "other"
  if (!honest) return unclear(paths, hosts, `its agent calls it "${kind}", and it changes ${diffs.join(", ")}`)
  if (paths.length === 0 || hosts.length > 0) return unclear(paths, hosts)
  return { meaning: { type: "write", paths, replaces: raw.replacesAll } }
}

function asFetch(raw: RawFacts, paths: string[], hosts: string[]): Understood {
  if (paths.length > 0 || raw.hasNewText) return unclear(paths, hosts, 'its agent calls it "fetch", and it names files')
  if (hosts.length > 0) return { meaning: { type: "fetch", hosts } }
  return raw.pattern ? { meaning: { type: "websearch" } } : unclear(paths, hosts)
}

export interface FactsRoom {
  agentId: string
  /** Absolute, symlinks resolved. */
  cwd: string
  settings: ToolSettings
}

/** The facts of the call as the disk is now. Never throws for what the agent wrote. */
export async function hostedFacts(told: ToldCall, room: FactsRoom): Promise<CallFacts> {
  const { meaning, doubt } = understand(told)
  try {
    const facts = await lookAt(meaning, told, room)
    return doubt === undefined ? facts : { ...facts, doubt }
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
    return { ...unknownTool(told, room.agentId), doubt: doubt ?? error.message }
  }
}

async function lookAt(meaning: Meaning, told: ToldCall, room: FactsRoom): Promise<CallFacts> {
  const base = baseOf(told)
  const real = (paths: readonly string[]) => Promise.all(paths.map((path) => resolvePath(path, room.cwd)))
  switch (meaning.type) {
    case "exec": {
      const cwd = meaning.cwd === undefined ? room.cwd : await resolvePath(meaning.cwd, room.cwd)
      const command = await factsOfCommand(meaning.command, cwd, room.settings)
      return { ...base, tool: "Bash", aliases: ["exec"], class: "exec", command, writes: await real(meaning.writes) }
    }
    case "read":
      return { ...base, tool: "Read", class: "read", reads: await real(meaning.paths) }
    case "search": {
      const reads = meaning.paths.length === 0 ? [room.cwd] : await real(meaning.paths)
      return { ...base, tool: meaning.tool, class: "search", reads }
    }
    case "write": {
      const paths = await real(meaning.paths)
      const missing = await Promise.all(paths.map(isNew))
      const whole = meaning.replaces || missing.every((one) => one)
      return { ...base, tool: whole ? "Write" : "Edit", class: "write", reads: whole ? [] : paths, writes: paths }
    }
    case "fetch":
      return { ...base, tool: "WebFetch", class: "network", hosts: meaning.hosts }
    case "websearch":
      return { ...base, tool: "WebSearch", class: "network" }
    case "unclear": {
      const paths = await real(meaning.paths)
      return { ...unknownTool(told, room.agentId), reads: paths, writes: paths, hosts: meaning.hosts }
    }
    default:
      throw new TypeError(`Unknown meaning ${JSON.stringify(meaning satisfies never)}`)
  }
}

async function isNew(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return false
  } catch (error) {
    return isMissing(error)
  }
}

export function factsOfCommand(command: string, cwd: string, { exec }: ToolSettings) {
  if (command.includes("\0")) throw new PincerError("INVALID_PARAMS", "a command holds a NUL character")
  return commandFacts(command, { cwd, env: commandEnvironment(exec.env), shell: exec.shell })
}

function baseOf({ view }: ToldCall): Omit<CallFacts, "tool" | "class"> {
  return { aliases: [], from: "acp", args: argsOf(view), reads: [], writes: [], hosts: [] }
}

/** Nobody knows what it does: it counts as what may do anything. */
function unknownTool(told: ToldCall, agentId: string): CallFacts {
  return { ...baseOf(told), tool: namedTool(told, agentId), class: "exec" }
}

/** "acp:<agent>:<name>": never the name of a tool of ours, whatever the agent calls it. */
function namedTool({ name, view }: ToldCall, agentId: string): string {
  const said = (name ?? view.kind ?? "tool").replaceAll(/[^\w.:-]+/g, "_").slice(0, 64)
  return `acp:${agentId}:${said === "" ? "tool" : said}`
}

/** The raw input as arguments; something that is no object stands under "input". */
export function argsOf({ rawInput }: ToolView): Record<string, unknown> {
  if (rawInput === undefined || rawInput === null) return {}
  if (typeof rawInput === "object" && !Array.isArray(rawInput)) return rawInput as Record<string, unknown>
  return { input: rawInput }
}
