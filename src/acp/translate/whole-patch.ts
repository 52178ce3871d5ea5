// A change of one file as a patch that git understands: one hunk around what differs, with three lines of surroundings. Pure.

const CONTEXT = 3

function linesOf(text: string): string[] {
  if (text === "") return []
  const lines = text.split("\n")
  if (lines.at(-1) === "") lines.pop()
  return lines
}

/** `oldText` null: the file is new. */
export function gitPatch(path: string, oldText: string | null, newText: string): string {
  const before = linesOf(oldText ?? "")
  const after = linesOf(newText)
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1
  let tail = 0
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail))
    tail += 1
  const from = Math.max(0, head - CONTEXT)
  const trailing = Math.min(CONTEXT, tail)
  const oldEnd = before.length - tail + trailing
  const newEnd = after.length - tail + trailing
  const name = path.replace(/^\/+/, "")
  const header = [
    `diff --git a/${name} b/${name}`,
    ...(oldText === null ? ["new file mode 100644", "--- /dev/null"] : [`--- a/${name}`]),
    `+++ b/${name}`,
  ]
  const span = (start: number, count: number) => `${count === 0 ? start : start + 1},${count}`
  const hunk = [
    `@@ -${span(from, oldEnd - from)} +${span(from, newEnd - from)} @@`,
    ...before.slice(from, head).map((line) => ` ${line}`),
    ...before.slice(head, before.length - tail).map((line) => `-${line}`),
    ...after.slice(head, after.length - tail).map((line) => `+${line}`),
    ...after.slice(after.length - tail, newEnd).map((line) => ` ${line}`),
  ]
  return `${[...header, ...hunk].join("\n")}\n`
}
