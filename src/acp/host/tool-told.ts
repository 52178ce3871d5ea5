// A tool call as an agent tells of it, of either version, as a view of ours. `null` means "as before" in version 1 and "cleared" in 2.
import { isObject } from "../../base/json.ts"
import {
  TOOL_KINDS,
  type ToolContent,
  type ToolKind,
  type ToolStatus,
  type ToolView,
} from "../../protocol/tool-view.ts"
import { partOf } from "./content.ts"
import { diffsOfPatch } from "./git-patch.ts"
import type { Update } from "./session-book.ts"
import type { ToolMemory } from "./tool-memory.ts"

const MAX_LOCATIONS = 500

export interface ToldTool {
  callId: string
  name?: string
  view: ToolView
}

export interface Telling {
  version: 1 | 2
  memory: ToolMemory
}

/** Undefined when it has no id. */
export function toldTool(update: Update, { memory, version }: Telling): ToldTool | undefined {
  const callId = update["toolCallId"]
  if (typeof callId !== "string" || callId === "") return undefined
  const meta = isObject(update["_meta"]) ? update["_meta"] : undefined
  const content = contentOf(callId, update["content"], { memory, version })
  const terminals = meta ? terminalsOf(callId, meta, memory) : undefined
  const view: ToolView = {
    ...(typeof update["title"] === "string" ? { title: update["title"] } : {}),
    ...kindOf(update["kind"]),
    ...statusOf(update["status"]),
    ...(terminals !== undefined ? { content: terminals } : content === undefined ? {} : { content }),
    ...locationsOf(update["locations"], version, content),
    ...raw(update, "rawInput", version),
    ...raw(update, "rawOutput", version),
    ...(meta ? { meta } : {}),
  }
  const name = nameOf(update, meta)
  return { callId, ...(name === undefined ? {} : { name }), view }
}

function nameOf(update: Update, meta: Update | undefined): string | undefined {
  if (typeof update["name"] === "string" && update["name"] !== "") return update["name"]
  const claude = meta?.["claudeCode"]
  const name = isObject(claude) ? claude["toolName"] : meta?.["toolName"]
  return typeof name === "string" && name !== "" ? name : undefined
}

const KINDS: ReadonlySet<string> = new Set(TOOL_KINDS)

function kindOf(kind: unknown): { kind?: ToolKind } {
  if (typeof kind !== "string") return {}
  return { kind: KINDS.has(kind) ? (kind as ToolKind) : "other" }
}

const STATUSES: Readonly<Record<string, ToolStatus>> = {
  ...{ pending: "pending", in_progress: "in_progress", completed: "completed", failed: "failed" },
  ...{ paused: "in_progress", cancelled: "canceled" },
}

function statusOf(status: unknown): { status?: ToolStatus } {
  const known = typeof status === "string" && Object.hasOwn(STATUSES, status) ? STATUSES[status] : undefined
  return known === undefined ? {} : { status: known }
}

function raw(update: Update, key: "rawInput" | "rawOutput", version: 1 | 2): { [key: string]: unknown } {
  const value = update[key]
  return value === undefined || (value === null && version === 1) ? {} : { [key]: value }
}

function locationsOf(value: unknown, version: 1 | 2, content: ToolContent[] | null | undefined): Partial<ToolView> {
  if (value === null) return version === 2 ? { locations: null } : {}
  if (Array.isArray(value))
    return {
      locations: value.slice(0, MAX_LOCATIONS).flatMap((one) => {
        if (!isObject(one) || typeof one["path"] !== "string") return []
        const { line, path } = one
        return [{ path, ...(typeof line === "number" && line >= 1 ? { line: Math.floor(line) } : {}) }]
      }),
    }
  // Version 2 names the files that it changes only there.
  const changed = version === 2 ? pathsOf(content ?? []) : []
  return changed.length === 0 ? {} : { locations: changed.map((path) => ({ path })) }
}

