// The contract of this room: OS confinement for programs that a model asked for. A back end turns a program into one that runs
// confined; without a working back end nothing runs (fails closed). File system and network are always confined together.

export interface NetworkRule {
  /** "example.com", "*.example.com", an address; "*" for every public host. */
  host: string
  /** Absent: 80 and 443. */
  ports?: readonly number[]
}

export interface SandboxLimits {
  processes: number
  memoryBytes: number
  cpuSeconds: number
  fileBytes: number
  openFiles: number
}

/** What a confined program may see, write and reach. Everything that is not named is absent. */
export interface SandboxProfile {
  name: string
  workspace: "read-write" | "read-only"
  /** More absolute paths, mounted where they are. */
  read: readonly string[]
  write: readonly string[]
  /** Empty: no network at all. */
  network: readonly NetworkRule[]
  /** TCP ports of the user's own loopback services that may be reached. */
  loopbackPorts: readonly number[]
  limits: SandboxLimits
}

export interface Program {
  file: string
  args: readonly string[]
  /** Absolute; inside the workspace. */
  cwd: string
  /** The whole environment. */
  env: Readonly<Record<string, string>>
}

/** What is started instead of the program, in a process group and session of its own (`detached`), and cleaned up after it. */
export interface Confined extends Program {
  /** What the person should know when it fails: the folder cannot be written here. */
  note?: string
  close(): Promise<void>
}

export interface ConfineRequest {
  program: Program
  /** Absolute, symlinks resolved. */
  workspace: string
  profile: SandboxProfile
  /** Absolute paths that stay absent whatever the profile says: Pincer's home, the user's keys. */
  hidden: readonly string[]
  /** Decides each connection of a profile with network; told who asks. */
  egress?: EgressGate
}

/** One connection that a confined program wants. `address` is the resolved address that will be used, pinned. */
export interface EgressAttempt {
  host: string
  port: number
  address?: string
}

export interface EgressGate {
  /** Who runs it, for the audit. */
  readonly sessionKey: string
  /** Told every verdict of the proxy. */
  saw(attempt: EgressAttempt, verdict: "allow" | "deny", reason: string): void
}

export interface BackendReport {
  backend: "bubblewrap" | "seatbelt" | "none"
  available: boolean
  /** Version and path, or why it is not available. */
  detail: string
  /** The exact command that installs it, when it is missing. */
  install?: string
  /** What is confined on this machine, one fact a line. */
  facts: readonly string[]
  warnings: readonly string[]
}

export interface SandboxBackend {
  readonly name: BackendReport["backend"]
  /** Tries it for real, once; later calls answer from memory. */
  check(): Promise<BackendReport>
  /** Throws UNAVAILABLE with the install command when it cannot confine. Never returns an unconfined program. */
  confine(request: ConfineRequest): Promise<Confined>
  /** Removes what it keeps on disk. */
  close(): void
}
