// The frame that all wires share: open, decode batch by batch, close with exactly one done or failed. Never throws for what a service
// or its key does wrong.
import { PincerError } from "../base/errors.ts"
import type { Part, Usage } from "../protocol/message.ts"
import { FailureError, failureOf } from "./failure.ts"
import type { ModelEvent } from "./provider.ts"
import type { SseEvent } from "./sse.ts"

/** Turns a wire's data lines into events; end() gives the closing event. Both throw FailureError for what must not be trusted. */
export interface Decoder {
  /** Adds the events of one data line to `out`. */
  push(data: string, out: ModelEvent[]): void
  end(): ModelEvent
  /** Text and thinking that came before it broke off. */
  received(): Part[]
  /** What the service has counted so far, for one that breaks off: those tokens are paid for. */
  counted?(): Usage | undefined
}

/** `open` sends the request; it reads the key, so that a key that cannot be read is a failure like any other. */
export async function* decodeStream(
  open: () => AsyncIterable<SseEvent[]>,
  decoder: Decoder,
): AsyncGenerator<ModelEvent> {
  try {
    for await (const batch of opened(open)) {
      const out: ModelEvent[] = []
      try {
        for (const { data } of batch) decoder.push(data, out)
      } finally {
        // What a chunk brought before its broken part was really received.
        yield* out
      }
    }
    yield decoder.end()
  } catch (error) {
    if (!(error instanceof FailureError)) throw error
    const usage = decoder.counted?.()
    const failure = { ...error.failure, received: decoder.received(), ...(usage ? { usage } : {}) }
    yield { type: "failed", failure }
  }
}

function opened(open: () => AsyncIterable<SseEvent[]>): AsyncIterable<SseEvent[]> {
  try {
    return open()
  } catch (error) {
    if (error instanceof PincerError) throw failureOf("auth", error.message)
    throw error
  }
}
