// `pincer ask`: one question, one answer, one exit code.
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { newKey } from "../protocol/client.ts"
import { Asker, terminalKeys } from "./approve.ts"
import type { Cli } from "./cli.ts"
import { PATIENT, type Reach, reachGateway } from "./connect.ts"
import { parseElevated, setElevated } from "./elevated.ts"
import { withFiles } from "./files.ts"
import { inertLine } from "./inert.ts"
import { type PermissionFlags, permissionsOf } from "./permission-flags.ts"
import { Exit } from "./report.ts"
import { type Format, openStage } from "./stages.ts"
import { readStdin } from "./stdin.ts"
import { type Ending, runTurn, type Saying } from "./turn.ts"

export interface AskFlags extends PermissionFlags {
  prompt?: string
  message?: string
  session?: string
  agent?: string
  model?: string
  cwd?: string
  json?: boolean
  format?: string
  timeout?: string
  system?: string
  thinking?: string
  elevated?: string
  attach?: string[]
}

/** How long after the turn's own time limit the gateway may take to say so. */
const TIMEOUT_GRACE_MS = 5_000

/** Throws Exit with the turn's exit code unless it completed. */
export async function ask(cli: Cli, words: readonly string[], flags: AskFlags): Promise<void> {
  const format = formatOf(flags)
  const timeoutMs = timeoutOf(flags.timeout)
  const elevated = flags.elevated === undefined ? undefined : parseElevated(flags.elevated, "--elevated")
  const permissions = permissionsOf(flags, cli.env, (line) => cli.err.line(line))
  const prompt = flags.prompt ?? flags.message ?? words.join(" ")
  const piped = await readStdin(prompt.trim() !== "")
  const { message, attachments } = withFiles(joined(prompt, piped), flags.attach ?? [], cli)
  if (message.trim() === "" && attachments.length === 0)
    throw new PincerError("INVALID_PARAMS", 'Nothing was asked: write pincer ask "…", or pipe the question in')
  const asksHere = cli.interactive && format === "text"
  const link = await reachGateway(cli, {
    otherwise: "start",
    caps: asksHere ? ["tool-events", "approvals"] : ["tool-events"],
    reconnect: PATIENT,
  })
  try {
    const saying: Saying = {
      message,
      ...(attachments.length === 0 ? {} : { attachments }),
      ...sayingOf(cli, link, flags),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(permissions ? { permissions } : {}),
    }
    if (elevated) await elevate(cli, link, saying, elevated)
    const ending = await supervised(cli, link, saying, { asksHere, format, timeoutMs })
    if (ending.exitCode !== 0) throw new Exit(ending.exitCode)
  } finally {
    await link.close()
  }
}

/** Before the question is asked; the answer's place is not spoiled. */
async function elevate(cli: Cli, link: Reach, saying: Saying, wish: ReturnType<typeof parseElevated>): Promise<void> {
  const { agentId, sessionKey } = saying
  const address = { sessionKey: String(sessionKey), ...(typeof agentId === "string" ? { agentId } : {}) }
  cli.err.line(cli.err.paint(`! ${inertLine(await setElevated(link.client, address, wish))}`, "yellow"))
}

function sayingOf(cli: Cli, link: Reach, flags: AskFlags) {
  const cwd = flags.cwd === undefined ? undefined : resolve(cli.cwd, flags.cwd)
  return {
    // Without a name each question stands alone, so that scripts side by side do not wait for each other.
    sessionKey: flags.session ?? `cli:${newKey().slice(0, 12)}`,
    ...(flags.agent === undefined ? {} : { agentId: flags.agent }),
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...(flags.system === undefined ? {} : { systemPrompt: flags.system }),
    ...(flags.thinking === undefined ? {} : { thinking: flags.thinking }),
    // Another machine has other folders.
    ...(cwd !== undefined ? { cwd } : link.target.local ? { cwd: cli.cwd } : {}),
  }
}

interface Supervision {
  asksHere: boolean
  format: Format
  timeoutMs: number | undefined
}

/** Runs the turn; Ctrl-C cancels it, a second one leaves at once. */
async function supervised(cli: Cli, link: Reach, saying: Saying, options: Supervision): Promise<Ending> {
  const asker = options.asksHere ? new Asker(link.client, cli.out, terminalKeys(process.stdin)) : undefined
  const stage = openStage(cli, options.format, asker)
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  }
  let late = false
  const limit =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          late = true
          controller.abort()
        }, options.timeoutMs + TIMEOUT_GRACE_MS)
  process.on("SIGINT", interrupt)
  process.on("SIGTERM", interrupt)
  try {
    const ending = await runTurn(link.client, saying, stage, { signal: controller.signal })
    if (late) throw new PincerError("TIMEOUT", `The gateway did not end the turn within ${options.timeoutMs} ms`)
    return ending
  } finally {
    clearTimeout(limit)
    asker?.stop()
    process.off("SIGINT", interrupt)
    process.off("SIGTERM", interrupt)
  }
}

function joined(prompt: string, piped: string | undefined): string {
  const text = piped?.trim() ?? ""
  if (prompt.trim() === "") return text
  return text === "" ? prompt : `${prompt}\n\n${text}`
}

function formatOf(flags: AskFlags): Format {
  const format = flags.json ? "json" : (flags.format ?? "text")
  if (format === "text" || format === "json" || format === "quiet") return format
  throw new PincerError("INVALID_PARAMS", `--format: "${format}" is not one of text, json, quiet`)
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (text.trim() !== "" && Number.isFinite(seconds) && seconds > 0) return Math.round(seconds * 1000)
  throw new PincerError("INVALID_PARAMS", `--timeout: "${text}" is not a number of seconds above 0`)
}
