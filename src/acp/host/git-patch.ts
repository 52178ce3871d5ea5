// Patches in git's form as old and new texts of the places that they change, for agents that send changes so. Pure. A patch holds no
// whole files: what comes out is marked as cut.
import type { ToolContent } from "../../protocol/tool-view.ts"

type Diff = Extract<ToolContent, { type: "diff" }>

interface Open {
  old: string[]
  now: string[]
  oldPath: string | undefined
  newPath: string | undefined
  isNew: boolean
  inHunk: boolean
}

/** `pathOf`: the absolute path that a path of the patch stands for. */
export function diffsOfPatch(text: string, pathOf: (path: string) => string): Diff[] {
  const diffs: Diff[] = []
  let open: Open | undefined
  const close = () => {
    const path = open?.newPath ?? open?.oldPath
    if (open && path !== undefined && (open.inHunk || open.isNew))
      diffs.push({
        type: "diff",
        path: pathOf(path),
        oldText: open.isNew ? null : joined(open.old),
        newText: joined(open.now),
        ...(open.isNew ? {} : { cut: true as const }),
      })
    open = undefined
  }
  for (const line of text.split("\n")) {
    if (line.startsWith("diff --git ") || (line.startsWith("--- ") && open?.inHunk !== false)) {
      close()
      open = { old: [], now: [], oldPath: undefined, newPath: undefined, isNew: false, inHunk: false }
    }
    if (open) take(open, line)
  }
  close()
  return diffs
}

function take(open: Open, line: string): void {
  if (line.startsWith("@@")) {
    if (open.inHunk) for (const side of [open.old, open.now]) side.push("…")
    open.inHunk = true
  } else if (!open.inHunk) header(open, line)
  else if (line.startsWith("-")) open.old.push(line.slice(1))
  else if (line.startsWith("+")) open.now.push(line.slice(1))
  else if (line.startsWith(" ")) for (const side of [open.old, open.now]) side.push(line.slice(1))
}

function header(open: Open, line: string): void {
  if (line.startsWith("new file mode")) open.isNew = true
  else if (line.startsWith("--- ")) {
    open.oldPath = named(line)
    if (open.oldPath === undefined) open.isNew = true
  } else if (line.startsWith("+++ ")) open.newPath = named(line)
}

/** The path of a "---" or "+++" line; undefined for /dev/null. */
function named(line: string): string | undefined {
  const path = line.slice(4).split("\t", 1)[0]!.trim()
  if (path === "/dev/null") return undefined
  return path.replace(/^[ab]\//, "")
}

function joined(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`
}
