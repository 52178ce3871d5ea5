// The turn that answers nothing: it has older messages of its session summarised, and says how that came out.
import { unreachable } from "../base/errors.ts"
import { type Message, NO_USAGE, textOf } from "../protocol/message.ts"
import type { TurnOutcome, TurnRequest } from "../protocol/turn.ts"
import { type CompactRoom, compactNow } from "./compact.ts"
import { describe, type LoopResult } from "./loop.ts"
import { TurnAbort } from "./scope.ts"

/** Throws TurnAbort("shutdown"): nothing was recorded, so the next attempt begins anew. */
export async function runCompact(
  room: CompactRoom,
  request: TurnRequest,
  messages: readonly Message[],
): Promise<LoopResult> {
  const { scope } = room
  const dwellOn = textOf(request.input)
  const keep = request.task?.type === "compact" ? request.task.keep : undefined
  const made = await compactNow(room, messages, { dwellOn, ...(keep === undefined ? {} : { keep }) })
  if (scope.signal.reason instanceof TurnAbort && scope.signal.reason.kind === "shutdown") throw scope.signal.reason
  switch (made.type) {
    case "nothing":
      return ended({ status: "completed", stop: "end_turn", text: "There is nothing older to summarise." })
    case "made": {
      const { message, tokensAfter } = made
      const { messages: count, tokens } = message.summary!
      const text = `Summarised ${count} older messages: about ${tokens} tokens became ${tokensAfter} with what follows.`
      const usage = message.usage ?? NO_USAGE
      return {
        outcome: { status: "completed", stop: "end_turn", text, usage },
        events: [{ type: "message.added", message }],
      }
    }
    case "failed": {
      if (scope.signal.aborted) return ended({ status: "canceled", stop: "aborted", text: "" })
      const { kind, message } = made.failure
      const error = describe({ kind, message, retryable: false, received: [] }, room.refs[0]!)
      return ended({ status: "failed", stop: "error", text: "", error })
    }
    default:
      return unreachable(made)
  }
}

function ended(outcome: Omit<TurnOutcome, "usage">): LoopResult {
  return { outcome: { ...outcome, usage: NO_USAGE }, events: [] }
}
