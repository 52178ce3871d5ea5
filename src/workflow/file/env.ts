// Maps of names and texts: `env`, and the headers of a request.
import type { Field } from "./nodes.ts"

/** Values that are no text are left out, as Lobster leaves them out. */
export function readEnv(field: Field | undefined): Record<string, string> {
  const env: Record<string, string> = {}
  if (!field) return env
  if (!field.isMap) {
    field.warn("type", "env should be an object of names and texts; it is left out")
    return env
  }
  for (const [name, one] of field.members("env").all()) {
    if (typeof one.value === "string") env[name] = one.value
    else one.warn("type", `env.${name} should be text: put it in quotes. It is left out`)
  }
  return env
}
