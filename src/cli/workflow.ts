// `pincer workflow run|resume|retry|watch|cancel|delete`: runs, from the command line. What the steps print and the result go to standard
// output, progress goes to standard error. Ctrl-C cancels the run that this command started.
import { randomUUID } from "node:crypto"
import { existsSync, statSync } from "node:fs"
import { extname, resolve } from "node:path"
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Envelope, RunEvent } from "../protocol/workflow.ts"
import type { Cli } from "./cli.ts"
import { namedGateway, type Reach, reachGateway } from "./connect.ts"
import { inert, inertLine } from "./inert.ts"
import { Exit } from "./report.ts"
import { LiveTree, STEP_MARKS, shortTime } from "./workflow-tree.ts"

export interface WorkflowRunFlags {
  arg?: string[]
  argsJson?: string
  cwd?: string
  agent?: string
  recovery?: string
  dryRun?: boolean
  detach?: boolean
  unsandboxed?: boolean
  json?: boolean
}

const FILES = [".lobster", ".yaml", ".yml", ".json"]

export interface Pauses {
  pause(): () => void
}

/** What these commands need of a gateway. */
export interface WorkflowReach {
  client: Pick<Reach["client"], "request" | "closed"> & {
    on(event: string, listener: (frame: { payload?: unknown }) => void): () => void
    /** Of a client that asks the person at the terminal itself: told before and after. */
    pauses?: Pauses
  }
}

/** With the gateway that is named or runs on this home; where none does, in this process. */
export async function withGateway<T>(
  cli: Cli,
  use: (reach: WorkflowReach) => Promise<T>,
  how: { unsandboxed?: boolean } = {},
): Promise<T> {
  const { home } = resolvePaths(cli.env, cli.flags)
  if (namedGateway(cli) || cli.flags.standalone || runningGateway(home)) {
    if (how.unsandboxed)
      throw new PincerError(
        "INVALID_PARAMS",
        "--unsandboxed is for runs without a gateway: in a gateway, elevate the session",
      )
    const reach = await reachGateway(cli, { otherwise: "refuse" })
    try {
      return await use(reach)
    } finally {
      await reach.close()
    }
  }
  const { aloneClient } = await import("./workflow-alone.ts")
  const client = await aloneClient(cli, how.unsandboxed === true)
  try {
    return await use({ client })
  } finally {
    client.close()
  }
}

/** A file when it is one, else the words as a pipeline. */
export function sourceOf(words: readonly string[], cwd: string): { file: string } | { pipeline: string } {
  const [first = ""] = words
  if (words.length === 1 && !first.includes("|")) {
    const file = resolve(cwd, first)
    if (existsSync(file) && statSync(file).isFile()) return { file }
    if (FILES.includes(extname(first).toLowerCase()))
      throw new PincerError("NOT_FOUND", `There is no workflow file ${file}`)
  }
  return { pipeline: words.join(" ") }
}

/** `name=value` words over one JSON object. Values are JSON where they read as such. */
export function argumentsFrom(flags: Pick<WorkflowRunFlags, "arg" | "argsJson">): Record<string, unknown> {
  const args: Record<string, unknown> = {}
  if (flags.argsJson !== undefined) {
    const value = jsonOf(flags.argsJson, "--args-json")
    if (!isObject(value)) throw new PincerError("INVALID_PARAMS", "--args-json must be a JSON object")
    Object.assign(args, value)
  }
  for (const word of flags.arg ?? []) {
    const at = word.indexOf("=")
    if (at <= 0) throw new PincerError("INVALID_PARAMS", `--arg ${word}: write it as name=value`)
    args[word.slice(0, at)] = argumentOf(word.slice(at + 1))
  }
  return args
}

function argumentOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: the text itself.
    return text
  }
}

function jsonOf(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `${what} is not JSON: ${error instanceof Error ? error.message : ""}`)
  }
}

