// What a line of shell may be, as a small closed union: the only form in which the rest of this room sees it.

/** One piece of a word. "run": only known when it runs, and why. */
export type WordPart =
  | { type: "text"; text: string }
  | { type: "variable"; name: string; quoted: boolean }
  | { type: "home" }
  | { type: "run"; why: string }

export interface ShellWord {
  /** As it stands in the line. */
  source: string
  parts: readonly WordPart[]
  /** Command and process substitutions in it. */
  inside: readonly Shell[]
}

export interface ShellAssignment {
  name: string
  /** Undefined: an array, a part of one, or an addition to what was there. */
  value: ShellWord | undefined
  inside: readonly Shell[]
}

export interface ShellRedirection {
  operator: string
  /** Undefined for a here-document. */
  target: ShellWord | undefined
  /** `{name}>file`, which sets a variable. */
  variable: string | undefined
  /** A here-document's text is not fixed. */
  run: string | undefined
  inside: readonly Shell[]
}

export type Shell =
  | {
      type: "simple"
      assignments: readonly ShellAssignment[]
      words: readonly ShellWord[]
      redirections: readonly ShellRedirection[]
    }
  /** One after the other. `apart`: the item runs in a process of its own, in the background. */
  | { type: "list"; items: readonly { node: Shell; apart: boolean }[] }
  | { type: "and-or"; items: readonly Shell[]; operators: readonly ("&&" | "||")[] }
  | { type: "pipeline"; items: readonly Shell[] }
  | { type: "subshell"; body: Shell }
  | { type: "group"; body: Shell }
  /** if, for, while, until, select, case: bodies that run never, once or often; the words that they look at; the variable that they set. */
  | { type: "branches"; bodies: readonly Shell[]; words: readonly ShellWord[]; variable: string | undefined }
  | { type: "redirected"; body: Shell; redirections: readonly ShellRedirection[] }
  | { type: "test"; words: readonly ShellWord[]; unknown: string | undefined }
  /** What is never known: functions, arithmetic, coprocesses. Its bodies are looked at all the same. */
  | { type: "unknown"; why: string; bodies: readonly Shell[] }
