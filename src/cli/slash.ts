// The commands of a conversation: one table for /help, for completion and for what they do.
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { type GatewayClient, newKey } from "../protocol/client.ts"
import { ELEVATED_LEVELS } from "../protocol/permission.ts"
import { idFor, pendingApprovals, showRow } from "./approvals.ts"
import { parseElevated, readElevated, type SessionAddress, setElevated, wordsOf } from "./elevated.ts"
import { inert, inertLine } from "./inert.ts"
import type { Screen } from "./screen.ts"
import { messagesOf, showMessage } from "./sessions.ts"
import { chooseOption, offered, offeredModels } from "./slash-options.ts"
import { offeredPrompts } from "./slash-prompts.ts"
import { turnStatus } from "./slash-status.ts"
import { duration } from "./status.ts"
import { nearest } from "./suggest.ts"
import { stringOf } from "./turn.ts"

const THINKING = ["off", "minimal", "low", "medium", "high", "xhigh"]

/** What a conversation is now, as its commands see and change it. */
export interface Talk {
  client: GatewayClient
  out: Screen
  sessionKey: string
  agentId: string | undefined
  model: string | undefined
  thinking: string | undefined
  /** Whether thoughts are shown. */
  verbose: boolean
  /** Cancels the turn that runs; false when none does. */
  cancel(): boolean
  leave(): void
}

export interface SlashCommand {
  name: string
  aliases?: readonly string[]
  /** "[name]" after the name in /help. */
  takes?: string
  about: string
  run(talk: Talk, argument: string): Promise<void> | void
  /** What may stand after it. */
  choices?(talk: Talk): Promise<string[]>
}

type Fields = Record<string, unknown>

