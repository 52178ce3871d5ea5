// The sections of pincer.json that keep a home in good order: the log, backups, and the look for newer versions.
import { z } from "zod"

export const log = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]).default("info"),
  /** The file is put aside at this size. */
  maxBytes: z.number().int().min(10_000).default(10_000_000),
  /** Files that were put aside, at most; older ones are deleted. */
  maxFiles: z.number().int().min(1).default(5),
  /** Files that were put aside are deleted after this many days; 0: never for their age. */
  maxDays: z.number().int().min(0).max(3_650).default(30),
  /** Put-aside files are compressed. */
  compress: z.boolean().default(false),
})

export const backup = z.strictObject({
  /** Where backups are kept; relative to the home. Default <home>/backups. */
  folder: z
    .string()
    .min(1)
    .regex(/^(?!~)/, 'must not begin with "~": write the whole path')
    .optional(),
  /** Backups that "pincer backup prune" leaves. */
  keep: z.number().int().min(1).max(1_000).default(10),
  /** Copy the database before its schema changes. The newest `keepSchemaCopies` copies are kept. */
  beforeSchemaChange: z.boolean().default(true),
  keepSchemaCopies: z.number().int().min(1).max(100).default(3),
})

export const update = z.strictObject({
  /** Whether the package registry may be asked for the newest version. Never asked at a start. */
  check: z.boolean().default(true),
  registry: z
    .url({ protocol: /^https?$/, error: "must be a URL that begins with http:// or https://" })
    .default("https://registry.npmjs.org"),
  timeoutMs: z.number().int().min(100).max(60_000).default(5_000),
  /** How long an answer counts. */
  cacheMs: z.number().int().min(0).default(86_400_000),
})
