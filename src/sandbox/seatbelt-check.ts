// Whether rules that the package wrote are what was asked, and nothing else: it is other people's code at an early version. An operation or a
// path that was not asked, and one that was and is not there, make the rules unusable. Pure.
import { type FormList, head, type Rule, readRules, ruleOf, written } from "./seatbelt-reader.ts"
import { type AskedRules, SHARED } from "./seatbelt-rules.ts"

/** Allowed without a filter. The guards that stand after these rules close some of them again. */
const PLAIN = new Set([
  ...["process-exec", "process-fork", "user-preference-read", "ipc-posix-shm", "ipc-posix-sem"],
  ...["iokit-get-properties", "distributed-notification-post"],
])
/** Allowed with filters that are not judged: what matters of them is closed again. */
const FILTERED = new Set([
  ...["process-info*", "signal", "mach-priv-task-port", "mach-lookup", "iokit-open", "system-socket", "sysctl-read"],
  "sysctl-write",
])
/** Devices that the package lets every program use. */
const DEVICE = /^\((?:literal|subpath) "\/dev\/(?:null|zero|u?random|dtracehelper|tty|stdout|stderr|autofs_nowait)"\)$/
/** That the package lets every program write, and that is closed again. */
const OWN_FOLDERS = ['(subpath "/tmp/claude")', '(subpath "/private/tmp/claude")']
const NULL_DEVICE = '(require-all (literal "/dev/null") (vnode-type CHARACTER-DEVICE))'
const FOLDERS = "(vnode-type DIRECTORY)"
const ROOT = '(literal "/")'

/** What is wrong with them, or undefined. */
export function faultOf(source: string, asked: AskedRules): string | undefined {
  try {
    const [version, ...rules] = readRules(source)
    if (!version || written(version) !== "(version 1)") return "they do not say their version"
    return judge(rules.map(ruleOf), asked)
  } catch (error) {
    if (error instanceof SyntaxError) return error.message
    throw error
  }
}

function judge(rules: readonly Rule[], asked: AskedRules): string | undefined {
  const [first, ...rest] = rules
  if (first?.action !== "deny" || first.operations.join() !== "default" || first.filters.length > 0)
    return "they do not deny first"
  const read = new Set(asked.read.map(subpath))
  const write = new Set(asked.write.map(subpath))
  for (const [at, rule] of rest.entries()) {
    if (rule.action !== "allow" && rule.action !== "deny") return `"${rule.action}" is not known`
    if (rule.action === "deny") continue
    if (isOpening(rule)) {
      if (!isClosing(rest[at + 1])) return "all files can be read"
      continue
    }
    const fault = rule.operations.map((operation) => faultOfAllow(operation, rule, read, write)).find(Boolean)
    if (fault !== undefined) return fault
  }
  return missing(rest, asked)
}

/** The package opens all and denies the root at once. */
function isOpening({ filters, operations }: Rule): boolean {
  return operations.join() === "file-read*" && filters.length === 0
}

function isClosing(rule: Rule | undefined): boolean {
  return (
    rule?.action === "deny" &&
    rule.operations.includes("file-read*") &&
    rule.filters.some((filter) => written(filter) === subpath("/"))
  )
}

function faultOfAllow(
  operation: string,
  { filters }: Rule,
  read: ReadonlySet<string>,
  write: ReadonlySet<string>,
): string | undefined {
  if (PLAIN.has(operation)) return undefined
  if (filters.length === 0) return `"${operation}" is allowed with everything`
  if (FILTERED.has(operation)) return undefined
  const stray = filters.map(written).find((filter) => !isAsked(operation, filter, read, write))
  return stray === undefined ? undefined : `"${operation}" is allowed with ${stray}, which was not asked`
}

function isAsked(operation: string, filter: string, read: ReadonlySet<string>, write: ReadonlySet<string>): boolean {
  switch (operation) {
    case "file-read*":
      return read.has(filter) || filter === ROOT
    case "file-read-metadata":
      return filter === FOLDERS
    case "file-write*":
    case "file-write-unlink":
    case "file-write-create":
      return write.has(filter) || DEVICE.test(filter) || OWN_FOLDERS.includes(filter)
    case "file-ioctl":
      return DEVICE.test(filter) || filter === NULL_DEVICE
    case "file-read-data":
    case "file-write-data":
      return filter === NULL_DEVICE
    default:
      return false
  }
}

/** What is asked and not allowed; what is to be closed and is not, after the last rule that opens. */
function missing(rules: readonly Rule[], asked: AskedRules): string | undefined {
  for (const [operation, paths, denied] of [
    ["file-read*", asked.read, asked.denyRead],
    ["file-write*", asked.write, asked.denyWrite],
  ] as const) {
    const isAllow = ({ action, operations }: Rule) => action === "allow" && operations.includes(operation)
    const allowed = texts(rules.filter(isAllow).flatMap(({ filters }) => filters))
    const left = paths.find((path) => !allowed.has(subpath(path)))
    if (left !== undefined) return `"${operation}" of ${JSON.stringify(left)} was asked and is not allowed`
    const opens = ({ filters }: Rule) => texts(filters).isSubsetOf(new Set([ROOT])) === false
    const last = rules.findLastIndex((rule) => isAllow(rule) && opens(rule))
    const after = rules
      .slice(last + 1)
      .filter(({ action, operations }) => action === "deny" && operations.includes(operation))
    const closed = texts(after.flatMap(({ filters }) => filters))
    const opened = denied.find((path) => (path === SHARED || isInside(path, paths)) && !closed.has(subpath(path)))
    if (opened !== undefined) return `"${operation}" of ${JSON.stringify(opened)} was to be denied and is not`
  }
  return undefined
}

function isInside(path: string, opened: readonly string[]): boolean {
  return opened.some((one) => path.startsWith(`${one}/`))
}

function texts(filters: readonly FormList[]): Set<string> {
  return new Set(filters.filter((filter) => head(filter) !== "regex").map(written))
}

function subpath(path: string): string {
  return `(subpath ${JSON.stringify(path)})`
}
