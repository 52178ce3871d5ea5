// Questions of `pincer lobster` to the person at the terminal. They stand on standard error, since standard output is the result's.
import { createInterface } from "node:readline/promises"
import { inert } from "./inert.ts"
import type { LobsterPlace } from "./lobster-place.ts"

type Place = Pick<LobsterPlace, "env">

/** Waits as long as LOBSTER_APPROVAL_INPUT_TIMEOUT_MS says; 0 or nothing: for good. Throws when nobody answers. */
async function asked({ env }: Place, question: string): Promise<string> {
  const limit = Number(env["LOBSTER_APPROVAL_INPUT_TIMEOUT_MS"] ?? 0)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const closed = new AbortController()
  // Ctrl-C is read as a key here; it means what it means everywhere.
  lines.once("SIGINT", () => {
    process.once("SIGINT", () => lines.close())
    process.kill(process.pid, "SIGINT")
  })
  lines.once("close", () => closed.abort(new Error("Nobody answered")))
  const signals = limit > 0 ? [closed.signal, AbortSignal.timeout(limit)] : [closed.signal]
  const signal = AbortSignal.any(signals)
  try {
    return await lines.question(inert(question), { signal })
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    lines.close()
  }
}

export async function askedYes(place: Place, question: string): Promise<boolean> {
  return /^\s*y(?:es)?\s*$/i.test(await asked(place, `${question} [y/N] `))
}

export async function askedForJson(place: Place, question: string): Promise<unknown> {
  const line = await asked(place, `${question}\nAnswer with one line of JSON: `)
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new Error(`That is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
