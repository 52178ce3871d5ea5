// What a command's environment may hold: a few plain variables and what the user set, never the gateway's own, and never one that
// makes other programs load or run code.

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

const DANGEROUS = new RegExp(
  `^(?:${[
    // The loader and the shells.
    "LD_.*|DYLD_.*|GCONV_PATH|LOCPATH|GLIBC_TUNABLES|MALLOC_.*",
    "BASH_ENV|ENV|BASH_FUNC_.*|SHELLOPTS|BASHOPTS|PROMPT_COMMAND|PS4|IFS|CDPATH|ZDOTDIR",
    // Language runtimes.
    "NODE_OPTIONS|NODE_PATH|NODE_EXTRA_CA_CERTS|NODE_REPL_.*|PYTHON(?:PATH|HOME|STARTUP|INSPECT|BREAKPOINT|WARNINGS)",
    "PERL5.*|PERLLIB|RUBY(?:OPT|LIB)|JAVA_TOOL_OPTIONS|_?JAVA_OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH|LUA_INIT.*|PHPRC|PHP_INI_SCAN_DIR",
    // Tools that run what a variable names.
    "GIT_(?:SSH|SSH_COMMAND|EXTERNAL_DIFF|EDITOR|SEQUENCE_EDITOR|PROXY_COMMAND|ASKPASS|EXEC_PATH|TEMPLATE_DIR|CONFIG.*|DIR|WORK_TREE)",
    "SSH_ASKPASS|SUDO_ASKPASS|EDITOR|VISUAL|BROWSER|LESSOPEN|LESSCLOSE|MANPAGER|RUSTC_WRAPPER|MAKEFLAGS|CMAKE_.*_LAUNCHER",
  ].join("|")})$`,
)

/** True for a variable through which code can be made to run; such are taken out. */
export function isDangerousVariable(name: string): boolean {
  return DANGEROUS.test(name) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
}

/** The whole environment of a command. `given` is the user's setting, the gateway's PATH and HOME among it. */
export function commandEnvironment(given: Readonly<Record<string, string>>): Record<string, string> {
  const allowed = Object.entries(given).filter(([name, value]) => !isDangerousVariable(name) && !value.includes("\0"))
  return { ...PLAIN, ...Object.fromEntries(allowed) }
}
