// LS: what is in a folder.
import type { Dirent } from "node:fs"
import { lstat, opendir } from "node:fs/promises"
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import { type Folder, openFolder } from "./folder.ts"
import { pageOf } from "./line-page.ts"
import { judgedPath, printed, reasonOf, resolvePath, shownPath } from "./paths.ts"
import { type Tool, textResult } from "./tool.ts"

const PAGE = 1_000
const MAX_ENTRIES = 100_000

const args = z.strictObject({
  path: z.string().optional().describe("The folder; default the working directory"),
  offset: z.number().int().min(0).optional().describe("Entries to skip"),
})

export const ls: Tool<z.infer<typeof args>> = {
  name: "LS",
  aliases: ["list_dir", "list_files"],
  class: "read",
  effect: "read",
  description: `Lists a folder: directories first with a trailing slash, then files with their sizes; at most ${PAGE} at once.`,
  args,
  title: ({ path }) => excerpt(path ?? ".", 200),
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path ?? ".", cwd)], writes: [], hosts: [] }),
  async run({ path, offset = 0 }, context) {
    const target = await judgedPath(path ?? ".", context, "reads")
    const shown = shownPath(target, context.cwd)
    const folder = await open(target, shown)
    try {
      const { entries, cut } = await list(folder, context.signal)
      if (entries.length === 0) return textResult(`${shown} is empty.`, { count: 0 })
      entries.sort((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()) || (a.name < b.name ? -1 : 1))
      const page = await Promise.all(entries.slice(offset, offset + PAGE).map((entry) => described(entry, folder)))
      const window = { offset, total: entries.length, more: cut, maxChars: context.settings.maxOutputChars }
      return textResult(pageOf(page, window), { count: entries.length })
    } finally {
      await folder.close()
    }
  },
}

async function open(target: string, shown: string): Promise<Folder> {
  try {
    return await openFolder(target, false)
  } catch (error) {
    if (error instanceof PincerError) throw error
    const isFile = error instanceof Error && "code" in error && error.code === "ENOTDIR"
    const why = isFile ? "it is not a directory: use Read" : reasonOf(error)
    throw new PincerError("INVALID_PARAMS", `Cannot list ${shown}: ${why}`, { cause: error })
  }
}

async function list(folder: Folder, signal: AbortSignal): Promise<{ entries: Dirent[]; cut: boolean }> {
  const entries: Dirent[] = []
  for await (const entry of await opendir(folder.at("."), { bufferSize: 512 })) {
    signal.throwIfAborted()
    if (entries.length === MAX_ENTRIES) return { entries, cut: true }
    entries.push(entry)
  }
  return { entries, cut: false }
}

async function described(entry: Dirent, folder: Folder): Promise<string> {
  const name = printed(entry.name)
  if (entry.isDirectory()) return `${name}/`
  if (entry.isSymbolicLink()) return `${name} (link)`
  if (!entry.isFile()) return `${name} (special file)`
  const stat = await lstat(folder.at(entry.name)).catch(() => undefined)
  return stat ? `${name} (${stat.size} bytes)` : name
}
