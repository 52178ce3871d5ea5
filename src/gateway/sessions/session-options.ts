// What an external agent offers for a session (modes, options, models, commands), as the session stands now: its own last word, and over it
// what was chosen since. Choices are held against what it offers; before it has said anything they are taken as they are.
import { PincerError } from "../../base/errors.ts"
import {
  choiceOf,
  MODE_SETTING,
  OPTION_SETTING,
  type OptionChoice,
  type SessionCommand,
  type SessionFacts,
  type SessionMode,
  type SessionOption,
} from "../../protocol/session-facts.ts"
import type { SessionRow } from "../../store/store.ts"
import type { Parts } from "../parts.ts"

const MAX_NAMED = 30

export interface SessionOffer {
  /** An external agent runs this session's turns. */
  hosted: boolean
  /** The agent has said what it offers; it does with its first turn. */
  known: boolean
  modes: SessionMode[]
  mode: string | null
  options: SessionOption[]
  commands: SessionCommand[]
}

type Rooms = Pick<Parts, "agents" | "store">

const isHosted = (agentId: string, { agents }: Pick<Parts, "agents">) => agents.get(agentId)?.hosted !== undefined

export async function offerOf(name: { key: string; agentId: string }, parts: Rooms): Promise<SessionOffer> {
  const hosted = isHosted(name.agentId, parts)
  const facts = hosted ? await parts.store.transcript.facts(name.key) : undefined
  const row = await parts.store.sessions.get(name.key)
  const { model = null, settings = {} } = row ?? {}
  const options = (facts?.options ?? []).map((option) => asChosen(option, { model, settings }))
  const modes = facts?.modes ?? []
  return {
    ...{ hosted, known: facts !== undefined, modes, options, commands: facts?.commands ?? [] },
    mode: modeNow(settings[MODE_SETTING], modes) ?? facts?.mode ?? null,
  }
}

function modeNow(chosen: string | undefined, modes: readonly SessionMode[]): string | undefined {
  return chosen === undefined ? undefined : choiceOf(choicesOfModes(modes), chosen)
}

function choicesOfModes(modes: readonly SessionMode[]): OptionChoice[] {
  return modes.map(({ id, name }) => ({ value: id, name }))
}

function asChosen(option: SessionOption, { model, settings }: Pick<SessionRow, "model" | "settings">): SessionOption {
  const own = settings[OPTION_SETTING + option.id]
  const { category } = option
  const chosen =
    own ?? (category === "model" ? (model ?? undefined) : category === "mode" ? settings[MODE_SETTING] : undefined)
  if (chosen === undefined) return option
  if (option.type === "boolean") return { ...option, currentValue: chosen === "true" }
  return { ...option, currentValue: choiceOf(option.options, chosen) ?? option.currentValue }
}

export interface Wishes {
  model?: string | null | undefined
  agentMode?: string | null | undefined
  agentOptions?: Record<string, string | boolean | null> | undefined
}

/** What sessions.patch stores: null takes away. */
export interface Chosen {
  model?: string | null
  settings: Record<string, string | null>
}

/** Throws INVALID_PARAMS naming what there is. */
export async function chosenBy(wishes: Wishes, name: { key: string; agentId: string }, parts: Rooms): Promise<Chosen> {
  const { agentMode, agentOptions = {}, model } = wishes
  const chosen: Chosen = { settings: {} }
  const entries = Object.entries(agentOptions)
  const hosted = isHosted(name.agentId, parts)
  if (!hosted && (agentMode !== undefined || entries.length > 0))
    throw new PincerError(
      "INVALID_PARAMS",
      `Agent "${name.agentId}" is one of Pincer's own and has no options of its own: use thinkingLevel, permissions and the others`,
    )
  const facts = hosted ? await parts.store.transcript.facts(name.key) : undefined
  if (hosted && model !== undefined) chosen.model = modelOf(model, facts)
  if (agentMode !== undefined) chosen.settings[MODE_SETTING] = modeOf(agentMode, facts)
  for (const [id, value] of entries) choose(id, value, facts, chosen)
  return chosen
}

function modelOf(model: string | null, facts: SessionFacts | undefined): string | null {
  const option = facts?.options?.find(({ category }) => category === "model")
  if (model === null || model.startsWith("acp/") || option?.type !== "select") return model
  return choiceOf(option.options, model) ?? refuse(`The agent has no model "${model}"`, option.options)
}

function modeOf(mode: string | null, facts: SessionFacts | undefined): string | null {
  if (mode === null || !facts) return mode
  const choices = choicesOfModes(facts.modes ?? [])
  return choiceOf(choices, mode) ?? refuse(`The agent has no mode "${mode}"`, choices)
}

function choose(id: string, value: string | boolean | null, facts: SessionFacts | undefined, chosen: Chosen): void {
  const name = OPTION_SETTING + id
  const option = facts?.options?.find((one) => one.id === id)
  if (facts && !option) {
    const known = (facts.options ?? []).map((one) => ({ value: one.id, name: one.name }))
    refuse(`The agent has no option "${id}"`, known)
  }
  const checked = value === null || !option ? value : chosenValue(option, value)
  const stored = checked === null ? null : String(checked)
  // Model and mode have a place of their own.
  const first = option && facts?.options?.find(({ category }) => category === option.category)
  if (first?.id === id && option?.category === "model") chosen.model = stored
  else if (first?.id === id && option?.category === "mode") chosen.settings[MODE_SETTING] = stored
  else {
    chosen.settings[name] = stored
    return
  }
  chosen.settings[name] = null
}

function chosenValue(option: SessionOption, value: string | boolean): string {
  if (option.type === "boolean") {
    if (value === true || value === false || value === "true" || value === "false") return String(value)
    throw new PincerError("INVALID_PARAMS", `The option "${option.id}" is true or false, not "${value}"`)
  }
  const found = choiceOf(option.options, String(value))
  return found ?? refuse(`The option "${option.id}" has no value "${String(value)}"`, option.options)
}

function refuse(what: string, choices: readonly OptionChoice[]): never {
  const names = choices.slice(0, MAX_NAMED).map((one) => one.value)
  const known = names.length === 0 ? "it names none" : `it has ${names.join(", ")}`
  throw new PincerError("INVALID_PARAMS", `${what}: ${known}`)
}

/** Settings with these changes. */
export function withChosen(settings: Readonly<Record<string, string>>, { settings: changes }: Chosen) {
  const next: Record<string, string> = { ...settings }
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete next[name]
    else next[name] = value
  }
  return next
}

/** Sets it at once where the agent has the session open. Throws INVALID_PARAMS and UNAVAILABLE when the agent refuses. */
export async function applyChosen({ model, settings }: Chosen, { id, key }: SessionRow, parts: Pick<Parts, "host">) {
  const given = Object.entries(settings).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
  const wanted = typeof model === "string" && !model.startsWith("acp/") ? { model } : {}
  if (given.length === 0 && !("model" in wanted)) return
  await parts.host?.set({ key, log: id }, { ...wanted, settings: Object.fromEntries(given) })
}
