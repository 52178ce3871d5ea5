// Commands that the shell carries out itself, and which of them leave what follows as it was.
import { isPlainVariable } from "../dangerous-variables.ts"

const COMMON = [
  ...[
    ".",
    ":",
    "alias",
    "bg",
    "break",
    "cd",
    "command",
    "continue",
    "echo",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fg",
  ],
  ...[
    "getopts",
    "hash",
    "jobs",
    "kill",
    "local",
    "printf",
    "pwd",
    "read",
    "readonly",
    "return",
    "set",
    "shift",
    "test",
    "[",
    "times",
  ],
  ...["trap", "true", "type", "ulimit", "umask", "unalias", "unset", "wait"],
]
const BASH = [
  ...[
    "bind",
    "builtin",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "declare",
    "dirs",
    "disown",
    "enable",
    "fc",
    "help",
    "history",
  ],
  ...["let", "logout", "mapfile", "popd", "pushd", "readarray", "shopt", "source", "suspend", "typeset"],
]
const BUILTINS = { bash: new Set([...COMMON, ...BASH]), sh: new Set(COMMON) }

export type ShellKind = keyof typeof BUILTINS

/** The shell that a path leads to; undefined for one whose grammar is not known here. */
export function shellKind(name: string): ShellKind | undefined {
  if (name === "bash" || name === "rbash") return "bash"
  return name === "sh" || name === "dash" || name === "ash" ? "sh" : undefined
}

export function isBuiltin(name: string, shell: ShellKind): boolean {
  return BUILTINS[shell].has(name)
}

type Words = readonly (string | null)[]

/** Undefined when a builtin with these arguments changes nothing about what later words mean; otherwise what it may do. */
export function whyBuiltinMatters(name: string, args: Words): string | undefined {
  switch (name) {
    case ":":
    case "true":
    case "false":
    case "echo":
    case "pwd":
    case "exit":
    case "return":
    case "break":
    case "continue":
    case "jobs":
    case "times":
    case "type":
    case "kill":
    case "umask":
    case "ulimit":
    case "cd":
      return undefined
    case "printf":
      return args[0] === null || args[0]?.startsWith("-") === true ? "printf sets a variable" : undefined
    case "wait":
      return args.every((word) => word !== null && /^%?\d+$/.test(word)) ? undefined : "wait sets a variable"
    case "test":
    case "[":
      return whyTestMatters(args)
    case "set":
      return args.every((word) => word !== null && /^(?:[-+][euxo]+|pipefail|errexit|nounset|xtrace)$/.test(word)) &&
        args.length > 0
        ? undefined
        : "set changes how the rest is read"
    case "export":
    case "readonly":
    case "local":
    case "declare":
    case "typeset":
      return args.every((word) => word !== null && /^\w+=/.test(word) && isPlainVariable(word.split("=", 1)[0]!))
        ? undefined
        : `${name} sets a variable`
    default:
      return `${name} changes what the rest means`
  }
}

/** -v and -R evaluate what is between brackets of a name. */
function whyTestMatters(args: Words): string | undefined {
  return args.some((word) => word === null || word === "-v" || word === "-R") ? "a test of variables" : undefined
}