export async function runWorkflow(cli: Cli, words: readonly string[], flags: WorkflowRunFlags): Promise<void> {
  const cwd = resolve(cli.cwd, flags.cwd ?? ".")
  const source = sourceOf(words, cli.cwd)
  const args = argumentsFrom(flags)
  if (flags.recovery !== undefined && flags.recovery !== "resume" && flags.recovery !== "mark")
    throw new PincerError("INVALID_PARAMS", `--recovery must be resume or mark, not "${flags.recovery}"`)
  if (flags.dryRun) {
    const { planWorkflow } = await import("./workflow-look.ts")
    return planWorkflow(cli, source, { cwd, args, dryRun: true, ...(flags.json ? { json: true } : {}) })
  }
  const runId = randomUUID()
  const params = {
    ...source,
    args,
    cwd,
    runId,
    wait: flags.detach !== true,
    ...(flags.agent === undefined ? {} : { agentId: flags.agent }),
    ...(flags.recovery === undefined ? {} : { recovery: flags.recovery }),
  }
  const act = async (reach: WorkflowReach) => {
    if (flags.detach) {
      await reach.client.request("workflow.run", params, { timeoutMs: 0 })
      if (flags.json) cli.out.json({ runId })
      else cli.out.line(runId)
      return
    }
    await follow(cli, reach, runId, flags.json === true, () =>
      reach.client.request("workflow.run", params, { timeoutMs: 0 }),
    )
  }
  await withGateway(cli, act, { unsandboxed: flags.unsandboxed === true })
}

export async function planRun(cli: Cli, words: readonly string[], flags: WorkflowRunFlags): Promise<void> {
  const { planWorkflow } = await import("./workflow-look.ts")
  const how = { cwd: resolve(cli.cwd, flags.cwd ?? "."), args: argumentsFrom(flags), json: flags.json === true }
  await planWorkflow(cli, sourceOf(words, cli.cwd), how)
}

export interface ResumeFlags {
  approve?: string
  reason?: string
  responseJson?: string
  cancel?: boolean
  as?: string
  unsandboxed?: boolean
  json?: boolean
}

export async function resumeRun(cli: Cli, what: string, flags: ResumeFlags): Promise<void> {
  const isRun = /^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(what)
  const answers = [flags.approve, flags.responseJson, flags.cancel].filter((one) => one !== undefined)
  if (!isRun && answers.length !== 1)
    throw new PincerError("INVALID_PARAMS", "Answer with exactly one of --approve yes|no, --response-json and --cancel")
  const params = {
    ...(isRun ? { runId: what } : { token: what }),
    ...(flags.approve === undefined ? {} : { approve: yesOrNo(flags.approve) }),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
    ...(flags.responseJson === undefined ? {} : { response: jsonOf(flags.responseJson, "--response-json") }),
    ...(flags.cancel ? { cancel: true } : {}),
    ...(flags.as === undefined ? {} : { by: flags.as }),
  }
  const go = async (reach: WorkflowReach) => {
    const runId = isRun ? what : undefined
    const act = () => reach.client.request("workflow.resume", params, { timeoutMs: 0 })
    await follow(cli, reach, runId, flags.json === true, act, await attemptOf(reach, runId))
  }
  await withGateway(cli, go, { unsandboxed: flags.unsandboxed === true })
}

function yesOrNo(text: string): boolean {
  if (/^(?:y|yes|true)$/i.test(text)) return true
  if (/^(?:n|no|false)$/i.test(text)) return false
  throw new PincerError("INVALID_PARAMS", `--approve must be yes or no, not "${text}"`)
}

export async function retryRun(
  cli: Cli,
  runId: string,
  flags: { from?: string; unsandboxed?: boolean; json?: boolean },
): Promise<void> {
  const params = { runId, ...(flags.from === undefined ? {} : { from: flags.from }) }
  const go = async (reach: WorkflowReach) => {
    const act = () => reach.client.request("workflow.retry", params, { timeoutMs: 0 })
    await follow(cli, reach, runId, flags.json === true, act, await attemptOf(reach, runId))
  }
  await withGateway(cli, go, { unsandboxed: flags.unsandboxed === true })
}

