// Runs the checks one after the other, each with a deadline: what does not end, or fails itself, is a finding like any other.
import { asPincerError, PincerError } from "../../base/errors.ts"
import type { Check, CheckFinding, Diagnosis, DoctorRoom } from "./check.ts"
import { configurationChecks } from "./configuration.ts"
import { databaseChecks } from "./database.ts"
import { exposureChecks } from "./exposure.ts"
import { homeChecks } from "./home.ts"
import { runningChecks } from "./running.ts"

/** In the order in which they are shown: what everything else needs comes first. */
export const checks: readonly Check[] = [
  ...homeChecks,
  ...configurationChecks,
  ...databaseChecks,
  ...runningChecks,
  ...exposureChecks,
]

const DEADLINE_MS = 30_000

export interface CheckChoice {
  only?: readonly string[]
  skip?: readonly string[]
  /** Only what concerns safety. */
  security?: boolean
}

/** The checks that are meant: an id, or the part of ids before the dot. Throws INVALID_PARAMS for one that is not there. */
export function chosen({ only = [], skip = [], security = false }: CheckChoice): Check[] {
  for (const name of [...only, ...skip])
    if (!checks.some((check) => isNamed(check, name)))
      throw new PincerError("INVALID_PARAMS", `There is no check "${name}": "pincer doctor --list" shows all`)
  return checks.filter(
    (check) =>
      (only.length === 0 ? !security || check.security === true : only.some((name) => isNamed(check, name))) &&
      !skip.some((name) => isNamed(check, name)),
  )
}

function isNamed({ id }: Check, name: string): boolean {
  return id === name || id.startsWith(`${name}.`)
}

export async function* examine(
  room: DoctorRoom,
  choice: CheckChoice,
  deadlineMs = DEADLINE_MS,
): AsyncGenerator<Diagnosis> {
  for (const check of chosen(choice)) yield diagnose(check, room, deadlineMs)
}

export async function diagnose(check: Check, room: DoctorRoom, deadlineMs = DEADLINE_MS): Promise<Diagnosis> {
  const { id, category } = check
  return { id, category, ...(await within(deadlineMs, room, async () => check.run(room))) }
}

async function within(ms: number, { clock }: DoctorRoom, look: () => Promise<CheckFinding>): Promise<CheckFinding> {
  let cancel: (() => void) | undefined
  const late = new Promise<CheckFinding>((resolve) => {
    cancel = clock.after(ms, () => resolve({ verdict: "warning", text: `This did not end within ${ms / 1000} s` }))
  })
  try {
    return await Promise.race([look(), late])
  } catch (error) {
    const { code, message } = asPincerError(error)
    return { verdict: "warning", text: code === "INTERNAL_ERROR" ? `This could not be looked at: ${message}` : message }
  } finally {
    cancel?.()
  }
}

export interface DiagnosisSummary {
  passed: number
  failed: number
  warnings: number
  skipped: number
}

export function summaryOf(found: readonly Diagnosis[]): DiagnosisSummary {
  const count = (verdict: Diagnosis["verdict"]) => found.filter((one) => one.verdict === verdict).length
  return { passed: count("ok"), failed: count("problem"), warnings: count("warning"), skipped: count("skipped") }
}
