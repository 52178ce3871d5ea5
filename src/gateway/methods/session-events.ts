// session.events: everything that happens in a session, as it was recorded and as it happens. Listening starts before the log is read, so
// nothing falls between the two; the reading itself is session-follower.ts.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { namesSession, resolveSession } from "../inbound.ts"
import { Follower } from "../sessions/session-follower.ts"
import { emitterOf } from "./client.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { sessionFields } from "./params.ts"

/** Sessions that one connection may read. */
const MAX_WATCHED = 1_000

const events = method({
  name: "session.events",
  summary: "What happened in a session after an event number, and from then on all that happens, as session.event.",
  scope: "operator.read",
  params: () =>
    z
      .object({
        ...sessionFields(),
        after: z
          .number()
          .int()
          .min(0)
          .optional()
          .describe("Number of the last recorded event that is known; 0 for all; absent: only what comes"),
        afterSessionId: z
          .string()
          .optional()
          .describe("The log that `after` counts in: when a reset has begun another one, all of that is told"),
      })
      .refine(namesSession, { path: ["sessionKey"], error: "sessionKey is required" }),
  result: () =>
    z.object({
      sessionKey: z.string(),
      sessionId: z.string().nullable().describe("The log now; null: nothing has happened yet"),
      lastSeq: z.number(),
      live: z
        .array(
          z.looseObject({
            turnId: z.string(),
            status: z.enum(["queued", "running", "waiting"]),
            text: z.string(),
            thinking: z.string(),
            startedAt: z.number().nullable(),
          }),
        )
        .describe("Turns that have not ended, the running one first, with what is said so far of the next message"),
    }),
  async run({ after, afterSessionId, ...named }, context) {
    const { parts } = context
    const { key } = await resolveSession(named, parts)
    const { follower, stop } = watch(key, context)
    try {
      const live = parts.lanes.active(key)
      const row = await parts.store.sessions.get(key)
      const lastSeq = row?.lastSeq ?? 0
      const isThatLog = (afterSessionId === undefined || afterSessionId === row?.id) && (after ?? 0) <= lastSeq
      follower.place(row?.id, after === undefined ? lastSeq : isThatLog ? after : 0)
      // The answer goes out first.
      setImmediate(() => follower.start())
      return { sessionKey: key, sessionId: row?.id ?? null, lastSeq, live }
    } catch (error) {
      stop()
      throw error
    }
  },
})

/** Begins to listen, in place of an earlier reading of the same session by this connection; ends with the connection. */
function watch(key: string, context: MethodContext): { follower: Follower; stop: () => void } {
  const { caller, parts } = context
  const emit = emitterOf(context, "session.events")
  const watched = caller.watched ?? new Map<string, () => void>()
  if (watched.size >= MAX_WATCHED && !watched.has(key))
    throw new PincerError("RATE_LIMITED", `One connection reads at most ${MAX_WATCHED} sessions: stop one`)
  watched.get(key)?.()
  const follower = new Follower({
    events: (log, afterSeq, limit) => parts.store.transcript.events(key, { afterSeq, limit, log }),
    emit: (envelope) => emit("session.event", JSON.stringify({ envelope })),
    failed: (error) => parts.log.error({ err: error, sessionKey: key }, "A session's events could not be read"),
  })
  const silence = parts.hub.onSession(key, (envelope) => follower.hear(envelope))
  const stop = () => {
    silence()
    follower.stop()
    caller.signal.removeEventListener("abort", stop)
    if (watched.get(key) === stop) watched.delete(key)
  }
  caller.signal.addEventListener("abort", stop, { once: true })
  watched.set(key, stop)
  if (caller.signal.aborted) stop()
  return { follower, stop }
}

const end = method({
  name: "session.events.stop",
  summary: "Ends what session.events began on this connection.",
  scope: "operator.read",
  params: () =>
    z.object(sessionFields()).refine(namesSession, { path: ["sessionKey"], error: "sessionKey is required" }),
  result: () => z.object({ sessionKey: z.string(), stopped: z.boolean() }),
  async run(params, { caller, parts }) {
    const { key } = await resolveSession(params, parts)
    const stop = caller.watched?.get(key)
    stop?.()
    return { sessionKey: key, stopped: stop !== undefined }
  },
})

export const sessionEventMethods: readonly Method[] = [events, end]
