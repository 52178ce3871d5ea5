// Schedules: what counts for those that do not say otherwise, and how long the ledger is kept.
import { z } from "zod"

const ms = z.number().int().min(0)

export const cron = z.strictObject({
  /** False: nothing comes due by the clock; what a person starts runs. */
  enabled: z.boolean().default(true),
  maxSchedules: z.number().int().min(1).max(100_000).default(1_000),
  /** Ticks at work at once; more wait. */
  maxConcurrent: z.number().int().min(1).max(1_000).default(4),
  /** IANA time zone of rules that name none; default: this machine's. */
  timeZone: z.string().refine(isTimeZone, 'must be a time zone like "Europe/Berlin"').optional(),
  /** Ticks that passed while nothing ran: none, the last, or all up to catchUpMax are made up for. */
  catchUp: z.enum(["none", "last", "all"]).default("last"),
  catchUpMax: z.number().int().min(1).max(10_000).default(10),
  /** A tick while an earlier one is at work: left out, made to wait, or begun in its place. */
  overlap: z.enum(["skip", "queue", "cancel-running"]).default("skip"),
  /** Ticks of one schedule that may wait. */
  maxWaiting: z.number().int().min(1).max(10_000).default(100),
  /** A tick that is no later than this was not missed. */
  graceMs: ms.default(60_000),
  /** Further attempts after one that failed, and the pause before the first; doubled for each further one, up to maxBackoffMs. */
  retries: z.number().int().min(0).max(100).default(0),
  backoffMs: ms.default(30_000),
  maxBackoffMs: ms.default(1_800_000),
  /** The longest sleep; a suspend of the machine is noticed so much after it. */
  lookMs: z.number().int().min(1_000).max(3_600_000).default(30_000),
  ledger: z
    .strictObject({
      /** Records are kept so long, and so many of each schedule. */
      keepDays: z.number().int().min(1).default(90),
      keepRecords: z.number().int().min(10).max(100_000).default(1_000),
    })
    .prefault({}),
})

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name })
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
