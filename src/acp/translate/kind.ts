// What can be said of a tool call whose tool says nothing of itself: its kind by its name, places by well-known arguments.
import { isAbsolute } from "node:path"
import type { ToolKind, ToolLocation } from "../../protocol/tool-view.ts"

/** Order matters: the first that fits. */
const KINDS: readonly [RegExp, ToolKind][] = [
  [/read|cat|^ls$|^view/, "read"],
  [/write|edit|patch|notebook/, "edit"],
  [/delete|remove/, "delete"],
  [/move|rename/, "move"],
  [/search|find|grep|glob/, "search"],
  [/bash|exec|run|shell|command|terminal/, "execute"],
  [/fetch|http|url|browse/, "fetch"],
  [/todo|plan|think/, "think"],
]

export function kindOf(name: string): ToolKind {
  const lower = name.toLowerCase()
  if (lower === "todowrite") return "think"
  return KINDS.find(([pattern]) => pattern.test(lower))?.[1] ?? "other"
}

const PATH_KEYS = ["path", "file_path", "filePath", "notebook_path", "targetPath", "target_path"]
const LINE_KEYS = ["line", "startLine", "start_line", "offset"]

/** Absolute paths that the arguments name. */
export function locationsOf(args: Record<string, unknown>): ToolLocation[] {
  const line = LINE_KEYS.map((key) => args[key]).find((value) => Number.isInteger(value) && Number(value) > 0)
  return PATH_KEYS.flatMap((key) => {
    const path = args[key]
    if (typeof path !== "string" || path.length > 4_096 || !isAbsolute(path)) return []
    return [{ path, ...(typeof line === "number" ? { line } : {}) }]
  })
}
