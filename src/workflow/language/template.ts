// Templates in a workflow's texts: "${name}" is an argument, "$id.path" what a step left. Both are put in in one pass, so that nothing that
// came from outside is read as a template again (a deliberate difference: docs/workflows/compatibility.md). Names that are not known stay as
// they are, for the shell.
import { lookUp, REFERENCE, reference, type StepResults } from "./reference.ts"

export interface TemplateScope {
  args: Readonly<Record<string, unknown>>
  results: StepResults
}

/** What becomes of a value that is put into a text; for a shell, it may be quoted. */
export type Quoting = (text: string) => string

const TEMPLATE = new RegExp(`\\$\\{([A-Za-z0-9_-]+)\\}|${REFERENCE.source}`, "g")
const ARGUMENT = /\$\{([A-Za-z0-9_-]+)\}/g

export function expand(text: string, { args, results }: TemplateScope, quoting: Quoting = asIs): string {
  if (!text.includes("$")) return text
  return text.replace(TEMPLATE, (whole: string, name: string | undefined, id: string, dotted: string) => {
    if (name !== undefined) return Object.hasOwn(args, name) ? quoting(String(args[name])) : whole
    const { known, value } = lookUp(reference(id, dotted), results)
    return known ? quoting(shown(value)) : whole
  })
}

/** Arguments only: for `cwd`. */
export function expandArguments(text: string, args: Readonly<Record<string, unknown>>): string {
  return text.replace(ARGUMENT, (whole, name: string) => (Object.hasOwn(args, name) ? String(args[name]) : whole))
}

/** Names of arguments and references that a text holds, with the place of each in UTF-16 units. */
export function templatesIn(
  text: string,
): ({ offset: number; length: number } & (
  | { type: "argument"; name: string }
  | { type: "reference"; id: string; path: string[] }
))[] {
  return [...text.matchAll(TEMPLATE)].map((match) => {
    const where = { offset: match.index, length: match[0].length }
    if (match[1] !== undefined) return { ...where, type: "argument", name: match[1] }
    return { ...where, type: "reference", ...reference(match[2]!, match[3]!) }
  })
}

/** One word for a POSIX shell, whatever it holds. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function asIs(text: string): string {
  return text
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return ""
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}
