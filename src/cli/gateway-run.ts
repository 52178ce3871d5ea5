// `pincer gateway run`: the daemon in the foreground. SIGTERM and SIGINT drain it; a second one ends it at once.
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { givenToken } from "./connect.ts"
import { inert } from "./inert.ts"
import { openOwnGateway } from "./standalone.ts"

export interface RunFlags {
  host?: string
  port?: string
  quiet?: boolean
}

const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

/** Returns when the gateway has stopped. Throws when it cannot start. */
export async function runGateway(cli: Cli, flags: RunFlags): Promise<void> {
  const { home, profile, config } = cli.flags
  const token = givenToken(cli)
  const gateway = await openOwnGateway({
    env: cli.env,
    flags: { home, profile, config, host: flags.host, port: flags.port, ...(token === undefined ? {} : { token }) },
    ...(flags.quiet ? {} : { terminal: (line: string) => cli.err.line(cli.err.paint(line, "dim")) }),
  })
  for (const warning of gateway.warnings) cli.err.line(`! ${inert(warning)}`)
  cli.out.line(
    `Pincer ${cli.version} listens at ${gateway.url} (home ${resolvePaths(cli.env, cli.flags).home}). Model: ${inert(gateway.chosen())}`,
  )
  const signal = await firstSignal()
  process.on("SIGINT", () => process.exit(SIGNALS["SIGINT"]))
  process.on("SIGTERM", () => process.exit(SIGNALS["SIGTERM"]))
  if (!flags.quiet) cli.err.line(`${signal}: letting running turns end; once more to stop at once`)
  await gateway.close()
}

function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    const names = Object.keys(SIGNALS)
    const heard = (name: string) => {
      for (const one of names) process.off(one, heard)
      resolve(name)
    }
    for (const name of names) process.on(name, heard)
  })
}
