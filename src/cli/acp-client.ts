// `pincer acp client`: a conversation with an ACP agent by hand, by default with this program's own bridge. Shows what comes as plain
// lines, and asks before anything that is not a scoped read or a search.
import { realpathSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { createInterface, type Interface } from "node:readline"
import { fileURLToPath } from "node:url"
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { envValue } from "../config/paths.ts"
import { ClientTranscript } from "./acp-transcript.ts"
import type { Cli } from "./cli.ts"
import { findGateway, namedGateway } from "./connect.ts"
import { inert, inertLine } from "./inert.ts"
import { Exit } from "./report.ts"
import type { Screen } from "./screen.ts"
import { stringOf } from "./turn.ts"

export interface AcpClientFlags {
  cwd?: string
  /** The program that is started instead of this one. */
  serverCommand?: string
  /** A JSON list (acp-client-args.ts). */
  serverArgs?: string
  serverVerbose?: boolean
}

/** What lies in rooms that the command line does not know. */
export interface ClientRoom {
  openClient(options: {
    argv: readonly [string, ...string[]]
    cwd: string
    env: Record<string, string>
    version: string
    heard(update: Record<string, unknown>): void
    permit(params: Record<string, unknown>): Promise<string | undefined>
    tap?(direction: "in" | "out", text: string): void
  }): Promise<{
    sessionId: string
    agent: string
    prompt(text: string): Promise<string>
    cancel(): void
    exited: Promise<number | null>
    close(): Promise<void>
  }>
  decidePermission(
    params: Record<string, unknown>,
    scope: { cwd: string; home: string; real(path: string): string },
  ): { type: "allow" | "ask"; tool: string | undefined; class: string; reason?: string }
  chooseOption(options: unknown, allowed: boolean): string | undefined
  /** Variables that hold keys of model services. */
  keyNames: readonly string[]
}

type Client = Awaited<ReturnType<ClientRoom["openClient"]>>

/** Returns when the person leaves. Throws Exit with the code of an agent that ended by itself. */
export async function runAcpClient(cli: Cli, flags: AcpClientFlags, room: ClientRoom): Promise<void> {
  const cwd = folderAt(resolve(cli.cwd, flags.cwd ?? "."))
  const { argv, own } = commandOf(cli, flags)
  // The bridge gets no keys of model services: a gateway that it had to start would have none either.
  if (own && !serverArgs(flags).includes("--url")) await (await findGateway(cli, "start")).close()
  const lines = new Lines(cli)
  const show = new ClientTranscript(cli.out)
  const client = await room.openClient({
    argv,
    cwd,
    env: childEnv(cli.env, own ? room.keyNames : []),
    version: cli.version,
    heard: (update) => show.update(update),
    permit: (params) => permit(cli, room, { params, cwd, lines, show }),
    ...(cli.verbose ? { tap: (way, text) => cli.err.line(`${way === "in" ? "<-" : "->"} ${inertLine(text)}`) } : {}),
  })
  try {
    show.begin(`${client.agent}, session ${client.sessionId}. exit or quit leaves.`)
    await converse(cli, client, lines, show)
  } finally {
    lines.close()
    await client.close()
  }
}

async function converse(cli: Cli, client: Client, lines: Lines, show: ClientTranscript): Promise<void> {
  const gone = client.exited.then((code) => ({ code }))
  lines.onInterrupt = () => client.cancel()
  for (;;) {
    const next = await Promise.race([lines.next("> "), gone])
    if (typeof next === "object") throw leftWith(next.code)
    if (next === undefined || /^\s*(exit|quit)\s*$/i.test(next)) return
    if (next.trim() === "") continue
    try {
      const stop = await client.prompt(next)
      show.line(`[${stop}]`)
    } catch (error) {
      const ended = await Promise.race([gone, Promise.resolve(undefined)])
      if (ended) throw leftWith(ended.code)
      cli.err.line(`! ${inert(asPincerError(error).message)}`)
    }
  }
}

function leftWith(code: number | null): Exit {
  return new Exit(code ?? 1)
}

/** Throws INVALID_PARAMS for a folder that is not there. */
function folderAt(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `--cwd: ${path} is not there`, { cause: error })
  }
}

function serverArgs(flags: AcpClientFlags): string[] {
  const given: unknown = flags.serverArgs === undefined ? [] : JSON.parse(flags.serverArgs)
  return Array.isArray(given) ? given.map(String) : []
}