/** How often a run was begun so far. */
async function attemptOf({ client }: WorkflowReach, runId: string | undefined): Promise<number> {
  if (runId === undefined) return 0
  const answer = await client.request("workflow.show", { runId })
  const run = isObject(answer) && isObject(answer["run"]) ? answer["run"] : {}
  return typeof run["attempt"] === "number" ? run["attempt"] : 0
}

/** Shows what happens while `act` is under way, then how it came out. Throws Exit with what a shell is to see. */
async function follow(
  cli: Cli,
  { client }: WorkflowReach,
  runId: string | undefined,
  asJson: boolean,
  act: () => Promise<unknown>,
  before = 0,
): Promise<void> {
  const stop = runId === undefined || asJson ? undefined : showProgress(cli, client, runId, before)
  const cancel = () => {
    if (runId !== undefined) client.request("workflow.cancel", { runId }).catch(() => undefined)
  }
  process.once("SIGINT", cancel)
  let shown = false
  try {
    const told = await act()
    await stop?.()
    shown = true
    const envelope = isObject(told) ? (told["envelope"] as Envelope | undefined) : undefined
    if (!isObject(told) || !envelope) throw new PincerError("INTERNAL_ERROR", "The gateway's answer is not understood")
    for (const warning of Array.isArray(told["warnings"]) ? told["warnings"] : []) cli.err.line(inert(String(warning)))
    if (asJson) cli.out.json(envelope)
    else showEnvelope(cli, envelope, typeof told["printed"] === "string" ? told["printed"] : "")
    if (!envelope.ok) throw new Exit(envelope.error.type === "parse_error" ? 2 : 1)
  } finally {
    process.removeListener("SIGINT", cancel)
    if (!shown) await stop?.()
  }
}

function showEnvelope(cli: Cli, envelope: Envelope, printed: string): void {
  if (printed !== "") cli.out.write(inert(printed))
  if (!envelope.ok) {
    cli.err.line(`${cli.err.paint("pincer:", "red")} ${inert(envelope.error.message)}`)
    if (envelope.runId !== undefined) cli.err.line(`Run it again from there: pincer workflow retry ${envelope.runId}`)
    return
  }
  const { output, requiresApproval, requiresInput, status } = envelope
  if (status === "cancelled") cli.err.line("The run was canceled.")
  const gate = requiresApproval ?? requiresInput
  if (gate) {
    cli.out.line(inertLine(gate.prompt))
    if (requiresApproval && requiresApproval.items.length > 0) cli.out.json(requiresApproval.items)
    const id = gate.approvalId ?? gate.resumeToken
    const how = requiresApproval ? "--approve yes" : "--response-json '{…}'"
    cli.err.line(`It waits for an answer: pincer workflow resume ${id} ${how}`)
    return
  }
  const [only] = output
  if (output.length === 1 && typeof only === "string") cli.out.write(inert(only.endsWith("\n") ? only : `${only}\n`))
  else if (output.length > 0) cli.out.json(output)
  for (const { bytes, file, path } of envelope.spilled ?? [])
    cli.err.line(inertLine(`All ${bytes} bytes that ${path} said are in ${file}`))
}

/** Shows the facts of a run: a tree on a terminal, lines in a pipe. */
interface RunView {
  take(event: RunEvent): void
  end(): void
}

function openView(cli: Cli, client: WorkflowReach["client"]): RunView {
  const { err } = cli
  if (!err.isTerminal) return { take: (event) => showEvent(cli, event), end: () => undefined }
  const tree = new LiveTree(err, systemClock, () => process.stderr.rows ?? 24)
  if (client.pauses) client.pauses.pause = () => tree.pause()
  let ending: string | undefined
  return {
    take(event) {
      tree.take(event)
      if (event.type === "run.ended" && event.status !== "completed") ending = `The run has ${event.status}.`
    },
    end() {
      tree.end()
      if (ending !== undefined) err.line(ending)
      ending = undefined
    },
  }
}

