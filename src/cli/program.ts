// From arguments to an action and an exit code: the command tree with the flags that all commands share, and the one place where
// what went wrong becomes a sentence and a number.
import { readFileSync } from "node:fs"
import { Command, CommanderError, Option } from "commander"
import { PincerError } from "../base/errors.ts"
import { type Env, envValue } from "../config/paths.ts"
import { rewriteClientArgs } from "./acp-client-args.ts"
import type { Cli, GlobalFlags } from "./cli.ts"
import { groups, needsAll } from "./commands/index.ts"
import { report } from "./report.ts"
import { Screen } from "./screen.ts"

/** Runs one command line and ends the process. */
export async function run(args: readonly string[]): Promise<never> {
  const { env } = process
  const out = new Screen({ stream: process.stdout, env })
  const err = new Screen({ stream: process.stderr, env })
  for (const stream of [process.stdout, process.stderr]) stream.on("error", endQuietly)
  const program = buildProgram(() => ({ out, err }), args[0])
  let code = 0
  try {
    await program.parseAsync(rewriteClientArgs(args), { from: "user" })
  } catch (error) {
    const verbose = isVerbose(program.opts<GlobalFlags>(), env)
    if (error instanceof CommanderError) code = commandLineProblem(error, err)
    else code = report(error, { out, err }, { verbose, json: args.includes("--json") })
  }
  await flushed()
  process.exit(code)
}

/** Who reads us has gone (`pincer logs | head`): nothing is left to do. */
function endQuietly(error: NodeJS.ErrnoException): void {
  process.exit(error.code === "EPIPE" ? 0 : 1)
}

async function flushed(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))),
  )
}

/** The command tree; of the verb alone where a group is named so. Building the others would cost each call some ten milliseconds. */
export function buildProgram(screens: () => Pick<Cli, "out" | "err">, verb?: string): Command {
  const program = new Command("pincer")
  // Commander's own words about mistakes are rephrased in commandLineProblem().
  program.exitOverride().configureOutput({ writeErr: (text) => helpOnly(text, screens().err) })
  program
    .description('A personal AI agent gateway. Alone it opens a conversation; pincer "…" asks one thing.')
    .usage('[flags] [command]  |  pincer "what to ask"')
    .addOption(new Option("-v, --version", "print the version"))
    .option("-s, --server <url>", "the gateway to talk to, for example ws://127.0.0.1:18789")
    .option("-t, --token <text>", "its token; --token-file shows it to fewer eyes")
    .option("--token-file <path>", "a file that holds its token")
    .option("--ca-file <path>", "trust this authority, too, when the gateway is reached over wss://")
    .option("--home <folder>", "where Pincer keeps everything; default: ~/.pincer")
    .option("--profile <name>", "a separate home: ~/.pincer-<name>")
    .option("--config <file>", "the configuration file; default: pincer.json in the home")
    .option("--standalone", "no daemon: a gateway inside this process, for this command only")
    .option("--verbose", "also show thoughts, and the causes of errors")
    .configureHelp({ showGlobalOptions: false })
    .helpCommand("help [command]", "help about a command")
    .addHelpText(
      "after",
      '\nExample:\n  pincer\n  pincer "list the files here"\n  pincer gateway start && pincer status',
    )
  const version = ownVersion()
  program.on("option:version", () => {
    process.stdout.write(`${version}\n`)
    throw new CommanderError(0, "commander.version", version)
  })
  const cli = () => makeCli(program.opts<GlobalFlags>(), screens(), version)
  const named = groups.filter((group) => group.name === verb && !needsAll.has(group))
  for (const add of named.length === 1 ? named : groups) add(program, cli)
  return program
}

function makeCli(flags: GlobalFlags, { out, err }: Pick<Cli, "out" | "err">, version: string): Cli {
  const { env } = process
  return {
    env,
    flags,
    out,
    err,
    version,
    cwd: process.cwd(),
    interactive: process.stdin.isTTY === true && out.isTerminal,
    verbose: isVerbose(flags, env),
  }
}

function isVerbose(flags: GlobalFlags, env: Env): boolean {
  return flags.verbose === true || ["PINCER_VERBOSE", "PINCER_DEBUG"].some((name) => envValue(env, name) !== undefined)
}

function ownVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
  const found = /"version":\s*"([^"]+)"/.exec(text)?.[1]
  if (found === undefined) throw new PincerError("INTERNAL_ERROR", "package.json has no version")
  return found
}

function helpOnly(text: string, err: Screen): void {
  if (!text.startsWith("error:") && !text.startsWith("(")) err.write(text)
}

function commandLineProblem(error: CommanderError, err: Screen): number {
  if (error.exitCode === 0) return 0
  if (error.code === "commander.help") return 2
  const sentence = error.message
    .replace(/^error: /, "")
    .replace(/\n\(Did you mean (.*?)\?\)/, ": did you mean $1?")
    .replace(/'/g, '"')
  const end = /[?.]$/.test(sentence) ? "" : ': see "pincer --help"'
  err.line(`${err.paint("pincer:", "red")} ${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}${end}`)
  return 2
}
