// JSON from strangers: size-capped by the caller, depth-capped here, and never able to set a prototype.

/** Nesting beyond this is refused before parsing: nothing Pincer speaks comes near it. */
export const MAX_JSON_DEPTH = 64

/** True when `text` nests arrays and objects deeper than `max`. Looks at brackets outside strings only. */
export function deeperThan(text: string, max: number = MAX_JSON_DEPTH): boolean {
  if (text.length <= max) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 92) i++
      else if (c === 34) inString = false
    } else if (c === 34) inString = true
    else if (c === 123 || c === 91) {
      depth += 1
      if (depth > max) return true
    } else if (c === 125 || c === 93) depth -= 1
  }
  return false
}

/**
 * Parses JSON text from outside. Throws SyntaxError when it is not JSON or nests deeper than `maxDepth`.
 * A `__proto__` member is dropped, so that the value is safe to spread and assign.
 */
export function parseJson(text: string, maxDepth: number = MAX_JSON_DEPTH): unknown {
  if (deeperThan(text, maxDepth)) throw new SyntaxError(`JSON nests deeper than ${maxDepth} levels`)
  if (!/__proto__|\\u005f/i.test(text)) return JSON.parse(text)
  return JSON.parse(text, (key, value) => (key === "__proto__" ? undefined : value))
}

/** True for a plain JSON object: not null, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** JSON with the keys of every object in code-unit order and no blanks: equal values give equal text, so it can be hashed. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (!isObject(item)) return item
    const keys = Object.keys(item).sort()
    return Object.fromEntries(keys.map((key) => [key, item[key]]))
  })
}
