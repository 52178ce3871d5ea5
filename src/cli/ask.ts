// `pincer ask`: one question, one answer, one exit code.
import { asPincerError, ERROR_TABLE, PincerError } from "../base/errors.ts"
import { envValue } from "../config/paths.ts"
import { newKey } from "../protocol/client.ts"
import { Asker, terminalKeys } from "./approve.ts"
import { runAttempts } from "./attempts.ts"
import type { Cli } from "./cli.ts"
import { PATIENT, type Reach, reachGateway } from "./connect.ts"
import { parseElevated, setElevated } from "./elevated.ts"
import { withFiles } from "./files.ts"
import { inert, inertJson, inertLine } from "./inert.ts"
import { ReadsLeftOut } from "./passing-stage.ts"
import { permissionHint, permissionsOf } from "./permission-flags.ts"
import { Exit } from "./report.ts"
import { Screen } from "./screen.ts"
import { openStage } from "./stages.ts"
import { readStdin } from "./stdin.ts"
import type { Ending, Saying } from "./turn.ts"
import { isOn, saidWith, type TurnFlags, type TurnWishes, turnWishes } from "./turn-flags.ts"

export interface AskFlags extends TurnFlags {
  prompt?: string
  message?: string
  system?: string
  attach?: string[]
  jsonStrict?: boolean
}

/** How long after the turn's own time limit the gateway may take to say so. */
const TIMEOUT_GRACE_MS = 5_000

/** Throws Exit with the turn's exit code unless it completed. With JSON, what went wrong before is a line of its own, too. */
export async function ask(cli: Cli, words: readonly string[], flags: AskFlags): Promise<void> {
  const settings = turnWishes(flags, cli)
  const strict = flags.jsonStrict ?? isOn(cli.env, "PINCER_JSON_STRICT")
  if (strict && settings.format !== "json")
    throw new PincerError("INVALID_PARAMS", "--json-strict needs --format json: add it, or leave --json-strict out")
  if (settings.format !== "json") return askOnce(cli, words, flags, settings)
  const heard = strict ? silenced(cli) : cli
  try {
    await askOnce(heard, words, flags, settings)
  } catch (error) {
    if (error instanceof Exit) throw error
    const { code, message, details } = asPincerError(error)
    const line = { type: "error", error: { code, message, ...(details ? { details } : {}) } }
    cli.out.line(inertJson(JSON.stringify(line)))
    heard.err.line(`pincer: ${inert(message)}`)
    throw new Exit(ERROR_TABLE[code].exit)
  }
}

/** Nothing on standard error, not even a warning of the runtime. */
function silenced(cli: Cli): Cli {
  process.removeAllListeners("warning")
  return { ...cli, err: new Screen({ stream: { write: () => true }, env: {} }) }
}

async function askOnce(cli: Cli, words: readonly string[], flags: AskFlags, settings: TurnWishes): Promise<void> {
  const elevated = flags.elevated === undefined ? undefined : parseElevated(flags.elevated, "--elevated")
  const permissions = permissionsOf(flags, cli.env, (line) => cli.err.line(line))
  const { message, attachments } = withFiles(await promptOf(cli, words, flags), flags.attach ?? [], cli)
  if (message.trim() === "" && attachments.length === 0)
    throw new PincerError("INVALID_PARAMS", 'Nothing was asked: write pincer ask "…", or pipe the question in')
  const asksHere = cli.interactive && settings.format === "text"
  const link = await reachGateway(cli, {
    otherwise: "start",
    caps: asksHere ? ["tool-events", "approvals"] : ["tool-events"],
    reconnect: PATIENT,
  })
  try {
    const saying: Saying = {
      message,
      ...(attachments.length === 0 ? {} : { attachments }),
      // Without a name each question stands alone, so that scripts side by side do not wait for each other.
      sessionKey: settings.session ?? `cli:${newKey().slice(0, 12)}`,
      ...saidWith(settings, { cwd: cli.cwd, local: link.target.local }),
      ...(flags.system === undefined ? {} : { systemPrompt: flags.system }),
      ...(flags.thinking === undefined ? {} : { thinking: flags.thinking }),
      ...(permissions ? { permissions } : {}),
    }
    if (elevated) await elevate(cli, link, saying, elevated)
    const ending = await supervised(cli, link, saying, asksHere, settings)
    const hint = ending.exitCode === ERROR_TABLE.PERMISSION_DENIED.exit ? permissionHint(permissions) : undefined
    if (hint !== undefined && settings.format !== "json") cli.err.line(hint)
    if (ending.exitCode !== 0) throw new Exit(ending.exitCode)
  } finally {
    await link.close()
  }
}

/** The words, then what is piped in; "-" is standard input alone. The variable only counts where no words are. */
async function promptOf(cli: Cli, words: readonly string[], flags: AskFlags): Promise<string> {
  const said = flags.prompt ?? flags.message ?? words.join(" ")
  if (said.trim() === "-") return (await readStdin(false, true))?.trim() ?? ""
  const prompt = said.trim() === "" ? (envValue(cli.env, "PINCER_PROMPT") ?? "") : said
  return joined(prompt, await readStdin(prompt !== ""))
}

/** Before the question is asked; the answer's place is not spoiled. */
async function elevate(cli: Cli, link: Reach, saying: Saying, wish: ReturnType<typeof parseElevated>): Promise<void> {
  const { agentId, sessionKey } = saying
  const address = { sessionKey: String(sessionKey), ...(typeof agentId === "string" ? { agentId } : {}) }
  cli.err.line(cli.err.paint(`! ${inertLine(await setElevated(link.client, address, wish))}`, "yellow"))
}

/** Runs the turn; Ctrl-C cancels it, a second one leaves at once. */
async function supervised(
  cli: Cli,
  link: Reach,
  saying: Saying,
  asksHere: boolean,
  { format, promptRetries, suppressReads, timeoutMs }: TurnWishes,
): Promise<Ending> {
  const asker = asksHere ? new Asker(link.client, cli.out, terminalKeys(process.stdin)) : undefined
  const shown = openStage(cli, format, asker)
  const stage = suppressReads ? new ReadsLeftOut(shown) : shown
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  }
  let late = false
  const limit =
    timeoutMs === undefined
      ? undefined
      : setTimeout(
          () => {
            late = true
            controller.abort()
          },
          (timeoutMs + TIMEOUT_GRACE_MS) * (promptRetries + 1),
        )
  process.on("SIGINT", interrupt)
  process.on("SIGTERM", interrupt)
  try {
    const ending = await runAttempts(link.client, saying, stage, { retries: promptRetries, signal: controller.signal })
    if (late) throw new PincerError("TIMEOUT", `The gateway did not end the turn within ${timeoutMs} ms`)
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
