// What a turn wants of its session before it speaks: the model, the mode, options. Only what differs from what the agent says is set. What
// it does not know is refused with what it does know.
import type { HostedTurn } from "../../agent/harness.ts"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import {
  choiceOf,
  MODE_SETTING,
  OPTION_SETTING,
  type OptionChoice,
  type SessionFacts,
  type SessionOption,
} from "../../protocol/session-facts.ts"
import { RpcFailure, saidBy } from "../peer.ts"
import type { AgentLink } from "./agent-link.ts"
import type { HostSession } from "./host-session.ts"

const SET_MS = 15_000
const MAX_NAMED = 30

interface Room {
  link: AgentLink
  session: HostSession
  signal: AbortSignal
}

/** What was chosen: settings "acp.mode" and "acp.option.<id>", and a model by the agent's name of it. */
export interface Choices {
  model?: string | undefined
  settings: Readonly<Record<string, string>>
}

/** What a turn wants. */
export function choicesOf(turn: HostedTurn): Choices {
  return { model: wantedModel(turn), settings: turn.session.settings }
}

/** Throws INVALID_PARAMS for what the agent does not know, and UNAVAILABLE when it refuses. */
export async function applyChoices({ model, settings }: Choices, room: Room): Promise<void> {
  if (model !== undefined) await setModel(model, room)
  const mode = settings[MODE_SETTING]
  if (mode !== undefined && mode !== "") await setMode(mode, room)
  for (const [key, value] of Object.entries(settings))
    if (key.startsWith(OPTION_SETTING)) await setNamed(key.slice(OPTION_SETTING.length), value, room)
}

/** "acp/<agent>" is the agent itself, with the model that it likes. */
function wantedModel({ profile, request, session }: HostedTurn): string | undefined {
  const model = request.model ?? session.model ?? profile.model
  return model === undefined || model === "" || model.startsWith("acp/") ? undefined : model
}

async function setModel(wanted: string, room: Room): Promise<void> {
  const { link, session } = room
  const { book } = session
  const option = book.ofCategory("model")
  if (option?.type !== "select") {
    const text = `${link.spec.title} lets nobody choose its model: leave "${wanted}" out, or set it in the agent's own configuration`
    throw new PincerError("INVALID_PARAMS", text)
  }
  const value = choiceOf(option.options, wanted)
  if (value === undefined) throw unknownValue(link, "model", wanted, option.options)
  if (value === option.currentValue) return
  if (!book.legacyModels) return setOption(option, value, room)
  await ask("session/set_model", { sessionId: session.id, modelId: value }, room)
  session.tell({ type: "facts", facts: book.modelIs(value) })
}

async function setMode(wanted: string, room: Room): Promise<void> {
  const { link, session } = room
  const { book } = session
  const choices = book.modes.map(({ id, name }) => ({ value: id, name }))
  const value = choiceOf(choices, wanted)
  if (value === undefined) throw unknownValue(link, "mode", wanted, choices)
  if (value === book.mode) return
  const option = book.ofCategory("mode")
  if (option) return setOption(option, value, room)
  await ask("session/set_mode", { sessionId: session.id, modeId: value }, room)
  const facts = book.modeIs(value)
  if (facts) session.tell({ type: "facts", facts })
}

async function setNamed(id: string, wanted: string, room: Room): Promise<void> {
  const { link, session } = room
  const option = session.book.option(id)
  if (!option) {
    const known = session.book.options.map((one) => one.id).slice(0, MAX_NAMED)
    const names = known.length === 0 ? "it has none" : `it has ${known.join(", ")}`
    throw new PincerError("INVALID_PARAMS", `${link.spec.title} has no option "${id}": ${names}`)
  }
  if (option.type === "boolean") {
    if (wanted !== "true" && wanted !== "false")
      throw new PincerError("INVALID_PARAMS", `The option "${id}" is "true" or "false", not "${wanted}"`)
    if (option.currentValue !== (wanted === "true")) await setOption(option, wanted === "true", room)
    return
  }
  const value = choiceOf(option.options, wanted)
  if (value === undefined) throw unknownValue(link, `value of "${id}"`, wanted, option.options)
  if (value !== option.currentValue) await setOption(option, value, room)
}

async function setOption(option: SessionOption, value: string | boolean, room: Room): Promise<void> {
  const { link, session } = room
  const typed =
    typeof value === "boolean"
      ? { type: "boolean", value }
      : link.facts.protocol === 2
        ? { type: "id", value }
        : { value }
  const params = { sessionId: session.id, configId: option.id, ...typed }
  const answer = await ask("session/set_config_option", params, room)
  const facts: SessionFacts | undefined = isObject(answer)
    ? session.book.configOptions(answer["configOptions"])
    : undefined
  if (facts) session.tell({ type: "facts", facts })
}

async function ask(method: string, params: unknown, { link, signal }: Room): Promise<unknown> {
  try {
    return await link.request(method, params, { timeoutMs: SET_MS, signal })
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error
    const text = `${link.spec.title} refused ${method}: ${saidBy(error)}`
    throw new PincerError("UNAVAILABLE", text, { cause: error, retryable: false })
  }
}

function unknownValue(
  { spec }: AgentLink,
  what: string,
  wanted: string,
  choices: readonly OptionChoice[],
): PincerError {
  const known = choices.slice(0, MAX_NAMED).map((one) => one.value)
  const names = known.length === 0 ? "it names none" : `it has ${known.join(", ")}`
  return new PincerError("INVALID_PARAMS", `${spec.title} has no ${what} "${wanted}": ${names}`)
}
