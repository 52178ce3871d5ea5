// sessions.subscribe and sessions.messages.subscribe: who lists sessions, or shows one, is told what changes. Ends with the connection.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { namesSession, resolveSession } from "../inbound.ts"
import { sessionWatch } from "../sessions/session-watch.ts"
import { emitterOf } from "./client.ts"
import { type Caller, type Method, type MethodContext, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

/** Things that one connection may listen to. */
const MAX_WATCHED = 1_000

function begin(context: MethodContext, name: string, what: string, listen: (ear: Ear) => () => void): void {
  const { caller } = context
  const emit = emitterOf(context, name)
  const watched = caller.watched ?? new Map<string, () => void>()
  if (watched.has(what)) return
  if (watched.size >= MAX_WATCHED)
    throw new PincerError("RATE_LIMITED", `One connection listens to at most ${MAX_WATCHED} things: end one`)
  const silence = listen((event, payload) => void emit(event, payload))
  const stop = () => {
    silence()
    watched.delete(what)
    caller.signal.removeEventListener("abort", stop)
  }
  watched.set(what, stop)
  caller.signal.addEventListener("abort", stop, { once: true })
  if (caller.signal.aborted) stop()
}

type Ear = (event: string, payload: string) => void

function end({ watched }: Caller, what: string): void {
  watched?.get(what)?.()
}

const LISTS = "sessions"
const messagesOf = (key: string) => `messages ${key}`

const subscribe = method({
  name: "sessions.subscribe",
  summary: "From now on this connection is told with sessions.changed what becomes of any session.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object({ subscribed: z.literal(true) }),
  async run(_params, context) {
    begin(context, "sessions.subscribe", LISTS, (ear) => sessionWatch(context.parts).list(ear))
    return { subscribed: true as const }
  },
})

const unsubscribe = method({
  name: "sessions.unsubscribe",
  summary: "Ends sessions.subscribe.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object({ subscribed: z.literal(false) }),
  async run(_params, { caller }) {
    end(caller, LISTS)
    return { subscribed: false as const }
  },
})

const byName = (params: Record<string, unknown>) => renamed(params, { path: ["file"] })
const named = () => z.object(sessionFields()).refine(namesSession, { path: ["key"], error: "key is required" })

const watch = method({
  name: "sessions.messages.subscribe",
  summary:
    "From now on this connection is told the messages and tool calls of a session: session.message, session.tool.",
  scope: "operator.read",
  normalize: byName,
  params: named,
  result: () => z.object({ subscribed: z.literal(true), key: z.string(), sessionId: z.string().nullable() }),
  async run(params, context) {
    const { parts } = context
    const { key } = await resolveSession(params, parts)
    begin(context, "sessions.messages.subscribe", messagesOf(key), (ear) => sessionWatch(parts).show(key, ear))
    const found = await parts.store.sessions.get(key)
    return { subscribed: true as const, key, sessionId: found?.id ?? null }
  },
})

const unwatch = method({
  name: "sessions.messages.unsubscribe",
  summary: "Ends sessions.messages.subscribe for a session.",
  scope: "operator.read",
  normalize: byName,
  params: named,
  result: () => z.object({ subscribed: z.literal(false), key: z.string() }),
  async run(params, { caller, parts }) {
    const { key } = await resolveSession(params, parts)
    end(caller, messagesOf(key))
    return { subscribed: false as const, key }
  },
})

export const sessionSubscriptionMethods: readonly Method[] = [subscribe, unsubscribe, watch, unwatch]
