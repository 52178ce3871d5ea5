// Write: a whole file, created or replaced.
import { stat } from "node:fs/promises"
import { z } from "zod"
import { diffOf, readText, writeText } from "./files.ts"
import { resolvePath, shownPath } from "./paths.ts"
import { type Tool, textResult } from "./tool.ts"

const args = z.strictObject({
  path: z.string().min(1).describe("The file, relative to the working directory or absolute"),
  content: z.string().describe("The whole new content"),
})

const MAX_DIFF_BYTES = 200_000

export const write: Tool<z.infer<typeof args>> = {
  name: "Write",
  aliases: ["write", "write_file"],
  class: "write",
  effect: "idempotent",
  description:
    "Writes a file, replacing what was there; folders are made as needed. To change a part of a file, use Edit.",
  args,
  title: ({ path, content }) => `${path} (${content.length} characters)`,
  touch: async ({ path }, cwd) => ({ reads: [], writes: [await resolvePath(path, cwd)], hosts: [] }),
  async run({ path, content }, context) {
    const target = await resolvePath(path, context.cwd)
    const shown = shownPath(target, context.cwd)
    const old = await stat(target).catch(() => undefined)
    const before =
      old?.isFile() && old.size <= MAX_DIFF_BYTES ? await readText(target, shown).catch(() => undefined) : undefined
    await writeText(path, context.cwd, target, content, shown)
    const diff = before === undefined || content.length > MAX_DIFF_BYTES ? undefined : diffOf(before, content)
    const lines = content === "" ? 0 : content.split("\n").length - (content.endsWith("\n") ? 1 : 0)
    return textResult(`${old ? "Replaced" : "Created"} ${shown} (${lines} lines)`, {
      path: target,
      created: !old,
      ...(diff ? { diff } : {}),
    })
  },
}
