// A service that is started when it is first asked: one of the known wires, at an address that is known only then. One request at a
// time has the right to use it; what the process behind it says about its own end explains a stream that broke off.
import { PincerError } from "../base/errors.ts"
import { FailureError, failureOf } from "./failure.ts"
import type { FailureKind, ModelEvent, ModelRequest, Provider } from "./provider.ts"
import type { ProviderSettings, StartedPlace, StartedService } from "./settings.ts"

/** What a stream fails with when the process behind it ends. */
const BROKEN: readonly FailureKind[] = ["network", "truncated"]

type Open = (settings: ProviderSettings) => Provider

export function startedProvider(settings: ProviderSettings, service: StartedService, open: Open): Provider {
  return {
    id: settings.id,
    wire: settings.wire,
    stream: (request, signal) => stream(settings, service, open, request, signal),
    async listModels() {
      return (await service.models()).map((one) => ({ ...one, provider: settings.id }))
    },
  }
}

async function* stream(
  settings: ProviderSettings,
  service: StartedService,
  open: Open,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  let place: StartedPlace
  try {
    place = await service.start(request.model, signal)
  } catch (error) {
    yield { type: "failed", failure: { ...asFailure(error, signal), received: [] } }
    return
  }
  try {
    const { baseUrl, secret } = place
    const quirks = { ...settings.quirks, keyless: false }
    for await (const event of open({ ...settings, baseUrl, quirks, apiKey: () => secret }).stream(request, signal)) {
      const isBroken = event.type === "failed" && BROKEN.includes(event.failure.kind)
      const fault = isBroken ? await place.fault() : undefined
      if (event.type === "failed" && fault !== undefined)
        yield { ...event, failure: { ...event.failure, kind: "server", message: fault } }
      else yield event
    }
  } finally {
    place.release()
  }
}

function asFailure(error: unknown, signal: AbortSignal) {
  if (signal.aborted) return failureOf("aborted", "The request was canceled").failure
  if (error instanceof FailureError) return error.failure
  if (!(error instanceof PincerError)) throw error
  const kind: FailureKind =
    error.code === "RATE_LIMITED" ? "overloaded" : error.code === "NOT_FOUND" ? "not_found" : "server"
  const { retryAfterMs } = error
  return {
    ...failureOf(kind, error.message, retryAfterMs === undefined ? {} : { retryAfterMs }).failure,
    retryable: error.retryable,
  }
}
