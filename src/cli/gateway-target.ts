// The gateway that `pincer gateway …` commands are pointed at by flags of their own: --url, --token, --password, --timeout, as other
// gateways' command lines name them. They become the flags that every command has, so one order of precedence counts for all.
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"

export interface TargetFlags {
  url?: string
  /** The token by another name: gateways of this kind take either. */
  password?: string
  timeout?: string
}

/** The same command line, pointed at --url with --password. Throws INVALID_PARAMS when two flags name different things. */
export function pointedAt(cli: Cli, flags: TargetFlags): Cli {
  const { server, token, tokenFile } = cli.flags
  if (flags.url !== undefined && server !== undefined && flags.url !== server)
    throw new PincerError("INVALID_PARAMS", "Pass either --url or --server, not both")
  if (flags.password !== undefined && (tokenFile !== undefined || (token !== undefined && token !== flags.password)))
    throw new PincerError("INVALID_PARAMS", "Pass either --password or a token, not both")
  return {
    ...cli,
    flags: {
      ...cli.flags,
      ...(flags.url === undefined ? {} : { server: flags.url }),
      ...(flags.password === undefined ? {} : { token: flags.password }),
    },
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, "": 1 }
const LONGEST_MS = 86_400_000

/** "5000" (milliseconds), "500ms", "10s", "2m" as milliseconds. Throws INVALID_PARAMS. */
export function millisecondsOf(text: string, flag = "--timeout"): number {
  const [, count = "", unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|)\s*$/.exec(text) ?? []
  const value = Math.round(Number(count) * (UNITS[unit] ?? 1))
  if (count === "" || value <= 0 || value > LONGEST_MS)
    throw new PincerError(
      "INVALID_PARAMS",
      `${flag}: "${text}" is not a length of time: write milliseconds above 0, or for example 500ms, 10s, 2m`,
    )
  return value
}
