// The form of the escape corpus: lines that are run for real in the sandbox, to get at something outside of it. Besides {canary} and
// {port}: {outside} is the canary's folder, {victim} the process id of a program outside, {daemon} that of who runs the sandbox,
// {abstract} the name of an abstract socket, {mark} a part of every file name that an attempt makes somewhere else.
import { type SetupFile, type ShellCase, shellCase } from "./shell-case.ts"

export interface EscapeCase extends ShellCase {
  /** Also run with a profile that has the public network. */
  net: boolean
}

export function attempt(name: string, command: string, why: string, setup?: readonly SetupFile[]): EscapeCase {
  return { ...shellCase(name, command, why, setup), net: false }
}

export function netEscape(name: string, command: string, why: string, setup?: readonly SetupFile[]): EscapeCase {
  return { ...shellCase(name, command, why, setup), net: true }
}

/** One line of Python, quoted for the shell. */
export function py(code: string): string {
  return `python3 -c '${code.replaceAll("'", `'"'"'`)}'`
}

/** One system call by its number on this machine, by name for the reader. */
export function call(name: keyof typeof NUMBERS, ...args: (string | number)[]): string {
  const list = args.length > 0 ? `, ${args.join(", ")}` : ""
  return py(
    `import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\nn = ${JSON.stringify(NUMBERS[name])}[0 if platform.machine() == "x86_64" else 1]\nprint("${name}", libc.syscall(n${list}), ctypes.get_errno())`,
  )
}

/** x86-64 and arm64. */
const NUMBERS = {
  mount: [165, 40],
  unshare: [272, 97],
  setns: [308, 268],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  pidfd_open: [434, 434],
  open_by_handle_at: [304, 265],
  bpf: [321, 280],
  keyctl: [250, 219],
  io_uring_setup: [425, 425],
  fsopen: [430, 430],
  open_tree: [428, 428],
  move_mount: [429, 429],
  init_module: [175, 105],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  chroot: [161, 51],
  pivot_root: [155, 41],
  clone3: [435, 435],
} as const
