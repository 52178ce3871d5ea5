// How often something may happen: within any window of `windowMs`, at most `max` times. 0 switches a limit off.
import { z } from "zod"

const rate = (max: number, windowMs: number) =>
  z
    .strictObject({
      max: z.number().int().min(0).default(max),
      windowMs: z.number().int().min(1).default(windowMs),
    })
    .prefault({})

export const rateLimits = z.strictObject({
  /** Connections from one network address; who goes on is kept out for banMs. Programs on this machine are never counted. */
  connects: z
    .strictObject({
      max: z.number().int().min(0).default(30),
      windowMs: z.number().int().min(1).default(60_000),
      banMs: z.number().int().min(0).default(300_000),
    })
    .prefault({}),
  /** Changes of configuration and program by one device and address. Programs on this machine are never counted. */
  controlWrites: rate(3, 60_000),
  /** Sessions that one client makes. */
  sessionCreations: rate(120, 10_000),
})
