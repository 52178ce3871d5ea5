// `pincer update`: whether there is a newer version, and what to type to get it. It changes nothing by itself.
import { loadConfig } from "../config/load.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import type { Cli } from "./cli.ts"
import { Exit } from "./report.ts"

interface Answer {
  currentVersion: string
  latestVersion: string | null
  updateAvailable: boolean
  note: string
  command: string | null
}

type CheckUpdate = (
  room: { settings: Config["update"]; home: string; version: string; now(): number },
  options: { fresh: boolean },
) => Promise<Answer>

/** With `check`, throws Exit(1) unless it is known that there is nothing newer. */
export async function showUpdate(
  cli: Cli,
  flags: { check?: boolean; json?: boolean },
  checkUpdate: CheckUpdate,
): Promise<void> {
  const { config } = loadConfig({ env: cli.env, flags: cli.flags })
  const { home } = resolvePaths(cli.env, cli.flags)
  const room = { settings: config.update, home, version: cli.version, now: () => Date.now() }
  const answer = await checkUpdate(room, { fresh: true })
  if (flags.json) cli.out.json(answer)
  else {
    cli.out.line(`${answer.note}.`)
    if (answer.updateAvailable && answer.command !== null) {
      cli.out.line(`You have ${answer.currentVersion}. To get it:`)
      cli.out.line(`  pincer backup create && pincer update run`)
      cli.out.line(`or by hand: ${answer.command} && pincer gateway restart`)
    }
  }
  if (flags.check && (answer.updateAvailable || answer.latestVersion === null)) throw new Exit(1)
}
