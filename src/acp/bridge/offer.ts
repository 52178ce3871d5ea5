// What an external agent offers for a session of the gateway, as modes, options and commands of ACP. Where a session has such an agent, these
// stand in place of our levels of thinking and our models. Pure.
import type { AvailableCommand, SessionConfigOption, SessionModeState } from "@agentclientprotocol/sdk"
import type { OptionChoice, SessionCommand, SessionMode, SessionOption } from "../../protocol/session-facts.ts"
import { type Fields, fieldsOf, invalid, rowsOf, shown, textOf } from "./params.ts"

export interface Offer {
  modes: SessionMode[]
  mode: string | null
  options: SessionOption[]
  commands: SessionCommand[]
}

/** The option that stands for modes of an agent that has no option for them. */
const MODE = "agent_mode"

/** From the answer of session.options; undefined for a session of one of Pincer's own agents. */
export function offerOf(answer: unknown): Offer | undefined {
  const { commands, hosted, mode, modes, options } = fieldsOf(answer)
  if (hosted !== true) return undefined
  // The gateway's own shapes: it has checked them.
  const known = { modes: rowsOf(modes), options: rowsOf(options), commands: rowsOf(commands) } as unknown
  return { ...(known as Omit<Offer, "mode">), mode: textOf(mode) ?? null }
}

/** Prompts of MCP servers among the commands that the gateway lists. */
export function mcpCommands(rows: readonly Fields[]): AvailableCommand[] {
  return rows.flatMap(({ category, description, name, takes }) => {
    if (category !== "mcp" || typeof name !== "string") return []
    const hint = textOf(takes)
    return [{ name, description: textOf(description) ?? "", ...(hint === undefined ? {} : { input: { hint } }) }]
  })
}

/** Undefined when the agent has none, or has not said so yet. */
export function offeredModes({ mode, modes }: Offer): SessionModeState | undefined {
  if (modes.length === 0) return undefined
  return { currentModeId: mode ?? modes[0]!.id, availableModes: modes.map((one) => ({ ...one })) }
}

/** `taken`: ids that mean something else here. */
export function offeredOptions(offer: Offer, taken: ReadonlySet<string>): SessionConfigOption[] {
  const { mode, modes, options } = offer
  const all = options.map((option) => optionOf(option, idOf(option.id, taken)))
  if (modes.length === 0 || options.some(({ category }) => category === "mode")) return all
  const choices = modes.map(({ id, ...rest }) => ({ value: id, ...rest }))
  const currentValue = mode ?? choices[0]!.value
  return [{ type: "select", id: MODE, name: "Mode", category: "mode", currentValue, options: choices }, ...all]
}

function idOf(id: string, taken: ReadonlySet<string>): string {
  return taken.has(id) || id === MODE ? `agent.${id}` : id
}

function optionOf({ options, type, currentValue, ...rest }: OptionFields, id: string): SessionConfigOption {
  if (type === "boolean") return { ...rest, id, type, currentValue: currentValue === true }
  return { ...rest, id, type: "select", currentValue: String(currentValue), options: grouped(options ?? []) }
}

type OptionFields = Omit<SessionOption, "type" | "currentValue"> & {
  type: SessionOption["type"]
  currentValue: string | boolean
  options?: OptionChoice[]
}

function grouped(choices: readonly OptionChoice[]): Extract<SessionConfigOption, { type: "select" }>["options"] {
  const plain = ({ description, name, value }: OptionChoice) => ({
    ...{ value, name },
    ...(description === undefined ? {} : { description }),
  })
  const names = [...new Set(choices.map(({ group }) => group))]
  // Groups only where every choice stands in one.
  if (names.length === 0 || names.includes(undefined)) return choices.map(plain)
  return names.map((name) => ({
    ...{ group: name!, name: name! },
    options: choices.filter(({ group }) => group === name).map(plain),
  }))
}

/** What sessions.patch is told for a choice; undefined when the agent offers no such option. Throws INVALID_PARAMS. */
export function offeredPatch(offer: Offer, id: string, value: unknown, taken: ReadonlySet<string>): Fields | undefined {
  if (id === MODE) return modePatch(value)
  const option = offer.options.find((one) => idOf(one.id, taken) === id)
  if (!option) return undefined
  if (typeof value !== "string" && typeof value !== "boolean")
    throw invalid(`${id} takes a text or true or false, not ${shown(value)}`)
  return { agentOptions: { [option.id]: value } }
}

export function modePatch(value: unknown): Fields {
  if (typeof value !== "string") throw invalid(`A mode is a text, not ${shown(value)}`)
  return { agentMode: value }
}

/** Without those whose names mean something here. */
export function offeredCommands({ commands }: Offer, taken: (name: string) => boolean): AvailableCommand[] {
  return commands
    .filter(({ name }) => !taken(name))
    .map(({ description, hint, name }) => ({ name, description, ...(hint === undefined ? {} : { input: { hint } }) }))
}
