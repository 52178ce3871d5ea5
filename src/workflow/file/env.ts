// Maps of names and texts: `env`, and the headers of a request.
import type { Field } from "./nodes.ts"

/** Values that are no text are left out, as Lobster leaves them out. */
export function readEnv(field: Field | undefined): Record<string, string> {
  if (!field) return {}
  if (!field.isMap) {
    field.warn("type", "env should be an object of names and texts; it is left out")
    return {}
  }
  const env: [string, string][] = []
  for (const [name, one] of field.members("env").all()) {
    if (typeof one.value === "string") env.push([name, one.value])
    else one.warn("type", `env.${name} should be text: put it in quotes. It is left out`)
  }
  return ownEntries(env)
}

/** Every name is one of the object's own, "__proto__" too. */
export function ownEntries<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(entries)
}
