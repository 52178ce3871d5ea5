// `pincer config`: the file itself, without a gateway. Secrets are never shown; every change is checked as a whole before it is written.
import { PincerError } from "../base/errors.ts"
import { parseDocument } from "../config/document.ts"
import { getPath, hashOf, parsePath, parseValue, setPath, unsetPath, writeConfig } from "../config/edit.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { loadConfig, readConfigFile } from "../config/load.ts"
import { resolvePaths } from "../config/paths.ts"
import { redact, withRealSecrets } from "../config/redact.ts"
import type { Cli } from "./cli.ts"
import { inert } from "./inert.ts"

interface JsonFlag {
  json?: boolean
}

export function getConfig(cli: Cli, key: string | undefined, flags: JsonFlag): void {
  const loaded = loadConfig({ env: cli.env, flags: cli.flags })
  const shown: unknown = redact(loaded.config)
  const value = key === undefined ? shown : getPath(shown, key)
  if (value === undefined)
    throw new PincerError("NOT_FOUND", `${key} is not set: run "pincer config get" to see everything`)
  if (typeof value === "string" && !flags.json) cli.out.line(inert(value))
  else cli.out.json(value)
}

export function setConfig(cli: Cli, key: string, value: string, flags: JsonFlag & { string?: boolean }): void {
  const { config, home } = resolvePaths(cli.env, cli.flags)
  const before = readConfigFile(config)?.text
  const given = flags.string ? value : valueFor(before, key, value)
  const known = before === undefined ? undefined : getPath(parseDocument(before).value, key)
  const after = setPath(before, key, withRealSecrets(given, known, parsePath(key).map(String)))
  writeConfig(config, after, hashOf(before))
  tell(cli, { set: key, path: config }, `Set ${key} in ${config}.`, flags, home)
}

/** JSON where it is valid as such; text that only looks like JSON (a numeric model name) where the key wants text. */
function valueFor(before: string | undefined, key: string, value: string): unknown {
  const parsed = parseValue(value)
  if (typeof parsed === "string") return parsed
  try {
    setPath(before, key, parsed)
    return parsed
  } catch (error) {
    if (!(error instanceof PincerError) || typeof parsed === "object") return parsed
    try {
      setPath(before, key, value)
      return value
    } catch {
      // Neither is valid: the caller says what is wrong with the value as it was meant.
      return parsed
    }
  }
}

export function unsetConfig(cli: Cli, key: string, flags: JsonFlag): void {
  const { config, home } = resolvePaths(cli.env, cli.flags)
  const before = readConfigFile(config)?.text
  writeConfig(config, unsetPath(before, key), hashOf(before))
  tell(cli, { unset: key, path: config }, `Took ${key} out of ${config}.`, flags, home)
}

function tell(cli: Cli, fields: object, sentence: string, flags: JsonFlag, home: string): void {
  const restart = runningGateway(home) !== undefined
  if (flags.json) cli.out.json({ ...fields, restartNeeded: restart })
  else cli.out.line(`${sentence}${restart ? " To apply it: pincer gateway restart" : ""}`)
}

/** Throws INVALID_PARAMS with everything that is wrong. */
export function checkConfig(cli: Cli, flags: JsonFlag): void {
  const { path, text, warnings } = loadConfig({ env: cli.env, flags: cli.flags })
  if (flags.json) cli.out.json({ path, exists: text !== undefined, valid: true, warnings })
  else {
    for (const warning of warnings) cli.err.line(`! ${inert(warning)}`)
    cli.out.line(text === undefined ? `${path} does not exist: the defaults count.` : `${path} is valid.`)
  }
}

export function configPath(cli: Cli, flags: JsonFlag): void {
  const { config } = resolvePaths(cli.env, cli.flags)
  if (flags.json) cli.out.json({ path: config })
  else cli.out.line(config)
}
