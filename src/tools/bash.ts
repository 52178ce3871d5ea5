// Bash: one shell command, in the working directory, with a small clean environment and a process group of its own.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { type RunResult, runProgram } from "../base/process.ts"
import { excerpt } from "../base/text.ts"
import type { CommandFacts } from "../policy/command.ts"
import { changedSince } from "../policy/shell/changes.ts"
import { commandFacts } from "../policy/shell/facts.ts"
import type { ToolView } from "../protocol/tool-view.ts"
import { runInTerminal, terminalFor } from "./editor-terminal.ts"
import { commandEnvironment } from "./environment.ts"
import { errorResult, type Tool, type ToolContext, type ToolResult, type ToolSettings, textResult } from "./tool.ts"

const args = z.strictObject({
  command: z.string().min(1).describe("The shell command"),
  timeoutMs: z.number().int().min(1).optional().describe("Longest time it may take, in milliseconds"),
  description: z.string().optional().describe("What it does, in a few words"),
})

const PROGRESS_CHARS = 2_000
/** Characters of output that are kept for those who watch. */
const SHOWN_CHARS = 16_000

export const bash: Tool<z.infer<typeof args>> = {
  name: "Bash",
  aliases: ["exec", "bash", "shell"],
  class: "exec",
  effect: "once",
  description:
    "Runs a shell command in the working directory and returns its output and exit code. Each call is a new shell: directory and variables do not carry over. There is no input to read; what still runs at the time limit, or in the background at the end, is stopped.",
  args,
  title: ({ command }) => excerpt(command, 200),
  async touch({ command }, cwd, settings) {
    if (command.includes("\0")) throw new PincerError("INVALID_PARAMS", "A command must not hold a NUL character")
    const facts = settings && (await factsOf(command, cwd, settings))
    return { reads: [], writes: [], hosts: [], command, ...(facts ? { facts } : {}) }
  },
  async run({ command, timeoutMs }, context) {
    const { exec } = context.settings
    await asJudged(command, context)
    const limitMs = Math.min(timeoutMs ?? exec.timeoutMs, exec.maxTimeoutMs)
    const { note, run, terminalId } = await runCommand(command, limitMs, context)
    return { ...report(run, limitMs, note), view: terminalView(run, command, context.cwd, terminalId) }
  },
}

function factsOf(command: string, cwd: string, { exec }: ToolSettings): Promise<CommandFacts> {
  return commandFacts(command, { cwd, env: commandEnvironment(exec.env), shell: exec.shell })
}

/** What was judged is what runs: programs, script files and paths are looked at again right before. Throws CONFLICT. */
async function asJudged(command: string, { judged, cwd, settings }: ToolContext): Promise<void> {
  if (judged?.facts === undefined) return
  const change = changedSince(judged.facts, await factsOf(command, cwd, settings))
  if (change === undefined) return
  throw new PincerError("CONFLICT", `The command is not what was judged: ${change}. Nothing was run, call again`)
}

interface Ran {
  run: RunResult
  note?: string | undefined
  /** Of the user's own terminal, when it ran there. */
  terminalId?: string
}

async function runCommand(command: string, timeoutMs: number, context: ToolContext): Promise<Ran> {
  const { exec, maxOutputChars: maxChars } = context.settings
  const program = { file: exec.shell, args: ["-c", command], cwd: context.cwd, env: commandEnvironment(exec.env) }
  const open = terminalFor(context)
  if (open) return runInTerminal(open, program, command, { maxChars, timeoutMs }, context)
  let seen = ""
  try {
    const confined = await context.launch(program)
    try {
      const run = await runProgram(confined.file, confined.args, {
        cwd: confined.cwd,
        env: { ...confined.env },
        signal: context.signal,
        timeoutMs,
        maxChars,
        onOutput(text) {
          seen = (seen + text).slice(-PROGRESS_CHARS)
          context.progress(printable(seen))
        },
      })
      return { run, note: confined.note }
    } finally {
      await confined.close()
    }
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
    throw new PincerError(error.code, `${error.message}. The shell is tools.exec.shell in the configuration.`, {
      cause: error,
    })
  }
}

/** What a terminal would have shown of it, the newest. */
function terminalView(run: RunResult, command: string, cwd: string, terminalId = ""): ToolView {
  const output = printable(run.output)
  const shown = output.length <= SHOWN_CHARS ? output : output.slice(-SHOWN_CHARS)
  const first = shown.charCodeAt(0)
  const whole = first >= 0xdc00 && first <= 0xdfff ? shown.slice(1) : shown
  const ended = { exitCode: run.exitCode, signal: run.killedBy }
  const cut = whole.length < output.length ? { truncated: true } : {}
  const owner = terminalId === "" ? "agent" : "client"
  return { content: [{ type: "terminal", terminalId, owner, command, cwd, output: whole, ...ended, ...cut }] }
}

function report(run: RunResult, limitMs: number, note?: string): ToolResult {
  const { exitCode, killedBy, timedOut, canceled, leftBehind } = run
  const details = { exitCode, killedBy, timedOut, ...(leftBehind ? { leftBehind } : {}) }
  const ending = canceled
    ? "canceled; the command and everything it started were stopped"
    : timedOut
      ? `stopped after ${limitMs} ms`
      : killedBy
        ? `killed by ${killedBy}`
        : exitCode === 0
          ? undefined
          : exitCode === null
            ? "it ended, and the client did not say how"
            : `exit code ${exitCode}`
  const lines = [
    printable(run.output),
    ...(leftBehind && !canceled && !timedOut ? ["[processes left in the background were stopped]"] : []),
    ...(ending === undefined ? [] : [`[${ending}]`]),
    ...(note === undefined || exitCode === 0 ? [] : [`[${note}]`]),
  ].filter((line) => line !== "")
  const text = lines.join("\n")
  return ending === undefined ? textResult(text || "(no output)", details) : errorResult(text, details)
}

/** What a terminal would show: colours and control taken out, overwritten progress lines gone, binary named as such. */
export function printable(output: string): string {
  if (output.includes("\0") && /[\ufffd\u0001-\u0006]/.test(output))
    return `[${output.length} characters of binary output]`
  const text = output.replace(
    /\u001b(?:\[[0-9;:?<=>]*[ -/]*[@-~]|[\]P^_X][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g,
    "",
  )
  return text
    .split("\n")
    .map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line).split("\r").at(-1)!)
    .join("\n")
    .replaceAll("\0", "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "")
    .trimEnd()
}
