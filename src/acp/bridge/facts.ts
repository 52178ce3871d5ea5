// What the gateway keeps of a session beside its transcript, and its options and modes as ACP names them. Pure.
import type { SessionConfigOption, SessionModeState } from "@agentclientprotocol/sdk"
import { modePatch, type Offer, offeredModes, offeredOptions, offeredPatch } from "./offer.ts"
import { type Fields, fieldsOf, invalid, shown, textOf } from "./params.ts"

export const ADAPTIVE = "adaptive"
/** The value of an option that says nothing of its own. */
const INHERIT = "default"

export interface SessionState {
  title: string | null
  updatedAt: number | null
  cwd: string | null
  messages: number
  thinking: string
  model: string
  /** Set for this session, not only inherited. */
  modelChosen: boolean
  preset: string
  mode: string
  permissions: Fields
  verbose: string
  reasoning: string
  usage: string
  elevated: string
  costUsd: number | null
  contextTokens: number | null
  /** What the external agent of this session offers; undefined for one of Pincer's own. */
  offer?: Offer
}

export interface ModelRow {
  /** provider/id */
  key: string
  name: string
  isDefault: boolean
}

export function stateOf(row: Fields, offer?: Offer): SessionState {
  const permissions = fieldsOf(row["permissions"])
  const number = (value: unknown) => (typeof value === "number" ? value : null)
  return {
    title: textOf(row["displayName"]) ?? null,
    updatedAt: number(row["updatedAt"]),
    cwd: textOf(row["cwd"]) ?? null,
    messages: number(row["messageCount"]) ?? 0,
    thinking: textOf(row["thinkingLevel"]) ?? ADAPTIVE,
    model: row["modelProvider"] === undefined ? "" : `${String(row["modelProvider"])}/${String(row["model"])}`,
    modelChosen: row["modelOverride"] !== undefined,
    preset: textOf(permissions["preset"]) ?? INHERIT,
    mode: textOf(permissions["mode"]) ?? INHERIT,
    permissions,
    verbose: textOf(row["verboseLevel"]) ?? "full",
    reasoning: textOf(row["reasoningLevel"]) ?? "stream",
    usage: textOf(row["responseUsage"]) ?? "full",
    elevated: textOf(row["elevatedLevel"]) ?? "off",
    costUsd: number(row["estimatedCostUsd"]),
    contextTokens: number(row["contextTokens"]),
    ...(offer ? { offer } : {}),
  }
}

const THINKING: readonly [string, string, string][] = [
  [ADAPTIVE, "Adaptive", "As much thinking as the model thinks fit"],
  ["off", "Off", "No extra thinking"],
  ["minimal", "Minimal", "Hardly any thinking"],
  ["low", "Low", "A little thinking"],
  ["medium", "Medium", "A fair amount of thinking"],
  ["high", "High", "A lot of thinking"],
  ["xhigh", "Extra high", "As much thinking as the model can do"],
]

/** Undefined when there are none to choose from. */
export function modesOf(state: SessionState): SessionModeState | undefined {
  if (state.offer) return offeredModes(state.offer)
  return {
    currentModeId: state.thinking,
    availableModes: THINKING.map(([id, name, description]) => ({ id, name: `Thinking: ${name}`, description })),
  }
}

interface Choice {
  id: string
  name: string
  description: string
  category: string
  values: readonly (readonly [value: string, name: string, description?: string])[]
  current(state: SessionState): string
  /** What sessions.patch is told. */
  patch(value: string, state: SessionState): Fields
}

const orNull = (value: string, none: string) => (value === none ? null : value)

function permissionPatch(state: SessionState, name: "preset" | "mode", value: string): Fields {
  const { [name]: _old, ...rest } = state.permissions
  const next = value === INHERIT ? rest : { ...rest, [name]: value }
  return { permissions: Object.keys(next).length === 0 ? null : next }
}

