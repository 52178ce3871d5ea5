// Slash commands: the gateway's own, carried out here without a model, each for the session in which it was typed. What is not in the
// table goes to the agent as it was written.
import type { AvailableCommand } from "@agentclientprotocol/sdk"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { optionsOf, patchOf, patchOfModel } from "./facts.ts"
import { type Offer, offeredCommands } from "./offer.ts"
import { type Fields, fieldsOf, rowsOf } from "./params.ts"
import type { Bound, Room } from "./room.ts"

interface SlashCommand {
  name: string
  aliases?: readonly string[]
  about: string
  hint?: string
  /** What is said to the user. */
  run(room: Room, session: Bound, argument: string): Promise<string>
}

/** A long conversation is summarised in several requests. */
const COMPACT_MS = 600_000

const table: readonly SlashCommand[] = [
  { name: "help", aliases: ["commands"], about: "These commands", run: help },
  { name: "status", about: "Gateway, model and session", run: status },
  {
    name: "whoami",
    aliases: ["id"],
    about: "The key of this session",
    run: async (_room, { key }) => `Session ${key}`,
  },
  { name: "model", about: "Show the model, or use another", hint: "name, or default", run: model },
  { name: "think", about: "How much to think", hint: "adaptive, off, minimal, low, medium, high or xhigh", run: think },
  { name: "verbose", about: "How much of tool calls is shown", hint: "off, on or full", run: setting("verbose_level") },
  {
    name: "reasoning",
    about: "Whether thoughts are shown",
    hint: "off, on or stream",
    run: setting("reasoning_level"),
  },
  {
    name: "permissions",
    about: "What this session may do",
    hint: "safe-readonly, dev-default, full-auto or default",
    run: setting("permission_preset"),
  },
  {
    name: "elevated",
    about: "Whether commands may leave the sandbox for a while",
    hint: "off, ask or full",
    run: elevated,
  },
  { name: "usage", about: "Tokens and money, today and in the last 30 days", run: usage },
  { name: "context", about: "What fills the model's window", run: context },
  { name: "compact", about: "Have older messages summarised", hint: "what to dwell on", run: compact },
  { name: "reset", aliases: ["new"], about: "Forget what was said in this session", run: reset },
  { name: "stop", about: "Stop what this client has running in this session", run: stop },
]

/** Things of Pincer's own agents: an external one has its own words for them, or none. */
const OWN_ONLY: ReadonlySet<string> = new Set(["think", "context", "compact"])

function commandsOf({ state }: Bound): readonly SlashCommand[] {
  return state.offer ? table.filter(({ name }) => !OWN_ONLY.has(name)) : table
}

/** Ours, those of the session's external agent, and prompts of MCP servers, which the gateway carries out. */
export function promptCommands(session: Bound): AvailableCommand[] {
  const ours = commandsOf(session).map(({ name, about, hint }) => ({
    name,
    description: about,
    ...(hint === undefined ? {} : { input: { hint } }),
  }))
  const { offer } = session.state
  const theirs = offer ? offeredCommands(offer, (name) => findCommand(name, session) !== undefined) : []
  return [...ours, ...theirs, ...session.offered]
}

function findCommand(word: string, session: Bound): SlashCommand | undefined {
  return commandsOf(session).find(({ name, aliases }) => name === word || aliases?.includes(word))
}

