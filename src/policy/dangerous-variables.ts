// The one list of variables that make programs load or run code, and the short one of those that a command may set for itself.

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

/** True for a variable through which code can be made to run; such are taken out of what is configured. */
export function isDangerousVariable(name: string): boolean {
  return DANGEROUS.test(name) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
}

/**
 * True for the few that a command line may set without being asked about: they change language, time zone, colours and the mode of
 * builds. Closed, because any other name may mean something to some program (PATH, HOME, PAGER …).
 */
export function isPlainVariable(name: string): boolean {
  return /^(?:LANG|LANGUAGE|LC_[A-Z]+|TZ|NO_COLOR|FORCE_COLOR|CLICOLOR|COLUMNS|LINES|CI|NODE_ENV|DEBIAN_FRONTEND)$/.test(
    name,
  )
}
