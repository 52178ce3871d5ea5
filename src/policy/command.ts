// A shell command as policy sees it: not a string but the programs that it would start. Built by policy/shell from the text and the
// disk (tools call it in touch()); judged by decide(). What could not be understood is said, never guessed.

export interface Redirection {
  /** ">", ">>", "<", "<<<", ">|", "&>", "<>" … A here-document ("<<") and a here-string have no target. */
  operator: string
  /** Absolute after symlinks, or null when it is only known when it runs. A file descriptor copy ("2>&1") has none and is left out. */
  target: string | null
  /** Whether it changes a file: /dev/null and the program's own outputs do not count. */
  writes: boolean
}

/** One simple command of the line, wherever it stands: also inside loops, functions and substitutions, and what a wrapper starts. */
export interface CommandSegment {
  /** Words after quotes; null for a word that is only known when it runs ($x, $(…), globs). Empty for `A=1` alone. */
  argv: readonly (string | null)[]
  /** Resolved absolute path of the binary (PATH of the command's environment, symlinks resolved); null for a shell builtin, a function, or what is not known. */
  program: string | null
  /** What it is known as: a system program by the name it was called by, any other by the name of its file; a builtin by its own. */
  name: string | null
  builtin: boolean
  /** Where it runs: the folder of the call, or the one that an earlier `cd` leads to. Null when that is only known when it runs. */
  cwd: string | null
  /** VAR=value before the program. */
  assignments: readonly { name: string; value: string | null }[]
  redirections: readonly Redirection[]
  /** It runs code or programs from its arguments or input: `sh -c`, `python -c`, `find -exec`, `xargs`, `env`, `git -c` … Never rides on its binary's entry. */
  interprets: string | null
  /** It only starts the segment after it, known in full (`timeout 5 …`, `nice …`, `command …`): there is nothing else to judge. */
  wraps: boolean
  /**
   * Files whose content decides what it does, with the hash of that content now: script operands, programs outside the system's
   * folders, package.json for `npm test`, a repository's hooks. Of a file over 8 MB: the hash of its identity and times.
   */
  scripts: readonly { path: string; sha256: string }[]
  /** Absolute paths among its arguments, as far as they are known; the folder itself for a program that reads it unasked. */
  paths: readonly string[]
  /** Those that a known writer (cp, tee, sed -i, curl -o …) may change. Redirections are not among them. */
  writes: readonly string[]
}

export interface CommandFacts {
  text: string
  segments: readonly CommandSegment[]
  /** Why the line is not fully known before it runs: "command substitution", "unknown syntax at …"; empty when it is. */
  unknown: readonly string[]
}
