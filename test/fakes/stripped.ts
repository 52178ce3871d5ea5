// Programs that tests start by the dozen, without their types: Node takes four times as long to start one that it must strip itself, and
// what it keeps of that is lost in the bare environments that such programs get. Made once for each text of the program.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"

const folder = join(import.meta.dirname, "../../node_modules/.cache/fakes")

/** The path of `test/fakes/<name>.ts`, which imports nothing of ours, as a program to start. */
export function fakeProgram(name: "acp-agent" | "mcp-server"): string {
  const text = readFileSync(join(import.meta.dirname, `${name}.ts`), "utf8")
  const path = join(folder, `${name}-${createHash("sha256").update(text).digest("hex").slice(0, 16)}.mjs`)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  // Test files run side by side: each writes its own, and the last one stays.
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, stripTypeScriptTypes(text))
  renameSync(draft, path)
  return path
}
