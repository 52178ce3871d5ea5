// How the configuration names a secret: the text itself, or where to read it. Never resolved here and never printed.
import { z } from "zod"
import { MAX_COMMAND_MS } from "./secret-limits.ts"

const command = z.strictObject({
  /** Program and arguments, started as they are, without a shell; the secret is what it prints. */
  exec: z.array(z.string().min(1)).min(1).max(100),
  timeoutMs: z.number().int().min(100).max(MAX_COMMAND_MS).optional(),
})

export const secretRef = z.union(
  [
    z.string().min(1),
    z.strictObject({ env: z.string().min(1) }),
    z.strictObject({ file: z.string().min(1) }),
    command,
    /** Account below the service "pincer" in the keyring of this machine. */
    z.strictObject({ keyring: z.string().min(1).max(200) }),
  ],
  {
    error:
      'must be the secret itself, {"env": "NAME"}, {"file": "path"}, {"exec": ["program", "argument"]} or {"keyring": "account"}',
  },
)
export type SecretRef = z.infer<typeof secretRef>
