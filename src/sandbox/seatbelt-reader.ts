// Reads the rule language of macOS's sandbox (parenthesized lists of words and quoted texts), so that rules which others wrote can be judged
// before they are used. Anything that is not plainly this is refused.

export type Form = { type: "word" | "text"; text: string } | FormList
export interface FormList {
  type: "list"
  items: readonly Form[]
}

const TOKEN = /[ \n]+|;[^\n]*|[()]|"(?:[^"\\\n]|\\.)*"|[^\s()";#\\]+/y

/** Throws SyntaxError. */
export function readRules(source: string): FormList[] {
  const open: Form[][] = [[]]
  let at = 0
  while (at < source.length) {
    TOKEN.lastIndex = at
    const token = TOKEN.exec(source)?.[0]
    if (token === undefined) throw new SyntaxError(`cannot be read from ${JSON.stringify(source.slice(at, at + 40))}`)
    at += token.length
    if (token === "(") open.push([])
    else if (token === ")") close(open)
    else if (!/^[ \n;]/.test(token)) open.at(-1)!.push(plain(token))
  }
  if (open.length > 1) throw new SyntaxError("a list is not closed")
  return open[0]!.map((form) => {
    if (form.type !== "list") throw new SyntaxError(`"${form.text}" is no rule`)
    return form
  })
}

function close(open: Form[][]): void {
  const items = open.pop()!
  if (open.length === 0) throw new SyntaxError("a list is closed that was not opened")
  open.at(-1)!.push({ type: "list", items })
}

function plain(token: string): Form {
  if (!token.startsWith('"')) return { type: "word", text: token }
  const text: unknown = JSON.parse(token)
  if (typeof text !== "string") throw new SyntaxError(`${token} is no text`)
  return { type: "text", text }
}

/** A rule in parts: `(allow file-read* file-ioctl (subpath "/a"))`. A message is no filter. */
export interface Rule {
  action: string
  operations: readonly string[]
  filters: readonly FormList[]
}

/** Throws SyntaxError. */
export function ruleOf({ items }: FormList): Rule {
  const [action, ...rest] = items.map((item) => (item.type === "word" ? item.text : item))
  const operations = rest.filter((item) => typeof item === "string")
  const filters = rest.filter((item): item is FormList => typeof item !== "string" && item.type === "list")
  if (typeof action !== "string" || operations.length + filters.length !== rest.length)
    throw new SyntaxError(`${written({ type: "list", items })} is no rule`)
  return { action, operations, filters: filters.filter((filter) => head(filter) !== "with") }
}

export function head({ items }: FormList): string {
  const [first] = items
  return first?.type === "word" ? first.text : ""
}

/** On one line, with single spaces: to compare and to show. */
export function written(form: Form): string {
  switch (form.type) {
    case "word":
      return form.text
    case "text":
      return JSON.stringify(form.text)
    case "list":
      return `(${form.items.map(written).join(" ")})`
    default:
      return form satisfies never
  }
}
