// The contract of a check: it looks at one thing, changes nothing, and says what it saw and what to type next. Ids are stable: scripts
// look for them, docs/doctor.md lists them.
import type { Clock } from "../../base/clock.ts"
import type { GatewayInfo } from "../../config/gateway-file.ts"
import type { LoadedConfig } from "../../config/load.ts"
import type { Env, Paths } from "../../config/paths.ts"

export type Verdict = "ok" | "warning" | "problem" | "skipped"

export type CheckCategory =
  | "machine"
  | "home"
  | "configuration"
  | "secrets"
  | "database"
  | "work"
  | "gateway"
  | "models"
  | "tools"
  | "exposure"

/** One change of a repair. All paths are absolute. */
export type Change =
  | { type: "mode"; path: string; from: number; to: number }
  /** Taken away; it is kept with the record of the repair. */
  | { type: "remove"; path: string }
  | { type: "write"; path: string; before: string; after: string }

export interface CheckFinding {
  verdict: Verdict
  text: string
  /** The next command to type. */
  fix?: string
  /** What `--fix` would do about it. */
  repair?: Change[]
}

export interface Check {
  id: string
  category: CheckCategory
  /** What it looks at, in a few words: for lists and docs. */
  about: string
  /** Belongs to `--security`. */
  security?: true
  run(room: DoctorRoom): CheckFinding | Promise<CheckFinding>
}

export interface Diagnosis extends CheckFinding {
  id: string
  category: CheckCategory
}

/** The gateway as the doctor can reach it. */
export type GatewayLook =
  | { state: "none" }
  | { state: "silent"; why: string; fix: string }
  | {
      state: "answers"
      name: string
      tookMs: number
      /** Throws PincerError. */
      ask(method: string, params: Record<string, unknown>, timeoutMs: number): Promise<Record<string, unknown>>
    }

/** What checks may look at. */
export interface DoctorRoom {
  env: Env
  paths: Paths
  /** Of the program that asks. */
  version: string
  clock: Clock
  /** The configuration, or why there is none that can be used. */
  config: { loaded: LoadedConfig } | { refused: string }
  /** The gateway that runs on this home. */
  running: GatewayInfo | undefined
  /** Whether this is that gateway: then its database is open in this process. */
  inside: boolean
  /** The token in force, where that is known. */
  token?: string | undefined
  reach(): Promise<GatewayLook>
  /** How an installed service differs from what would be written today; absent where that cannot be told. */
  service?(): Promise<{ file: string; drift?: string; failed: boolean; words: string } | undefined>
  /** Who listens where a gateway would; absent where that cannot be told. */
  portHolder?(
    host: string,
    port: number,
  ): Promise<{ kind: string; process?: { pid: number; name: string } } | undefined>
}

export const ok = (text: string): CheckFinding => ({ verdict: "ok", text })
export const skipped = (text: string): CheckFinding => ({ verdict: "skipped", text })
export const warning = (text: string, fix?: string, repair?: Change[]): CheckFinding =>
  finding("warning", text, fix, repair)
export const problem = (text: string, fix?: string, repair?: Change[]): CheckFinding =>
  finding("problem", text, fix, repair)

function finding(verdict: Verdict, text: string, fix?: string, repair?: Change[]): CheckFinding {
  return { verdict, text, ...(fix === undefined ? {} : { fix }), ...(repair?.length ? { repair } : {}) }
}

export const NO_CONFIG = "Not known while the configuration is not valid"
export const EDIT_CONFIG = '"$EDITOR" "$(pincer config path)"'
/** Permission bits that let others in. Windows has none. */
export function openBits(mode: number): number {
  return process.platform === "win32" ? 0 : mode & 0o077
}

/** "1.2 GB" */
export function sized(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ["kB", "MB", "GB", "TB"]
  const unit = Math.min(units.length, Math.floor(Math.log10(bytes) / 3)) - 1
  const value = bytes / 1000 ** (unit + 1)
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}
