// What an agent says of its session beside its turns: title, modes, options, commands. An upsert: absent means unchanged, null clears.

export interface SessionMode {
  id: string
  name: string
  description?: string
}

/** One thing that can be chosen for a session. `category`: mode, model, model_config, thought_level, or one that begins with "_". */
export type SessionOption = {
  id: string
  name: string
  description?: string
  category?: string
} & ({ type: "select"; currentValue: string; options: OptionChoice[] } | { type: "boolean"; currentValue: boolean })

export interface OptionChoice {
  value: string
  name: string
  description?: string
  /** Heading under which it stands. */
  group?: string
}

/** A slash command; `name` without the slash. */
export interface SessionCommand {
  name: string
  description: string
  /** What may follow it, in words. */
  hint?: string
}

export interface SessionFacts {
  title?: string | null
  mode?: string | null
  modes?: SessionMode[] | null
  options?: SessionOption[] | null
  commands?: SessionCommand[] | null
}

/** Settings of a session that an external agent is given before its prompts. */
export const MODE_SETTING = "acp.mode"
export const OPTION_SETTING = "acp.option."

/** The value that is meant: by itself, by what stands behind "service/", or by its name. */
export function choiceOf(choices: readonly OptionChoice[], wanted: string): string | undefined {
  const bare = wanted.slice(wanted.indexOf("/") + 1)
  const small = wanted.toLowerCase()
  const found =
    choices.find((one) => one.value === wanted) ??
    choices.find((one) => one.value === bare) ??
    choices.find((one) => one.name.toLowerCase() === small)
  return found?.value
}
