// The contract of this folder: a gateway as a service of the operating system. systemd.ts and launchd.ts keep it by running systemctl and
// launchctl, which tests replace on PATH. Nothing here is cached: the system is asked each time.
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { PincerError } from "../../base/errors.ts"
import type { Env } from "../../config/paths.ts"
import { planIn, type ServicePlan, type ServiceScope } from "./plan.ts"

export interface ServiceState {
  /** Starts by itself at boot or login. */
  enabled: boolean
  running: boolean
  /** It was to run and does not. */
  failed: boolean
  pid?: number
  /** The system's own words for it: "active (running)". */
  words: string
}

export interface ServiceManager {
  readonly kind: "systemd" | "launchd"
  readonly scope: ServiceScope
  /** The unit's or job's name. */
  readonly name: string
  /** Where it is described. */
  readonly file: string
  render(plan: ServicePlan): string
  /** Throws UNAVAILABLE when the system's manager cannot be reached. */
  state(): Promise<ServiceState>
  /** Makes the system read the file and start it with the machine or the login. */
  enable(): Promise<void>
  /** Stops it and takes it out of what is started; the file is the caller's. */
  disable(): Promise<void>
  /** After the file has gone. */
  forget(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
  restart(): Promise<void>
  /** The last lines that it wrote; empty when they cannot be had. */
  lastWords(): Promise<string>
  /** What else is to be done so that it runs as meant, as a command; undefined when nothing is. */
  advice(): Promise<{ text: string; fix: string } | undefined>
}

export interface ServicePlace {
  env: Env
  userHome: string
  suffix: string
  scope: ServiceScope
  uid: number
  /** Where system-wide units lie; tests say another. */
  systemFolder?: string
}

const TIMEOUT_MS = 60_000

export interface ToolAnswer {
  code: number
  out: string
  err: string
}

/** Runs one of the system's own programs. Throws NOT_FOUND when it is not there. */
export function tool(name: string, args: readonly string[], env: Env): Promise<ToolAnswer> {
  const options = { env: { ...env, LC_ALL: "C" }, timeout: TIMEOUT_MS, maxBuffer: 4 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    execFile(name, [...args], options, (error, out, err) => {
      if (error === null) resolve({ code: 0, out, err })
      else if (typeof error.code === "number") resolve({ code: error.code, out, err })
      else if (error.killed)
        reject(new PincerError("TIMEOUT", `${name} ${args.join(" ")} has not ended within ${TIMEOUT_MS / 1000} s`))
      else reject(new PincerError("NOT_FOUND", `The program "${name}" cannot be run here`, { cause: error }))
    })
  })
}

/** The text of a unit's file; undefined when there is none. Throws PERMISSION_DENIED. */
export function readUnit(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8")
  } catch (error) {
    if (!existsSync(file)) return undefined
    throw new PincerError("PERMISSION_DENIED", `${file} cannot be read: use the user who installed it, or sudo`, {
      cause: error,
    })
  }
}

/** Writes it whole or not at all; everybody may read it, as with other units. */
export function writeUnit(file: string, text: string): void {
  const draft = `${file}.${process.pid}.next`
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(draft, text, { mode: 0o644 })
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw denied(file, error)
  }
}

export function removeUnit(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch (error) {
    throw denied(file, error)
  }
}

function denied(file: string, error: unknown): PincerError {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
  return new PincerError("PERMISSION_DENIED", `${file} cannot be written (${code}): for a system service use sudo`, {
    cause: error,
  })
}

/** Why the file is not what would be written from its own plan today; undefined when it is, or is not ours. */
export function driftOf(
  manager: Pick<ServiceManager, "render">,
  text: string,
  today: Pick<ServicePlan, "node" | "program">,
): string | undefined {
  const plan = planIn(text)
  if (!plan) return "It was not written by pincer gateway install."
  if (!existsSync(plan.node) || !existsSync(plan.program)) return `It starts ${plan.program}, which is not there.`
  if (plan.program !== today.program) return `It starts another Pincer than this one: ${plan.program}.`
  return manager.render(plan) === text ? undefined : "It was changed by hand, or written by another version."
}
