// What a change did to a text, for people and for the model: the changed region as one small unified diff.

const CONTEXT = 3
const MAX_LINES = 120
const MAX_CHARS = 4_000
const MAX_LINE_CHARS = 400

export interface Diff {
  /** One hunk; "" when nothing changed. Long ones are cut and say so. */
  text: string
  added: number
  removed: number
}

/** What differs between a common beginning and a common end. */
export function diffOf(before: string, after: string): Diff {
  const [a, b] = [before.split("\n"), after.split("\n")]
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1
  if (start === a.length && start === b.length) return { text: "", added: 0, removed: 0 }
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1
  const from = Math.max(0, start - CONTEXT)
  const tail = Math.min(CONTEXT, end)
  const [removed, added] = [a.length - end - start, b.length - end - start]
  const lines = [
    `@@ -${from + 1},${a.length - end + tail - from} +${from + 1},${b.length - end + tail - from} @@`,
    ...part(a, from, start, " "),
    ...part(a, start, a.length - end, "-"),
    ...part(b, start, b.length - end, "+"),
    ...part(a, a.length - end, a.length - end + tail, " "),
  ]
  return { text: capped(lines), added, removed }
}

function part(lines: readonly string[], from: number, to: number, mark: string): string[] {
  return lines
    .slice(from, to)
    .map((line) => mark + (line.length > MAX_LINE_CHARS ? `${line.slice(0, MAX_LINE_CHARS)}…` : line))
}

function capped(lines: readonly string[]): string {
  let chars = 0
  let fits = 0
  while (fits < lines.length && fits < MAX_LINES && chars + lines[fits]!.length < MAX_CHARS) {
    chars += lines[fits]!.length + 1
    fits += 1
  }
  const left = lines.length - fits
  return left === 0 ? lines.join("\n") : `${lines.slice(0, fits).join("\n")}\n… ${left} more lines`
}
