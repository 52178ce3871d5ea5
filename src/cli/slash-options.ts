// What an external agent offers for the session of a conversation: shown and chosen with /options and /model.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { SessionAddress } from "./elevated.ts"
import { inertLine } from "./inert.ts"
import type { Screen } from "./screen.ts"
import { stringOf } from "./turn.ts"

/** What it needs of a conversation. */
interface Talk {
  client: GatewayClient
  out: Screen
  model: string | undefined
}

interface OfferedOption {
  id: string
  name: string
  now: string
  /** Value and name of each choice. */
  choices: { value: string; name: string }[]
  isModel: boolean
  /** It stands for the modes of the agent, which are no option of its own. */
  isMode: boolean
}

export interface OfferedOptions {
  hosted: boolean
  known: boolean
  options: OfferedOption[]
}

type Fields = Record<string, unknown>

function rows(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

export async function offered({ client }: Pick<Talk, "client">, address: SessionAddress): Promise<OfferedOptions> {
  const answer: unknown = await client.request("session.options", { ...address })
  const { hosted, known, mode, modes, options } = isObject(answer) ? answer : {}
  const all = rows(options).map(optionOf)
  const choices = rows(modes).map(({ id, name }) => ({ value: String(id), name: String(name) }))
  const hasMode = rows(options).some(({ category }) => category === "mode")
  const own: OfferedOption = {
    ...{ id: "mode", name: "Mode", now: stringOf(mode) ?? "", choices },
    ...{ isModel: false, isMode: true },
  }
  const withModes = choices.length === 0 || hasMode ? all : [own, ...all]
  return { hosted: hosted === true, known: known === true, options: withModes }
}

function optionOf({ category, currentValue, id, name, options, type }: Fields): OfferedOption {
  const words = ["true", "false"].map((value) => ({ value, name: value }))
  const choices = rows(options).map((one) => ({ value: String(one["value"]), name: String(one["name"]) }))
  return {
    ...{ id: String(id), name: String(name), now: String(currentValue), isMode: false },
    ...{ choices: type === "boolean" ? words : choices, isModel: category === "model" },
  }
}

/** "" lists them, "id" shows one, "id value" sets it; "default" leaves it to the agent. */
export async function chooseOption(talk: Talk, address: SessionAddress, words: string): Promise<void> {
  const { hosted, known, options } = await offered(talk, address)
  if (!hosted) {
    talk.out.line("This session's agent is Pincer's own: see /model, /think and /elevated.")
    return
  }
  const [, id = "", value = ""] = /^(\S*)\s*([\s\S]*)$/.exec(words) ?? []
  if (id === "") {
    if (!known) talk.out.line("The agent says what it offers with its first answer: say something first.")
    else if (options.length === 0) talk.out.line("The agent offers nothing to choose.")
    else talk.out.table(["OPTION", "NOW", "CHOICES", "NAME"], options.map(rowOf))
    return
  }
  const option = options.find((one) => one.id === id)
  if (known && !option)
    throw new PincerError(
      "INVALID_PARAMS",
      `The agent has no option "${id}": it has ${options.map((one) => one.id).join(", ")}`,
    )
  if (value === "" && option) {
    talk.out.table(
      ["VALUE", "NAME"],
      option.choices.map((one) => [markOf(one.value, option), inertLine(one.name)]),
    )
    return
  }
  const isCleared = value === "default" && !option?.choices.some((one) => one.value === value)
  const wish = isCleared ? null : value
  const change = option?.isMode ? { agentMode: wish } : { agentOptions: { [id]: wish } }
  await talk.client.request("sessions.patch", { ...address, ...change })
  if (option?.isModel) talk.model = undefined
  talk.out.line(`${inertLine(option?.name ?? id)}: ${isCleared ? "as the agent likes" : inertLine(value)}.`)
}

function rowOf({ choices, id, name, now }: OfferedOption): string[] {
  return [inertLine(id), inertLine(now), inertLine(choices.map(({ value }) => value).join(", ")), inertLine(name)]
}

function markOf(value: string, { now }: OfferedOption): string {
  return `${value === now ? "* " : "  "}${inertLine(value)}`
}

/** The models of the session's external agent; undefined when it has one of Pincer's own. */
export async function offeredModels(
  talk: Pick<Talk, "client">,
  address: SessionAddress,
): Promise<OfferedOption | "unknown" | undefined> {
  const { hosted, options } = await offered(talk, address)
  return hosted ? (options.find(({ isModel }) => isModel) ?? "unknown") : undefined
}
