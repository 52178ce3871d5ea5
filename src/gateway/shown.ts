// What leaves the gateway, without its secrets: events, transcripts, sessions, refusals. What is stored for the model to read again (the
// user's own words, the arguments of its calls) stays as it was; whoever looks at it from outside sees it through here.
import { PincerError } from "../base/errors.ts"
import type { Redactor } from "../base/redact.ts"
import type { TurnEnvelope, TurnEvent } from "../protocol/event.ts"
import type { SessionRow, Sessions, Store, Transcript } from "../store/store.ts"

/** The same envelope when there is nothing to hide. Deltas were redacted when they came from the model (agent/loop.ts). */
export function shownEnvelope<E extends TurnEnvelope>(envelope: E, redactor: Redactor): E {
  if (!mayHide(envelope.event)) return envelope
  const event = redactor.value(envelope.event)
  return event === envelope.event ? envelope : { ...envelope, event }
}

function mayHide(event: TurnEvent): boolean {
  switch (event.type) {
    case "text.delta":
    case "thinking.delta":
    case "usage.updated":
    case "model.started":
    case "turn.started":
    case "messages.dropped":
    case "messages.restored":
    case "turn.interrupted":
      return false
    default:
      return true
  }
}

/** A refusal as it may be told. Anything unexpected stays as it is: doors tell nothing of it. */
export function shownError(error: unknown, redactor: Redactor): unknown {
  if (!(error instanceof PincerError)) return error
  const { code, details, message, retryable, retryAfterMs } = error
  const shown = redactor.text(message)
  const extras = details && redactor.value(details)
  if (shown === message && extras === details) return error
  return new PincerError(code, shown, {
    cause: error,
    retryable,
    ...(extras ? { details: extras } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** The store as doors may see it: transcripts and what sessions are called, without secrets. */
export function shownStore<S extends Store>(store: S, redactor: Redactor): S {
  return {
    ...store,
    transcript: shownTranscript(store.transcript, redactor),
    sessions: shownSessions(store.sessions, redactor),
  }
}

function shownTranscript(transcript: Transcript, redactor: Redactor): Transcript {
  return {
    messages: async (key, options) => redactor.value(await transcript.messages(key, options)),
    events: async (key, options) =>
      (await transcript.events(key, options)).map((envelope) => shownEnvelope(envelope, redactor)),
    restore: (...given) => transcript.restore(...given),
    ways: (key) => transcript.ways(key),
    goTo: (...given) => transcript.goTo(...given),
    fork: (...given) => transcript.fork(...given),
    add: (...given) => transcript.add(...given),
    bytes: (ids) => transcript.bytes(ids),
    facts: async (key) => redactor.value(await transcript.facts(key)),
  }
}

function shownSessions(sessions: Sessions, redactor: Redactor): Sessions {
  const shown = (row: SessionRow): SessionRow => {
    const clean = (text: string | null) => (text === null ? null : redactor.text(text))
    const titles = { title: clean(row.title), toldTitle: clean(row.toldTitle) }
    return titles.title === row.title && titles.toldTitle === row.toldTitle ? row : { ...row, ...titles }
  }
  const known = (row: SessionRow | undefined) => row && shown(row)
  return {
    get: async (key) => known(await sessions.get(key)),
    byId: async (id) => known(await sessions.byId(id)),
    byLabel: async (label) => known(await sessions.byLabel(label)),
    async list(filter) {
      const { sessions: rows, total } = await sessions.list(filter)
      return { sessions: rows.map(shown), total }
    },
    ensure: async (...given) => shown(await sessions.ensure(...given)),
    patch: async (...given) => shown(await sessions.patch(...given)),
    unset: (...given) => sessions.unset(...given),
    reset: async (key) => shown(await sessions.reset(key)),
    delete: (key) => sessions.delete(key),
    prune: (...given) => sessions.prune(...given),
  }
}
