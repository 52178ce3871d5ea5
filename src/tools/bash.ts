// Bash: one shell command, in the working directory, with a small clean environment and a process group of its own.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { runProgram } from "../base/process.ts"
import { excerpt } from "../base/text.ts"
import { errorResult, type Tool, textResult } from "./tool.ts"

const args = z.strictObject({
  command: z.string().min(1).describe("The shell command"),
  timeoutMs: z.number().int().min(1).optional().describe("Longest time it may take, in milliseconds"),
  description: z.string().optional().describe("What it does, in a few words"),
})

const PROGRESS_CHARS = 2_000

export const bash: Tool<z.infer<typeof args>> = {
  name: "Bash",
  aliases: ["exec", "bash", "shell"],
  class: "exec",
  effect: "once",
  description:
    "Runs a shell command in the working directory and returns its output and exit code. Each call is a new shell: directory and variables do not carry over. Programs that wait for input or never end are stopped at the time limit.",
  args,
  title: ({ command }) => excerpt(command, 200),
  async touch({ command }) {
    if (command.includes("\0")) throw new PincerError("INVALID_PARAMS", "A command must not hold a NUL character")
    return { reads: [], writes: [], hosts: [], command }
  },
  async run({ command, timeoutMs }, context) {
    const { exec, maxOutputChars } = context.settings
    const limit = Math.min(timeoutMs ?? exec.timeoutMs, exec.maxTimeoutMs)
    let seen = ""
    const result = await runProgram(exec.shell, ["-c", command], {
      cwd: context.cwd,
      env: { TERM: "dumb", NO_COLOR: "1", PAGER: "cat", GIT_PAGER: "cat", GIT_TERMINAL_PROMPT: "0", ...exec.env },
      signal: context.signal,
      timeoutMs: limit,
      maxChars: maxOutputChars,
      onOutput(text) {
        seen = (seen + text).slice(-PROGRESS_CHARS)
        context.progress(seen)
      },
    })
    const note = result.leftBehind ? "\n[processes left in the background were stopped]" : ""
    const output = printable(result.output) + note
    const details = { exitCode: result.exitCode, killedBy: result.killedBy, timedOut: result.timedOut }
    if (result.canceled)
      return errorResult(
        `${output}\n[canceled; the command and everything it started were stopped]`.trimStart(),
        details,
      )
    if (result.timedOut) return errorResult(`${output}\n[stopped after ${limit} ms]`.trimStart(), details)
    if (result.exitCode === 0) return textResult(output === "" ? "(no output)" : output, details)
    const end = result.killedBy ? `killed by ${result.killedBy}` : `exit code ${result.exitCode}`
    return errorResult(`${output}\n[${end}]`.trimStart(), details)
  },
}

/** Output that is not text is named as such; colours and other terminal control are taken out. */
function printable(output: string): string {
  if (output.includes("\0")) return `[${output.length} characters of binary output]`
  return output
    .replace(/\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g, "")
    .trimEnd()
}
