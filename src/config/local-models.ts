// models.local: how models that lie on this machine as files are run.
import { z } from "zod"

export const localModels = z.strictObject({
  /** Processor threads of a model; default all but one. */
  threads: z.number().int().min(1).max(256).optional(),
  /** Longest context in tokens; a model that knows less gets less. Memory grows with it. */
  contextSize: z.number().int().min(1_024).max(1_048_576).default(16_384),
  /** A model that nobody has asked for this long leaves the memory, ms. */
  idleMs: z.number().int().min(1_000).default(300_000),
  /** Loading may take this long, ms. */
  loadMs: z.number().int().min(1_000).default(180_000),
})
