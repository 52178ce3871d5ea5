// What stands in the raw input of an external agent's call, whatever its agent calls the fields: commands, paths, hosts, new text. Pure.
// Every agent has its own names; what is not known here is simply not found, and whoever asks takes that for "not clear".
import { fileURLToPath } from "node:url"
import { isObject } from "../base/json.ts"

const MAX_DEPTH = 4
const MAX_ENTRIES = 500

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "))

/** Names of fields, in small letters, without "_" and "-". */
const COMMAND = words("command cmd commands commandline shellcommand script argv shell exec bash")
const PATHS = words(
  "path paths file files filename filenames filepath filepaths abspath absolutepath relativepath relativeworkspacepath notebookpath target targetfile targetpath source sourcepath destination destinationpath dest from to oldpath newpath directory directories dir dirpath folder root uri",
)
const URLS = words("url urls uri href link")
const NEW_TEXT = words(
  "content contents newtext newstring newstr patch diff edits newsource oldstring oldtext oldstr filetext changes inserttext",
)
const CHANGES = words("old oldtext oldstring oldstr edits patch diff changes")
const PATTERNS = words("pattern query regex glob search searchterm searchpattern globpattern")
const READ_EXTRAS = words(
  "offset limit line lines startline endline start end viewrange pages page encoding description explanation reason title name shouldreadentirefile maxlines callid",
)
const SEARCH_EXTRAS = words(
  "include exclude includepattern excludepattern includes excludes type outputmode headlimit multiline casesensitive caseinsensitive ignorecase i n a b c maxresults limit offset recursive description explanation reason title name respectgitignore ignore callid",
)

/** What was found in a raw input. */
export interface RawFacts {
  /** A command line in words, when there is exactly one that can be read. */
  command: { text: string; cwd: string | undefined } | undefined
  /** There is something of a command, whether or not it can be read. */
  hasCommand: boolean
  /** It sets variables for a command. */
  hasEnvironment: boolean
  paths: string[]
  /** Every string under the name of a URL that is one. */
  urls: URL[]
  /** It holds text that is to be written. */
  hasNewText: boolean
  /** The whole new text of a file, not a change of it. */
  replacesAll: boolean
  pattern: boolean
  /** Nothing stands in it that a read has no use for. */
  onlyReads: boolean
  /** The same of a search. */
  onlySearches: boolean
}

/** Undefined when it is too large or deep to be looked through, or nothing that has fields. */
export function rawFacts(raw: unknown): RawFacts | undefined {
  const fields = raw === undefined || raw === null ? {} : raw
  if (!isObject(fields)) return undefined
  const scan = new Scan()
  if (!scan.walk(fields, 0)) return undefined
  const top = new Map(Object.entries(fields).map(([name, value]) => [plain(name), value]))
  const names = [...top].filter(([, value]) => !isEmpty(value)).map(([name]) => name)
  const flat = [...top.values()].every((value) => !isObject(value))
  const only = (...sets: ReadonlySet<string>[]) => flat && names.every((name) => sets.some((set) => set.has(name)))
  return {
    command: commandOf(top),
    hasCommand: scan.hasCommand,
    hasEnvironment: isObject(top.get("env")) && !isEmpty(top.get("env")),
    paths: [...scan.paths],
    urls: scan.urls,
    hasNewText: scan.hasNewText,
    replacesAll: scan.hasNewText && !names.some((name) => CHANGES.has(name)),
    pattern: names.some((name) => PATTERNS.has(name) && typeof top.get(name) === "string"),
    onlyReads: only(PATHS, READ_EXTRAS) && scan.urls.length === 0,
    onlySearches: only(PATHS, PATTERNS, SEARCH_EXTRAS) && scan.urls.length === 0,
  }
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, "")
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true
  return isObject(value) && Object.keys(value).length === 0
}

class Scan {
  readonly paths = new Set<string>()
  readonly urls: URL[] = []
  hasCommand = false
  hasNewText = false
  #left = MAX_ENTRIES

  /** False when there is too much of it. */
  walk(fields: Record<string, unknown>, depth: number): boolean {
    if (depth > MAX_DEPTH) return false
    return Object.entries(fields).every(([name, value]) => this.#take(plain(name), value, depth))
  }

  #take(name: string, value: unknown, depth: number): boolean {
    this.#left -= 1
    if (this.#left < 0) return false
    if (isEmpty(value)) return true
    if (COMMAND.has(name)) this.hasCommand = true
    if (NEW_TEXT.has(name)) this.hasNewText = true
    if (name === "changes" && isObject(value)) for (const path of Object.keys(value)) this.paths.add(path)
    if (typeof value === "string") this.#text(name, value)
    if (Array.isArray(value)) return value.every((one) => this.#take(name, one, depth + 1))
    return isObject(value) ? this.walk(value, depth + 1) : true
  }

  #text(name: string, value: string): void {
    const url = URL.parse(value)
    if (url?.protocol === "file:") this.paths.add(pathOf(url) ?? value)
    else if ((URLS.has(name) || PATHS.has(name)) && (url?.protocol === "http:" || url?.protocol === "https:"))
      this.urls.push(url)
    else if (PATHS.has(name)) this.paths.add(value)
  }
}

function pathOf(url: URL): string | undefined {
  try {
    return fileURLToPath(url)
  } catch (error) {
    // A host in it, or a slash in disguise: the address itself stands for it, and is refused as a path.
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function commandOf(top: ReadonlyMap<string, unknown>): RawFacts["command"] {
  const given = [...top].filter(([name, value]) => COMMAND.has(name) && !isEmpty(value))
  // The name of a shell beside its command is not a second one.
  const main = given.filter(([name]) => name !== "shell")
  if (main.length !== 1) return undefined
  const value = main[0]![1]
  const args = top.get("args")
  const text = typeof value === "string" ? withArgs(value, args) : isEmpty(args) ? wordsOf(value) : undefined
  if (text === undefined || text.trim() === "") return undefined
  const cwd = ["cwd", "workdir", "workingdirectory", "directory", "dir"].map((name) => top.get(name))
  return { text, cwd: cwd.find((one) => typeof one === "string") }
}

function withArgs(command: string, args: unknown): string | undefined {
  if (isEmpty(args) || (Array.isArray(args) && args.length === 0)) return command
  return Array.isArray(args) ? wordsOf([command, ...args]) : undefined
}

/** Shells whose `-c` text can be read as it stands. */
const SHELL = /^(?:\/(?:usr\/)?bin\/)?(?:ba|da)?sh$/

function wordsOf(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length === 0 || !value.every((one) => typeof one === "string")) return undefined
  const [shell = "", flag, line] = value as string[]
  if (value.length === 3 && SHELL.test(shell) && (flag === "-c" || flag === "-lc")) return line
  return commandLine(value as string[])
}

/** Words as a shell reads them back, each exactly as it was. */
export function commandLine(given: readonly string[]): string {
  return given.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ")
}
