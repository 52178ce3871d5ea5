// The words after `pincer lobster`, read as Lobster reads them: what is no flag belongs to the pipeline, and unknown flags do, too.

export interface RunWords {
  type: "run"
  tool: boolean
  dryRun: boolean
  file?: string
  argsJson?: string
  /** What is left, in its order. */
  rest: readonly string[]
}

export interface ResumeWords {
  type: "resume"
  token?: string
  id?: string
  approve?: string
  response?: string
  cancel: boolean
}

export interface GraphWords {
  type: "graph"
  file?: string
  format: string
  argsJson?: string
}

export type LobsterWords =
  | RunWords
  | ResumeWords
  | GraphWords
  | { type: "doctor" }
  | { type: "version" }
  | { type: "help"; topic?: string }

/** What cannot be understood; a shell sees 2. */
export class BadWords extends Error {
  override readonly name = "BadWords"
}

const TRUE = /^(?:true|1|yes|y)$/i
const FALSE = /^(?:false|0|no|n)$/i

export function readLobsterWords(words: readonly string[]): LobsterWords {
  const [first, ...rest] = words
  if (first === undefined || first === "-h" || first === "--help") return { type: "help" }
  if (first === "version" || first === "--version" || first === "-v") return { type: "version" }
  if (first === "help") return { type: "help", ...(rest[0] === undefined ? {} : { topic: rest[0] }) }
  if (words.includes("--help") || words.includes("-h"))
    return { type: "help", ...(first === "graph" ? { topic: "graph" } : {}) }
  switch (first) {
    case "doctor":
      return { type: "doctor" }
    case "run":
      return readRun(rest)
    case "resume":
      return readResume(rest)
    case "graph":
      return readGraph(rest)
    default:
      return { type: "run", tool: false, dryRun: false, rest: words }
  }
}

/** Takes the flags that are named out of the words. The last value of each counts. */
function taken(words: readonly string[], names: readonly string[]): { values: Map<string, string>; rest: string[] } {
  const values = new Map<string, string>()
  const rest: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const name = names.find((one) => word === one || word.startsWith(`${one}=`))
    if (name === undefined) rest.push(word)
    else if (word !== name) values.set(name, word.slice(name.length + 1))
    else {
      const value = words[++i]
      if (value === undefined) throw new BadWords(`${name} needs a value`)
      values.set(name, value)
    }
  }
  return { values, rest }
}

function readRun(words: readonly string[]): RunWords {
  const { rest: all, values } = taken(words, ["--mode", "--file", "--args-json"])
  const others = all.filter((word) => word !== "--dry-run")
  const leads = all[0] === "--dry-run"
  const beside = all.includes("--dry-run") && others.length <= 1 && !others[0]?.includes("|")
  const dryRun = leads || beside
  const file = values.get("--file")
  const argsJson = values.get("--args-json")
  return {
    type: "run",
    tool: values.get("--mode") === "tool",
    dryRun,
    ...(file === undefined ? {} : { file }),
    ...(argsJson === undefined ? {} : { argsJson }),
    rest: beside ? others : leads ? all.slice(1) : all,
  }
}

function readResume(words: readonly string[]): ResumeWords {
  const cancel = words.findIndex((word) => word === "--cancel" || word.startsWith("--cancel="))
  const [said, left] = cancel < 0 ? [undefined, [...words]] : cancelOf(words, cancel)
  const { rest, values } = taken(left, ["--token", "--id", "--approve", "--decision", "--response-json"])
  if (rest.length > 0) throw new BadWords(`resume does not know "${rest[0]}"`)
  const pick = (name: string, key: string) => {
    const value = values.get(name)
    return value === undefined ? {} : { [key]: value }
  }
  return {
    type: "resume",
    ...pick("--token", "token"),
    ...pick("--id", "id"),
    ...pick("--decision", "approve"),
    ...pick("--approve", "approve"),
    ...pick("--response-json", "response"),
    cancel: said ?? false,
  }
}

function cancelOf(words: readonly string[], at: number): [boolean, string[]] {
  const [, inline] = words[at]!.split("=")
  const next = words[at + 1]
  const beside = inline === undefined && next !== undefined && (TRUE.test(next) || FALSE.test(next))
  const value = inline ?? (beside ? next : "true")
  if (!TRUE.test(value) && !FALSE.test(value)) throw new BadWords(`--cancel must be true or false, not "${value}"`)
  return [TRUE.test(value), [...words.slice(0, at), ...words.slice(at + (beside ? 2 : 1))]]
}

function readGraph(words: readonly string[]): GraphWords {
  const { rest, values } = taken(words, ["--file", "--format", "--args-json"])
  const file = values.get("--file") ?? rest[0]
  const argsJson = values.get("--args-json")
  return {
    type: "graph",
    format: values.get("--format") ?? "mermaid",
    ...(file === undefined ? {} : { file }),
    ...(argsJson === undefined ? {} : { argsJson }),
  }
}