function pathsOf(content: readonly ToolContent[]): string[] {
  const paths = content.flatMap((one) => {
    if (one.type === "diff") return [one.path]
    const changes = one.type === "other" && one.value["type"] === "diff" ? one.value["changes"] : undefined
    return (Array.isArray(changes) ? changes : []).flatMap((change) =>
      isObject(change) ? [change["oldPath"], change["path"]].filter((path) => typeof path === "string") : [],
    )
  })
  return [...new Set(paths)].slice(0, MAX_LOCATIONS)
}

function contentOf(callId: string, value: unknown, telling: Telling): ToolContent[] | null | undefined {
  if (value === null) {
    if (telling.version === 1) return undefined
    telling.memory.show(callId, [])
    return null
  }
  if (!Array.isArray(value)) return undefined
  const content = value.flatMap((one) => toldContent(one, telling))
  return telling.memory.show(callId, content)
}

/** What one item shows; one of version 2 may be several. Nothing when it is no object. */
export function toldContent(item: unknown, { memory, version }: Telling): ToolContent[] {
  if (!isObject(item)) return []
  switch (item["type"]) {
    case "content": {
      const part = partOf(item["content"])
      return [part ? { type: "content", part } : { type: "other", value: item }]
    }
    case "diff":
      return version === 1 ? [diffV1(item)] : diffsV2(item)
    case "terminal": {
      const { terminalId } = item
      if (typeof terminalId !== "string") return [{ type: "other", value: item }]
      const theirs = version === 2 || memory.isTheirs(terminalId)
      return [{ type: "terminal", terminalId, owner: theirs ? "agent" : "client" }]
    }
    default:
      return [{ type: "other", value: item }]
  }
}

function diffV1(item: Update): ToolContent {
  const { newText, oldText, path } = item
  if (typeof path !== "string" || typeof newText !== "string") return { type: "other", value: item }
  return { type: "diff", path, oldText: typeof oldText === "string" ? oldText : null, newText }
}

function diffsV2(item: Update): ToolContent[] {
  const { changes, patch } = item
  const paths = (Array.isArray(changes) ? changes : []).flatMap((one) =>
    isObject(one) && typeof one["path"] === "string" ? [one["path"]] : [],
  )
  const text = isObject(patch) && patch["format"] === "git_patch" ? patch["text"] : undefined
  const whole = (path: string) => paths.find((one) => one === path || one.endsWith(`/${path}`)) ?? path
  const diffs = typeof text === "string" ? diffsOfPatch(text, whole) : []
  // What the patch does not show (moved, binary, no patch at all) is told as it came.
  const shown = new Set(diffs.map((one) => one.path))
  return paths.every((path) => shown.has(path)) && diffs.length > 0 ? diffs : [...diffs, { type: "other", value: item }]
}

/** Terminals that the agent runs and tells of in `_meta`; what the call then shows, if that changed. */
function terminalsOf(callId: string, meta: Update, memory: ToolMemory): ToolContent[] | undefined {
  const info = fields(meta["terminal_info"])
  const output = fields(meta["terminal_output"])
  const exit = fields(meta["terminal_exit"])
  const id = [info, output, exit].map((one) => one?.["terminal_id"]).find((one) => typeof one === "string")
  if (typeof id !== "string") return undefined
  const cwd = info?.["cwd"]
  memory.terminal(id, typeof cwd === "string" ? { cwd } : {})
  if (typeof output?.["data"] === "string") memory.output(id, output["data"])
  if (exit)
    memory.terminal(id, {
      exitCode: typeof exit["exit_code"] === "number" ? exit["exit_code"] : null,
      signal: typeof exit["signal"] === "string" ? exit["signal"] : null,
    })
  const shown = memory.shown(callId)
  if (shown.some((one) => one.type === "terminal" && one.terminalId === id)) return shown
  return memory.append(callId, { type: "terminal", terminalId: id, owner: "agent" })
}

function fields(value: unknown): Update | undefined {
  return isObject(value) ? value : undefined
}
