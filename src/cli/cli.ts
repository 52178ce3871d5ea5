// What every command is handed: the environment, the flags that all commands share, and where to write. Made once per process.
import type { Env } from "../config/paths.ts"
import type { Screen } from "./screen.ts"

/** Flags that every command understands. */
export interface GlobalFlags {
  home?: string
  profile?: string
  config?: string
  server?: string
  token?: string
  tokenFile?: string
  caFile?: string
  standalone?: boolean
  verbose?: boolean
}

export interface Cli {
  env: Env
  flags: GlobalFlags
  out: Screen
  err: Screen
  version: string
  cwd: string
  /** Whether somebody sits in front of it who can be asked. */
  interactive: boolean
  verbose: boolean
}
