// NotebookEdit: one cell of a Jupyter notebook (nbformat 4) replaced, inserted or deleted; everything else stays as it is.
import { randomBytes } from "node:crypto"
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import { changeView } from "./change-view.ts"
import { type Cell, type Notebook, parseNotebook } from "./ipynb.ts"
import { judgedPath, resolvePath, shownPath } from "./paths.ts"
import { readPlaced, writePlaced } from "./text-place.ts"
import { type Tool, textResult } from "./tool.ts"

const args = z.strictObject({
  path: z
    .string()
    .regex(/\.ipynb$/, "must end in .ipynb")
    .describe("The notebook file"),
  cell: z.number().int().min(0).describe("Number of the cell, from 0; for insert, where the new one will stand"),
  mode: z.enum(["replace", "insert", "delete"]).default("replace"),
  cellType: z.enum(["code", "markdown"]).optional().describe("For insert; for replace only to change the type"),
  source: z.string().optional().describe("The cell's text; not for delete"),
})

export const notebookEdit: Tool<z.infer<typeof args>> = {
  name: "NotebookEdit",
  aliases: ["notebook_edit"],
  class: "write",
  effect: "once",
  description:
    "Replaces, inserts or deletes one cell of a Jupyter notebook. Outputs of a replaced code cell are cleared.",
  args,
  title: ({ path, mode, cell }) => `${excerpt(path, 200)} (${mode} cell ${cell})`,
  touch: async ({ path }, cwd) => {
    const target = await resolvePath(path, cwd)
    return { reads: [target], writes: [target], hosts: [] }
  },
  async run({ path, cell, mode, cellType, source }, context) {
    const target = await judgedPath(path, context, "writes")
    const shown = shownPath(target, context.cwd)
    const text = await readPlaced(target, shown, context)
    const notebook = parseNotebook(text, shown)
    const { cells } = notebook
    const most = mode === "insert" ? cells.length : cells.length - 1
    if (cell > most)
      throw new PincerError("INVALID_PARAMS", `${shown} has ${cells.length} cells: cell ${cell} does not exist`)
    if (mode !== "delete" && source === undefined) throw new PincerError("INVALID_PARAMS", `${mode} needs source`)
    if (mode === "delete") cells.splice(cell, 1)
    else if (mode === "insert") cells.splice(cell, 0, newCell(notebook, cellType ?? "code", source!))
    else cells[cell] = replaced(cells[cell]!, cellType, source!)
    const indent = /^\{\r?\n([ \t]+)/.exec(text)?.[1] ?? 1
    context.signal.throwIfAborted()
    const after = JSON.stringify(notebook, null, indent) + (text.endsWith("\n") ? "\n" : "")
    await writePlaced(target, after, shown, context)
    const done = { replace: "Replaced", insert: "Inserted", delete: "Deleted" }[mode]
    const result = textResult(`${done} cell ${cell} of ${shown}; it has ${cells.length} cells`, { path: target })
    return { ...result, view: changeView(target, text, after) }
  },
}

/** nbformat keeps text as a list of lines with their line ends. */
function sourceLines(source: string): string[] {
  return source === "" ? [] : (source.match(/[^\n]*\n|[^\n]+$/g) ?? [])
}

function newCell(notebook: Notebook, type: "code" | "markdown", source: string): Cell {
  const minor = Number(notebook["nbformat_minor"] ?? 0)
  const id = minor >= 5 ? { id: randomBytes(4).toString("hex") } : {}
  const base = { cell_type: type, ...id, metadata: {}, source: sourceLines(source) }
  return type === "code" ? { ...base, execution_count: null, outputs: [] } : base
}

function replaced(cell: Cell, type: "code" | "markdown" | undefined, source: string): Cell {
  const next: Cell = { ...cell, cell_type: type ?? cell["cell_type"], source: sourceLines(source) }
  const { execution_count: _count, outputs: _outputs, attachments, ...rest } = next
  if (rest["cell_type"] === "code") return { ...rest, execution_count: null, outputs: [] }
  return attachments === undefined ? rest : { ...rest, attachments }
}
