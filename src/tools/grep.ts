// Grep: lines that match a regular expression, searched in a thread that has a deadline.
import { lstat } from "node:fs/promises"
import { z } from "zod"
import { excerpt } from "../base/text.ts"
import { pageOf } from "./line-page.ts"
import type { LinesFound } from "./match-lines.ts"
import { judgedPath, printed, reasonOf, resolvePath, shownPath } from "./paths.ts"
import { inThread } from "./thread.ts"
import { errorResult, type Tool, type ToolContext, type ToolResult, textResult } from "./tool.ts"

const PAGE = 200
const DEADLINE_MS = 20_000

const args = z.strictObject({
  pattern: z.string().min(1).max(2_000).describe("A JavaScript regular expression, matched line by line"),
  path: z.string().optional().describe("File or folder to search; default the working directory"),
  glob: z.string().max(1_000).optional().describe('Only files that match, such as "*.ts"'),
  ignoreCase: z.boolean().optional(),
  mode: z
    .enum(["content", "files", "count"])
    .optional()
    .describe("Matching lines (default), names of files, or counts per file"),
  context: z.number().int().min(0).max(10).optional().describe("Lines to show around each match"),
  offset: z.number().int().min(0).max(1_000_000).optional().describe("Results to skip"),
})
type Args = z.infer<typeof args>

export const grep: Tool<Args> = {
  name: "Grep",
  aliases: ["grep_files", "search"],
  class: "search",
  effect: "read",
  description: `Searches text files by a regular expression, at most ${PAGE} results at once, as path:line:text. Leaves out links, binary files, .git, node_modules and what .gitignore names.`,
  args,
  title: ({ pattern, path, glob }) =>
    excerpt(`/${pattern}/${path === undefined ? "" : ` in ${path}`}${glob === undefined ? "" : ` (${glob})`}`, 200),
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path ?? ".", cwd)], writes: [], hosts: [] }),
  async run(given, context) {
    const target = await judgedPath(given.path ?? ".", context, "reads")
    const shown = shownPath(target, context.cwd)
    const regex = regexOf(given)
    if (typeof regex === "string") return errorResult(regex)
    const info = await lstat(target).catch((error: unknown) => reasonOf(error))
    if (typeof info === "string") return errorResult(`Cannot search ${shown}: ${info}`)
    const found = await inThread(
      "lines",
      {
        target,
        isFolder: info.isDirectory(),
        top: context.cwd,
        glob: given.glob,
        pattern: regex.source,
        flags: regex.flags,
        mode: given.mode ?? "content",
        around: given.context ?? 0,
        limit: (given.offset ?? 0) + PAGE + 1,
      },
      { signal: context.signal, deadlineMs: DEADLINE_MS },
    )
    const folder = info.isDirectory() ? target : target.slice(0, target.lastIndexOf("/")) || "/"
    const prefix = folder === context.cwd ? "" : `${shownPath(folder, context.cwd)}/`.replace(/^\/\/$/, "/")
    return report(found, given, prefix, context)
  },
}

/** As written, or in the other dialect that was meant: "(?i)" in front, escapes that strict mode refuses. A string is the refusal. */
function regexOf({ pattern, ignoreCase }: Args): RegExp | string {
  const plain = pattern.replace(/^\(\?i\)/, "")
  const i = ignoreCase || plain !== pattern ? "i" : ""
  try {
    return new RegExp(plain, `${i}u`)
  } catch (strict) {
    try {
      return new RegExp(plain, i)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(strict)
      return `The pattern is not a regular expression: ${why}`
    }
  }
}

function report(found: LinesFound, given: Args, prefix: string, context: ToolContext): ToolResult {
  const notes = [
    ...(found.tooLarge > 0 ? [`[${found.tooLarge} files were too large to be searched]`] : []),
    ...(found.cut ? ["[the folder is too large to see all of it: name a smaller one]"] : []),
  ]
  const details = { files: found.files, searched: found.searched }
  if (found.lines.length === 0)
    return textResult([`Nothing matches /${printed(given.pattern)}/`, ...notes].join("\n"), details)
  const offset = given.offset ?? 0
  const page = found.lines.slice(offset, offset + PAGE).map((line) => prefix + line)
  const more = found.more || found.cut
  const window = { offset, total: found.lines.length, more, maxChars: context.settings.maxOutputChars }
  return textResult([pageOf(page, window), ...notes].join("\n"), details)
}
