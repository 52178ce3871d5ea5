// `pincer config get|set|unset|patch|check|reload|path|history|undo`. Secrets are never shown; every change is checked as a whole
// before it is written, and counts at once where a gateway runs.
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { getPath, hashOf, parseValue } from "../config/edit.ts"
import { loadConfig, readConfigFile } from "../config/load.ts"
import { resolvePaths } from "../config/paths.ts"
import { redact } from "../config/redact.ts"
import type { ConfigEdit } from "../config/revise.ts"
import type { Cli } from "./cli.ts"
import { type ConfigDoor, type ConfigOutcome, openDoor, textsOf } from "./config-door.ts"
import { inert, inertLine } from "./inert.ts"

export interface JsonFlag {
  json?: boolean
}

/** What the file says; with --running what counts in the gateway. */
export async function getConfig(
  cli: Cli,
  key: string | undefined,
  flags: JsonFlag & { running?: boolean },
): Promise<void> {
  const shown = flags.running || cli.flags.server !== undefined ? await runningConfig(cli) : filedConfig(cli)
  const value = key === undefined ? shown : getPath(shown, key)
  if (value === undefined)
    throw new PincerError("NOT_FOUND", `${key} is not set: run "pincer config get" to see everything`)
  if (typeof value === "string" && !flags.json) cli.out.line(inert(value))
  else cli.out.json(value)
}

function filedConfig(cli: Cli): unknown {
  return redact<unknown>(loadConfig({ env: cli.env, flags: cli.flags }).config)
}

async function runningConfig(cli: Cli): Promise<unknown> {
  return withDoor(cli, async ({ client }) => {
    if (!client) throw new PincerError("UNAVAILABLE", "No gateway runs with this configuration: leave --running out")
    return (await client.request<Record<string, unknown>>("config.get"))["config"]
  })
}

export async function setConfig(
  cli: Cli,
  key: string,
  words: readonly string[],
  flags: JsonFlag & { string?: boolean },
): Promise<void> {
  const text = words.join(" ")
  const value = flags.string ? text : parseValue(text)
  await withDoor(cli, async (door) => {
    const outcome = await setTyped(door, key, value, text)
    tell(cli, outcome, { set: key }, `Set ${key} in ${outcome.path}.`, flags)
  })
}

/** Text that only looks like JSON (a numeric model name) is taken as text where the key wants text. */
async function setTyped(door: ConfigDoor, key: string, value: unknown, text: string): Promise<ConfigOutcome> {
  try {
    return await door.change({ type: "set", key, value })
  } catch (error) {
    if (asPincerError(error).code !== "INVALID_PARAMS" || value === text || typeof value === "object") throw error
    try {
      return await door.change({ type: "set", key, value: text })
    } catch {
      // Neither is valid: what is wrong with the value as it was meant.
      throw error
    }
  }
}

export async function unsetConfig(cli: Cli, key: string, flags: JsonFlag): Promise<void> {
  await withDoor(cli, async (door) => {
    const outcome = await door.change({ type: "unset", key })
    tell(cli, outcome, { unset: key }, `Took ${key} out of ${outcome.path}.`, flags)
  })
}

/** `text`: a JSON5 object, or "-" for standard input. */
export async function patchConfig(cli: Cli, text: string, flags: JsonFlag & { dryRun?: boolean }): Promise<void> {
  const { readStdin } = await import("./stdin.ts")
  const given = text === "-" ? ((await readStdin(false, true)) ?? "") : text
  const edit: ConfigEdit = { type: "patch", patch: await parsedObject(given) }
  if (flags.dryRun) {
    await showDryRun(cli, edit, flags)
    return
  }
  await withDoor(cli, async (door) => {
    const outcome = await door.change(edit)
    tell(cli, outcome, { patched: outcome.path }, `Changed ${outcome.path}.`, flags)
  })
}

async function parsedObject(text: string): Promise<unknown> {
  const { default: json5 } = await import("json5")
  try {
    return json5.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new PincerError("INVALID_PARAMS", `The patch is not JSON: ${error.message.replace(/^JSON5: /, "")}`)
  }
}

async function showDryRun(cli: Cli, edit: ConfigEdit, flags: JsonFlag): Promise<void> {
  const { config } = resolvePaths(cli.env, cli.flags)
  const before = readConfigFile(config)?.text
  const { revisedText } = await import("../config/revise.ts")
  const { showTextDiff } = await import("./config-diff.ts")
  await showTextDiff(cli, before, await revisedText(before, edit), flags)
}