/** How long what was recorded may take to be told, once the answer is there. */
const TOLD_MS = 2_000

/** One line a step of attempts after `attempt` on standard error, as it ends. The run may not be there yet: it is looked for until it is. */
function showProgress(cli: Cli, client: WorkflowReach["client"], runId: string, attempt: number): () => Promise<void> {
  const rests = Promise.withResolvers<void>()
  let isOurs = false
  const view = openView(cli, client)
  const off = client.on("workflow.event", ({ payload }) => {
    const found = isObject(payload) ? payload["event"] : undefined
    if (!isObject(found) || found["runId"] !== runId) return
    const event = found as unknown as RunEvent
    if (event.type === "run.started" && event.attempt > attempt) isOurs = true
    if (!isOurs) return
    view.take(event)
    if (event.type === "run.ended" || event.type === "run.waiting") rests.resolve()
  })
  let over = false
  const begun = (async () => {
    for (;;) {
      // Asked once more after the run is known to be there: a short one may have ended before it was first looked for.
      const isLast = over
      try {
        await client.request("workflow.watch", { runId })
        return true
      } catch (error) {
        if (isLast || !(error instanceof PincerError) || error.code !== "NOT_FOUND") return false
        await systemClock.sleep(25)
      }
    }
  })()
  return async () => {
    over = true
    if (await begun) await Promise.race([rests.promise, systemClock.sleep(TOLD_MS)])
    off()
    view.end()
  }
}

export function showEvent(cli: Cli, event: RunEvent): void {
  if (event.type === "step.ended") {
    const why = event.message === undefined ? "" : `  ${cli.err.paint(inertLine(event.message).slice(0, 300), "dim")}`
    const style = event.status === "failed" || event.status === "uncertain" ? "red" : "dim"
    const mark = cli.err.paint(STEP_MARKS[event.status], style)
    cli.err.line(`${mark} ${inertLine(event.path)} (${shortTime(event.durationMs)})${why}`)
  } else if (event.type === "run.waiting") cli.err.line(`… ${inertLine(event.path)}: ${inertLine(event.prompt)}`)
  else if (event.type === "run.ended" && event.status !== "completed") cli.err.line(`The run has ${event.status}.`)
}

export async function watchRun(cli: Cli, runId: string, flags: { json?: boolean }): Promise<void> {
  await withGateway(cli, async ({ client }) => {
    const over = Promise.withResolvers<string>()
    const view = openView(cli, client)
    client.on("workflow.event", ({ payload }) => {
      const event = isObject(payload) ? payload["event"] : undefined
      if (!isObject(event) || event["runId"] !== runId) return
      if (flags.json) cli.out.line(JSON.stringify(event))
      else view.take(event as unknown as RunEvent)
      if (event["type"] === "run.waiting") over.resolve("waiting")
    })
    client.on("workflow.done", ({ payload }) => {
      if (isObject(payload) && payload["runId"] === runId) over.resolve(String(payload["status"]))
    })
    void client.closed.then((error) => over.reject(error))
    await client.request("workflow.watch", { runId })
    const status = await over.promise.finally(() => view.end())
    if (status === "failed") throw new Exit(1)
    if (status === "canceled") throw new Exit(130)
  })
}

export async function changeRun(
  cli: Cli,
  verb: "cancel" | "delete",
  runId: string,
  flags: { json?: boolean },
): Promise<void> {
  const answer = await withGateway(cli, ({ client }) => client.request(`workflow.${verb}`, { runId }))
  if (flags.json) cli.out.json(answer)
  else if (isObject(answer) && Object.values(answer).includes(false)) cli.err.line("It had ended before.")
  else cli.out.line(verb === "cancel" ? `Canceled ${runId}.` : `Removed ${runId}.`)
}
