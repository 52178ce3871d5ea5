// Jupyter notebooks (nbformat 4) as files: taken apart for NotebookEdit, told as text for Read.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { cut } from "../base/text.ts"

export type Cell = Record<string, unknown>
export type Notebook = Record<string, unknown> & { cells: Cell[] }

const MAX_OUTPUT_CHARS = 2_000

/** Throws INVALID_PARAMS when the text is no notebook of nbformat 4. */
export function parseNotebook(text: string, shown: string): Notebook {
  const notebook = parsed(text)
  if (isNotebook(notebook)) return notebook
  throw new PincerError(
    "INVALID_PARAMS",
    `${shown} is not a notebook of nbformat 4: it must be JSON with a list of cells`,
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isNotebook(value: unknown): value is Notebook {
  return isObject(value) && value["nbformat"] === 4 && Array.isArray(value["cells"]) && value["cells"].every(isObject)
}

/** nbformat keeps text as a list of lines with their line ends, or as one string. */
export function joined(source: unknown): string {
  if (typeof source === "string") return source
  return Array.isArray(source) ? source.filter((line) => typeof line === "string").join("") : ""
}

/** The notebook as a person reads it: numbered cells, their text, and the text of what they put out. */
export function notebookText(notebook: Notebook): string {
  const parts = notebook.cells.map((cell, i) => {
    const head = `--- cell ${i} (${String(cell["cell_type"])}) ---`
    const outputs = Array.isArray(cell["outputs"]) ? cell["outputs"].filter(isObject).map(outputText) : []
    const shown = outputs.filter((text) => text !== "")
    return [head, joined(cell["source"]), ...(shown.length > 0 ? ["--- output ---", ...shown] : [])].join("\n")
  })
  return `${parts.join("\n")}\n`
}

function outputText(output: Cell): string {
  if (output["output_type"] === "stream") return capped(joined(output["text"]))
  if (output["output_type"] === "error") return capped(`${String(output["ename"])}: ${String(output["evalue"])}`)
  const data = isObject(output["data"]) ? output["data"] : {}
  const plain = joined(data["text/plain"])
  const rest = Object.keys(data).filter((type) => type !== "text/plain")
  return [capped(plain), ...rest.map((type) => `[${type}]`)].filter((line) => line !== "").join("\n")
}

function capped(text: string): string {
  return text.length > MAX_OUTPUT_CHARS ? `${cut(text, MAX_OUTPUT_CHARS)}… [output cut]` : text.trimEnd()
}