async function fieldsOf(talk: Talk, method: string, params: Fields = {}, timeoutMs?: number): Promise<Fields> {
  const answer: unknown = await talk.client.request(method, params, timeoutMs === undefined ? {} : { timeoutMs })
  return isObject(answer) ? answer : {}
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function addressOf(talk: Talk): SessionAddress {
  return { sessionKey: talk.sessionKey, ...(talk.agentId === undefined ? {} : { agentId: talk.agentId }) }
}

export const slashCommands: readonly SlashCommand[] = [
  { name: "help", about: "these commands", run: help },
  {
    name: "new",
    about: "begin a new session",
    run(talk) {
      talk.sessionKey = `cli:${newKey().slice(0, 12)}`
      talk.out.line(`New session ${talk.sessionKey}.`)
    },
  },
  {
    name: "reset",
    about: "forget what was said in this session",
    async run(talk) {
      try {
        await fieldsOf(talk, "sessions.reset", addressOf(talk))
      } catch (error) {
        // Nothing was said in it yet.
        if (!(error instanceof PincerError) || error.code !== "NOT_FOUND") throw error
      }
      talk.out.line("Forgotten.")
    },
  },
  {
    name: "stop",
    about: "cancel the turn that runs (also: Ctrl-C)",
    run(talk) {
      if (!talk.cancel()) talk.out.line("Nothing runs.")
    },
  },
  {
    name: "status",
    takes: "[run|wait]",
    about: "gateway, model, session; how a turn stands; wait for its end",
    run: (talk, words) => (words === "" ? status(talk) : turnStatus(talk, addressOf(talk), words)),
    choices: async () => ["run", "wait"],
  },
  { name: "session", takes: "[key]", about: "show the session, or go to another", run: session, choices: sessionKeys },
  { name: "history", about: "the last messages of this session", run: history },
  { name: "agent", takes: "[id]", about: "show the agent, or talk to another", run: agent, choices: agentIds },
  { name: "agents", about: "the agents that there are", run: agents },
  {
    name: "model",
    takes: "[name]",
    about: 'show the model, or use another ("default" goes back)',
    run: model,
    choices: modelNames,
  },
  {
    name: "options",
    takes: "[id value]",
    about: "what an external agent offers for this session, or set one of them",
    run: (talk, words) => chooseOption(talk, addressOf(talk), words),
    choices: async (talk) => (await offered(talk, addressOf(talk))).options.map(({ id }) => id),
  },
  {
    name: "think",
    takes: "[level]",
    about: `how much to think: ${THINKING.join(", ")}`,
    run: think,
    choices: async () => THINKING,
  },
  {
    name: "verbose",
    aliases: ["reasoning"],
    takes: "[on|off]",
    about: "show the model's thoughts, or not",
    run: verbose,
    choices: async () => ["on", "off"],
  },
  { name: "context", about: "what fills the model's window", run: context },
  { name: "compact", takes: "[about]", about: "have older messages summarised, and what to dwell on", run: compact },
  {
    name: "config",
    takes: "[key]",
    about: "the configuration, or the value at a key; set <key> <value>, unset <key>",
    run: config,
  },
  { name: "reload", about: "have the gateway read its configuration anew", run: reload },
  { name: "usage", about: "tokens and money, today and in the last 30 days", run: usage },
  {
    name: "elevated",
    takes: "[level]",
    about: "commands outside the sandbox for a while: on, ask, full, off, and minutes",
    run: elevated,
    choices: async () => [...ELEVATED_LEVELS],
  },
  {
    name: "approve",
    takes: "[id]",
    about: "what waits for an answer; with id: once, session, always, deny [reason]",
    run: approve,
    choices: async (talk) => (await pendingApprovals(talk.client)).map((row) => String(row["id"])),
  },
  { name: "quit", aliases: ["exit"], about: "leave (also: Ctrl-D)", run: (talk) => talk.leave() },
]

async function help(talk: Talk): Promise<void> {
  const { out } = talk
  for (const { name, takes, about } of slashCommands)
    out.line(`  ${out.paint(`/${name} ${takes ?? ""}`.padEnd(18), "cyan")} ${about}`)
  for (const { about, name, takes } of await offeredPrompts(talk))
    out.line(`  ${out.paint(inertLine(`/${name} ${takes}`).padEnd(18), "cyan")} ${inertLine(about)}`)
  out.line(
    out.paint(
      "  A line that ends in \\ goes on in the next. @file puts a file into the message. Tab completes.",
      "dim",
    ),
  )
}

async function status(talk: Talk): Promise<void> {
  const gateway = await fieldsOf(talk, "status")
  const chosen = isObject(gateway["model"]) ? gateway["model"] : {}
  talk.out.facts([
    ["Gateway", `version ${stringOf(gateway["version"]) ?? "?"}, up ${duration(Number(gateway["uptimeMs"]))}`],
    ["Model", talk.model ?? stringOf(chosen["why"]) ?? "?"],
    ["Session", talk.sessionKey],
    ["Agent", talk.agentId ?? "the default one"],
    ["Thinking", talk.thinking ?? "as configured"],
    ["Elevated", wordsOf(await readElevated(talk.client, addressOf(talk)))],
  ])
}

async function session(talk: Talk, key: string): Promise<void> {
  if (key !== "") {
    talk.sessionKey = key
    talk.out.line(`Session ${inertLine(key)}.`)
    return
  }
  const found = await fieldsOf(talk, "sessions.list", { search: talk.sessionKey, limit: 20 })
  const row = listOf(found["sessions"]).find(
    (one) => one["key"] === talk.sessionKey || String(one["key"]).endsWith(`:${talk.sessionKey}`),
  )
  if (!row) {
    talk.out.line(`Session ${inertLine(talk.sessionKey)}: nothing was said in it yet.`)
    return
  }
  talk.out.facts([
    ["Session", String(row["key"])],
    ["Messages", String(row["messageCount"])],
    ["Tokens", String(row["totalTokens"])],
    ["Model", `${String(row["modelProvider"])}/${String(row["model"])}`],
  ])
}

async function history(talk: Talk): Promise<void> {
  for (const message of messagesOf(await fieldsOf(talk, "chat.history", { ...addressOf(talk), limit: 20 })))
    showMessage(talk, message)
}

async function sessionKeys(talk: Talk): Promise<string[]> {
  const found = await fieldsOf(talk, "sessions.list", { limit: 50 })
  return listOf(found["sessions"]).map((row) => String(row["key"]))
}

async function agentIds(talk: Talk): Promise<string[]> {
  const found = await fieldsOf(talk, "agents.list")
  return listOf(found["agents"]).map((row) => String(row["id"]))
}

async function agents(talk: Talk): Promise<void> {
  const found = await fieldsOf(talk, "agents.list")
  const rows = listOf(found["agents"]).map((row) => {
    const primary = isObject(row["model"]) ? String(row["model"]["primary"]) : ""
    return [
      `${row["id"] === (talk.agentId ?? found["defaultId"]) ? "* " : "  "}${String(row["id"])}`,
      String(row["name"]),
      primary,
    ]
  })
  talk.out.table(["  AGENT", "NAME", "MODEL"], rows)
}

async function agent(talk: Talk, id: string): Promise<void> {
  if (id === "") {
    await agents(talk)
    return
  }
  const known = await agentIds(talk)
  if (!known.includes(id)) throw new PincerError("NOT_FOUND", `Unknown agent "${id}": there are ${known.join(", ")}`)
  talk.agentId = id
  // A full key names its agent itself.
  if (talk.sessionKey.startsWith("agent:")) talk.sessionKey = talk.sessionKey.split(":").slice(2).join(":")
  talk.out.line(`Talking to ${inertLine(id)}.`)
}

async function modelNames(talk: Talk): Promise<string[]> {
  const theirs = await offeredModels(talk, addressOf(talk))
  if (theirs) return theirs === "unknown" ? [] : theirs.choices.map(({ value }) => value)
  const found = await fieldsOf(talk, "models.list")
  return listOf(found["models"]).map((row) => String(row["key"]))
}

async function model(talk: Talk, name: string): Promise<void> {
  const theirs = await offeredModels(talk, addressOf(talk))
  if (name === "" && theirs) {
    if (theirs === "unknown")
      talk.out.line("The agent chooses its model itself, or has not said yet which ones it has.")
    else await chooseOption(talk, addressOf(talk), theirs.id)
    return
  }
  if (name === "") {
    const chosen = (await fieldsOf(talk, "status"))["model"]
    talk.out.line(inert(talk.model ?? (isObject(chosen) ? String(chosen["why"]) : "?")))
    return
  }
  const patched = await fieldsOf(talk, "sessions.patch", {
    ...addressOf(talk),
    model: name === "default" ? null : name,
  })
  const resolved = isObject(patched["resolved"]) ? patched["resolved"] : {}
  const shown = `${String(resolved["modelProvider"])}/${String(resolved["model"])}`
  // What an external agent uses is kept with the session: a turn need not say it.
  talk.model = name === "default" || theirs ? undefined : shown
  talk.out.line(`This session uses ${inertLine(shown)} now.`)
}

function verbose(talk: Talk, word: string): void {
  if (word !== "" && word !== "on" && word !== "off")
    throw new PincerError("INVALID_PARAMS", `"${word}" is neither on nor off`)
  if (word !== "") talk.verbose = word === "on"
  talk.out.line(`Thoughts are ${talk.verbose ? "shown" : "not shown"}.`)
}

async function usage(talk: Talk): Promise<void> {
  const told = async (days: number): Promise<string> => {
    const { calls, estimatedCost, totalTokens } = await fieldsOf(talk, "usage.get", { days })
    const cost = typeof estimatedCost === "number" ? `$${estimatedCost.toFixed(4)}` : "no price known"
    return `${String(calls)} turns, ${String(totalTokens)} tokens, ${cost}`
  }
  talk.out.facts([
    ["Today (UTC)", await told(1)],
    ["30 days", await told(30)],
  ])
}

async function elevated(talk: Talk, words: string): Promise<void> {
  const address = addressOf(talk)
  if (words === "") talk.out.line(wordsOf(await readElevated(talk.client, address)))
  else talk.out.line(inert(await setElevated(talk.client, address, parseElevated(words, "/elevated"))))
}

const PARTS: Readonly<Record<string, string>> = {
  system: "system prompt",
  tools: "tools",
  summary: "summary of older messages",
  user: "messages of yours",
  assistant: "answers",
  results: "results of tools",
}

async function context(talk: Talk): Promise<void> {
  const found = await fieldsOf(talk, "sessions.context", addressOf(talk))
  const used = Number(found["usedTokens"])
  const window = Number(found["windowTokens"])
  talk.out.line(
    `${inertLine(String(found["model"]))}: about ${used} of ${window} tokens (${Math.round((100 * used) / window)} %)`,
  )
  talk.out.table(
    ["PART", "COUNT", "TOKENS"],
    listOf(found["parts"]).map((row) => {
      const part = String(row["part"])
      return [PARTS[part] ?? inertLine(part), String(row["count"]), String(row["tokens"])]
    }),
  )
  if (Number(found["summarised"]) > 0)
    talk.out.line(`${String(found["summarised"])} older messages are in the summary.`)
}

/** A long conversation is summarised in several requests. */
const COMPACT_MS = 600_000

async function compact(talk: Talk, instructions: string): Promise<void> {
  const wish = instructions === "" ? {} : { instructions }
  const answer = await fieldsOf(talk, "sessions.compact", { ...addressOf(talk), ...wish }, COMPACT_MS)
  talk.out.line(inert(String(answer["reason"])))
}

async function reload(talk: Talk): Promise<void> {
  tellReload(talk, await fieldsOf(talk, "config.reload", {}))
}

function tellReload(talk: Talk, answer: Record<string, unknown>): void {
  const list = (value: unknown) => (Array.isArray(value) ? value.map((path) => inertLine(String(path))).join(", ") : "")
  const [changed, restart] = [list(answer["changed"]), list(answer["restart"])]
  talk.out.line(changed === "" ? "Nothing that counts at once has changed." : `Counts now: ${changed}.`)
  if (restart !== "") talk.out.line(`After a restart: ${restart}.`)
}

/** "get" may stand before the key. */
async function config(talk: Talk, words: string): Promise<void> {
  const [, verb, path = "", text = ""] = /^(set|unset)\s+(\S+)\s*([\s\S]*)$/.exec(words) ?? []
  if (verb !== undefined) {
    const value = verb === "set" ? { value: (await import("../config/edit.ts")).parseValue(text) } : {}
    const answer = await fieldsOf(talk, `config.${verb}`, { key: path, ...value })
    tellReload(talk, { ...answer, restart: isObject(answer["restart"]) ? answer["restart"]["paths"] : [] })
    return
  }
  const key = words.replace(/^get\s+/, "")
  const { value } = await fieldsOf(talk, "config.get", key === "" || key === "get" ? {} : { key })
  talk.out.line(inert(typeof value === "string" ? value : JSON.stringify(value, null, 2)))
}

const DECISIONS: Readonly<Record<string, string>> = {
  once: "allow-once",
  session: "allow-session",
  always: "allow-always",
  deny: "deny",
}

/** "id decision reason …"; without an id what waits is shown. */
async function approve(talk: Talk, words: string): Promise<void> {
  const rows = await pendingApprovals(talk.client)
  if (words === "") {
    for (const row of rows) showRow(talk.out, row)
    if (rows.length === 0) talk.out.line("Nothing waits for an answer.")
    return
  }
  const [part = "", word = "once", ...rest] = words.split(/\s+/)
  const decision = DECISIONS[word] ?? word
  const id = idFor(
    rows.map((row) => String(row["id"])),
    part,
    "approvals",
  )
  const reason = rest.length === 0 ? {} : { reason: rest.join(" ") }
  const answer = await fieldsOf(talk, "exec.approval.resolve", { id, decision, ...reason })
  talk.out.line(`Answered: ${inertLine(String(answer["decision"]))}.`)
}

function think(talk: Talk, level: string): void {
  if (level === "") talk.out.line(`Thinking: ${talk.thinking ?? "as configured"}.`)
  else if (!THINKING.includes(level))
    throw new PincerError("INVALID_PARAMS", `"${level}" is not one of ${THINKING.join(", ")}`)
  else {
    talk.thinking = level
    talk.out.line(`Thinking: ${level}.`)
  }
}

/** Runs "/name argument". What goes wrong is shown; the conversation goes on. */
export async function runSlash(talk: Talk, line: string): Promise<void> {
  const [, word = "", rest = ""] = /^\/(\S*)\s*([\s\S]*)$/.exec(line) ?? []
  const command = findSlash(word)
  if (!command) {
    const near = nearest(
      word,
      slashCommands.map((one) => one.name),
    )
    talk.out.line(
      near
        ? `Unknown command /${inertLine(word)}: did you mean /${near}?`
        : `Unknown command /${inertLine(word)}: see /help`,
    )
    return
  }
  try {
    await command.run(talk, rest.trim())
  } catch (error) {
    talk.out.line(talk.out.paint(`✗ ${inert(asPincerError(error).message)}`, "red"))
  }
}

export function findSlash(word: string): SlashCommand | undefined {
  return slashCommands.find((command) => command.name === word || command.aliases?.includes(word))
}
