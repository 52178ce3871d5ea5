// How the configuration names a secret: the text itself, or where to read it. Never resolved here and never printed.
import { z } from "zod"

export const secretRef = z.union(
  [z.string().min(1), z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })],
  { error: 'must be the secret itself, {"env": "NAME"} or {"file": "path"}' },
)
export type SecretRef = z.infer<typeof secretRef>