/** The command that a text calls, and its argument; undefined for any other text. */
export function commandIn(text: string, session: Bound): { command: SlashCommand; argument: string } | undefined {
  const [, word = "", argument = ""] = /^\/([a-z]+)(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? []
  const command = findCommand(word, session)
  return command && { command, argument: argument.trim() }
}

/** Carries it out; what goes wrong is said, too. */
export async function runCommand(
  room: Room,
  session: Bound,
  { command, argument }: { command: SlashCommand; argument: string },
): Promise<void> {
  try {
    room.voice.say(session, await command.run(room, session, argument))
  } catch (error) {
    room.voice.say(session, `/${command.name} did not work: ${asPincerError(error).message}`)
  }
}

async function help(_room: Room, session: Bound): Promise<string> {
  return promptCommands(session)
    .map(({ name, description, input }) => `- \`/${name}${input ? ` [${input.hint}]` : ""}\`: ${description}`)
    .join("\n")
}

async function status(room: Room, session: Bound): Promise<string> {
  const gateway = fieldsOf(await room.gateway.request("status"))
  await session.readState()
  const { state, key, place } = session
  return [
    `- Gateway: version ${String(gateway["version"] ?? "?")}`,
    `- Session: ${key}, ${state.messages} messages`,
    `- Folder: ${place.cwd}`,
    `- Model: ${state.model}`,
    `- Thinking: ${state.thinking}`,
    `- Permissions: ${state.preset}, asking: ${state.mode}`,
    `- Elevated: ${state.elevated}`,
    ...(state.costUsd === null ? [] : [`- Cost so far: $${state.costUsd.toFixed(4)}`]),
  ].join("\n")
}

async function patched(room: Room, session: Bound, change: Fields): Promise<void> {
  const before = session.state
  await session.patch(change)
  await room.voice.facts(session, before, session.state)
}

async function model(room: Room, session: Bound, name: string): Promise<string> {
  if (name === "") {
    await session.readState()
    const { offer } = session.state
    if (offer) return modelsOffered(offer, session.state.model)
    const models = await room.models()
    return [`Model: ${session.state.model}`, ...models.map(({ key }) => `- ${key}`)].join("\n")
  }
  await patched(room, session, patchOfModel(name, session.state))
  return `This session uses ${session.state.model} now.`
}

function modelsOffered({ options }: Offer, now: string): string {
  const option = options.find(({ category }) => category === "model")
  if (option?.type !== "select") return `Model: ${now}`
  return [`Model: ${option.currentValue}`, ...option.options.map(({ name, value }) => `- ${value} (${name})`)].join(
    "\n",
  )
}

async function think(room: Room, session: Bound, level: string): Promise<string> {
  return setting("thought_level")(room, session, level)
}

function setting(id: string): SlashCommand["run"] {
  return async (room, session, value) => {
    if (value !== "") await patched(room, session, patchOf(id, value, session.state))
    else await session.readState()
    const option = optionsOf(session.state, []).find((one) => one.id === id)
    return `${option?.name ?? id}: ${String(option?.currentValue ?? "?")}`
  }
}

async function elevated(room: Room, session: Bound, words: string): Promise<string> {
  const [level = "", minutes] = words.split(/\s+/)
  if (level !== "") {
    const durationMs = minutes === undefined ? undefined : Math.round(Number.parseFloat(minutes) * 60_000)
    if (durationMs !== undefined && !(durationMs > 0))
      throw new PincerError("INVALID_PARAMS", `"${minutes}" is no number of minutes`)
    await room.gateway.request("elevated.set", {
      sessionKey: session.key,
      level,
      ...(durationMs === undefined ? {} : { durationMs }),
    })
    await session.refresh()
  }
  const { level: now, expiresAtMs } = fieldsOf(await room.gateway.request("elevated.get", { sessionKey: session.key }))
  const until = typeof expiresAtMs === "number" ? ` until ${new Date(expiresAtMs).toISOString()}` : ""
  return `Elevated: ${String(now)}${until}`
}

async function usage(room: Room): Promise<string> {
  const told = async (days: number) => {
    const { calls, estimatedCost, totalTokens } = fieldsOf(await room.gateway.request("usage.get", { days }))
    const cost = typeof estimatedCost === "number" ? `$${estimatedCost.toFixed(4)}` : "no price known"
    return `${String(calls)} turns, ${String(totalTokens)} tokens, ${cost}`
  }
  return `- Today (UTC): ${await told(1)}\n- 30 days: ${await told(30)}`
}

async function context(room: Room, session: Bound): Promise<string> {
  const found = fieldsOf(await room.gateway.request("sessions.context", { sessionKey: session.key }))
  const parts = rowsOf(found["parts"]).map((row) => `- ${String(row["part"])}: ${String(row["tokens"])} tokens`)
  return [`About ${String(found["usedTokens"])} of ${String(found["windowTokens"])} tokens`, ...parts].join("\n")
}

async function compact(room: Room, session: Bound, instructions: string): Promise<string> {
  const wish = instructions === "" ? {} : { instructions }
  const answer = await room.gateway.request(
    "sessions.compact",
    { sessionKey: session.key, ...wish },
    { timeoutMs: COMPACT_MS },
  )
  return String(fieldsOf(answer)["reason"] ?? "Done.")
}

async function reset(room: Room, session: Bound): Promise<string> {
  try {
    await room.gateway.request("sessions.reset", { key: session.key })
  } catch (error) {
    // Nothing was said in it yet.
    if (!(error instanceof PincerError) || error.code !== "NOT_FOUND") throw error
  }
  return "Forgotten: this session begins anew."
}

async function stop(_room: Room, session: Bound): Promise<string> {
  const running = [...session.prompts.values()]
  await Promise.all(running.map((prompt) => prompt.cancel()))
  return running.length === 0 ? "Nothing runs." : "Stopped."
}
