// Grep: lines that match. The search runs in a worker thread that is ended at its deadline, so that no pattern can hold the gateway.

import { stat } from "node:fs/promises"
import { basename, dirname, matchesGlob } from "node:path"
import { Worker } from "node:worker_threads"
import { z } from "zod"
import type { GrepFound, GrepTask } from "./grep-worker.ts"
import { reasonOf, resolvePath, shownPath } from "./paths.ts"
import { errorResult, type Tool, type ToolContext, type ToolResult, textResult } from "./tool.ts"
import { walkFiles } from "./walk.ts"

const DEADLINE_MS = 20_000
const PAGE = 200

const args = z.strictObject({
  pattern: z.string().min(1).describe("A JavaScript regular expression"),
  path: z.string().optional().describe("File or folder to search; default the working directory"),
  glob: z.string().optional().describe('Only files that match, such as "*.ts"'),
  ignoreCase: z.boolean().optional(),
  mode: z
    .enum(["content", "files", "count"])
    .optional()
    .describe("Matching lines (default), names of files, or counts per file"),
  context: z.number().int().min(0).max(10).optional().describe("Lines to show around each match"),
  offset: z.number().int().min(0).optional().describe("Results to skip"),
})
type Args = z.infer<typeof args>

export const grep: Tool<Args> = {
  name: "Grep",
  aliases: ["grep_files", "search"],
  class: "search",
  effect: "read",
  description: `Searches text files by a regular expression, at most ${PAGE} results at once, as path:line:text. Leaves out binary files, .git, node_modules and what .gitignore names.`,
  args,
  title: ({ pattern, path, glob }) =>
    `/${pattern}/${path === undefined ? "" : ` in ${path}`}${glob === undefined ? "" : ` (${glob})`}`,
  touch: async ({ path }, cwd) => ({ reads: [await resolvePath(path ?? ".", cwd)], writes: [], hosts: [] }),
  async run(given, context) {
    const target = await resolvePath(given.path ?? ".", context.cwd)
    const shown = shownPath(target, context.cwd)
    try {
      new RegExp(given.pattern, "u")
    } catch (error) {
      return errorResult(
        `The pattern is not a regular expression: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
    const info = await stat(target).catch((error: unknown) => reasonOf(error))
    if (typeof info === "string") return errorResult(`Cannot search ${shown}: ${info}`)
    const root = info.isDirectory() ? target : dirname(target)
    const walk = info.isDirectory() ? await walkFiles(root, context.signal) : { files: [basename(target)], cut: false }
    const wanted = given.glob
    const files =
      wanted === undefined
        ? walk.files
        : walk.files.filter((file) => matchesGlob(file, wanted.includes("/") ? wanted : `**/${wanted}`))
    const task: GrepTask = {
      root,
      files,
      pattern: given.pattern,
      flags: given.ignoreCase ? "iu" : "u",
      mode: given.mode ?? "content",
      around: given.context ?? 0,
      limit: (given.offset ?? 0) + PAGE + 1,
    }
    const prefix = root === context.cwd ? "" : `${shownPath(root, context.cwd)}/`
    return report(await search(task, context.signal), given, prefix, walk.cut, context)
  },
}

function search(task: GrepTask, signal: AbortSignal): Promise<GrepFound | string> {
  // The compiled package has .js beside it; a checkout runs the source.
  const file = new URL(import.meta.url.endsWith(".ts") ? "./grep-worker.ts" : "./grep-worker.js", import.meta.url)
  const worker = new Worker(file, { workerData: task, resourceLimits: { maxOldGenerationSizeMb: 256 } })
  return new Promise((resolve) => {
    const end = (result: GrepFound | string) => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      void worker.terminate()
      resolve(result)
    }
    const timer = setTimeout(
      () =>
        end(
          `The search took longer than ${DEADLINE_MS / 1000} s and was stopped: narrow the folder or simplify the pattern`,
        ),
      DEADLINE_MS,
    )
    const onAbort = () => end("The search was canceled")
    signal.addEventListener("abort", onAbort, { once: true })
    worker.once("message", (found: GrepFound) => end(found))
    worker.once("error", (error) => end(`The search failed: ${error instanceof Error ? error.message : String(error)}`))
    if (signal.aborted) onAbort()
  })
}

function report(
  found: GrepFound | string,
  given: Args,
  prefix: string,
  cut: boolean,
  context: ToolContext,
): ToolResult {
  if (typeof found === "string") return errorResult(found)
  const offset = given.offset ?? 0
  const page = found.lines.slice(offset, offset + PAGE)
  let out = page.map((line) => prefix + line)
  const limit = context.settings.maxOutputChars
  let chars = 0
  const fits = out.findIndex((line) => (chars += line.length + 1) > limit)
  if (fits > 0) out = out.slice(0, fits)
  if (found.lines.length === 0) out.push(`Nothing matches /${given.pattern}/`)
  else if (offset + out.length < found.lines.length)
    out.push(`[more results; go on with offset ${offset + out.length}]`)
  if (cut) out.push("[the folder is too large to see all of it: name a smaller one]")
  return textResult(out.join("\n"), { files: found.files, searched: found.searched })
}
