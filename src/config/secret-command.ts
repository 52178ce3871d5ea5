// Secrets that a program prints: a password manager, the keyring of this machine. Run without a shell, with a deadline and a bound, once;
// what it printed counts until the configuration is loaded anew. Neither output nor errors of the program are ever shown.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Env } from "./paths.ts"
import { reason } from "./regular-file.ts"
import { MAX_COMMAND_MS } from "./secret-limits.ts"
import type { SecretRef } from "./secret-ref.ts"

export type CommandRef = Extract<SecretRef, { exec: string[] } | { keyring: string }>

const DEFAULT_MS = 5_000
const MAX_BYTES = 64 * 1024

/** What was printed, for each environment that programs were run with. */
const printed = new WeakMap<Env, Map<string, string>>()

/** Its output, from memory where it ran before. Blocks: a gateway runs all of them ahead (runSecretCommands). `name`: what asks. */
export function commandSecret(ref: CommandRef, env: Env, name: string, platform = process.platform): string {
  const [program, ...args] = argvOf(ref, name, platform)
  const key = keyOf([program, ...args])
  const known = printed.get(env)?.get(key)
  if (known !== undefined) return known
  const timeout = timeOf(ref)
  // Loaded here: hardly any start needs it.
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const run = spawnSync(program, args, {
    env: { ...env },
    timeout,
    maxBuffer: MAX_BYTES,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "ignore"],
  })
  if (run.error || run.status !== 0)
    throw refusal(name, program, run.error ? causeOf(run.error, timeout) : `it ended with ${run.status ?? run.signal}`)
  return remember(env, key, run.stdout.toString("utf8"))
}

/**
 * Runs every program that a configuration names, at once, without blocking, whether it ran before or not. What fails keeps what it had
 * and is told in a sentence. `found` hears each secret.
 */
export async function runSecretCommands(config: unknown, env: Env, found: (secret: string) => void): Promise<string[]> {
  const problems: string[] = []
  await Promise.all(
    commandRefs(config).map(async ([name, ref]) => {
      try {
        found((await runAhead(ref, env, name)).trim())
      } catch (error) {
        if (!(error instanceof PincerError)) throw error
        problems.push(error.message)
      }
    }),
  )
  return problems
}

async function runAhead(ref: CommandRef, env: Env, name: string): Promise<string> {
  const [program, ...args] = argvOf(ref, name, process.platform)
  const timeout = timeOf(ref)
  const { execFile } = process.getBuiltinModule("node:child_process")
  const output = await new Promise<string>((resolve, reject) => {
    const options = { env: { ...env }, timeout, maxBuffer: MAX_BYTES, killSignal: "SIGKILL" as const }
    const child = execFile(program, args, options, (error, stdout) => {
      if (!error) resolve(stdout)
      else reject(refusal(name, program, error.killed ? tooLong(timeout) : causeOf(error, timeout)))
    })
    child.stdin?.end()
  })
  return remember(env, keyOf([program, ...args]), output)
}

function commandRefs(value: unknown, path: readonly string[] = []): [string, CommandRef][] {
  if (Array.isArray(value)) return value.flatMap((item, i) => commandRefs(item, [...path, String(i)]))
  if (!isObject(value)) return []
  const keys = Object.keys(value)
  const { exec, keyring, timeoutMs } = value
  const name = path.join(".")
  if (
    Array.isArray(exec) &&
    exec.every((word) => typeof word === "string") &&
    keys.every((key) => key === "exec" || key === "timeoutMs")
  )
    return [[name, { exec, ...(typeof timeoutMs === "number" ? { timeoutMs } : {}) }]]
  if (typeof keyring === "string" && keys.length === 1) return [[name, { keyring }]]
  return Object.entries(value).flatMap(([key, item]) => commandRefs(item, [...path, key]))
}

function argvOf(ref: CommandRef, name: string, platform: NodeJS.Platform): [string, ...string[]] {
  if ("exec" in ref) {
    const [program, ...args] = ref.exec
    return [program ?? "", ...args]
  }
  switch (platform) {
    case "linux":
      return ["secret-tool", "lookup", "service", "pincer", "account", ref.keyring]
    case "darwin":
      return ["security", "find-generic-password", "-s", "pincer", "-a", ref.keyring, "-w"]
    default:
      throw new PincerError(
        "NOT_IMPLEMENTED",
        `${name}: there is no keyring for ${platform}: use {"env": …}, {"file": …} or {"exec": …}`,
      )
  }
}

function remember(env: Env, key: string, output: string): string {
  let known = printed.get(env)
  if (!known) {
    known = new Map()
    printed.set(env, known)
  }
  known.set(key, output)
  return output
}

function keyOf(argv: readonly string[]): string {
  return JSON.stringify(argv)
}

function timeOf(ref: CommandRef): number {
  return Math.min("timeoutMs" in ref ? (ref.timeoutMs ?? DEFAULT_MS) : DEFAULT_MS, MAX_COMMAND_MS)
}

function tooLong(timeout: number): string {
  return `it took longer than ${timeout} ms`
}

function causeOf(error: Error, timeout: number): string {
  const code = reason(error)
  switch (code) {
    case "ENOENT":
      return "it is not installed"
    case "ETIMEDOUT":
      return tooLong(timeout)
    case "ENOBUFS":
    case "ERR_CHILD_PROCESS_STDIO_MAXBUFFER":
      return `it printed more than ${MAX_BYTES} bytes`
    default:
      return "code" in error && typeof error.code === "number" ? `it ended with ${error.code}` : code
  }
}

/** Names the program and not its arguments: those may say more than they should. */
function refusal(name: string, program: string, why: string): PincerError {
  return new PincerError(
    "NOT_FOUND",
    `${name}: ${program} did not print the secret: ${why}: run it by hand, or change ${name}`,
  )
}
