// What a command's environment may hold: a few plain variables and what the user set, never the gateway's own, and never one that
// makes other programs load or run code.
import { isDangerousVariable } from "../policy/dangerous-variables.ts"

/** In every command: no colours, no pagers, nobody is asked for a password. */
const PLAIN: Readonly<Record<string, string>> = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  LANG: "C.UTF-8",
  TMPDIR: "/tmp",
  TERM: "dumb",
  NO_COLOR: "1",
  PAGER: "cat",
  GIT_PAGER: "cat",
  GIT_TERMINAL_PROMPT: "0",
}

/** The whole environment of a command. `given` is the user's setting, the gateway's PATH and HOME among it. */
export function commandEnvironment(given: Readonly<Record<string, string>>): Record<string, string> {
  const allowed = Object.entries(given).filter(([name, value]) => !isDangerousVariable(name) && !value.includes("\0"))
  return { ...PLAIN, ...Object.fromEntries(allowed) }
}
