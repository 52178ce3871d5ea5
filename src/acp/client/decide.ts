// What the debug client allows without asking: scoped reads and pure searches of tools that it knows by name, nothing else. The kind
// that an agent gives a call is never looked at, and a call whose names contradict each other is of a tool that nobody knows.
import { isAbsolute, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { isObject } from "../../base/json.ts"
import { isInside } from "../../policy/places.ts"

export type CallClass =
  | "readonly_scoped"
  | "readonly_search"
  | "exec_capable"
  | "control_plane"
  | "mutating"
  | "interactive"
  /** A name that stands in no list. */
  | "other"
  /** No name, one that could be none, or several that differ. */
  | "unknown"

export interface ClientDecision {
  type: "allow" | "ask"
  tool: string | undefined
  class: CallClass
  /** Why it asks, for people. */
  reason?: string
}

export interface ClientScope {
  /** Absolute, symlinks resolved. */
  cwd: string
  /** The user's home, for "~". */
  home: string
  /** The path with its symlinks resolved as far as it exists. */
  real(path: string): string
}

const CLASSES: Readonly<Record<Exclude<CallClass, "other" | "unknown">, readonly string[]>> = {
  readonly_scoped: ["read"],
  readonly_search: ["search", "web_search", "websearch", "memory_search"],
  exec_capable: ["exec", "spawn", "shell", "bash", "process", "code_execution", "nodes"],
  control_plane: ["cron", "gateway", "sessions_spawn", "sessions_send", "session_status"],
  mutating: ["write", "edit", "multiedit", "apply_patch", "notebookedit", "delete", "move"],
  interactive: ["ask", "ask_user", "question", "browser", "canvas", "message"],
}

const NAME = /^[a-z0-9._-]{1,128}$/
const NAME_KEYS = ["tool", "toolName", "tool_name", "name"]
const PATH_KEYS = ["path", "file_path", "filePath", "file", "uri"]

/** `params` of session/request_permission; nothing in them is believed. */
export function decidePermission(params: Record<string, unknown>, scope: ClientScope): ClientDecision {
  const toolCall = isObject(params["toolCall"]) ? params["toolCall"] : {}
  const tool = nameOf(toolCall, params["_meta"])
  if (tool === undefined)
    return { type: "ask", tool, class: "unknown", reason: "which tool it is cannot be told for certain" }
  const kind = classOf(tool)
  switch (kind) {
    case "readonly_search":
      return { type: "allow", tool, class: kind }
    case "readonly_scoped":
      return decideRead(tool, toolCall, scope)
    case "exec_capable":
      return { type: "ask", tool, class: kind, reason: "it can run programs" }
    case "control_plane":
      return { type: "ask", tool, class: kind, reason: "it can steer the gateway" }
    case "mutating":
      return { type: "ask", tool, class: kind, reason: "it changes things" }
    case "interactive":
      return { type: "ask", tool, class: kind, reason: "it acts towards people" }
    case "other":
      return { type: "ask", tool, class: kind, reason: "it is no tool that this client trusts" }
    case "unknown":
      return { type: "ask", tool, class: kind, reason: "which tool it is cannot be told for certain" }
    default: {
      const never: never = kind
      throw new TypeError(`No class of tools: ${String(never)}`)
    }
  }
}

/** The option to answer with; undefined: cancelled. Options of kinds that nobody knows are never chosen. */
export function chooseOption(options: unknown, allowed: boolean): string | undefined {
  const list = Array.isArray(options) ? options.filter(isObject) : []
  const order = allowed ? ["allow_once", "allow_always"] : ["reject_once", "reject_always"]
  for (const kind of order)
    for (const option of list)
      if (option["kind"] === kind && typeof option["optionId"] === "string") return option["optionId"]
  return undefined
}

function classOf(tool: string): CallClass {
  for (const [kind, names] of Object.entries(CLASSES)) if (names.includes(tool)) return kind as CallClass
  return "other"
}

/** The one name on which _meta of call and request, raw input and title agree, as far as each has one; lower case. */
function nameOf({ _meta, rawInput, title }: Record<string, unknown>, requestMeta: unknown): string | undefined {
  const given = [firstName(_meta), firstName(requestMeta), firstName(rawInput), titleName(title)].filter(
    (name) => name !== undefined,
  )
  const [first] = given
  if (first === undefined || !NAME.test(first)) return undefined
  return given.every((name) => name === first) ? first : undefined
}

function firstName(from: unknown): string | undefined {
  if (!isObject(from)) return undefined
  for (const key of NAME_KEYS) if (typeof from[key] === "string") return from[key].trim().toLowerCase()
  return undefined
}

/** "read: src/x.ts" and "read" name a tool; "Read the file" is only words. */
function titleName(title: unknown): string | undefined {
  if (typeof title !== "string") return undefined
  const name = (title.split(":", 1)[0] ?? "").trim().toLowerCase()
  return NAME.test(name) ? name : undefined
}

function decideRead(tool: string, toolCall: Record<string, unknown>, scope: ClientScope): ClientDecision {
  const ask = (reason: string): ClientDecision => ({ type: "ask", tool, class: "readonly_scoped", reason })
  const paths = pathsOf(toolCall)
  if (paths.length === 0) return ask("it does not say which file")
  for (const path of paths) {
    const place = placeOf(path, scope)
    if (place === undefined || !isInside(place, scope.cwd)) return ask(`${path} is outside ${scope.cwd}`)
  }
  return { type: "allow", tool, class: "readonly_scoped" }
}

/** Every path that any part of the call names: all of them must lie inside. */
function pathsOf({ locations, rawInput, title }: Record<string, unknown>): string[] {
  const paths: unknown[] = []
  if (isObject(rawInput)) for (const key of PATH_KEYS) paths.push(rawInput[key])
  if (Array.isArray(locations)) for (const one of locations) if (isObject(one)) paths.push(one["path"])
  const colon = typeof title === "string" ? title.indexOf(":") : -1
  if (typeof title === "string" && colon >= 0) {
    const rest = title.slice(colon + 1).trim()
    paths.push(/(?:^|,\s*)(?:path|file_path|filePath)\s*:\s*([^,]+)/.exec(rest)?.[1]?.trim() ?? rest)
  }
  return paths.filter((path): path is string => typeof path === "string" && path !== "")
}

function placeOf(path: string, { cwd, home, real }: ClientScope): string | undefined {
  try {
    const plain = path.startsWith("file://") ? fileURLToPath(path) : path
    if (plain.includes("\0")) return undefined
    const whole = plain === "~" || plain.startsWith("~/") ? resolve(home, plain.slice(2)) : resolve(cwd, plain)
    return isAbsolute(whole) ? real(whole) : undefined
  } catch (error) {
    // An address of another machine, or one that is no file.
    if (error instanceof TypeError) return undefined
    throw error
  }
}
