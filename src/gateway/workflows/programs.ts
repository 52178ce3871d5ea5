// Programs of steps: judged as commands of the caller, started where policy placed them, in a process group that ends with the step. Nothing of
// the gateway's own environment reaches them.
import { randomBytes } from "node:crypto"
import { realpathSync } from "node:fs"
import { join } from "node:path"
import { taintOfCall } from "../../agent/taint.ts"
import { launchAt } from "../../agent/tool-context.ts"
import { PincerError } from "../../base/errors.ts"
import { runProgram } from "../../base/process.ts"
import type { HeldProgram } from "../../base/starter.ts"
import { excerpt } from "../../base/text.ts"
import { isDangerousVariable } from "../../policy/dangerous-variables.ts"
import type { CallFacts } from "../../policy/scene.ts"
import { changedSince } from "../../policy/shell/changes.ts"
import { commandFacts } from "../../policy/shell/facts.ts"
import { commandEnvironment } from "../../tools/environment.ts"
import type { ToolSettings } from "../../tools/tool.ts"
import type { ProgramResult, ProgramRun } from "../../workflow/command.ts"
import { shellQuoted } from "../../workflow/language/template.ts"
import { auditStep, type StepLeave, type StepLeaves, type StepWish } from "./leave.ts"
import { Output, outputFolder } from "./output-file.ts"
import type { StepRoom, StepRooms } from "./step-room.ts"

/** Of what a program says beside its output. */
const MAX_STDERR = 1024 * 1024
const NO_LIMIT_MS = 2 ** 31 - 1

export interface ProgramHouse {
  settings: ToolSettings
  leaves: StepLeaves
  rooms: StepRooms
  /** Holds a folder for each run. */
  outputs: string
}

/** What a step wants to start. */
export interface StepQuestion {
  file: string
  args: readonly string[]
  /** As policy reads it. */
  text: string
  env: Record<string, string>
  cwd: string
}

/** May this program be started? What it gives starts it. */
export async function prepareStepProgram(
  house: ProgramHouse,
  room: StepRoom,
  program: ProgramRun,
  warn: (text: string) => void,
): Promise<() => Promise<ProgramResult>> {
  const asked = await askedOf(house, program, warn)
  const wish: StepWish = {
    facts: () => factsOf(asked, house.settings),
    title: excerpt(asked.text, 300),
    env: asked.env,
  }
  const leave = await house.leaves.permit(room, wish)
  return () => startPermitted(house, room, program, asked, wish, leave)
}

async function startPermitted(
  house: ProgramHouse,
  room: StepRoom,
  program: ProgramRun,
  asked: StepQuestion,
  wish: StepWish,
  leave: StepLeave,
): Promise<ProgramResult> {
  const { judgement } = leave
  const { clock } = room.ports
  const startedAt = clock.now()
  const again = await wish.facts()
  const change = changedSince(judgement.facts.command!, again.command!)
  if (change !== undefined)
    throw new PincerError("CONFLICT", `The command is not what was judged: ${change}. Nothing was run`)
  const where = { callId: room.address.path, tool: "Bash", placement: judgement.decision.placement }
  const confined = await launchAt(leave.room, where, asked)
  try {
    const result = await collected(house, room, program, confined)
    const outcome = room.signal.aborted ? "canceled" : result.exitCode === 0 ? "done" : "failed"
    const details = { exitCode: result.exitCode }
    const durationMs = clock.now() - startedAt
    await auditStep(leave.room, wish, judgement, { type: "effect", outcome, durationMs, details })
    await house.rooms.remember(room, "Bash", taintOfCall(judgement.facts, judgement.decision, room.cwd, where.callId))
    room.signal.throwIfAborted()
    const note = result.exitCode !== 0 && confined.note !== undefined ? `\n[${confined.note}]` : ""
    return { ...result, stderr: result.stderr + note }
  } finally {
    await confined.close()
  }
}

