// The command line that confines a program: pure. A shell hands bubblewrap what is already open and becomes it; bubblewrap sets up and
// becomes prlimit (as root through setpriv, which gives up everything), and that becomes the program.
import type { UserIds } from "./own-files.ts"
import type { Program, SandboxLimits } from "./sandbox.ts"

/** Programs of this machine that take part. */
export interface Tools {
  bwrap: string
  prlimit: string
  /** Only needed by root. */
  setpriv: string | undefined
  /** A plain shell; bash where numbers above 9 must be closed. */
  shell: string
}

/** The numbers under which bubblewrap finds its filter and its options. */
export const FILTER_FD = "9"
export const ARGS_FD = "8"

/**
 * What setpriv needs to give up everything, and bubblewrap to enter a folder that is open to its owner alone. None of them reaches the
 * program: they go with the user id.
 */
const DROP_RIGHTS = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_DAC_READ_SEARCH"]

export interface SetUp {
  mounts: readonly string[]
  program: Program
  user: UserIds | undefined
  /** Also forbids new user name spaces by the kernel's own count. */
  disableUserns: boolean
  filter: boolean
}

/** What bubblewrap reads from a file: everything but the program. */
export function setUpArgs({ disableUserns, filter, mounts, program, user }: SetUp): string[] {
  const env = { ...program.env, HOME: "/tmp", TMPDIR: "/tmp" }
  return [
    ...(user === undefined
      ? ["--unshare-user", ...(disableUserns ? ["--disable-userns"] : [])]
      : ["--cap-drop", "ALL", ...DROP_RIGHTS.flatMap((right) => ["--cap-add", right])]),
    ...["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...["--hostname", "sandbox", "--die-with-parent", "--clearenv"],
    // Whoever starts it makes a session of its own (a process group to be ended as a whole, no terminal): a second one would leave
    // that group, and what is killed in its first moments would stay. Without the filter it is the lesser evil.
    ...(filter ? [] : ["--new-session"]),
    ...Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]),
    ...mounts,
    ...["--chdir", program.cwd],
    ...(filter ? ["--seccomp", FILTER_FD] : []),
  ]
}

export interface Start {
  tools: Tools
  program: Program
  limits: SandboxLimits
  user: UserIds | undefined
  /** File with the output of setUpArgs(). */
  args: string
  filter: string | undefined
  /** "7</proc/1/fd/20" … */
  redirections: readonly string[]
  /** Numbers of open files that the daemon itself inherited and that must not be passed on. */
  closed: readonly number[]
}

/** The program to start and its arguments. */
export function startArgs(start: Start): { file: string; args: string[] } {
  const { args, closed, filter, limits, program, redirections, tools, user } = start
  const taken = new Set([ARGS_FD, ...(filter === undefined ? [] : [FILTER_FD]), ...redirections.map((one) => one[0])])
  const bash = tools.shell.endsWith("/bash")
  const script = [
    'exec "$@"',
    ...closed.filter((fd) => !taken.has(String(fd)) && (fd <= 9 || bash)).map((fd) => `${fd}>&-`),
    `${ARGS_FD}<${quoted(args)}`,
    ...(filter === undefined ? [] : [`${FILTER_FD}<${quoted(filter)}`]),
    ...redirections,
  ].join(" ")
  return {
    file: tools.shell,
    args: [
      // Bash takes a socket as its input for a remote login, and would run .bashrc.
      ...(bash ? ["--norc", "--noprofile"] : []),
      ...["-c", script, "sandbox", tools.bwrap, "--args", ARGS_FD, "--"],
      ...(user === undefined ? [] : dropArgs(tools, user)),
      ...limitArgs(tools, limits),
      program.file,
      ...program.args,
    ],
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function dropArgs({ setpriv }: Tools, { gid, uid }: UserIds): string[] {
  return [
    setpriv ?? "setpriv",
    ...["--reuid", String(uid), "--regid", String(gid), "--clear-groups"],
    ...["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"],
  ]
}

function limitArgs({ prlimit }: Tools, limits: SandboxLimits): string[] {
  return [
    prlimit,
    `--nproc=${limits.processes}`,
    `--data=${limits.memoryBytes}`,
    `--cpu=${limits.cpuSeconds}`,
    `--fsize=${limits.fileBytes}`,
    `--nofile=${limits.openFiles}`,
    "--core=0",
    "--",
  ]
}
