// Edit and MultiEdit: exact text replaced by other text. All changes of a call are made or none.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import { diffOf, readText, writeText } from "./files.ts"
import { resolvePath, shownPath } from "./paths.ts"
import { type Tool, type ToolContext, type ToolResult, type Touch, textResult } from "./tool.ts"

const change = {
  oldText: z
    .string()
    .min(1)
    .describe("The exact text to replace, as it stands in the file; must occur once unless replaceAll is set"),
  newText: z.string().describe("The text to put in its place"),
  replaceAll: z.boolean().optional().describe("Replace every occurrence"),
}
const path = z.string().min(1).describe("The file, relative to the working directory or absolute")
const editArgs = z.strictObject({ path, ...change })
const multiArgs = z.strictObject({
  path,
  edits: z
    .array(z.strictObject(change))
    .min(1)
    .max(100)
    .describe("Applied in order, each to the result of the one before"),
})

type Change = Omit<z.infer<typeof editArgs>, "path">

/** The text after one change. Throws INVALID_PARAMS saying how often the old text was found. */
export function applyChange(text: string, { oldText, newText, replaceAll }: Change, shown: string): string {
  if (oldText === newText)
    throw new PincerError("INVALID_PARAMS", "oldText and newText are the same: nothing to change")
  // A file with CRLF line ends is edited in its own terms.
  const crlf = text.includes("\r\n") && !oldText.includes("\r\n")
  const wanted = crlf ? oldText.replaceAll("\n", "\r\n") : oldText
  const put = crlf ? newText.replaceAll(/\r?\n/g, "\r\n") : newText
  const parts = text.split(wanted)
  const count = parts.length - 1
  const named = `"${excerpt(oldText, 60)}"`
  if (count === 0)
    throw new PincerError(
      "INVALID_PARAMS",
      `${named} does not occur in ${shown}: read the file and copy the text exactly`,
    )
  if (count > 1 && !replaceAll)
    throw new PincerError(
      "INVALID_PARAMS",
      `${named} occurs ${count} times in ${shown}: add surrounding lines, or set replaceAll`,
    )
  return parts.join(put)
}

async function applyAll(args: { path: string; changes: readonly Change[] }, context: ToolContext): Promise<ToolResult> {
  const target = await resolvePath(args.path, context.cwd)
  const shown = shownPath(target, context.cwd)
  const before = await readText(target, shown)
  let after = before
  for (const [i, one] of args.changes.entries()) {
    try {
      after = applyChange(after, one, shown)
    } catch (error) {
      if (!(error instanceof PincerError) || args.changes.length === 1) throw error
      throw new PincerError(
        "INVALID_PARAMS",
        `Edit ${i + 1} of ${args.changes.length}: ${error.message}. Nothing was changed.`,
        { cause: error },
      )
    }
  }
  await writeText(args.path, context.cwd, target, after, shown)
  const diff = diffOf(before, after)
  return textResult(`Edited ${shown}\n${diff}`, { path: target, diff })
}

async function touchFile(args: { path: string }, cwd: string): Promise<Touch> {
  const target = await resolvePath(args.path, cwd)
  return { reads: [target], writes: [target], hosts: [] }
}

export const edit: Tool<z.infer<typeof editArgs>> = {
  name: "Edit",
  aliases: ["edit", "edit_file"],
  class: "write",
  effect: "once",
  description:
    "Replaces exact text in a file. The old text must occur exactly once, white space included, unless replaceAll is set.",
  args: editArgs,
  title: (args) => args.path,
  touch: touchFile,
  run: ({ path: file, ...one }, context) => applyAll({ path: file, changes: [one] }, context),
}

export const multiEdit: Tool<z.infer<typeof multiArgs>> = {
  name: "MultiEdit",
  aliases: ["multi_edit"],
  class: "write",
  effect: "once",
  description:
    "Makes several Edit replacements in one file, in order; when one of them does not fit, nothing is changed.",
  args: multiArgs,
  title: (args) => `${args.path} (${args.edits.length} edits)`,
  touch: touchFile,
  run: ({ path: file, edits }, context) => applyAll({ path: file, changes: edits }, context),
}
