// Where `pincer lobster` runs: what the program hands in.
import type { Env } from "../config/paths.ts"

export interface LobsterPlace {
  env: Env
  cwd: string
  version: string
  /** Whether somebody sits there who can be asked. */
  interactive: boolean
  out(text: string): void
  err(text: string): void
}
