// One command in a terminal that the user sees, in the editor that is lent to the turn. However it ends, the terminal is released.
import { PincerError } from "../base/errors.ts"
import { CappedText, type RunResult } from "../base/process.ts"
import { isInside } from "../policy/places.ts"
import type { Program } from "../sandbox/sandbox.ts"
import type { Editor, EditorTerminal } from "./editor.ts"
import type { ToolContext } from "./tool.ts"

/** How long the client may take to end a command and to give its output once nobody can wait longer. */
const CLOSE_MS = 5_000
/** UTF-8 takes so many bytes at most for a UTF-16 unit. */
const BYTES_PER_CHAR = 3

export interface TerminalLimits {
  timeoutMs: number
  maxChars: number
}

export interface TerminalRun {
  run: RunResult
  terminalId: string
}

export type OpenTerminal = NonNullable<Editor["openTerminal"]>

/** What opens the user's terminal for a command; undefined when none is lent, or not for this folder. */
export function terminalFor({ cwd, editor }: Pick<ToolContext, "cwd" | "editor">): OpenTerminal | undefined {
  if (!editor?.openTerminal || !editor.roots.some((root) => isInside(cwd, root))) return undefined
  return (command, signal) => editor.openTerminal!(command, signal)
}

/** Runs it to its end, or until it is canceled or out of time. `shown` is the line as people read it. Throws when the client fails. */
export async function runInTerminal(
  open: OpenTerminal,
  program: Program,
  shown: string,
  { maxChars, timeoutMs }: TerminalLimits,
  context: ToolContext,
): Promise<TerminalRun> {
  const { signal } = context
  const ended = { exitCode: null, killedBy: null, output: "", timedOut: false, leftBehind: false }
  const { args, cwd, env, file } = program
  const command = { command: file, args, cwd, env, outputByteLimit: maxChars * BYTES_PER_CHAR }
  const terminal = await openOrStop(open, command, context)
  if (!terminal) return { run: { ...ended, canceled: true }, terminalId: "" }
  try {
    const content = [{ type: "terminal", owner: "client", terminalId: terminal.id, command: shown, cwd }] as const
    await context.show?.({ content: [...content] })
    const exit = await exitOf(terminal, timeoutMs, context)
    if (exit.type !== "exited") await settled(terminal.kill(), context)
    if (exit.type === "stopped") return { run: { ...ended, canceled: true }, terminalId: terminal.id }
    const output = await outputOf(terminal, maxChars, context)
    const known = exit.type === "exited" ? { exitCode: exit.exitCode, killedBy: exit.signal } : { timedOut: true }
    return { run: { ...ended, ...known, output, canceled: signal.aborted }, terminalId: terminal.id }
  } finally {
    await settled(terminal.release(), context)
  }
}

/** Undefined when the turn was stopped before. A terminal that is opened after that is released at once. */
async function openOrStop(
  open: OpenTerminal,
  command: Parameters<OpenTerminal>[0],
  context: ToolContext,
): Promise<EditorTerminal | undefined> {
  const { signal } = context
  if (signal.aborted) return undefined
  const opening = open(command, new AbortController().signal)
  const stopped = whenStopped(signal)
  try {
    const first = await Promise.race([opening, stopped.promise])
    if (first !== "stopped") return first
    const late = opening.then((terminal) => settled(terminal.release(), context))
    await settled(late, context)
    return undefined
  } catch (error) {
    throw failed(error, "The user's editor opened no terminal")
  } finally {
    stopped.forget()
  }
}

type Exit = { type: "exited"; exitCode: number | null; signal: string | null } | { type: "stopped" } | { type: "late" }

async function exitOf(terminal: EditorTerminal, timeoutMs: number, { clock, signal }: ToolContext): Promise<Exit> {
  const waiting = new AbortController()
  const stopped = whenStopped(signal)
  const late = Promise.withResolvers<"late">()
  const cancel = clock.after(timeoutMs, () => late.resolve("late"))
  const exited = terminal.exited(waiting.signal)
  try {
    const first = await Promise.race([exited, stopped.promise, late.promise])
    return typeof first === "string" ? { type: first } : { type: "exited", ...first }
  } catch (error) {
    throw failed(error, "The user's terminal was lost, and the command may still run")
  } finally {
    cancel()
    stopped.forget()
    // Nobody waits any more; what comes of that is no news.
    exited.catch(() => undefined)
    waiting.abort()
  }
}

async function outputOf(terminal: EditorTerminal, maxChars: number, context: ToolContext): Promise<string> {
  const given = await settled(terminal.output(), context)
  if (!given) return "[the client did not give the output]"
  const text = new CappedText(maxChars)
  text.add(given.output)
  return given.truncated ? `[the beginning of the output was left out]\n${text}` : `${text}`
}

/** The value; undefined when it fails, or takes too long. */
async function settled<T>(value: Promise<T>, { clock }: Pick<ToolContext, "clock">): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const cancel = clock.after(CLOSE_MS, () => late.resolve(undefined))
  // A client that is gone or refuses: nothing is left that could be done about its terminal.
  const known = value.then(
    (given) => given,
    (error: unknown) => {
      if (!(error instanceof PincerError)) throw error
      return undefined
    },
  )
  try {
    return await Promise.race([known, late.promise])
  } finally {
    cancel()
  }
}

function whenStopped(signal: AbortSignal): { promise: Promise<"stopped">; forget(): void } {
  const { promise, resolve } = Promise.withResolvers<"stopped">()
  const stop = () => resolve("stopped")
  signal.addEventListener("abort", stop, { once: true })
  if (signal.aborted) stop()
  return { promise, forget: () => signal.removeEventListener("abort", stop) }
}

function failed(error: unknown, what: string): unknown {
  if (!(error instanceof PincerError)) return error
  return new PincerError(error.code, `${what}: ${error.message}`, { cause: error })
}
