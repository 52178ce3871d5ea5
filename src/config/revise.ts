// Every way of changing the configuration, as a function from the file's text to the next one: one key, a merge patch, the whole as a
// value or as text. Comments stay where the text is not given as a whole; masks of secrets become the secrets again; the result is valid.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { changesBetween } from "./changes.ts"
import { checkText, invalidConfig, schemaAt } from "./check.ts"
import { formatPath, parseDocument } from "./document.ts"
import { getPath, parsePath, setPath, unsetPath, withPlaces } from "./edit.ts"
import { withRealSecrets, withRealSecretsInText } from "./redact.ts"

export type ConfigEdit =
  | { type: "set"; key: string; value: unknown }
  | { type: "unset"; key: string }
  /** RFC 7396: null takes out, lists are replaced. */
  | { type: "patch"; patch: unknown }
  /** The whole. */
  | { type: "value"; value: unknown }
  /** The whole, JSONC or JSON5. */
  | { type: "text"; text: string }

/** Beyond so many changed places the file is written anew, and its comments are lost. */
const MAX_PLACES = 500

/** The text after the edit. Throws INVALID_PARAMS with `details.issues` when it would not be valid, NOT_FOUND for a key that is not set. */
export async function revisedText(text: string | undefined, edit: ConfigEdit): Promise<string> {
  const after = await edited(text, edit)
  const checked = checkText(after)
  if (!checked.ok) throw invalidConfig("invalid config", checked.issues)
  refuseUnsteadyPort(text, after)
  return after
}

async function edited(text: string | undefined, edit: ConfigEdit): Promise<string> {
  switch (edit.type) {
    case "set": {
      const key = knownKey(edit.key)
      const known = text === undefined ? undefined : getPath(parseDocument(text).value, key)
      return setPath(text, key, withRealSecrets(edit.value, known, parsePath(key).map(String)))
    }
    case "unset":
      return unsetPath(text, knownKey(edit.key))
    case "patch": {
      const before = text === undefined ? {} : parsed(text)
      if (!isObject(edit.patch))
        throw new PincerError("INVALID_PARAMS", "The patch must be an object {…}: its keys are those that change")
      return rewritten(text, before, merged(before, withRealSecrets(edit.patch, before, [])))
    }
    case "value":
      return rewritten(text, parsedOrNothing(text), withRealSecrets(edit.value, parsedOrNothing(text), []))
    case "text":
      return wholeText(text, edit.text)
  }
}

/** `enable` where the key is `enabled`, as ClawGo writes it. */
function knownKey(key: string): string {
  const path = parsePath(key)
  const last = path.pop()
  const meant = last === "enable" && schemaAt([...path, "enable"]) === undefined && schemaAt([...path, "enabled"])
  return meant ? formatPath([...path, "enabled"]) : key
}

function parsed(text: string): unknown {
  const { issues, value } = parseDocument(text)
  if (value === undefined) throw invalidConfig("The config file cannot be edited", issues)
  return value
}

/** What a text says, or {} where it cannot be read: it is to be replaced as a whole then. */
function parsedOrNothing(text: string | undefined): unknown {
  return text === undefined ? {} : (parseDocument(text).value ?? {})
}

/** RFC 7396. */
export function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (key === "__proto__") throw new PincerError("INVALID_PARAMS", "Unknown key __proto__")
    if (value === null) delete result[key]
    else result[key] = merged(Object.hasOwn(result, key) ? result[key] : undefined, value)
  }
  return result
}

function rewritten(text: string | undefined, before: unknown, after: unknown): string {
  if (!isObject(after)) throw new PincerError("INVALID_PARAMS", "The configuration must be an object {…}")
  const readable = text === undefined || parseDocument(text).value !== undefined
  const places = changesBetween(before, after)
  if (!readable || places.length > MAX_PLACES) return `${JSON.stringify(after, null, 2)}\n`
  return withPlaces(text, places)
}

async function wholeText(before: string | undefined, given: string): Promise<string> {
  const known = parsedOrNothing(before)
  const document = parseDocument(given)
  if (document.value !== undefined) return withRealSecretsInText(given, before, known)
  const { default: json5 } = await import("json5")
  try {
    const value: unknown = json5.parse(given)
    return `${JSON.stringify(withRealSecrets(value, known, []), null, 2)}\n`
  } catch (error) {
    if (error instanceof SyntaxError) throw invalidConfig("invalid config", document.issues)
    throw error
  }
}

/** Port 0 is another one at every start: who wrote it with the gateway's help would never find that gateway again. */
function refuseUnsteadyPort(before: string | undefined, after: string): void {
  const portIn = (text: string | undefined) => getPath(parsedOrNothing(text), "gateway.port")
  if (portIn(after) !== 0 || portIn(before) === 0) return
  throw invalidConfig("invalid config", [
    {
      path: "gateway.port",
      message:
        "gateway.port: 0 means another port at every start, where nobody finds the gateway: use 1 to 65535, or start once with --port 0",
    },
  ])
}
