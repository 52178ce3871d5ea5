// `pincer config diff`, and changes of the file shown before they are made. Secrets are masked on both sides.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { lastGood } from "../config/boot-record.ts"
import { type ConfigChange, changesBetween, shownChange } from "../config/changes.ts"
import { checkText, defaultConfig, invalidConfig } from "../config/check.ts"
import { readConfigFile } from "../config/load.ts"
import { redactText } from "../config/redact.ts"
import type { Cli } from "./cli.ts"
import { type JsonFlag, withDoor } from "./configuration.ts"
import { inertLine } from "./inert.ts"

export interface DiffFlags extends JsonFlag {
  lastGood?: boolean
  defaults?: boolean
}

interface Difference {
  path: string
  /** What the file is compared with, in words. */
  from: string
  changes: ConfigChange[]
}

/** Without a running gateway the file is compared with what a gateway last ran with. */
export async function diffConfig(cli: Cli, flags: DiffFlags): Promise<void> {
  const found = await differenceOf(cli, flags)
  if (flags.json) {
    cli.out.json(found)
    return
  }
  if (found.changes.length === 0) {
    cli.out.line(`${found.path} says the same as ${found.from}.`)
    return
  }
  cli.out.line(cli.out.paint(`${found.from} → ${found.path}`, "dim"))
  for (const { after, before, path } of found.changes) {
    cli.out.line(inertLine(path))
    if (before !== null) cli.out.line(cli.out.paint(`- ${inertLine(JSON.stringify(before))}`, "red"))
    if (after !== null) cli.out.line(cli.out.paint(`+ ${inertLine(JSON.stringify(after))}`, "green"))
  }
}

function differenceOf(cli: Cli, flags: DiffFlags): Promise<Difference> {
  return withDoor(cli, async ({ client, paths }) => {
    if (client) {
      const against = flags.lastGood ? "last-good" : flags.defaults ? "defaults" : "running"
      const answer = await client.request<Record<string, unknown>>("config.diff", { against })
      return { path: String(answer["path"]), from: String(answer["from"]), changes: changesOf(answer["changes"]) }
    }
    const now = valid(readConfigFile(paths.config)?.text, paths.config)
    const last = flags.defaults ? undefined : lastGood(paths.home)
    if (flags.lastGood && !last)
      throw new PincerError("NOT_FOUND", "No configuration has been kept as good yet: start the gateway once")
    const from = last ? "the configuration that a gateway last ran with" : "the defaults"
    const changes = changesBetween(valid(last?.text, last?.path ?? ""), now).map(shownChange)
    return { path: paths.config, from, changes }
  })
}

function valid(text: string | undefined, path: string) {
  if (text === undefined) return defaultConfig()
  const checked = checkText(text)
  if (checked.ok) return checked.config
  throw invalidConfig(path, checked.issues)
}

function changesOf(value: unknown): ConfigChange[] {
  return (Array.isArray(value) ? value.filter(isObject) : []).map(({ after, before, path }) => ({
    path: String(path),
    before: before ?? null,
    after: after ?? null,
  }))
}

/** A change of the file as lines; says so when there is none. */
export async function showTextDiff(
  cli: Cli,
  before: string | undefined,
  after: string,
  flags: JsonFlag,
): Promise<void> {
  const { createTwoFilesPatch } = await import("diff")
  const [old, next] = [redactText(before ?? ""), redactText(after)]
  const patch = old === next ? "" : createTwoFilesPatch("before", "after", old, next, "", "", { context: 2 })
  if (flags.json) {
    cli.out.json({ dryRun: true, changes: before !== after, patch })
    return
  }
  if (before === after) cli.out.line("Nothing would change.")
  else if (patch === "") cli.out.line("Only secrets would change.")
  for (const line of patch.split("\n").slice(4)) {
    const style = line.startsWith("+") ? "green" : line.startsWith("-") ? "red" : "dim"
    if (line !== "") cli.out.line(cli.out.paint(inertLine(line), style))
  }
}
