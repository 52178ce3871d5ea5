// What a server says of its tools, read with distrust: text cleaned and cut, schemas tried, a fingerprint of all that a model is shown.
// Annotations are a server's word about itself and count for nothing.
import { createHash } from "node:crypto"
import { canonicalJson, deeperThan, isObject } from "../../base/json.ts"
import { compileForeignSchema, type SchemaCheck } from "../../base/json-schema.ts"
import { toolName } from "./names.ts"
import { MAX_TOOLS } from "./ports.ts"
import { seen, seenLine } from "./words.ts"

const MAX_DESCRIPTION = 1_024
const MAX_SCHEMA_CHARS = 64 * 1024
/** Schemas come deeper than this from no honest server. */
const MAX_SCHEMA_DEPTH = 32

export interface ListedTool {
  /** mcp:<label>:<tool> */
  id: string
  /** As the model calls it. */
  spoken: string
  /** As the server calls it. */
  ownName: string
  description: string
  /** As the model is shown it. */
  inputSchema: Record<string, unknown>
  check: SchemaCheck
  /** Hex sha256 of name, description and schema as the server gave them. */
  fingerprint: string
  /** What it says beside: a title, hints, the shape of its answers. Shown to people, believed in nothing. */
  beside: Record<string, unknown>
}

export interface Listing {
  tools: ListedTool[]
  problems: string[]
}

/** `raw`: the `tools` of `tools/list`. What cannot be used is left out and named. */
export function readListing(raw: readonly unknown[], label: string, serverName: string): Listing {
  const problems: string[] = []
  const known = new Set<string>()
  const usable = raw.filter((one): one is Record<string, unknown> & { name: string } => {
    const name = isObject(one) ? one["name"] : undefined
    if (typeof name !== "string" || name === "" || name.length > 256) {
      problems.push("A tool without a usable name was left out")
      return false
    }
    if (known.has(name)) {
      problems.push(`The tool "${seenLine(name, 80)}" is listed twice: the second one was left out`)
      return false
    }
    known.add(name)
    return true
  })
  const taken = usable.slice(0, MAX_TOOLS)
  if (usable.length > MAX_TOOLS)
    problems.push(`Only the first ${MAX_TOOLS} of ${usable.length} tools are offered: let the server offer fewer`)
  const spoken = new Set<string>()
  const tools = taken.flatMap((one) => {
    try {
      const tool = readTool(one, label, serverName)
      if (spoken.has(tool.spoken)) throw new TypeError("its name cannot be told from that of another one")
      spoken.add(tool.spoken)
      return [tool]
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      problems.push(`The tool "${seenLine(one.name, 80)}" was left out: ${seenLine(why, 300)}`)
      return []
    }
  })
  return { tools, problems: problems.slice(0, 20) }
}

function readTool(raw: Record<string, unknown> & { name: string }, label: string, serverName: string): ListedTool {
  const schema = raw["inputSchema"]
  if (!isObject(schema)) throw new TypeError("it has no schema of its arguments")
  const text = JSON.stringify(schema)
  if (text.length > MAX_SCHEMA_CHARS) throw new TypeError(`its schema has more than ${MAX_SCHEMA_CHARS} characters`)
  if (deeperThan(text, MAX_SCHEMA_DEPTH)) throw new TypeError(`its schema nests deeper than ${MAX_SCHEMA_DEPTH} levels`)
  if (schema["type"] !== "object") throw new TypeError("its arguments are not an object")
  const said = typeof raw["description"] === "string" ? raw["description"] : ""
  const { $schema: _, $id: _id, id: _old, $comment: _comment, ...shown } = schema
  return {
    ...toolName(label, raw.name),
    ownName: raw.name,
    description: `[MCP server "${seenLine(serverName, 60)}"] ${seen(said, MAX_DESCRIPTION)}`.trimEnd(),
    inputSchema: shownSchema(shown, false) as Record<string, unknown>,
    check: compileForeignSchema(schema),
    fingerprint: createHash("sha256")
      .update(canonicalJson([raw.name, said, schema]))
      .digest("hex"),
    beside: besideOf(raw),
  }
}

function besideOf({ annotations, outputSchema, title }: Record<string, unknown>): Record<string, unknown> {
  const hints = isObject(annotations)
    ? Object.fromEntries(Object.entries(annotations).filter(([, value]) => typeof value === "boolean"))
    : {}
  const shape = isObject(outputSchema) ? JSON.stringify(outputSchema) : ""
  return {
    ...(typeof title === "string" ? { title: seenLine(title, 200) } : {}),
    ...(Object.keys(hints).length > 0 ? { hints } : {}),
    ...(shape !== "" && shape.length <= MAX_SCHEMA_CHARS && !deeperThan(shape, MAX_SCHEMA_DEPTH)
      ? { outputSchema: shownSchema(outputSchema, false) }
      : {}),
  }
}

/** The schema with its texts cleaned and cut. `named`: the keys are names of members and mean nothing. */
function shownSchema(value: unknown, named: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => shownSchema(item, false))
  if (!isObject(value)) return value
  const shown = Object.entries(value).map(([key, item]) => {
    if (!named && (key === "const" || key === "enum" || key === "default")) return [key, item]
    if (!named && typeof item === "string" && (key === "description" || key === "title"))
      return [key, seen(item, MAX_DESCRIPTION)]
    return [key, shownSchema(item, !named && /^(properties|patternProperties|\$defs|definitions)$/.test(key))]
  })
  return Object.fromEntries(shown)
}
