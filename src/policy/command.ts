// A shell command as policy sees it: not a string but the programs that it would start. Built by policy/shell from the text and the
// disk (tools call it in touch()); judged by decide(). What could not be understood is said, never guessed.

export interface Redirection {
  /** ">", ">>", "<", "<<<", ">|", "&>", "<>" … */
  operator: string
  /** Absolute after symlinks, or null when it is only known when it runs. A file descriptor copy ("2>&1") has none and is left out. */
  target: string | null
  writes: boolean
}

/** One simple command of the line. */
export interface CommandSegment {
  /** Words after quotes; null for a word that is only known when it runs ($x, $(…), globs). */
  argv: readonly (string | null)[]
  /** Resolved absolute path of the binary (PATH of the command's environment, symlinks resolved); null for a shell builtin, a function, or what is not known. */
  program: string | null
  builtin: boolean
  /** VAR=value before the program. */
  assignments: readonly { name: string; value: string | null }[]
  redirections: readonly Redirection[]
  /** It runs code or programs from its arguments or input: `sh -c`, `python -c`, `find -exec`, `xargs`, `env`, `git -c` … Never rides on its binary's entry. */
  interprets: string | null
  /** Script files that it would run, with the hash of their content now. */
  scripts: readonly { path: string; sha256: string }[]
  /** Absolute paths among its arguments, as far as they are known. */
  paths: readonly string[]
}

export interface CommandFacts {
  text: string
  segments: readonly CommandSegment[]
  /** Why the line is not fully known before it runs: "command substitution", "unknown syntax at …"; empty when it is. */
  unknown: readonly string[]
}
