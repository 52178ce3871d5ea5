// The sandbox as the command line uses it: opened from the configuration, as the gateway opens it. The room itself is handed in.
import { realpathSync } from "node:fs"
import { PincerError } from "../base/errors.ts"
import { type LoadedConfig, loadConfig } from "../config/load.ts"
import { envValue, expandPath, resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"

export interface ShownProfile {
  name: string
  workspace: "read-write" | "read-only"
  read: readonly string[]
  write: readonly string[]
  network: readonly { host: string; ports?: readonly number[] }[]
  loopbackPorts: readonly number[]
  limits: { processes: number; memoryBytes: number; cpuSeconds: number; fileBytes: number; openFiles: number }
}

export interface ShownReport {
  backend: string
  available: boolean
  detail: string
  install?: string
  facts: readonly string[]
  warnings: readonly string[]
}

interface Launch {
  file: string
  args: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
}

export interface OpenedSandbox {
  report(): Promise<ShownReport>
  profile(name?: string): ShownProfile
  confine(request: {
    program: Launch
    workspace: string
    profile: ShownProfile
    egress: { sessionKey: string; saw(attempt: { host: string; port: number }, verdict: string, reason: string): void }
  }): Promise<Launch & { note?: string; close(): Promise<void> }>
  close(): void
}

export type OpenSandbox = (
  settings: LoadedConfig["config"]["sandbox"],
  place: { path: string; hidden: readonly string[] },
) => OpenedSandbox

export interface SandboxRoom {
  sandbox: OpenedSandbox
  loaded: LoadedConfig
}

/** Throws INVALID_PARAMS for a configuration that would open the sandbox. */
export function openFromConfig(cli: Cli, open: OpenSandbox): SandboxRoom {
  const loaded = loadConfig({ env: cli.env, flags: cli.flags })
  const { home } = resolvePaths(cli.env, cli.flags)
  const place = { path: envValue(cli.env, "PATH") ?? "", hidden: [realOr(home)] }
  return { loaded, sandbox: open(loaded.config.sandbox, place) }
}

/** The folder a command works in, symlinks resolved. Throws NOT_FOUND. */
export function folderOf(cli: Cli, cwd: string | undefined): string {
  const folder = cwd === undefined ? cli.cwd : expandPath(cwd, cli.env, cli.cwd)
  try {
    return realpathSync(folder)
  } catch (error) {
    throw new PincerError("NOT_FOUND", `The folder ${folder} does not exist: name another with --cwd`, { cause: error })
  }
}

function realOr(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // Not made yet: there is nothing in it to hide.
    return path
  }
}
