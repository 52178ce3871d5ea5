// Where things lie. Everything below one home, so that a second home (PINCER_HOME, a profile) is a second, separate Pincer.
// The environment is handed in; nothing here touches the disk.
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { PincerError } from "../base/errors.ts"

/** Environment variables by name, handed in by whoever starts the program. An empty value counts as not set. */
export type Env = Readonly<Record<string, string | undefined>>

/** What the command line says about places; each beats its environment variable. */
export interface PathFlags {
  home?: string
  profile?: string
  config?: string
}

/** All absolute. */
export interface Paths {
  home: string
  /** pincer.json (JSONC). */
  config: string
  /** Whether the user named the config file (flag or PINCER_CONFIG); otherwise its absence is nothing to mention. */
  configNamed: boolean
  db: string
  log: string
  /** The generated shared secret, mode 0600. */
  token: string
  /** What the running gateway says about itself (config/gateway-file.ts). */
  gateway: string
}

const PROFILE = /^[a-z0-9][a-z0-9_-]{0,63}$/i

/** A variable of the environment, trimmed; undefined when it is absent or empty. */
export function envValue(env: Env, name: string): string | undefined {
  return env[name]?.trim() || undefined
}

/** `~` and `~/x` as the user's own directory, everything else made absolute against `base`. */
export function expandPath(path: string, env: Env, base: string = process.cwd()): string {
  if (path === "~" || /^~[/\\]/.test(path)) return join(userHome(env), path.slice(1))
  return resolve(base, path)
}

/**
 * The places of this Pincer. A home that is named beats a profile of the same source; flags beat the environment:
 * --home, --profile, PINCER_HOME, PINCER_PROFILE, ~/.pincer. Profile p lives in ~/.pincer-p; "default" is no profile.
 */
export function resolvePaths(env: Env, flags: PathFlags = {}): Paths {
  const home = resolveHome(env, flags)
  const named = flags.config || envValue(env, "PINCER_CONFIG")
  return {
    home,
    config: named ? expandPath(named, env) : join(home, "pincer.json"),
    configNamed: named !== undefined,
    ...pathsIn(home),
  }
}

/** The files that the gateway keeps in a home. */
export function pathsIn(home: string): Pick<Paths, "db" | "log" | "token" | "gateway"> {
  return {
    db: join(home, "pincer.db"),
    log: join(home, "logs", "gateway.log"),
    token: join(home, "gateway.token"),
    gateway: join(home, "gateway.json"),
  }
}

function resolveHome(env: Env, flags: PathFlags): string {
  if (flags.home) return expandPath(flags.home, env)
  if (flags.profile) return profileHome(flags.profile, env)
  const home = envValue(env, "PINCER_HOME")
  if (home) return expandPath(home, env)
  const profile = envValue(env, "PINCER_PROFILE")
  return profile ? profileHome(profile, env) : join(userHome(env), ".pincer")
}

function profileHome(profile: string, env: Env): string {
  if (!PROFILE.test(profile))
    throw new PincerError("INVALID_PARAMS", `Invalid profile "${profile}": use letters, digits, "-" and "_"`)
  return join(userHome(env), profile === "default" ? ".pincer" : `.pincer-${profile}`)
}

function userHome(env: Env): string {
  return resolve(envValue(env, "HOME") ?? envValue(env, "USERPROFILE") ?? homedir())
}
