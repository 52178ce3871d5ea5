// How workflows fail, in the two words that the tool envelope has: what cannot be read, and what went wrong while it ran.
import { PincerError } from "../base/errors.ts"
import type { EnvelopeError } from "../protocol/workflow.ts"

/** A text that cannot be read as a pipeline, a workflow, arguments or an answer. Nothing was run. */
export class UnreadableText extends PincerError {
  /** Where in the text, in UTF-16 units from 0; undefined when it is about the whole. */
  readonly offset: number | undefined

  constructor(message: string, offset?: number, cause?: unknown) {
    super("INVALID_PARAMS", message, { cause })
    this.offset = offset
  }
}

/** A failure as the envelope tells it. */
export function envelopeError(error: unknown): EnvelopeError {
  const message = error instanceof Error ? error.message : String(error)
  return { type: error instanceof UnreadableText ? "parse_error" : "runtime_error", message }
}
