// Changing the configuration file where no gateway runs on it: judged as a gateway would at its start, the text before it kept.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { hashOf, writeConfig } from "./edit.ts"
import { keepVersion } from "./history.ts"
import { judgeConfig, readConfigFile } from "./load.ts"
import type { Env, Paths } from "./paths.ts"
import { type ConfigEdit, revisedText } from "./revise.ts"

export interface FilePlace {
  env: Env
  paths: Paths
  clock: Clock
}

/** What stood in the file, and what stands there now. */
export interface ConfigFileChange {
  before: string | undefined
  after: string
  hash: string
  warnings: string[]
}

/** The words that clients of the original gateway look for. */
const STALE = "config changed since last load; re-run config.get and retry"

/** Throws CONFLICT when the file is not the one that was read. */
export function requireHash(text: string | undefined, baseHash: string | undefined): void {
  if (baseHash !== undefined && baseHash !== hashOf(text))
    throw new PincerError("CONFLICT", STALE, { details: { code: "CONFIG_CHANGED", hash: hashOf(text) } })
}

/** Throws INVALID_PARAMS with `details.issues`, CONFLICT, UNAVAILABLE; the file is as before then. */
export async function changeFile(
  { clock, env, paths }: FilePlace,
  edit: ConfigEdit,
  baseHash?: string,
): Promise<ConfigFileChange> {
  const before = readConfigFile(paths.config)?.text
  requireHash(before, baseHash)
  const after = await revisedText(before, edit)
  const { warnings } = judgeConfig({ env, flags: {}, paths, file: { text: after, open: false } })
  if (after === before) return { before, after, hash: hashOf(after), warnings }
  writeAndKeep({ clock, paths }, before, after)
  return { before, after, hash: hashOf(after), warnings }
}

/** The write itself, with the text before it kept. */
export function writeAndKeep(
  { clock, paths }: { clock: Clock; paths: Pick<Paths, "config" | "home"> },
  before: string | undefined,
  after: string,
): void {
  if (before !== undefined) keepVersion(paths.home, before, clock.now())
  writeConfig(paths.config, after, hashOf(before), clock)
}
