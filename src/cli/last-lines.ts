// The end of a file as a few harmless lines: what a program said last before it ended.
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs"
import { inert } from "./inert.ts"

const TAIL_BYTES = 4_000
const TAIL_LINES = 6

/** Empty when it cannot be read. */
export function lastLines(path: string): string {
  try {
    const { size } = statSync(path)
    if (size <= TAIL_BYTES) return tail(readFileSync(path, "utf8"))
    const fd = openSync(path, "r")
    try {
      const buffer = Buffer.alloc(TAIL_BYTES)
      readSync(fd, buffer, 0, TAIL_BYTES, size - TAIL_BYTES)
      return tail(buffer.toString("utf8"))
    } finally {
      closeSync(fd)
    }
  } catch {
    return ""
  }
}

function tail(text: string): string {
  return inert(text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n"))
}
