// A config file whose only fault is keys with a slip in their names: the text with the right names, comments and all.
import type { JSONPath } from "jsonc-parser"
import { checkText } from "../../config/check.ts"
import { jsonc } from "../../config/document.ts"
import { parsePath } from "../../config/edit.ts"

const SLIP = /^Unknown key (\S+): did you mean (\S+)\?$/
const MAX_SLIPS = 50

/** Undefined when there is something else that is wrong with it. */
export function withoutSlips(text: string): string | undefined {
  let here = text
  for (let count = 0; count < MAX_SLIPS; count++) {
    const checked = checkText(here)
    if (checked.ok) return here === text ? undefined : here
    const slip = checked.issues.map(({ message }) => SLIP.exec(message)).find((match) => match !== null)
    const next = slip && renamed(here, parsePath(slip[1]!), parsePath(slip[2]!))
    if (next === undefined || next === null) return undefined
    here = next
  }
  return undefined
}

/** The text with the key at `from` called as the last step of `to` says; undefined where that would be another place or is taken. */
function renamed(text: string, from: JSONPath, to: JSONPath): string | undefined {
  const { applyEdits, findNodeAtLocation, parseTree } = jsonc
  if (from.length !== to.length || from.slice(0, -1).join("\0") !== to.slice(0, -1).join("\0")) return undefined
  const root = parseTree(text, [], { allowTrailingComma: true })
  if (!root || findNodeAtLocation(root, to)) return undefined
  const key = findNodeAtLocation(root, from)?.parent?.children?.[0]
  if (!key) return undefined
  return applyEdits(text, [{ offset: key.offset, length: key.length, content: JSON.stringify(to.at(-1)) }])
}
