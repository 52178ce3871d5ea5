// LS: what is in a folder.
import { lstat, readdir } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { reasonOf, resolvePath, shownPath } from "./paths.ts"
import { errorResult, type Tool, textResult } from "./tool.ts"

const PAGE = 1_000

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
  title: ({ path }) => path ?? ".",
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path ?? ".", cwd)], writes: [], hosts: [] }),
  async run({ path, offset = 0 }, context) {
    const target = await resolvePath(path ?? ".", context.cwd)
    const shown = shownPath(target, context.cwd)
    try {
      const entries = await readdir(target, { withFileTypes: true })
      entries.sort((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()) || (a.name < b.name ? -1 : 1))
      const page = entries.slice(offset, offset + PAGE)
      const lines = await Promise.all(
        page.map(async (entry) => {
          if (entry.isDirectory()) return `${entry.name}/`
          if (entry.isSymbolicLink()) return `${entry.name} (link)`
          const stat = await lstat(join(target, entry.name)).catch(() => undefined)
          return stat ? `${entry.name} (${stat.size} bytes)` : entry.name
        }),
      )
      if (entries.length === 0) lines.push(`${shown} is empty.`)
      const last = offset + page.length
      if (last < entries.length) lines.push(`[${last} of ${entries.length}; go on with offset ${last}]`)
      return textResult(lines.join("\n"), { count: entries.length })
    } catch (error) {
      return errorResult(`Cannot list ${shown}: ${reasonOf(error)}`)
    }
  },
}
