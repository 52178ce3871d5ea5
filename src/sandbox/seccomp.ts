// A seccomp filter in the kernel's own form (classic BPF, linux/filter.h, linux/seccomp.h): system calls that a command of an agent has
// no business with answer EPERM: new namespaces, mounts, tracing, kernel keys, kernel modules, pushing characters into a terminal.
// Everything else is left to ordinary permissions. Pure.

const LD_WORD_ABS = 0x20
const JEQ = 0x15
const JSET = 0x45
const RETURN = 0x06
const ALLOW = 0x7fff_0000
const ERRNO_EPERM = 0x0005_0001
const ERRNO_ENOSYS = 0x0005_0026
const ERRNO_EAFNOSUPPORT = 0x0005_0061
const KILL = 0x8000_0000

/** Offsets in struct seccomp_data. Of 64-bit arguments the low word, on little-endian machines. */
const NR = 0
const ARCH = 4
const ARG0 = 16
const ARG1 = 24

/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET | NEWTIME. */
const NAMESPACES = 0x7e02_0080
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
/** Unix, IPv4, IPv6, netlink: bound to the network name space. Others (vsock to the host of a virtual machine) are not. */
const FAMILIES = [1, 2, 10, 16]
/** Calls of the x32 table have this bit set; nobody needs them. */
const X32 = 0x4000_0000

interface Calls {
  arch: number
  denied: readonly number[]
  clone: number
  clone3: number
  ioctl: number
  socket: number
  x32: boolean
}

/** Numbers from the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. */
const TABLE: Readonly<Record<string, Calls>> = {
  x64: {
    arch: 0xc000_003e,
    // ptrace, pivot_root, acct, mount, umount2, swapon, swapoff, reboot, init_module, delete_module, quotactl, add_key, request_key,
    // keyctl, unshare, perf_event_open, open_by_handle_at, setns, process_vm_readv, process_vm_writev, finit_module, kexec_load,
    // kexec_file_load, bpf, userfaultfd, io_uring (3), open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr, chroot
    denied: [
      101, 155, 163, 165, 166, 167, 168, 169, 175, 176, 179, 248, 249, 250, 272, 298, 304, 308, 310, 311, 313, 246, 320,
      321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 161,
    ],
    clone: 56,
    clone3: 435,
    ioctl: 16,
    socket: 41,
    x32: true,
  },
  arm64: {
    arch: 0xc000_00b7,
    denied: [
      117, 41, 89, 40, 39, 224, 225, 142, 105, 106, 60, 217, 218, 219, 97, 241, 265, 268, 270, 271, 273, 104, 294, 280,
      282, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 51,
    ],
    clone: 220,
    clone3: 435,
    ioctl: 29,
    socket: 198,
    x32: false,
  },
}

type Instruction = [code: number, jumpTrue: number, jumpFalse: number, value: number]

const load = (offset: number): Instruction => [LD_WORD_ABS, 0, 0, offset]
const give = (value: number): Instruction => [RETURN, 0, 0, value]
/** Skips the next instruction unless the loaded word is `value`. */
const only = (value: number): Instruction => [JEQ, 0, 1, value]

/** The filter as bytes for `bwrap --seccomp`; undefined for processors whose table is not here. */
export function seccompFilter(processor: string): Buffer | undefined {
  const calls = TABLE[processor]
  if (!calls) return undefined
  const program: Instruction[] = [load(ARCH), [JEQ, 1, 0, calls.arch], give(KILL), load(NR)]
  if (calls.x32) program.push([JSET, 0, 1, X32], give(KILL))
  for (const number of calls.denied) program.push(only(number), give(ERRNO_EPERM))
  // clone3 hides its flags in memory: programs fall back to clone when it is not there.
  program.push(only(calls.clone3), give(ERRNO_ENOSYS))
  program.push([JEQ, 0, 4, calls.clone], load(ARG0), [JSET, 0, 1, NAMESPACES], give(ERRNO_EPERM), give(ALLOW))
  program.push([JEQ, 0, FAMILIES.length + 3, calls.socket], load(ARG0))
  for (const [i, family] of FAMILIES.entries()) program.push([JEQ, FAMILIES.length - i, 0, family])
  program.push(give(ERRNO_EAFNOSUPPORT), give(ALLOW))
  program.push([JEQ, 0, 5, calls.ioctl], load(ARG1))
  program.push(only(TIOCSTI), give(ERRNO_EPERM), only(TIOCLINUX), give(ERRNO_EPERM))
  program.push(give(ALLOW))
  const bytes = Buffer.alloc(program.length * 8)
  for (const [i, [code, jumpTrue, jumpFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8)
    bytes.writeUInt8(jumpTrue, i * 8 + 2)
    bytes.writeUInt8(jumpFalse, i * 8 + 3)
    bytes.writeUInt32LE(value, i * 8 + 4)
  }
  return bytes
}
