// `pincer sandbox run`: one program confined as an agent's command is, with this terminal's input and output. In a terminal it gets one of
// its own inside (not on macOS), so that it has job control and cannot type into the one outside.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { constants } from "node:os"
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"
import { inert } from "./inert.ts"
import { Exit } from "./report.ts"
import { folderOf, type OpenSandbox, openFromConfig } from "./sandbox-open.ts"

interface RunFlags {
  sandboxProfile?: string
  cwd?: string
}

type CommandEnvironment = (given: Readonly<Record<string, string>>) => Record<string, string>

const SCRIPT = "/usr/bin/script"

/** Throws Exit with the program's own exit code. */
export async function runInSandbox(
  cli: Cli,
  command: readonly string[],
  flags: RunFlags,
  open: OpenSandbox,
  environment: CommandEnvironment,
): Promise<void> {
  const { loaded, sandbox } = openFromConfig(cli, open)
  try {
    const { exec } = loaded.config.tools
    const workspace = folderOf(cli, flags.cwd)
    const profile = sandbox.profile(flags.sandboxProfile)
    // On macOS a program inside gets no terminal of its own, and a shell without one has to be told that somebody types.
    const isMac = process.platform === "darwin"
    const [file = exec.shell, ...args] = command.length === 0 && isMac && cli.interactive ? [exec.shell, "-i"] : command
    const env = environment({ PATH: cli.env["PATH"] ?? "", ...exec.env, ...(cli.interactive ? terminal(cli) : {}) })
    const program = cli.interactive && !isMac && existsSync(SCRIPT) ? inTerminal(file, args) : { file, args }
    const egress = {
      sessionKey: "cli",
      saw: (_attempt: object, verdict: string, reason: string) => {
        if (verdict === "deny") cli.err.line(`! ${inert(reason)}`)
      },
    }
    const confined = await sandbox.confine({ program: { ...program, cwd: workspace, env }, workspace, profile, egress })
    if (confined.note !== undefined) cli.err.line(`! ${inert(confined.note)}`)
    try {
      throw new Exit(await exitOf(confined))
    } finally {
      await confined.close()
    }
  } finally {
    sandbox.close()
  }
}

function terminal({ env }: Cli): Record<string, string> {
  return { TERM: env["TERM"] ?? "xterm" }
}

/** script(1) opens a terminal of the sandbox's own and passes keys and output through. */
function inTerminal(file: string, args: readonly string[]): { file: string; args: string[] } {
  const line = [file, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ")
  return { file: SCRIPT, args: ["-qefc", `exec ${line}`, "/dev/null"] }
}

interface Start {
  file: string
  args: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
}

async function exitOf({ args, cwd, env, file }: Start): Promise<number> {
  const child = spawn(file, [...args], { cwd, env: { ...env }, stdio: "inherit", detached: true })
  const pass = (signal: NodeJS.Signals) => {
    // The group, and with its first process everything inside.
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal)
  }
  const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"]
  for (const signal of signals) process.on(signal, pass)
  const { promise, reject, resolve } = Promise.withResolvers<number>()
  child.once("error", (cause) => reject(new PincerError("UNAVAILABLE", `Cannot start ${file}`, { cause })))
  child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  try {
    return await promise
  } finally {
    for (const signal of signals) process.off(signal, pass)
  }
}
