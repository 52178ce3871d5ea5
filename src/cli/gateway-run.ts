// `pincer gateway run`: the daemon in the foreground. SIGTERM and SIGINT drain it; a second one ends it at once.

import { flushCompileCache } from "node:module"
import { isatty } from "node:tty"
import { inspect } from "node:util"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { givenToken } from "./connect.ts"
import { inert } from "./inert.ts"
import { PROGRAM, STARTED_ANEW } from "./program-file.ts"
import { collectWhenQuiet, keepHeapSmall } from "./resident-memory.ts"
import { type OwnGateway, openOwnGateway } from "./standalone.ts"

export interface RunFlags {
  host?: string
  port?: string
  quiet?: boolean
  strictConfig?: boolean
}

const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

/** What SIGHUP does besides: nothing before there is a gateway that could load its configuration anew. */
let reload: (() => Promise<void>) | undefined

/** Returns when the gateway has stopped. Throws when it cannot start. */
export async function runGateway(cli: Cli, flags: RunFlags): Promise<void> {
  keepHeapSmall()
  // Before anybody can know that it runs.
  const stopping = firstSignal()
  const again = Promise.withResolvers<undefined>()
  const { home, profile, config } = cli.flags
  const token = givenToken(cli)
  const gateway = await reachable(cli, () =>
    openOwnGateway({
      env: cli.env,
      onBadConfig: flags.strictConfig ? "refuse" : "stay-reachable",
      program: PROGRAM,
      ...(process.execve ? { restart: () => again.resolve(undefined) } : {}),
      flags: { home, profile, config, host: flags.host, port: flags.port, ...(token === undefined ? {} : { token }) },
      ...(flags.quiet ? {} : { terminal: (line: string) => cli.err.line(cli.err.paint(line, "dim")) }),
    }),
  )
  reload = () => gateway.reload()
  endWithoutSecrets(cli, (text) => gateway.withoutSecrets(text))
  for (const warning of gateway.warnings) cli.err.line(`! ${inert(warning)}`)
  cli.out.line(
    `Pincer ${cli.version} listens at ${gateway.url} (home ${resolvePaths(cli.env, cli.flags).home}). Model: ${inert(gateway.chosen())}`,
  )
  const stopLater = afterwards(cli, gateway)
  const stopCollecting = collectWhenQuiet(gateway)
  const signal = await Promise.race([stopping, again.promise])
  stopLater()
  stopCollecting()
  if (!flags.quiet) cli.err.line(`${signal ?? "Restart"}: letting running turns end; once more to stop at once`)
  if (signal !== undefined) return gateway.close()
  // Whatever its files are by now: the next one has to come.
  await gateway.close().catch((error: unknown) => cli.err.line(gateway.withoutSecrets(inspect(error))))
  const asked = await Promise.race([stopping, undefined])
  if (asked === undefined) startAgain()
}

/** After so many starts that failed the next one is in safe mode. */
const TRIES = 4

/** Tried again where a start that fails would leave nobody to be reached: the home counts them, and safe mode is the last one. */
async function reachable(cli: Cli, open: () => Promise<OwnGateway>): Promise<OwnGateway> {
  const tries = process.env[STARTED_ANEW] === undefined ? 1 : TRIES
  delete process.env[STARTED_ANEW]
  for (let left = tries; ; left--)
    try {
      return await open()
    } catch (error) {
      if (left <= 1) throw error
      cli.err.line(`! The gateway did not come up again: ${inert(String(error))}`)
    }
}

/** The same process with the program that is there now: its id, its files and whoever watches over it stay. */
function startAgain(): void {
  const { argv, env, execArgv, execPath } = process
  process.execve?.(execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...env, [STARTED_ANEW]: "1" })
}

const SUGGEST_MS = 300
const COMPILED_MS = 3_000

/** What can wait until the first callers have been served. The returned function calls it off. */
function afterwards(cli: Cli, gateway: OwnGateway): () => void {
  const suggest = async () => {
    const suggestion = await gateway.suggestion()
    if (suggestion !== undefined) cli.out.line(inert(suggestion))
  }
  const timers = [
    setTimeout(() => suggest().catch((error: unknown) => cli.err.line(`! ${inert(String(error))}`)), SUGGEST_MS),
    // Node keeps what it compiled when a process ends in peace; this one may run for months and then be killed.
    setTimeout(flushCompileCache, COMPILED_MS),
  ]
  return () => timers.forEach(clearTimeout)
}

/** What nobody caught ends the process, as ever; what is told of it is kept in a file, so secrets are taken out first. */
function endWithoutSecrets(cli: Cli, withoutSecrets: (text: string) => string): void {
  process.on("uncaughtException", (error) => {
    cli.err.line(withoutSecrets(inspect(error)))
    process.exit(1)
  })
}

/** Resolves with the first signal that ends it; the next one ends the process at once. */
function firstSignal(): Promise<string> {
  const hadTerminal = isatty(0)
  return new Promise((resolve) => {
    let heard = false
    for (const [name, code] of Object.entries(SIGNALS))
      process.on(name, () => {
        // Its terminal was closed, or else somebody asks for the configuration to be loaded anew.
        if (name === "SIGHUP" && reload && (!hadTerminal || isatty(0))) {
          void reload()
          return
        }
        if (heard) process.exit(code)
        heard = true
        resolve(name)
      })
  })
}
