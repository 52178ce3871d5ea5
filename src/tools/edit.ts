// Edit and MultiEdit: exact text replaced by other text. All changes of a call are made or none.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import { changeView } from "./change-view.ts"
import { diffOf } from "./diff.ts"
import { judgedPath, resolvePath, shownPath } from "./paths.ts"
import { readPlaced, writePlaced } from "./text-place.ts"
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

/**
 * The text after one change. Throws INVALID_PARAMS saying how often the old text was found. In a file with CRLF line ends, old and
 * new text may be given with plain ones.
 */
export function applyChange(text: string, { oldText, newText, replaceAll }: Change, shown: string): string {
  if (oldText === newText)
    throw new PincerError("INVALID_PARAMS", "oldText and newText are the same: nothing to change")
  const exact = text.includes(oldText)
  const wanted = exact ? oldText : toCrlf(oldText)
  const put = !exact || allCrlf(text) ? toCrlf(newText) : newText
  const count = occurrences(text, wanted)
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
  return text.split(wanted).join(put)
}

/** Overlapping ones count each: which of them is meant would be a guess. */
function occurrences(text: string, wanted: string): number {
  let count = 0
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) count += 1
  return count
}

function toCrlf(text: string): string {
  return text.replaceAll(/\r?\n/g, "\r\n")
}

function allCrlf(text: string): boolean {
  return text.includes("\r\n") && !/(?<!\r)\n/.test(text)
}

async function applyAll(args: { path: string; changes: readonly Change[] }, context: ToolContext): Promise<ToolResult> {
  const target = await judgedPath(args.path, context, "writes")
  const shown = shownPath(target, context.cwd)
  const before = await readPlaced(target, shown, context)
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
  context.signal.throwIfAborted()
  await writePlaced(target, after, shown, context)
  const { text, added, removed } = diffOf(before, after)
  const result = textResult(`Edited ${shown}\n${text}`, { path: target, diff: text, added, removed })
  return { ...result, view: changeView(target, before, after) }
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
  title: (args) => excerpt(args.path, 200),
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
  title: (args) => `${excerpt(args.path, 200)} (${args.edits.length} edits)`,
  touch: touchFile,
  run: ({ path: file, edits }, context) => applyAll({ path: file, changes: edits }, context),
}
