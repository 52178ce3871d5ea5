// What commands of agents may see, write and reach: which profile counts where none is named, and profiles of one's own. What a profile
// must not contain is refused by the sandbox itself, which looks at the disk; here only the shape is judged.
import { z } from "zod"

const path = z.string().regex(/^\//, "must be an absolute path")
const port = z.number().int().min(1).max(65_535)
const bytes = z.number().int().min(1_048_576)

export const sandboxProfileName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+_-]{0,63}$/, 'must be the name of a sandbox profile: a-z, 0-9, "+", "-" and "_"')

const limits = z.strictObject({
  /** Processes and threads at once. */
  processes: z.number().int().min(8).max(100_000).optional(),
  /** Of each process. */
  memoryBytes: bytes.optional(),
  /** Of each process. */
  cpuSeconds: z.number().int().min(1).optional(),
  /** Size of a file that is written. */
  fileBytes: bytes.optional(),
  openFiles: z.number().int().min(32).max(1_048_576).optional(),
})

const profile = z.strictObject({
  /** The profile that it starts from; default "workspace". */
  extends: sandboxProfileName.optional(),
  workspace: z.enum(["read-write", "read-only"]).optional(),
  /** Besides the workspace and the system's programs. */
  read: z.array(path).optional(),
  write: z.array(path).optional(),
  /** Hosts, "example.com", "*.example.com", "*" (every public host), each with ":port" for ports other than 80 and 443. */
  network: z.array(z.string().min(1)).optional(),
  /** Services of this machine that may be reached. */
  loopbackPorts: z.array(port).optional(),
  limits: limits.optional(),
})

export const sandbox = z.strictObject({
  /** Of agents that name none. */
  profile: sandboxProfileName.default("workspace"),
  profiles: z.record(sandboxProfileName, profile).default({}),
  /** Who commands run as when Pincer is root and the workspace is root's. Never 0. */
  uid: z.number().int().min(1).max(4_294_967_294).default(65_534),
  /** Where bubblewrap is, when it is not on the search path. */
  bwrap: path.optional(),
})