/** Throws INVALID_PARAMS with everything that is wrong. With a running gateway also what it would not take. */
export async function checkConfig(cli: Cli, flags: JsonFlag): Promise<void> {
  const { path, text, warnings } = loadConfig({ env: cli.env, flags: cli.flags })
  const more = await withDoor(cli, async ({ client }) => {
    if (!client) return undefined
    const answer = await client.request<Record<string, unknown>>("config.check")
    if (answer["valid"] === true) return answer
    const issues = Array.isArray(answer["issues"]) ? answer["issues"].filter(isObject) : []
    const words = issues.map((issue) => String(issue["message"])).join("; ")
    throw new PincerError("INVALID_PARAMS", `The running gateway would not take ${path}: ${words}`, {
      details: { issues },
    })
  })
  const restart = textsOf(more?.["restart"])
  const changed = textsOf(more?.["changed"])
  if (flags.json) {
    cli.out.json({ path, exists: text !== undefined, valid: true, warnings, ...(more ? { changed, restart } : {}) })
    return
  }
  for (const warning of warnings) cli.err.line(`! ${inert(warning)}`)
  cli.out.line(text === undefined ? `${path} does not exist: the defaults count.` : `${path} is valid.`)
  if (changed.length > 0) cli.out.line(`Not loaded yet: ${changed.join(", ")}. To load it: pincer config reload`)
  if (restart.length > 0) cli.out.line(`Counts after a restart: ${restart.join(", ")}. Then: pincer gateway restart`)
}

/** Throws what the gateway refuses with; the configuration before it goes on then. */
export async function reloadConfig(cli: Cli, flags: JsonFlag): Promise<void> {
  await withDoor(cli, async ({ client, paths }) => {
    if (!client)
      throw new PincerError(
        "UNAVAILABLE",
        `No gateway runs with ${paths.config}: it is read at the next start ("pincer gateway start")`,
        { retryable: false },
      )
    const answer = await client.request<Record<string, unknown>>("config.reload")
    const [changed, restart] = [textsOf(answer["changed"]), textsOf(answer["restart"])]
    if (flags.json) {
      cli.out.json(answer)
      return
    }
    cli.out.line(
      changed.length === 0 ? "Nothing that counts at once has changed." : `Counts now: ${changed.join(", ")}.`,
    )
    if (restart.length > 0) cli.out.line(`After a restart: ${restart.join(", ")}. To apply: pincer gateway restart`)
  })
}

export function configPath(cli: Cli, flags: JsonFlag): void {
  const { config } = resolvePaths(cli.env, cli.flags)
  if (flags.json) cli.out.json({ path: config })
  else cli.out.line(config)
}

export async function showHistory(cli: Cli, flags: JsonFlag): Promise<void> {
  const { versionsIn } = await import("../config/history.ts")
  const versions = versionsIn(resolvePaths(cli.env, cli.flags).home)
  if (flags.json) cli.out.json({ versions })
  else if (versions.length === 0) cli.out.line("Nothing was changed yet.")
  else
    cli.out.table(
      ["NUMBER", "REPLACED", "SHA-256"],
      versions.map(({ hash, number, replacedAt }) => [String(number), new Date(replacedAt).toISOString(), hash]),
    )
}

/** Puts back what the file said before a change. */
export async function undoConfig(
  cli: Cli,
  given: string | undefined,
  flags: JsonFlag & { dryRun?: boolean; lastGood?: boolean },
): Promise<void> {
  const number = Number(given ?? "1")
  if (!Number.isInteger(number) || number < 1)
    throw new PincerError("INVALID_PARAMS", `"${given}" is not a number of "pincer config history"`)
  const { config, home } = resolvePaths(cli.env, cli.flags)
  const text = flags.lastGood
    ? await lastGoodText(home)
    : (await import("../config/history.ts")).versionText(home, number)
  const before = readConfigFile(config)?.text
  if (flags.dryRun) {
    const { showTextDiff } = await import("./config-diff.ts")
    await showTextDiff(cli, before, text, flags)
    return
  }
  await withDoor(cli, async (door) => {
    const outcome = await door.change({ type: "text", text }, hashOf(before))
    const what = flags.lastGood ? "what a gateway last ran with" : `version ${number}`
    tell(cli, outcome, { undone: flags.lastGood ? "last-good" : number }, `Put back ${what} in ${outcome.path}.`, flags)
  })
}

async function lastGoodText(home: string): Promise<string> {
  const { lastGood } = await import("../config/boot-record.ts")
  const text = lastGood(home)?.text
  if (text !== undefined) return text
  throw new PincerError("NOT_FOUND", "No configuration has been kept as good yet: start the gateway once")
}

export async function withDoor<T>(cli: Cli, run: (door: ConfigDoor) => Promise<T>): Promise<T> {
  const door = await openDoor(cli)
  try {
    return await run(door)
  } finally {
    await door.close()
  }
}

export function tell(cli: Cli, outcome: ConfigOutcome, fields: object, sentence: string, flags: JsonFlag): void {
  const { changed, hash, live, path, restart, warnings } = outcome
  if (flags.json) {
    cli.out.json({ ...fields, path, hash, changed, restart, live, restartNeeded: restart.length > 0, warnings })
    return
  }
  for (const warning of warnings) cli.err.line(`! ${inert(warning)}`)
  const after =
    restart.length === 0
      ? ""
      : ` After a restart counts: ${restart.map(inertLine).join(", ")}. To apply: pincer gateway restart`
  cli.out.line(`${sentence}${live && restart.length === 0 ? " It counts already." : after}`)
}
