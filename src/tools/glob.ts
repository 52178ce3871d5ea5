// Glob: files by name.
import { matchesGlob } from "node:path"
import { z } from "zod"
import { resolvePath, shownPath } from "./paths.ts"
import { type Tool, textResult } from "./tool.ts"
import { walkFiles } from "./walk.ts"

const PAGE = 500

const args = z.strictObject({
  pattern: z
    .string()
    .min(1)
    .describe('Such as "**/*.ts" or "src/*.{js,ts}"; a pattern without a slash matches names at any depth'),
  path: z.string().optional().describe("Folder to look in; default the working directory"),
  offset: z.number().int().min(0).optional().describe("Results to skip"),
})

export const glob: Tool<z.infer<typeof args>> = {
  name: "Glob",
  aliases: ["find_files"],
  class: "search",
  effect: "read",
  description: `Finds files by a glob pattern, sorted by path, at most ${PAGE} at once. Leaves out .git, node_modules and what .gitignore names.`,
  args,
  title: ({ pattern, path }) => (path === undefined ? pattern : `${pattern} in ${path}`),
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path ?? ".", cwd)], writes: [], hosts: [] }),
  async run({ pattern, path, offset = 0 }, context) {
    const root = await resolvePath(path ?? ".", context.cwd)
    const { files, cut } = await walkFiles(root, context.signal)
    const wanted = pattern.includes("/") ? pattern.replace(/^\.\//, "") : `**/${pattern}`
    const found = files.filter((file) => matchesGlob(file, wanted))
    const page = found.slice(offset, offset + PAGE)
    const prefix = root === context.cwd ? "" : `${shownPath(root, context.cwd)}/`
    const lines = page.map((file) => prefix + file)
    if (found.length === 0) lines.push(`No file matches ${pattern}`)
    else if (offset + page.length < found.length)
      lines.push(`[${offset + page.length} of ${found.length}; go on with offset ${offset + page.length}]`)
    if (cut) lines.push("[the folder is too large to see all of it: name a smaller one]")
    return textResult(lines.join("\n"), { count: found.length })
  },
}
