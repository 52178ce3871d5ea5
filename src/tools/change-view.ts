// What a changed file shows: the text before and after, whole while that is short, else the part around the change.
import type { ToolView } from "../protocol/tool-view.ts"

/** Longer texts are shown in part. */
const WHOLE_CHARS = 32 * 1024
/** Lines before and after the change in a part. */
const AROUND = 20

/** `before` null: the file is new. */
export function changeView(path: string, before: string | null, after: string): ToolView {
  const line = before === null ? 1 : firstChange(before, after)
  const location = { path, ...(line === undefined ? {} : { line }) }
  const whole = (before?.length ?? 0) <= WHOLE_CHARS && after.length <= WHOLE_CHARS
  if (whole || before === null)
    return { content: [{ type: "diff", path, oldText: before, newText: after }], locations: [location] }
  const [oldText, newText] = aroundChange(before, after)
  return { content: [{ type: "diff", path, oldText, newText, cut: true }], locations: [location] }
}

/** Number of the first line that differs, from 1; undefined when none does. */
function firstChange(before: string, after: string): number | undefined {
  const [old, now] = [before.split("\n"), after.split("\n")]
  const at = now.findIndex((line, i) => line !== old[i])
  if (at >= 0) return at + 1
  return old.length > now.length ? now.length : undefined
}

function aroundChange(before: string, after: string): [string, string] {
  const [old, now] = [before.split("\n"), after.split("\n")]
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1
  let end = 0
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1
  const from = Math.max(0, start - AROUND)
  const keep = Math.max(0, end - AROUND)
  const part = (lines: string[]) => lines.slice(from, lines.length - keep).join("\n")
  return [part(old), part(now)]
}
