// `pincer profiles`: the separate homes of this user, and another one with a port of its own.
import { mkdirSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { asPincerError, PincerError } from "../base/errors.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { loadConfig } from "../config/load.ts"
import { expandPath, resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"

interface Profile {
  name: string
  home: string
  /** Of its configuration; undefined when that is not valid. */
  port?: number
  /** Where its gateway runs now. */
  url?: string
  /** Whether commands without --profile mean it. */
  current: boolean
  problem?: string
}

const FIRST_PORT = 18_789

export function listProfiles(cli: Cli, flags: { json?: boolean }): void {
  const profiles = profilesOf(cli)
  if (flags.json) {
    cli.out.json({ profiles })
    return
  }
  cli.out.table(
    ["", "PROFILE", "PORT", "GATEWAY", "HOME"],
    profiles.map(({ current, home, name, port, problem, url }) => [
      current ? "*" : "",
      name,
      port === undefined ? "?" : String(port),
      url ?? (problem === undefined ? "stopped" : "configuration not valid"),
      home,
    ]),
  )
  cli.out.line(cli.out.paint('Use one with "pincer --profile <name> …" or PINCER_PROFILE.', "dim"))
}

/** Makes the home and a configuration with a port that no other profile has. */
export async function addProfile(cli: Cli, name: string, flags: { port?: string; json?: boolean }): Promise<void> {
  const paths = resolvePaths({ ...cli.env, PINCER_CONFIG: undefined }, { profile: name })
  if (statSync(paths.home, { throwIfNoEntry: false }))
    throw new PincerError("ALREADY_EXISTS", `The profile ${name} is there already: ${paths.home}`)
  const port = flags.port === undefined ? freePort(profilesOf(cli)) : portOf(flags.port)
  mkdirSync(paths.home, { recursive: true, mode: 0o700 })
  const { setPath, writeConfig } = await import("../config/edit.ts")
  writeConfig(paths.config, setPath(undefined, "gateway.port", port))
  if (flags.json) cli.out.json({ name, home: paths.home, config: paths.config, port })
  else cli.out.line(`Made ${paths.home} with port ${port}. Start it: pincer --profile ${name} gateway start`)
}

function profilesOf(cli: Cli): Profile[] {
  const current = resolvePaths(cli.env, cli.flags).home
  const root = expandPath("~", cli.env)
  const names = namesIn(root)
  const found = names.map((name) => profileOf(cli, name, current))
  const known = found.some((profile) => profile.home === current)
  return known ? found : [...found, describe(cli, "(named)", current, current)]
}

function namesIn(root: string): string[] {
  try {
    const names = readdirSync(root, { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() || entry.isSymbolicLink(),
    )
    const own = names.flatMap(({ name }) => /^\.pincer-([a-z0-9][a-z0-9_-]{0,63})$/i.exec(name)?.[1] ?? [])
    return ["default", ...own.sort()]
  } catch (error) {
    throw new PincerError("UNAVAILABLE", `${root} cannot be read: ${asPincerError(error).message}`, { cause: error })
  }
}

function profileOf(cli: Cli, name: string, current: string): Profile {
  return describe(cli, name, resolvePaths(cli.env, { profile: name }).home, current)
}

function describe({ env }: Cli, name: string, home: string, current: string): Profile {
  const running = runningGateway(home)
  const base = { name, home, current: home === current, ...(running ? { url: running.url } : {}) }
  try {
    const { PINCER_CONFIG: _, PINCER_GATEWAY_PORT: __, ...own } = env
    return {
      ...base,
      port: loadConfig({ env: own, flags: { home, config: join(home, "pincer.json") } }).config.gateway.port,
    }
  } catch (error) {
    return { ...base, problem: asPincerError(error).message }
  }
}

function freePort(profiles: readonly Profile[]): number {
  const taken = new Set(profiles.map((profile) => profile.port))
  let port = FIRST_PORT
  while (taken.has(port)) port += 1
  return port
}

function portOf(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new PincerError("INVALID_PARAMS", `--port: "${text}" is not a port: use a whole number from 1 to 65535`)
}
