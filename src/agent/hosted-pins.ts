// What was chosen for a session of an external agent (its model, mode, options) holds before every prompt, until the agent itself changes it:
// then its word counts, and the choice is forgotten.
import { choiceOf, MODE_SETTING, OPTION_SETTING, type SessionFacts } from "../protocol/session-facts.ts"
import type { SessionRow, Sessions } from "../store/store.ts"

/** Names of the settings that these facts contradict, and "model". Pure. */
export function overruled({ model, settings }: Pick<SessionRow, "model" | "settings">, facts: SessionFacts): string[] {
  const names: string[] = []
  const mode = settings[MODE_SETTING]
  if (mode !== undefined && typeof facts.mode === "string" && mode !== facts.mode) names.push(MODE_SETTING)
  for (const option of facts.options ?? []) {
    const { currentValue, id } = option
    const differs = (chosen: string) =>
      option.type === "boolean"
        ? chosen !== String(currentValue)
        : (choiceOf(option.options, chosen) ?? chosen) !== currentValue
    const chosen = settings[OPTION_SETTING + id]
    if (chosen !== undefined && differs(chosen)) names.push(OPTION_SETTING + id)
    if (option.category === "model" && model !== null && differs(model)) names.push("model")
  }
  return names
}

/** Forgets the choices that the agent has overruled; before its word is shown. */
export async function forgetOverruled(sessions: Sessions, key: string, facts: SessionFacts): Promise<void> {
  const row = await sessions.get(key)
  const names = row ? overruled(row, facts) : []
  if (names.length > 0) await sessions.unset(key, names)
}
