// A configuration whose secrets were masked in a backup gets those back that stand in the home now; what cannot be found is taken out
// and named, so that nobody starts with a mask for a key.
import { readFile, writeFile } from "node:fs/promises"
import { isObject } from "../base/json.ts"
import { formatPath, parseDocument } from "../config/document.ts"
import { setPath, unsetPath } from "../config/edit.ts"
import { readConfigFile } from "../config/load.ts"
import { REDACTED, withRealSecrets } from "../config/redact.ts"

/** Rewrites the config file at `path` in place; `current` is the home's own. Returns the keys whose secrets are missing. */
export async function unmask(path: string, current: string): Promise<string[]> {
  const masked = await readFile(path, "utf8").catch(() => undefined)
  if (!masked?.includes(REDACTED)) return []
  const now = readConfigFile(current)
  const real = now === undefined ? {} : parseDocument(now.text).value
  const missing: string[] = []
  let text = masked
  for (const { steps, value } of maskedIn(parseDocument(masked).value, [])) {
    const secret = realAt(steps, value, real)
    text = secret === undefined ? unsetPath(text, formatPath(steps)) : setPath(text, formatPath(steps), secret)
    if (secret === undefined) missing.push(formatPath(steps))
  }
  await writeFile(path, text, { mode: 0o600 })
  return missing
}

function maskedIn(value: unknown, steps: (string | number)[]): { steps: (string | number)[]; value: string }[] {
  if (typeof value === "string") return value.includes(REDACTED) ? [{ steps, value }] : []
  // From the end, so that taking one out of a list does not move the next.
  if (Array.isArray(value)) return value.flatMap((item, i) => maskedIn(item, [...steps, i])).reverse()
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([key, item]) => maskedIn(item, [...steps, key]))
}

/** The secret that stands at the same place now, if the mask fits it. */
function realAt(steps: readonly (string | number)[], mask: string, real: unknown): string | undefined {
  let here = real
  for (const step of steps) {
    if (Array.isArray(here) && typeof step === "number") here = here[step]
    else if (isObject(here)) here = here[String(step)]
    else return undefined
  }
  if (typeof here !== "string") return undefined
  try {
    return String(withRealSecrets(mask, here, steps.map(String)))
  } catch {
    // Another secret than the one that was masked.
    return undefined
  }
}
