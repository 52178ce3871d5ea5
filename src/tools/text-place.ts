// Where the text of a file is read and written: in the editor that is lent to the turn, unsaved changes included, or on the disk. Which
// file it is, and whether it may be opened or made, is looked at on the disk in both cases.
import { asPincerError, PincerError } from "../base/errors.ts"
import { isInside } from "../policy/places.ts"
import type { Editor } from "./editor.ts"
import { MAX_EDIT_BYTES, openFile, readText, writeInto, writeText } from "./files.ts"
import { binaryKind } from "./kind.ts"
import type { ToolContext } from "./tool.ts"

type Place = Pick<ToolContext, "editor" | "remark" | "signal">

const SNIFF_BYTES = 8_192

/** The whole text of a file that is to be edited. Throws what is wrong with it. */
export async function readPlaced(target: string, shown: string, place: Place): Promise<string> {
  const text = await editorText(target, shown, place)
  if (text === undefined) return readText(target, shown)
  if (Buffer.byteLength(text) > MAX_EDIT_BYTES)
    throw new PincerError("TOO_LARGE", `${shown} is too long to edit: use a command`)
  if (text.includes("\0")) throw new PincerError("INVALID_PARAMS", `${shown} is a binary file: use a command`)
  return text
}

/** The whole text in place of what was there. Throws UNAVAILABLE when the editor is gone: nothing is written past it. */
export async function writePlaced(target: string, text: string, shown: string, place: Place): Promise<void> {
  const editor = editorOf(target, place)
  if (!editor?.writeText) return writeText(target, text, shown)
  await writeInto(target, shown, async () => {
    try {
      await editor.writeText!(target, text, place.signal)
    } catch (error) {
      place.signal.throwIfAborted()
      if (!(error instanceof PincerError)) throw error
      throw new PincerError(error.code, `${shown} was not written in the user's editor: ${error.message}`, {
        cause: error,
      })
    }
  })
}

/** What the editor shows; undefined when the disk is to be read: outside of the editor's folders, binary, too long, or the editor gone. */
export async function editorText(target: string, shown: string, place: Place): Promise<string | undefined> {
  const editor = editorOf(target, place)
  if (!editor?.readText) return undefined
  const onDisk = await lookAt(target, shown)
  if (onDisk === "not text") return undefined
  try {
    return await editor.readText(target, place.signal)
  } catch (error) {
    place.signal.throwIfAborted()
    if (!(error instanceof PincerError)) throw error
    // A file that is nowhere is for the disk to say.
    if (onDisk === "missing") return undefined
    if (!isAway(error))
      throw new PincerError(error.code, `${shown} was not read in the user's editor: ${error.message}`, {
        cause: error,
      })
    place.remark?.(`${shown} was read from the disk, without unsaved changes: ${error.message}`)
    return undefined
  }
}

/** The editor did not refuse: it was not there, did not answer, or does not know the file. */
function isAway({ code }: PincerError): boolean {
  return code === "UNAVAILABLE" || code === "TIMEOUT" || code === "RATE_LIMITED" || code === "NOT_FOUND"
}

function editorOf(target: string, { editor }: Place): Editor | undefined {
  return editor?.roots.some((root) => isInside(target, root)) ? editor : undefined
}

/** Throws CONFLICT when the path leads elsewhere by now. */
async function lookAt(target: string, shown: string): Promise<"text" | "not text" | "missing"> {
  try {
    const file = await openFile(target, shown)
    try {
      const { size } = await file.stat()
      const start = Buffer.alloc(SNIFF_BYTES)
      const { bytesRead } = await file.read(start, 0, SNIFF_BYTES, 0)
      return size > MAX_EDIT_BYTES || binaryKind(start.subarray(0, bytesRead)) !== undefined ? "not text" : "text"
    } finally {
      await file.close()
    }
  } catch (error) {
    const { cause, code } = asPincerError(error)
    if (code !== "INVALID_PARAMS") throw error
    // A folder, or what may not be opened: reading the disk says so.
    return cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? "missing" : "not text"
  }
}