const CHOICES: readonly Choice[] = [
  {
    id: "thought_level",
    name: "Thinking",
    description: "How much the model thinks before it answers",
    category: "thought_level",
    values: THINKING,
    current: (state) => state.thinking,
    patch: (value) => ({ thinkingLevel: orNull(value, ADAPTIVE) }),
  },
  {
    id: "permission_preset",
    name: "Permissions",
    description: "What this session may do",
    category: "mode",
    values: [
      [INHERIT, "As configured"],
      ["safe-readonly", "Read only", "Looks, and changes nothing"],
      ["dev-default", "Development", "Works in the folder, asks for the rest"],
      ["full-auto", "Full auto", "Does without asking"],
    ],
    current: (state) => state.preset,
    patch: (value, state) => permissionPatch(state, "preset", value),
  },
  {
    id: "permission_mode",
    name: "Asking",
    description: "Which calls are allowed without a question; goes before the permissions",
    category: "mode",
    values: [
      [INHERIT, "As the permissions say"],
      ["approve-all", "Approve all"],
      ["approve-reads", "Approve what only reads"],
      ["deny-all", "Ask for everything"],
    ],
    current: (state) => state.mode,
    patch: (value, state) => permissionPatch(state, "mode", value),
  },
  {
    id: "verbose_level",
    name: "Tool details",
    description: "How much of tool calls is shown",
    category: "_display",
    values: [
      ["off", "Titles only"],
      ["on", "With results"],
      ["full", "With raw input and output"],
    ],
    current: (state) => state.verbose,
    patch: (value) => ({ verboseLevel: value }),
  },
  {
    id: "reasoning_level",
    name: "Thoughts",
    description: "Whether the model's thoughts are shown",
    category: "_display",
    values: [
      ["off", "Hidden"],
      ["on", "When they are complete"],
      ["stream", "As they come"],
    ],
    current: (state) => state.reasoning,
    patch: (value) => ({ reasoningLevel: value }),
  },
  {
    id: "response_usage",
    name: "Usage",
    description: "What is told of tokens and money",
    category: "_display",
    values: [
      ["off", "Nothing"],
      ["tokens", "Tokens"],
      ["full", "Tokens and money"],
    ],
    current: (state) => state.usage,
    patch: (value) => ({ responseUsage: value }),
  },
  {
    id: "elevated_level",
    name: "Elevated",
    description: "Whether commands may leave the sandbox for a while",
    category: "_permission",
    values: [
      ["off", "Never"],
      ["on", "Ask each time"],
      ["ask", "Ask each time (the same)"],
      ["full", "Without asking"],
    ],
    current: (state) => state.elevated,
    patch: (value) => ({ elevatedLevel: value }),
  },
]

function optionOf(choice: Choice, state: SessionState): SessionConfigOption {
  const { id, name, description, category, values, current } = choice
  const currentValue = current(state)
  const options = values.map(([value, label, about]) => ({
    value,
    name: label,
    ...(about === undefined ? {} : { description: about }),
  }))
  // A level that another client set and this table does not know is shown as it is.
  if (!options.some(({ value }) => value === currentValue)) options.push({ value: currentValue, name: currentValue })
  return { type: "select", id, name, description, category, currentValue, options }
}

function modelOption(state: SessionState, models: readonly ModelRow[]): SessionConfigOption {
  const currentValue = state.modelChosen ? state.model : INHERIT
  const options = [
    {
      value: INHERIT,
      name: state.modelChosen || state.model === "" ? "As configured" : `As configured (${state.model})`,
    },
    ...models.map(({ key, name }) => ({ value: key, name })),
  ]
  if (!options.some(({ value }) => value === currentValue)) options.push({ value: currentValue, name: currentValue })
  return {
    type: "select",
    id: "model",
    name: "Model",
    description: "The model that answers in this session",
    category: "model",
    currentValue,
    options,
  }
}

/** An external agent thinks as it likes. */
const OFFERED_INSTEAD = "thought_level"
const HOSTED_CHOICES = CHOICES.filter(({ id }) => id !== OFFERED_INSTEAD)
const HOSTED_IDS: ReadonlySet<string> = new Set(HOSTED_CHOICES.map(({ id }) => id))

/** All options, the ones that matter most first. */
export function optionsOf(state: SessionState, models: readonly ModelRow[]): SessionConfigOption[] {
  if (state.offer)
    return [...offeredOptions(state.offer, HOSTED_IDS), ...HOSTED_CHOICES.map((choice) => optionOf(choice, state))]
  return [modelOption(state, models), ...CHOICES.map((choice) => optionOf(choice, state))]
}

/** What sessions.patch is to be told for a choice. Throws INVALID_PARAMS for one that there is not. */
export function patchOf(id: string, value: unknown, state: SessionState): Fields {
  const offered = state.offer && offeredPatch(state.offer, id, value, HOSTED_IDS)
  if (offered) return offered
  const choices = state.offer ? HOSTED_CHOICES : CHOICES
  if (typeof value !== "string") throw invalid(`${id} takes a text, not ${shown(value)}`)
  if (id === "model" && !state.offer) return { model: orNull(value, INHERIT) }
  const choice = choices.find((one) => one.id === id)
  if (!choice) {
    const known = optionsOf(state, []).map((one) => one.id)
    throw invalid(`Unknown option "${id}": there are ${known.join(", ")}`)
  }
  if (!choice.values.some(([known]) => known === value))
    throw invalid(`${id} cannot be ${shown(value)}: choose ${choice.values.map(([known]) => known).join(", ")}`)
  return choice.patch(value, state)
}

/** What sessions.patch is to be told for a mode. Throws INVALID_PARAMS. */
export function patchOfMode(mode: unknown, state: SessionState): Fields {
  return state.offer ? modePatch(mode) : patchOf("thought_level", mode, state)
}

/** What sessions.patch is to be told for a model. Throws INVALID_PARAMS. */
export function patchOfModel(model: unknown, state: SessionState): Fields {
  if (typeof model !== "string") throw invalid(`A model is a text, not ${shown(model)}`)
  return state.offer ? { model: orNull(model, INHERIT) } : patchOf("model", model, state)
}
