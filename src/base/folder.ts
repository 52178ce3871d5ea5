// Making folders. Node's own recursive mkdir spins for ever where a file system answers "does not exist" to any new name (/proc).
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"

/** Makes the folder and those above it, for the owner only. Throws the file system's error when it cannot be made. */
export function makeFolder(path: string): void {
  const code = tryMake(path)
  if (code === undefined || code === "EEXIST") return
  const parent = dirname(path)
  if (code === "ENOENT" && parent !== path) {
    makeFolder(parent)
    mkdirSync(path, { mode: 0o700 })
    return
  }
  mkdirSync(path, { mode: 0o700 })
}

function tryMake(path: string): string | undefined {
  try {
    mkdirSync(path, { mode: 0o700 })
    return undefined
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "unknown"
  }
}
