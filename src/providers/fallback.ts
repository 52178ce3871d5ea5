// Who answers when the first cannot. Only before anything has been shown: afterwards a failure is the answer's end, and events
// pass through untouched.
import type { Clock } from "../base/clock.ts"
import type { CatalogueEvent, ModelRef } from "./catalogue.ts"
import type { FailureKind, ModelFailure, ModelRequest, Provider } from "./provider.ts"

/** Waiting longer than this for the same model is worse than asking another. */
const MAX_WAIT_MS = 5_000
const DEFAULT_WAIT_MS = 500

/** Failures that another try at the same model may cure. A stalled one has already cost its whole deadline. */
const SAME_MODEL: readonly FailureKind[] = ["rate_limit", "overloaded", "network", "server", "truncated"]
/** Failures of the account: no other model of that provider does better. */
const WHOLE_PROVIDER: readonly FailureKind[] = ["auth", "billing"]
/** Failures that another model or service may not have. What is wrong with the request or its content, it has everywhere. */
const NEXT_MODEL: readonly FailureKind[] = [...SAME_MODEL, ...WHOLE_PROVIDER, "stalled", "format", "not_found"]

export async function* streamWithFallback(
  provider: (id: string) => Provider | undefined,
  refs: readonly ModelRef[],
  request: Omit<ModelRequest, "model">,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<CatalogueEvent> {
  const dead = new Set<string>()
  const left = [...refs]
  let after: { ref: ModelRef; message: string } | undefined
  for (let ref = left.shift(); ref !== undefined; ) {
    const failure = yield* attempts(provider(ref.provider), ref, after, request, signal, clock)
    if (!failure) return
    if (WHOLE_PROVIDER.includes(failure.kind)) dead.add(ref.provider)
    const next = NEXT_MODEL.includes(failure.kind) && !signal.aborted ? nextOf(left, dead) : undefined
    if (!next) {
      yield { type: "failed", failure }
      return
    }
    after = { ref, message: failure.message }
    ref = next
  }
}

function nextOf(left: ModelRef[], dead: ReadonlySet<string>): ModelRef | undefined {
  for (let next = left.shift(); next !== undefined; next = left.shift()) if (!dead.has(next.provider)) return next
  return undefined
}

/** Asks one model, a second time when that may help. Undefined when the answer is over; else what failed before anything was shown. */
async function* attempts(
  provider: Provider | undefined,
  ref: ModelRef,
  after: { ref: ModelRef; message: string } | undefined,
  request: Omit<ModelRequest, "model">,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<CatalogueEvent, ModelFailure | undefined> {
  yield after ? { type: "attempt", ref, after } : { type: "attempt", ref }
  if (!provider)
    return { kind: "not_found", message: `there is no provider "${ref.provider}"`, retryable: false, received: [] }
  const asked = { ...request, model: ref.model }
  for (let tries = 1; ; tries++) {
    let failure: ModelFailure | undefined
    let shown = false
    for await (const event of provider.stream(asked, signal)) {
      if (event.type === "failed" && !shown) failure = event.failure
      else {
        if (event.type === "text.delta" || event.type === "thinking.delta") shown = true
        yield event
      }
    }
    if (!failure) return undefined
    const waitMs = failure.retryAfterMs ?? DEFAULT_WAIT_MS
    if (tries > 1 || signal.aborted || waitMs > MAX_WAIT_MS || !SAME_MODEL.includes(failure.kind)) return failure
    try {
      await clock.sleep(waitMs, signal)
    } catch (error) {
      if (!signal.aborted) throw error
      return { kind: "aborted", message: "The request was canceled", retryable: false, received: [] }
    }
  }
}
