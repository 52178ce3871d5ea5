// Asking again when a turn failed (--prompt-retries): the same question in the same session, the failed answer taken back. Not after a
// call that may have changed something, and not where asking again cannot help.
import type { GatewayClient } from "../protocol/client.ts"
import { Try } from "./passing-stage.ts"
import { type Ending, runTurn, type Saying, type Stage, type TurnOptions } from "./turn.ts"

/** What stays wrong however often it is asked. */
const LASTING: ReadonlySet<string> = new Set([
  "PERMISSION_DENIED",
  "INVALID_PARAMS",
  "NOT_FOUND",
  "AUTH_REQUIRED",
  "NOT_IMPLEMENTED",
  "TOO_LARGE",
])

export interface AttemptOptions extends Pick<TurnOptions, "signal"> {
  retries: number
}

/** Shows every try, and one ending. */
export async function runAttempts(
  client: GatewayClient,
  saying: Saying,
  stage: Stage,
  { retries, signal }: AttemptOptions,
): Promise<Ending> {
  const options = signal ? { signal } : {}
  for (let left = retries, again = false; ; left -= 1, again = true) {
    const trying = new Try(stage)
    const ending = await runTurn(client, saying, trying, { ...options, again })
    const helps = ending.status === "failed" && !LASTING.has(ending.error?.code ?? "") && !trying.touched
    if (left === 0 || !helps || signal?.aborted) {
      stage.ended(ending)
      return ending
    }
    const why = ending.error?.message ?? "no reason given"
    stage.notice("warning", `The turn failed: ${why} Asking again (${left} ${left === 1 ? "try" : "tries"} left).`)
  }
}
