// `pincer agents add` and `remove`: one entry of agents.entries, written into the file without touching what stands around it.
import { homedir } from "node:os"
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { nearWords } from "../base/spelling.ts"
import { splitWords } from "../base/words.ts"
import { parseDocument } from "../config/document.ts"
import { getPath, hashOf } from "../config/edit.ts"
import { readConfigFile } from "../config/load.ts"
import { envValue, resolvePaths } from "../config/paths.ts"
import { redact } from "../config/redact.ts"
import type { Cli } from "./cli.ts"
import { withDoor } from "./configuration.ts"
import { inert, inertJson } from "./inert.ts"

export interface AddAgentFlags {
  agent?: string
  command?: string
  env?: string[]
  workspace?: string
  model?: string
  confined?: boolean
  json?: boolean
}

/** A row of the table of known agents, as far as it matters here. */
export interface KnownRow {
  readonly name: string
  readonly title: string
  readonly install: string
}

interface Places {
  path: string
  home: string
  userHome: string
  cwd?: string
  node: string
  platform: NodeJS.Platform
}

/** The table, and how its agents are found: both lie in a room that the command line does not know. */
export interface Host<K extends KnownRow> {
  knownAgents: readonly K[]
  findAgent(
    agent: K,
    places: Places,
  ): Promise<{ type: "found"; argv: string[]; from: string } | { type: "missing"; install: string }>
}

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/

export async function addAgent<K extends KnownRow>(
  cli: Cli,
  name: string,
  flags: AddAgentFlags,
  host: Host<K>,
): Promise<void> {
  if (!NAME.test(name))
    throw new PincerError(
      "INVALID_PARAMS",
      `"${name}" is no agent id: use a-z, 0-9, "-" and "_", at most 64 characters`,
    )
  const known = knownFor(name, flags, host.knownAgents)
  const { config: path, home } = resolvePaths(cli.env, cli.flags)
  const before = readConfigFile(path)?.text
  if (before !== undefined && getPath(parseDocument(before).value, `agents.entries.${name}`) !== undefined)
    throw new PincerError("CONFLICT", `${path} has an agent "${name}" already: remove it first, or choose another name`)
  const { entry, note } = await entryFor(cli, name, flags, known, host, home)
  const key = `agents.entries.${name}`
  const outcome = await withDoor(cli, (door) => door.change({ type: "set", key, value: entry }, hashOf(before)))
  const restartNeeded = outcome.restart.length > 0
  if (flags.json) {
    cli.out.json({ added: name, path, entry: redact(entry), ...(note === undefined ? {} : { note }), restartNeeded })
    return
  }
  cli.out.line(`Wrote ${key} into ${inert(path)}:`)
  cli.out.line(inertJson(JSON.stringify(redact(entry), null, 2)))
  if (note !== undefined) cli.out.line(`! ${inert(note)}`)
  cli.out.line(restartNeeded ? "To apply it: pincer gateway restart" : `Try it: pincer ask --agent ${name} "…"`)
}

/** The known agent that is meant. Throws when the flags name none, or contradict each other. */
function knownFor<K extends KnownRow>(name: string, flags: AddAgentFlags, table: readonly K[]): K | undefined {
  const names = table.map((one) => one.name)
  if (flags.agent !== undefined && flags.command !== undefined)
    throw new PincerError("INVALID_PARAMS", "Pass either --agent or --command, not both")
  const found = table.find((one) => one.name === (flags.agent ?? name))
  if (flags.agent !== undefined && !found) throw notKnown(flags.agent, names)
  const external = found !== undefined || flags.command !== undefined
  if (!external && (flags.confined || flags.env !== undefined))
    throw new PincerError("INVALID_PARAMS", "--env and --confined are for external agents: add --agent or --command")
  if (!external && flags.model === undefined && flags.workspace === undefined) throw notKnown(name, names)
  return flags.command === undefined ? found : undefined
}

