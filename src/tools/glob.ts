// Glob: files by name.
import { isAbsolute } from "node:path"
import { z } from "zod"
import { excerpt } from "../base/text.ts"
import { pageOf } from "./line-page.ts"
import { judgedPath, printed, resolvePath, shownPath } from "./paths.ts"
import { inThread } from "./thread.ts"
import { errorResult, type Tool, textResult } from "./tool.ts"

const PAGE = 500
const DEADLINE_MS = 20_000

const args = z.strictObject({
  pattern: z
    .string()
    .min(1)
    .max(1_000)
    .describe('Such as "**/*.ts" or "src/*.{js,ts}"; a pattern without a slash matches names at any depth'),
  path: z.string().optional().describe("Folder to look in; default the working directory"),
  offset: z.number().int().min(0).optional().describe("Results to skip"),
})

export const glob: Tool<z.infer<typeof args>> = {
  name: "Glob",
  aliases: ["find_files"],
  class: "search",
  effect: "read",
  description: `Finds files by a glob pattern, sorted by path, at most ${PAGE} at once. Leaves out links, .git, node_modules and what .gitignore names.`,
  args,
  title: ({ pattern, path }) => excerpt(path === undefined ? pattern : `${pattern} in ${path}`, 200),
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path ?? ".", cwd)], writes: [], hosts: [] }),
  async run({ pattern, path, offset = 0 }, context) {
    if (isAbsolute(pattern) || /(?:^|\/)\.\.(?:\/|$)/.test(pattern))
      return errorResult(`The pattern "${printed(pattern)}" must lie below the folder: give the folder as path`)
    const root = await judgedPath(path ?? ".", context, "reads")
    const limits = { signal: context.signal, deadlineMs: DEADLINE_MS }
    const { files, cut } = await inThread("names", { root, top: context.cwd, pattern }, limits)
    const prefix = root === context.cwd ? "" : `${shownPath(root, context.cwd)}/`
    const note = cut ? "\n[the folder is too large to see all of it: name a smaller one]" : ""
    if (files.length === 0) return textResult(`No file matches ${printed(pattern)}${note}`, { count: 0 })
    const page = files.slice(offset, offset + PAGE).map((file) => prefix + printed(file))
    const window = { offset, total: files.length, more: cut, maxChars: context.settings.maxOutputChars }
    return textResult(pageOf(page, window) + note, { count: files.length })
  },
}
