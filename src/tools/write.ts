// Write: a whole file, created or replaced.
import { lstat } from "node:fs/promises"
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import { changeView } from "./change-view.ts"
import { diffOf } from "./diff.ts"
import { judgedPath, resolvePath, shownPath } from "./paths.ts"
import { readPlaced, writePlaced } from "./text-place.ts"
import { type Tool, type ToolContext, textResult } from "./tool.ts"

const args = z.strictObject({
  path: z.string().min(1).describe("The file, relative to the working directory or absolute"),
  content: z.string().describe("The whole new content"),
})

const MAX_DIFF_BYTES = 1_000_000

export const write: Tool<z.infer<typeof args>> = {
  name: "Write",
  aliases: ["write", "write_file"],
  class: "write",
  effect: "idempotent",
  description:
    "Writes a file, replacing what was there; folders are made as needed. To change a part of a file, use Edit.",
  args,
  title: ({ path, content }) => `${excerpt(path, 200)} (${content.length} characters)`,
  touch: async ({ path }, cwd) => ({ reads: [], writes: [await resolvePath(path, cwd)], hosts: [] }),
  async run({ path, content }, context) {
    const target = await judgedPath(path, context, "writes")
    const shown = shownPath(target, context.cwd)
    const old = await lstat(target).catch(() => undefined)
    const before = old ? await earlier(target, shown, old.size, context) : ""
    context.signal.throwIfAborted()
    await writePlaced(target, content, shown, context)
    const lines = content === "" ? 0 : content.split("\n").length - (content.endsWith("\n") ? 1 : 0)
    const diff = before === undefined || content.length > MAX_DIFF_BYTES ? undefined : diffOf(before, content)
    const result = textResult(`${old ? "Replaced" : "Created"} ${shown} (${lines} lines)`, {
      path: target,
      created: !old,
      lines,
      ...(diff ? { diff: diff.text, added: diff.added, removed: diff.removed } : {}),
    })
    return before === undefined ? result : { ...result, view: changeView(target, old ? before : null, content) }
  },
}

/** The text that is replaced, for the diff; undefined when it is none or too long. */
async function earlier(target: string, shown: string, size: number, context: ToolContext): Promise<string | undefined> {
  if (size > MAX_DIFF_BYTES) return undefined
  try {
    return await readPlaced(target, shown, context)
  } catch (error) {
    // What cannot be read has no diff; whether it can be written shows itself.
    if (error instanceof PincerError) return undefined
    throw error
  }
}
