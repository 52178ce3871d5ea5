// cron.scratch.*: notes that programs keep with a schedule between its runs. They go with it.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Parts } from "../parts.ts"
import { type Method, method } from "./method.ts"

const MAX_BYTES = 65_536

const ids = () => ({ id: z.string({ error: "id is required" }).min(1).max(200).describe("Also jobId") })
// Null means something here: it takes the notes away.
const named = ({ jobId, ...params }: Record<string, unknown>) => ({ ...params, id: params["id"] ?? jobId })

const scratch = () =>
  z
    .object({ content: z.string(), revision: z.number(), updatedAtMs: z.number() })
    .nullable()
    .describe("null: there are none")

function deskOf({ schedules }: Parts) {
  if (schedules) return schedules.desk()
  throw new PincerError("UNAVAILABLE", "Schedules do not run in this gateway")
}

const get = method({
  name: "cron.scratch.get",
  summary: "The notes that are kept with a schedule.",
  scope: "operator.admin",
  normalize: named,
  params: () => z.object(ids()),
  result: () => z.object({ scratch: scratch(), currentRevision: z.number(), maxBytes: z.number() }),
  async run({ id }, { parts }) {
    const { revision, scratch } = await (await deskOf(parts)).scratch(id)
    return { scratch, currentRevision: revision, maxBytes: MAX_BYTES }
  },
})

const set = method({
  name: "cron.scratch.set",
  summary: "Writes the notes that are kept with a schedule, if nobody else has since; null takes them away.",
  scope: "operator.admin",
  normalize: named,
  params: () =>
    z.object({
      ...ids(),
      content: z
        .string({ error: "content is required: text, or null" })
        .refine((text) => Buffer.byteLength(text) <= MAX_BYTES, {
          error: `content is too long: at most ${MAX_BYTES} bytes`,
        })
        .nullable(),
      expectedRevision: z
        .number()
        .int()
        .min(0)
        .optional()
        .describe("currentRevision as it was read; 0 before the first"),
    }),
  result: () =>
    z.discriminatedUnion("ok", [
      z.object({ ok: z.literal(true), scratch: scratch(), currentRevision: z.number(), maxBytes: z.number() }),
      z.object({ ok: z.literal(false), reason: z.literal("revision-conflict"), currentRevision: z.number() }),
    ]),
  async run({ content, expectedRevision, id }, { parts }) {
    const desk = await deskOf(parts)
    const done = await desk.setScratch(id, content, expectedRevision)
    if (done) return { ok: true as const, scratch: done.scratch, currentRevision: done.revision, maxBytes: MAX_BYTES }
    const { revision } = await desk.scratch(id)
    return { ok: false as const, reason: "revision-conflict" as const, currentRevision: revision }
  },
})

export const cronScratchMethods: readonly Method[] = [get, set]
