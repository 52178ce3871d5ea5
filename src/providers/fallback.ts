// Who answers when the first cannot. Only before anything has been shown: afterwards a failure is the answer's end.
import type { Clock } from "../base/clock.ts"
import type { CatalogueEvent, ModelRef } from "./catalogue.ts"
import type { FailureKind, ModelFailure, ModelRequest, Provider } from "./provider.ts"

/** Waiting longer than this for the same model is worse than asking another. */
const MAX_WAIT_MS = 5_000
const DEFAULT_WAIT_MS = 500

/** Failures that another try at the same model may cure. */
const SAME_MODEL: readonly FailureKind[] = ["rate_limit", "overloaded", "network", "server"]
/** Failures that another model or service may not have. */
const NEXT_MODEL: readonly FailureKind[] = [
  ...SAME_MODEL,
  "stalled",
  "truncated",
  "format",
  "billing",
  "auth",
  "not_found",
]

export async function* streamWithFallback(
  provider: (id: string) => Provider | undefined,
  refs: readonly ModelRef[],
  request: Omit<ModelRequest, "model">,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<CatalogueEvent> {
  let after: { ref: ModelRef; message: string } | undefined
  for (const [i, ref] of refs.entries()) {
    const failure = yield* attempts(provider(ref.provider), ref, after, request, signal, clock)
    if (!failure) return
    const more = i + 1 < refs.length && !signal.aborted && NEXT_MODEL.includes(failure.kind)
    if (!more) {
      yield { type: "failed", failure }
      return
    }
    after = { ref, message: failure.message }
  }
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
  if (!provider)
    return { kind: "not_found", message: `there is no provider "${ref.provider}"`, retryable: false, received: [] }
  yield after ? { type: "attempt", ref, after } : { type: "attempt", ref }
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
