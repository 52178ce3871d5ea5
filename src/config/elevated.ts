// Who may leave the sandbox for a while, for how long, and how far: the gates of elevated mode. The same shape stands under tools and,
// with every key optional, under agents.defaults and each agent, where it can only restrict.
import { z } from "zod"

const allowFrom = z.record(z.string().min(1), z.array(z.string().min(1)))
const duration = z.number().int().min(1_000)

export const elevated = z.strictObject({
  enabled: z.boolean().default(true),
  /**
   * Channel -> senders who may ask for it, "*" for everybody. From a channel that is not named nobody may. A door's name ("cli",
   * "control", "openai" …) as channel restricts that door to client or device ids.
   */
  allowFrom: allowFrom.default({}),
  /** Longest time that it lasts before it ends by itself. */
  maxMs: duration.default(3_600_000),
  /** Whether the level "full" (no question before each call) can be had. */
  full: z.boolean().default(true),
})

export const elevatedLimits = z.strictObject({
  enabled: z.boolean().optional(),
  allowFrom: allowFrom.optional(),
  maxMs: duration.optional(),
  full: z.boolean().optional(),
})