/** Throws INVALID_PARAMS for what can never be run. */
export async function askedOf(
  { settings }: Pick<ProgramHouse, "settings">,
  { cwd, env, line }: ProgramRun,
  warn: (text: string) => void,
): Promise<StepQuestion> {
  const dropped = Object.keys(env).filter((name) => isDangerousVariable(name))
  if (dropped.length > 0) warn(`${dropped.join(", ")} would make programs load other code: not handed on`)
  const whole = commandEnvironment({ ...settings.exec.env, ...env })
  const place = { cwd: realFolder(cwd), env: whole }
  if ("argv" in line) {
    const [file, ...args] = line.argv
    if (file === undefined || file === "") throw new PincerError("INVALID_PARAMS", "There is no program to run")
    noNul(line.argv)
    return { file, args, text: line.argv.map(shellQuoted).join(" "), ...place }
  }
  noNul([line.shell])
  const own = env["LOBSTER_SHELL"] ?? env["PINCER_SHELL"]
  const usual = shellOf(settings)
  if (own === undefined || own === "" || own === usual)
    return { file: usual, args: ["-c", line.shell], text: line.shell, ...place }
  // Another shell is a program like any other: policy sees it, and what it is given.
  return { file: own, args: ["-c", line.shell], text: [own, "-c", line.shell].map(shellQuoted).join(" "), ...place }
}

function noNul(words: readonly string[]): void {
  if (words.some((word) => word.includes("\0")))
    throw new PincerError("INVALID_PARAMS", "A command must not hold a NUL character")
}

/** Asked of the system at once: each way through the pool of threads costs a step a tenth of what it costs as a whole. */
function realFolder(cwd: string): string {
  try {
    return realpathSync.native(cwd)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `The folder "${cwd}" does not exist: name one that does`, { cause: error })
  }
}

/** Workflow files are written for /bin/sh; a shell that somebody chose is taken instead. */
function shellOf({ exec }: ToolSettings): string {
  return exec.shell === "/bin/bash" ? "/bin/sh" : exec.shell
}

export async function factsOf({ cwd, env, text }: StepQuestion, settings: ToolSettings): Promise<CallFacts> {
  return {
    tool: "Bash",
    aliases: ["exec", "bash", "shell"],
    class: "exec",
    from: "builtin",
    args: { command: text, cwd },
    reads: [],
    writes: [],
    hosts: [],
    command: await commandFacts(text, { cwd, env, shell: shellOf(settings) }),
  }
}

/** Runs it where it was placed, and keeps what it says. */
export async function collected(
  { held, outputs }: Pick<ProgramHouse, "outputs"> & { held?: HeldProgram | undefined },
  { address, signal }: Pick<StepRoom, "address" | "signal">,
  { maxBytes, stdin, timeoutMs }: ProgramRun,
  program: { file: string; args: readonly string[]; cwd: string; env: Readonly<Record<string, string>> },
): Promise<ProgramResult> {
  const name = `${address.path.replace(/[^\w.-]+/g, "_").slice(0, 100)}-${randomBytes(4).toString("hex")}.out`
  const stdout = new Output(maxBytes, () => join(outputFolder(outputs, address.runId), name))
  let stderr = Buffer.alloc(0)
  // A limit of its own beside the signal: joined by hand, for AbortSignal.any() costs as much as a write to the journal.
  const stop = new AbortController()
  const broken: unknown[] = []
  const onAbort = () => stop.abort(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener("abort", onAbort, { once: true })
  const run = await runProgram(program.file, program.args, {
    cwd: program.cwd,
    env: { ...program.env },
    signal: stop.signal,
    timeoutMs: timeoutMs ?? NO_LIMIT_MS,
    maxChars: 0,
    ...(stdin === undefined ? {} : { stdin }),
    ...(held ? { held } : {}),
    take(from, bytes) {
      if (broken.length > 0) return
      if (from === "stderr") stderr = Buffer.concat([stderr, bytes]).subarray(-MAX_STDERR)
      else
        try {
          stdout.add(bytes)
        } catch (error) {
          broken.push(error)
          stop.abort(error)
        }
    },
  }).finally(() => signal.removeEventListener("abort", onAbort))
  const { spilled, text } = stdout.end()
  if (broken.length > 0) throw broken[0]
  const { exitCode, killedBy, timedOut } = run
  return {
    exitCode: run.canceled && exitCode === 0 ? null : exitCode,
    killedBy,
    stdout: text,
    stderr: stderr.toString("utf8"),
    timedOut,
    ...(spilled ? { spilled } : {}),
  }
}
