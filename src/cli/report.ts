// How a command ends badly: one plain sentence on standard error and the exit code of the error table. With --verbose or
// PINCER_DEBUG the causes follow.
import { asPincerError, ERROR_TABLE } from "../base/errors.ts"
import { inert } from "./inert.ts"
import type { Screen } from "./screen.ts"

/** An ending that has said everything itself; only its exit code is left to tell. */
export class Exit extends Error {
  override readonly name = "Exit"
  readonly code: number

  constructor(code: number) {
    super(`Exit ${code}`)
    this.code = code
  }
}

/** Writes why it failed and returns the exit code. `json`: the refusal also goes to standard output, for programs. */
export function report(
  error: unknown,
  screens: { out: Screen; err: Screen },
  options: { verbose: boolean; json: boolean },
): number {
  if (error instanceof Exit) return error.code
  const refusal = asPincerError(error)
  if (options.json) {
    const { code, message, details } = refusal
    screens.out.json({ error: { code, message, ...(details ? { details } : {}) } })
  }
  screens.err.line(`${screens.err.paint("pincer:", "red")} ${inert(refusal.message)}`)
  if (options.verbose) for (const line of causes(refusal)) screens.err.line(screens.err.paint(inert(line), "dim"))
  return ERROR_TABLE[refusal.code].exit
}

function causes(error: unknown): string[] {
  const lines: string[] = []
  let here: unknown = error
  for (let depth = 0; depth < 8 && here instanceof Error; depth++) {
    lines.push(...(here.stack ?? String(here)).split("\n").map((line) => `  ${line}`))
    here = here.cause
    if (here !== undefined) lines.push("  caused by")
  }
  if (here !== undefined && !(here instanceof Error)) lines.push(`  ${String(here)}`)
  return lines
}