function notKnown(name: string, names: readonly string[]): PincerError {
  const near = nearWords(name, names)
  return new PincerError(
    "INVALID_PARAMS",
    near.length > 0
      ? `There is no known agent "${name}": did you mean ${near.join(" or ")}?`
      : `There is no known agent "${name}": give its command with --command, or a model with --model`,
  )
}

async function entryFor<K extends KnownRow>(
  cli: Cli,
  name: string,
  flags: AddAgentFlags,
  known: K | undefined,
  host: Host<K>,
  home: string,
): Promise<{ entry: Record<string, unknown>; note?: string }> {
  const common = {
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...(flags.workspace === undefined ? {} : { workspace: resolve(cli.cwd, flags.workspace) }),
  }
  if (!known && flags.command === undefined) return { entry: common }
  const acp: Record<string, unknown> = {
    ...(known && known.name !== name ? { agent: known.name } : {}),
    ...(flags.command === undefined ? {} : { command: commandOf(flags.command) }),
    ...(flags.env === undefined ? {} : { env: environmentOf(flags.env) }),
    ...(flags.confined ? { confined: true } : {}),
  }
  if (!known) return { entry: { ...common, acp } }
  const places = placesOf(cli, home)
  const finding = await host.findAgent(known, places)
  if (finding.type === "found") return { entry: { ...common, acp } }
  // The gateway looks into no folder that somebody works in: what was found there is started only because it is named here.
  const local = await host.findAgent(known, { ...places, cwd: cli.cwd })
  if (local.type === "found")
    return {
      entry: { ...common, acp: { ...acp, command: local.argv } },
      note: `${known.title} was found in ${local.from} only, so its command was written down.`,
    }
  return { entry: { ...common, acp }, note: `${known.title} is not installed yet: ${known.install}` }
}

function placesOf({ env }: Cli, home: string): Places {
  const userHome = envValue(env, "HOME") ?? homedir()
  return { path: env["PATH"] ?? "", home, userHome, node: process.execPath, platform: process.platform }
}

function commandOf(text: string): string[] {
  const words = splitWords(text)
  if (words.length === 0)
    throw new PincerError("INVALID_PARAMS", "--command is empty: give a program and its arguments")
  return words
}

/** NAME=VALUE is written as it is; NAME alone as a reference. */
function environmentOf(given: readonly string[]): Record<string, string | { env: string }> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf("=")
      const name = at < 0 ? text : text.slice(0, at)
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
        throw new PincerError("INVALID_PARAMS", `--env: "${name}" is no name of a variable: write NAME=VALUE, or NAME`)
      return [name, at < 0 ? { env: name } : text.slice(at + 1)]
    }),
  )
}

export async function removeAgent(
  cli: Cli,
  name: string,
  flags: { json?: boolean },
  knownAgents: readonly KnownRow[],
): Promise<void> {
  const { config: path } = resolvePaths(cli.env, cli.flags)
  const before = readConfigFile(path)?.text
  const value = before === undefined ? undefined : parseDocument(before).value
  if (!NAME.test(name) || value === undefined || getPath(value, `agents.entries.${name}`) === undefined)
    throw new PincerError(
      "NOT_FOUND",
      knownAgents.some((one) => one.name === name)
        ? `${path} has no agent "${name}": it is known without one. To switch it off: pincer config set agents.entries.${name}.acp.enabled false`
        : `${path} has no agent "${name}": run "pincer agents list"`,
    )
  if (getPath(value, "agents.default") === name)
    throw new PincerError(
      "CONFLICT",
      `"${name}" is the default agent: first choose another, for example with "pincer config set agents.default main"`,
    )
  const key = `agents.entries.${name}`
  const outcome = await withDoor(cli, (door) => door.change({ type: "unset", key }, hashOf(before)))
  const restartNeeded = outcome.restart.length > 0
  if (flags.json) cli.out.json({ removed: name, path, restartNeeded })
  else
    cli.out.line(
      `Took agents.entries.${name} out of ${inert(path)}; its sessions stay.${restartNeeded ? " To apply it: pincer gateway restart" : ""}`,
    )
}
