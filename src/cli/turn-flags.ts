// What may be said about a turn on the command line and around it (IM-CLI-02 … 04): the flags of ask, chat and bare pincer, and the
// variable that stands for each. A flag wins over its variable; a word that means nothing is refused before anything starts.
import { resolve } from "node:path"
import { type Command, Option } from "commander"
import { PincerError } from "../base/errors.ts"
import { splitWords } from "../base/words.ts"
import { type Env, envValue } from "../config/paths.ts"
import { addPermissionFlags, type PermissionFlags } from "./permission-flags.ts"
import type { Format } from "./stages.ts"

/** As commander hands them to an action. */
export interface TurnFlags extends PermissionFlags, HostingFlags {
  session?: string
  agent?: string
  model?: string
  cwd?: string
  thinking?: string
  elevated?: string
  format?: string
  json?: boolean
  suppressReads?: boolean
  maxTurns?: string
  promptRetries?: string
  timeout?: string
}

/** How an external agent is started and kept. */
export interface HostingFlags {
  agentCommand?: string
  ttl?: string
}

/** What they come to. */
export interface TurnWishes {
  session: string | undefined
  agent: string | undefined
  model: string | undefined
  /** Absolute. */
  cwd: string | undefined
  format: Format
  suppressReads: boolean
  maxTurns: number | undefined
  promptRetries: number
  timeoutMs: number | undefined
  hosting: HostingWishes
}

/** As the gateway takes them. */
export interface HostingWishes {
  agentCommand?: string[]
  /** Seconds. */
  ttl?: number
}

const MAX_TURNS = 1_000
const MAX_RETRIES = 10

export function addHostingFlags(command: Command): Command {
  return command
    .option("--agent-command <words>", "an external agent of your own answers: a program and its arguments, no shell")
    .option("--ttl <seconds>", "keep an external agent so long after its last turn; 0 for ever")
}

export function addTurnFlags(command: Command): Command {
  command
    .option("-S, --session <key>", "go on with this session")
    .option("-a, --agent <id>", "the agent that answers")
    .option("--model <name>", "the model that answers, as provider/model")
    .option("-C, --cwd <folder>", "where its tools work; default: the current folder")
    .option("--thinking <level>", "off, minimal, low, medium, high or xhigh")
    .option("--elevated <level>", "let its commands leave the sandbox: on, ask, full, off; with minutes: ask:30")
    .option("--max-turns <count>", "at most so many answers of the model in one turn")
    .option("--prompt-retries <count>", "ask again when the turn failed and nothing was changed yet")
    .option("--timeout <seconds>", "end the turn after so long")
    .option("--format <format>", "text, json (one event a line) or quiet (the last words only); default: text")
    .addOption(new Option("--json", "the same as --format json"))
    .option("--suppress-reads", "leave out what its tools have read")
  return addPermissionFlags(addHostingFlags(command))
}

/** Throws INVALID_PARAMS naming the flag or the variable. */
export function turnWishes(flags: TurnFlags, { env, cwd }: { env: Env; cwd: string }): TurnWishes {
  const folder = flags.cwd ?? envValue(env, "PINCER_CWD")
  return {
    session: flags.session ?? envValue(env, "PINCER_SESSION"),
    agent: flags.agent ?? envValue(env, "PINCER_AGENT"),
    model: flags.model ?? envValue(env, "PINCER_MODEL"),
    cwd: folder === undefined ? undefined : resolve(cwd, folder),
    format: formatOf(flags, env),
    suppressReads: flags.suppressReads ?? isOn(env, "PINCER_SUPPRESS_READS"),
    maxTurns: count(["--max-turns", flags.maxTurns], ["PINCER_MAX_TURNS", env], 1, MAX_TURNS),
    promptRetries:
      count(["--prompt-retries", flags.promptRetries], ["PINCER_PROMPT_RETRIES", env], 0, MAX_RETRIES) ?? 0,
    timeoutMs: timeoutOf(flags.timeout, env),
    hosting: hostingWishes(flags, env),
  }
}

/** Throws INVALID_PARAMS naming the flag or the variable. */
export function hostingWishes(flags: HostingFlags & { agent?: string }, env: Env): HostingWishes {
  const [where, command] = given(["--agent-command", flags.agentCommand], ["PINCER_AGENT_COMMAND", env])
  const [whereTtl, ttl] = given(["--ttl", flags.ttl], ["PINCER_TTL", env])
  const wishes: HostingWishes = {}
  // A flag that names an agent wins over a variable that names a command.
  if (command !== undefined && (flags.agentCommand !== undefined || flags.agent === undefined)) {
    wishes.agentCommand = splitWords(command)
    if (wishes.agentCommand.length === 0)
      throw new PincerError("INVALID_PARAMS", `${where} is empty: give a program and its arguments`)
    if (flags.agent !== undefined)
      throw new PincerError("INVALID_PARAMS", "Pass either --agent or --agent-command, not both")
  }
  if (ttl !== undefined) {
    wishes.ttl = /^\d{1,9}(\.\d+)?$/.test(ttl.trim()) ? Number(ttl) : Number.NaN
    if (Number.isNaN(wishes.ttl))
      throw new PincerError("INVALID_PARAMS", `${whereTtl}: "${ttl}" is not a number of seconds; 0 is for ever`)
  }
  return wishes
}

/** The members of chat.send that the settings give, apart from the session. */
export function saidWith(settings: TurnWishes, around: { cwd: string; local: boolean }): Record<string, unknown> {
  const { hosting, maxTurns, model, timeoutMs } = settings
  // A command of one's own runs as the default agent.
  const agent = hosting.agentCommand === undefined ? settings.agent : undefined
  // Another machine has other folders.
  const cwd = settings.cwd ?? (around.local ? around.cwd : undefined)
  return {
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(model === undefined ? {} : { model }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(maxTurns === undefined ? {} : { maxTurns }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...settings.hosting,
  }
}

export function isOn(env: Env, name: string): boolean {
  const text = envValue(env, name)
  if (text === undefined || /^(0|false|no|off)$/i.test(text)) return false
  if (/^(1|true|yes|on)$/i.test(text)) return true
  throw new PincerError("INVALID_PARAMS", `${name}: "${text}" is neither 1 nor 0`)
}

function formatOf(flags: TurnFlags, env: Env): Format {
  if (flags.json) return "json"
  const [where, format] = given(["--format", flags.format], ["PINCER_FORMAT", env])
  if (format === undefined) return "text"
  if (format === "text" || format === "json" || format === "quiet") return format
  throw new PincerError("INVALID_PARAMS", `${where}: "${format}" is not one of text, json, quiet`)
}

function timeoutOf(flag: string | undefined, env: Env): number | undefined {
  const [where, text] = given(["--timeout", flag], ["PINCER_TIMEOUT", env])
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (text.trim() !== "" && Number.isFinite(seconds) && seconds > 0) return Math.round(seconds * 1000)
  throw new PincerError("INVALID_PARAMS", `${where}: "${text}" is not a number of seconds above 0`)
}

function count(
  flag: [string, string | undefined],
  variable: [string, Env],
  least: number,
  most: number,
): number | undefined {
  const [where, text] = given(flag, variable)
  if (text === undefined) return undefined
  const number = /^\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN
  if (number >= least && number <= most) return number
  throw new PincerError("INVALID_PARAMS", `${where}: "${text}" is not a whole number from ${least} to ${most}`)
}

/** The value, and the name of what gave it. */
function given([flag, value]: [string, string | undefined], [name, env]: [string, Env]): [string, string | undefined] {
  return value === undefined ? [name, envValue(env, name)] : [flag, value]
}
