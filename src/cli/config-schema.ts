// `pincer config schema`: what may stand in the configuration, as JSON Schema or, at one path, in words.
import { resolvePaths } from "../config/paths.ts"
import { jsonSchema, lookUp } from "../config/schema-view.ts"
import type { Cli } from "./cli.ts"
import type { JsonFlag } from "./configuration.ts"
import { inertLine } from "./inert.ts"

/** Without a path the whole JSON Schema, for editors. */
export function showSchema(cli: Cli, path: string | undefined, flags: JsonFlag): void {
  if (path === undefined) {
    cli.out.json(jsonSchema())
    return
  }
  const place = lookUp(path)
  if (flags.json) {
    cli.out.json(place)
    return
  }
  const { children, hint, schema } = place
  cli.out.line(cli.out.paint(place.path === "" ? resolvePaths(cli.env, cli.flags).config : place.path, "bold"))
  if (hint.help !== undefined) cli.out.line(hint.help)
  for (const [word, name] of [
    ["type", "Type"],
    ["enum", "One of"],
    ["default", "Default"],
    ["minimum", "At least"],
    ["maximum", "At most"],
    ["pattern", "Pattern"],
  ] as const)
    if (schema[word] !== undefined && typeof schema[word] !== "object")
      cli.out.line(`${name}: ${inertLine(String(schema[word]))}`)
    else if (Array.isArray(schema[word])) cli.out.line(`${name}: ${schema[word].map(String).join(", ")}`)
  if (children.length > 0)
    cli.out.table(
      ["KEY", "TYPE", "WHAT FOR"],
      children.map((child) => [child.key, child.type, child.help ?? ""]),
    )
}
