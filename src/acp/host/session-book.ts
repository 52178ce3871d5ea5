// What an agent said of one of its sessions beside the conversation: options, modes, commands. Both versions and the older forms (modes
// and models) become one shape, and it is remembered what a setting is called on the wire.
import { isObject } from "../../base/json.ts"
import type {
  OptionChoice,
  SessionCommand,
  SessionFacts,
  SessionMode,
  SessionOption,
} from "../../protocol/session-facts.ts"

const MAX_ENTRIES = 1_000

export type Update = Record<string, unknown>

/** Stands for the older `models` of an agent. */
export const LEGACY_MODEL = "model"

export class SessionBook {
  #options: SessionOption[] = []
  #modes: SessionMode[] = []
  #mode: string | undefined
  #legacyModels = false
  /** Modes come from `modes`, not from an option. */
  #legacyModes = false

  get options(): readonly SessionOption[] {
    return this.#options
  }

  get modes(): readonly SessionMode[] {
    return this.#modes
  }

  get mode(): string | undefined {
    return this.#mode
  }

  /** The model is set by session/set_model. */
  get legacyModels(): boolean {
    return this.#legacyModels
  }

  /** The mode is set by session/set_mode. */
  get legacyModes(): boolean {
    return this.#legacyModes
  }

  option(id: string): SessionOption | undefined {
    return this.#options.find((one) => one.id === id)
  }

  ofCategory(category: string): SessionOption | undefined {
    return this.#options.find((one) => one.category === category)
  }

  /** The model that the agent says it uses. */
  get model(): string | undefined {
    const option = this.ofCategory("model")
    return option?.type === "select" && option.currentValue !== "" ? option.currentValue : undefined
  }

  /** From the answer to new, load or resume; undefined when it says nothing. */
  opened(answer: unknown): SessionFacts | undefined {
    if (!isObject(answer)) return undefined
    const commands = answer["availableCommands"]
    const given = Array.isArray(answer["configOptions"]) ? this.#take(answer["configOptions"]) : undefined
    const modes = isObject(answer["modes"]) ? this.#takeModes(answer["modes"]) : undefined
    const models = isObject(answer["models"]) ? this.#takeModels(answer["models"]) : undefined
    const facts = {
      ...modes,
      ...given,
      ...models,
      ...(Array.isArray(commands) ? { commands: commandsOf(commands) } : {}),
    }
    return Object.keys(facts).length === 0 ? undefined : facts
  }

  configOptions(list: unknown): SessionFacts | undefined {
    return Array.isArray(list) ? this.#take(list) : undefined
  }

  modeIs(mode: unknown): SessionFacts | undefined {
    if (typeof mode !== "string") return undefined
    this.#mode = mode
    const option = this.ofCategory("mode")
    if (option?.type !== "select") return { mode }
    option.currentValue = mode
    return { mode, options: this.#shown() }
  }

  modelIs(model: string): SessionFacts {
    const option = this.ofCategory("model")
    if (option?.type === "select") option.currentValue = model
    return { options: this.#shown() }
  }

  #take(list: readonly unknown[]): SessionFacts {
    const legacy = this.#legacyModels ? this.option(LEGACY_MODEL) : undefined
    this.#options = list.slice(0, MAX_ENTRIES).flatMap(optionOf)
    if (this.ofCategory("model")) this.#legacyModels = false
    else if (legacy) this.#options.push(legacy)
    return { options: this.#shown(), ...this.#modesOfOption() }
  }

  #modesOfOption(): SessionFacts {
    const option = this.ofCategory("mode")
    if (option?.type !== "select") return {}
    this.#legacyModes = false
    this.#mode = option.currentValue
    this.#modes = option.options.map(({ description, name, value }) => ({
      ...{ id: value, name },
      ...(description === undefined ? {} : { description }),
    }))
    return { mode: this.#mode, modes: [...this.#modes] }
  }

  #takeModes(state: Update): SessionFacts {
    const { availableModes, currentModeId } = state
    if (!Array.isArray(availableModes) || this.ofCategory("mode")) return {}
    this.#legacyModes = true
    this.#modes = availableModes.slice(0, MAX_ENTRIES).flatMap(modeOf)
    this.#mode = typeof currentModeId === "string" ? currentModeId : undefined
    return { modes: [...this.#modes], ...(this.#mode === undefined ? {} : { mode: this.#mode }) }
  }

  #takeModels(state: Update): SessionFacts {
    const { availableModels, currentModelId } = state
    if (!Array.isArray(availableModels) || this.ofCategory("model")) return {}
    const choices = availableModels.slice(0, MAX_ENTRIES).flatMap((one): OptionChoice[] => {
      if (!isObject(one) || typeof one["modelId"] !== "string") return []
      return [{ value: one["modelId"], name: textOr(one["name"], one["modelId"]), ...described(one) }]
    })
    this.#legacyModels = true
    this.#options.push({
      ...{ id: LEGACY_MODEL, name: "Model", category: "model", type: "select" },
      currentValue: typeof currentModelId === "string" ? currentModelId : "",
      options: choices,
    })
    return { options: this.#shown() }
  }

  #shown(): SessionOption[] {
    return structuredClone(this.#options)
  }
}

export function commandsOf(list: readonly unknown[]): SessionCommand[] {
  return list.slice(0, MAX_ENTRIES).flatMap((one): SessionCommand[] => {
    if (!isObject(one) || typeof one["name"] !== "string" || one["name"] === "") return []
    const hint = isObject(one["input"]) ? one["input"]["hint"] : undefined
    return [
      {
        name: one["name"].replace(/^\//, ""),
        description: textOr(one["description"], ""),
        ...(typeof hint === "string" ? { hint } : {}),
      },
    ]
  })
}

function modeOf(value: unknown): SessionMode[] {
  if (!isObject(value) || typeof value["id"] !== "string") return []
  return [{ id: value["id"], name: textOr(value["name"], value["id"]), ...described(value) }]
}

function optionOf(value: unknown): SessionOption[] {
  if (!isObject(value)) return []
  const { category, currentValue, type } = value
  const id = value["id"] ?? value["configId"]
  if (typeof id !== "string") return []
  const base = {
    id,
    name: textOr(value["name"], id),
    ...described(value),
    ...(typeof category === "string" ? { category } : {}),
  }
  if (type === "boolean" || (type === undefined && typeof currentValue === "boolean"))
    return typeof currentValue === "boolean" ? [{ ...base, type: "boolean", currentValue }] : []
  if ((type !== "select" && type !== undefined) || !Array.isArray(value["options"])) return []
  const options = value["options"].slice(0, MAX_ENTRIES).flatMap(choicesOf)
  return [{ ...base, type: "select", currentValue: textOr(currentValue, ""), options }]
}

/** One choice, or a group of them. */
function choicesOf(value: unknown): OptionChoice[] {
  if (!isObject(value)) return []
  if (Array.isArray(value["options"])) {
    const group = textOr(value["name"], textOr(value["group"], ""))
    return value["options"]
      .slice(0, MAX_ENTRIES)
      .flatMap((one) => choicesOf(one).map((choice) => ({ ...choice, group })))
  }
  const id = value["value"] ?? value["valueId"]
  return typeof id === "string" ? [{ value: id, name: textOr(value["name"], id), ...described(value) }] : []
}

function described(value: Update): { description?: string } {
  return typeof value["description"] === "string" ? { description: value["description"] } : {}
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise
}
