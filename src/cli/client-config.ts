// The configuration as a client on this machine needs it: what the gateway of this home runs with, also where the file was broken
// since, so that nobody is kept from a gateway that runs.
import { PincerError } from "../base/errors.ts"
import { lastGood } from "../config/boot-record.ts"
import { defaultConfig } from "../config/check.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { judgeConfig, loadConfig } from "../config/load.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import type { Cli } from "./cli.ts"

/** Throws what is wrong with the file when nothing else is known. */
export function clientConfig(cli: Cli): Config {
  const { env, flags } = cli
  const paths = resolvePaths(env, flags)
  const mode = runningGateway(paths.home)?.mode
  if (mode === "safe") return defaultConfig()
  const last = () => {
    const text = lastGood(paths.home)?.text
    return text === undefined ? undefined : judgeConfig({ env, flags, paths, file: { text, open: false } }).config
  }
  if (mode === "last-known-good") return last() ?? defaultConfig()
  try {
    return loadConfig({ env, flags }).config
  } catch (error) {
    if (!(error instanceof PincerError) || !runningGateway(paths.home)) throw error
    const known = last()
    if (!known) throw error
    return known
  }
}