/** `own`: it is this program's own bridge. Another program takes its arguments as they are, after "acp" when they are only flags. */
function commandOf(cli: Cli, flags: AcpClientFlags): { argv: [string, ...string[]]; own: boolean } {
  const args = serverArgs(flags)
  const verbose = flags.serverVerbose ? ["--verbose"] : []
  if (flags.serverCommand !== undefined) {
    const word = args.length === 0 || args[0]?.startsWith("-") ? ["acp"] : []
    return { argv: [flags.serverCommand, ...word, ...args, ...verbose], own: false }
  }
  const program = join(dirname(fileURLToPath(import.meta.url)), "../../bin/pincer.js")
  const rest = args[0] === "acp" ? args.slice(1) : args
  return { argv: [process.execPath, program, ...globalFlags(cli), "acp", ...rest, ...verbose], own: true }
}

/** Where the gateway is, for the bridge as for us. */
function globalFlags(cli: Cli): string[] {
  const { caFile, config, home, profile, token, tokenFile } = cli.flags
  const named = cli.flags.server === undefined ? undefined : namedGateway(cli)?.url
  const pairs: [string, string | undefined][] = [
    ["--home", home],
    ["--profile", profile],
    ["--config", config],
    ["--server", named],
    ["--token", token],
    ["--token-file", tokenFile],
    ["--ca-file", caFile],
  ]
  return pairs.flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
}

function childEnv(env: Cli["env"], without: readonly string[]): Record<string, string> {
  const taken = new Set(without.map((name) => name.toUpperCase()))
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !taken.has(entry[0].toUpperCase()),
  )
  return { ...Object.fromEntries(kept), OPENCLAW_SHELL: "acp-client", PINCER_SHELL: "acp-client" }
}

interface Asked {
  params: Record<string, unknown>
  cwd: string
  lines: Lines
  show: ClientTranscript
}

async function permit(cli: Cli, room: ClientRoom, asked: Asked): Promise<string | undefined> {
  const { cwd, lines, params, show } = asked
  const { options } = params
  const toolCall = isObject(params["toolCall"]) ? params["toolCall"] : {}
  const home = envValue(cli.env, "HOME") ?? homedir()
  const decision = room.decidePermission(params, { cwd, home, real: realPlace })
  const title = stringOf(toolCall["title"]) ?? stringOf(toolCall["toolCallId"]) ?? "a call without a title"
  if (decision.type === "allow") {
    show.line(`[permission] ${title}: allowed, ${decision.class}`)
    return room.chooseOption(options, true)
  }
  if (!cli.interactive) {
    show.line(`[permission] ${title}: refused, nobody can be asked (${decision.reason ?? decision.class})`)
    return room.chooseOption(options, false)
  }
  show.line(`[permission] ${title} (${decision.tool ?? "unknown tool"}: ${decision.reason ?? decision.class})`)
  const answer = await lines.ask("Allow it? [y/N] ")
  return room.chooseOption(options, /^\s*y(es)?\s*$/i.test(answer ?? ""))
}

/** Symlinks resolved as far as the path exists. */
function realPlace(path: string): string {
  const missing: string[] = []
  for (let at = path; ; at = dirname(at)) {
    try {
      return join(realpathSync(at), ...missing.reverse())
    } catch (error) {
      if (dirname(at) === at || !(error instanceof Error)) return path
      missing.push(at.slice(dirname(at).length).replace(/^\//, ""))
    }
  }
}

/** Lines of standard input, one at a time. A question goes before a message. */
class Lines {
  readonly #reader: Interface
  readonly #out: Screen
  readonly #prompts: boolean
  readonly #waiting: ((line: string | undefined) => void)[] = []
  readonly #kept: string[] = []
  #ended = false
  onInterrupt: () => void = () => undefined

  constructor(cli: Cli) {
    this.#out = cli.out
    this.#prompts = cli.interactive
    this.#reader = createInterface({ input: process.stdin, terminal: cli.interactive, output: process.stdout })
    this.#reader.on("line", (line) => {
      const first = this.#waiting.pop()
      if (first) first(line)
      else this.#kept.push(line)
    })
    this.#reader.on("SIGINT", () => this.onInterrupt())
    this.#reader.on("close", () => {
      this.#ended = true
      for (const waiting of this.#waiting.splice(0)) waiting(undefined)
    })
  }

  /** Undefined at the end of the input. */
  next(prompt: string): Promise<string | undefined> {
    if (this.#prompts) this.#out.write(prompt)
    const kept = this.#kept.shift()
    if (kept !== undefined) return Promise.resolve(kept)
    if (this.#ended) return Promise.resolve(undefined)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** An answer typed after the question: what was typed before is no answer to it. */
  ask(question: string): Promise<string | undefined> {
    this.#kept.length = 0
    return this.next(question)
  }

  close(): void {
    this.#reader.close()
  }
}
