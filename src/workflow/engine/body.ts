// What a step does, by its kind.
import { realpath } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { PincerError } from "../../base/errors.ts"
import type { ProgramResult, ProgramRun } from "../command.ts"
import type { StepBody, StepDefinition } from "../definition.ts"
import type { StepResult } from "../language/reference.ts"
import { expand, expandArguments, shellQuoted } from "../language/template.ts"
import { argumentsOf } from "./arguments.ts"
import type { Attempt } from "./attempts.ts"
import { charge } from "./cost.ts"
import { walkWithEnds } from "./ends.ts"
import { runLoop, runParallel } from "./many.ts"
import { runPipelineText } from "./pipeline-step.ts"
import { addressOf, type RunContext, type StepFrame } from "./run-context.ts"
import { argumentVariables, expandDeep, inputOf, itemsOf, itemsOfResult, outputOf, textOf } from "./values.ts"

/** Bytes of output that are kept unless the step says otherwise. */
export const DEFAULT_OUTPUT = 8 * 1024 * 1024
const MAX_FILE = 4_000_000

export async function runBody(
  run: RunContext,
  step: StepDefinition,
  path: string,
  frame: StepFrame,
  attempt: Attempt,
): Promise<StepResult> {
  const { body } = step
  if (body.type !== "shell" && body.type !== "argv") await attempt.begin()
  switch (body.type) {
    case "none":
      return { id: step.id }
    case "shell": {
      const line = expand(body.line, frame, body.quote ? shellQuoted : undefined)
      return program(run, step, path, frame, attempt, { shell: line })
    }
    case "argv":
      return program(run, step, path, frame, attempt, { argv: body.argv.map((word) => expand(word, frame)) })
    case "pipeline": {
      const env = environment(step, frame, attempt)
      const place = { env, cwd: placeOf(step, frame), signal: attempt.signal }
      const items = itemsOf(step.stdin === undefined ? undefined : inputOf(step.stdin, frame))
      const end = await runPipelineText(run, expand(body.text, frame), path, { ...place, items, id: step.id })
      return end.result()
    }
    case "workflow":
      return subWorkflow(run, step, body, path, frame, attempt)
    case "for_each":
      return runLoop(run, step, body, path, frame, attempt.signal)
    case "parallel":
      return runParallel(run, step, body, path, frame, attempt.signal)
    case "tool": {
      const args = expandDeep(body.args, frame, true) as Record<string, unknown>
      const value = await run.ports.tool(expand(body.name, frame), args, addressOf(run, path), attempt.signal)
      return typeof value === "string"
        ? outputOf(step.id, value, step.output?.mode)
        : { id: step.id, json: value ?? null }
    }
    case "agent":
      return agentTurn(run, step, body, path, frame, attempt)
    case "http":
      return request(run, step, body, path, frame, attempt)
  }
}

async function program(
  run: RunContext,
  step: StepDefinition,
  path: string,
  frame: StepFrame,
  attempt: Attempt,
  line: ProgramRun["line"],
): Promise<StepResult> {
  const stdin = step.stdin === undefined ? undefined : textOf(inputOf(step.stdin, frame))
  const asked: ProgramRun = {
    line,
    cwd: placeOf(step, frame),
    env: environment(step, frame, attempt),
    ...(stdin === undefined ? {} : { stdin }),
    maxBytes: step.output?.maxBytes ?? DEFAULT_OUTPUT,
  }
  const address = addressOf(run, path)
  // Judged before it counts as begun: who waits for leave has not acted, and the decision goes to disk with the intent.
  const start = await run.ports.prepare?.(asked, address, attempt.signal, run.warn)
  await attempt.begin()
  const ran = await (start ? start() : run.ports.run(asked, address, attempt.signal, run.warn))
  if (ran.exitCode !== 0) throw new Error(failureOf(ran, line))
  if (ran.spilled) return { id: step.id, stdout: ran.stdout, spilled: ran.spilled }
  return outputOf(step.id, ran.stdout, step.output?.mode)
}

function failureOf(ran: ProgramResult, line: ProgramRun["line"]): string {
  const text = "shell" in line ? line.shell : line.argv.join(" ")
  const said = ran.stderr.trim() || ran.stdout.trim() || text
  const how = ran.killedBy ?? String(ran.exitCode)
  return `workflow command failed (${how}): ${said.slice(0, 4_000)}`
}

function placeOf(step: StepDefinition, frame: StepFrame): string {
  return step.cwd === undefined ? frame.cwd : resolve(frame.cwd, expandArguments(step.cwd, frame.args))
}

function environment(step: StepDefinition, frame: StepFrame, attempt: Attempt): Record<string, string> {
  const own = Object.fromEntries(Object.entries(step.env).map(([name, text]) => [name, expand(text, frame)]))
  const { idempotencyKey: key } = attempt
  const keys: Record<string, string> =
    key === undefined ? {} : { PINCER_IDEMPOTENCY_KEY: key, LOBSTER_IDEMPOTENCY_KEY: key }
  return { ...frame.env, ...argumentVariables(frame.args), ...own, ...keys }
}

/** The file is read once a run: what was read then is what goes on after a restart. */
async function subWorkflow(
  run: RunContext,
  step: StepDefinition,
  body: Extract<StepBody, { type: "workflow" }>,
  path: string,
  frame: StepFrame,
  attempt: Attempt,
): Promise<StepResult> {
  const given = expand(body.path, frame)
  const file = resolve(frame.file === undefined ? frame.cwd : dirname(frame.file), given)
  const key = `${path}!file`
  const known = await run.log.known<{ real: string; text: string }>(key)
  const { real, text } = known ?? (await readSub(run, step, file, path, attempt.signal))
  if (!known) run.log.settle(key, "read", { real, text }, [])
  if (frame.files.includes(real))
    throw new PincerError("INVALID_PARAMS", `Workflow step ${step.id}: ${given} is already running around it`)
  // Loaded here: a pipeline needs no reader of files.
  const { readWorkflow } = await import("../file/read.ts")
  const { definition, problems } = readWorkflow(text, real)
  const wrong = problems.find((problem) => problem.level === "error")
  if (!definition || wrong)
    throw new PincerError("INVALID_PARAMS", `${given}: ${wrong?.message ?? "it cannot be read"}`)
  const child: StepFrame = {
    args: argumentsOf(definition, expandDeep(body.args, frame) as Record<string, unknown>),
    results: new Map(),
    env: environment({ ...step, env: { ...step.env } }, frame, attempt),
    cwd: placeOf(step, frame),
    prefix: `${path}.`,
    file: real,
    files: [...frame.files, real],
    last: { result: undefined },
  }
  const inner = { ...child, ...ownPlace(definition, child) }
  await walkWithEnds(run, definition, inner, attempt.signal, known === undefined)
  const items = itemsOfResult(inner.last.result)
  return { id: step.id, json: items.length === 1 ? items[0] : items }
}

/** The definition's own variables and folder, over those of the frame. */
export function ownPlace(
  definition: { env: Record<string, string>; cwd?: string },
  frame: StepFrame,
): Pick<StepFrame, "env" | "cwd"> {
  const own = Object.fromEntries(Object.entries(definition.env).map(([name, text]) => [name, expand(text, frame)]))
  return {
    env: { ...frame.env, ...own },
    cwd: definition.cwd === undefined ? frame.cwd : resolve(frame.cwd, expandArguments(definition.cwd, frame.args)),
  }
}

async function readSub(
  run: RunContext,
  step: StepDefinition,
  file: string,
  path: string,
  signal: AbortSignal,
): Promise<{ real: string; text: string }> {
  try {
    const real = await realpath(file)
    const text = await run.ports.readText(real, addressOf(run, path), signal)
    if (text.length > MAX_FILE) throw new PincerError("TOO_LARGE", `${file} has more than ${MAX_FILE} characters`)
    return { real, text }
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("NOT_FOUND", `Workflow step ${step.id}: workflow file not found: ${file}`, { cause: error })
  }
}

async function agentTurn(
  run: RunContext,
  step: StepDefinition,
  body: Extract<StepBody, { type: "agent" }>,
  path: string,
  frame: StepFrame,
  attempt: Attempt,
): Promise<StepResult> {
  const { type: _, maxRetries, message, ...rest } = body
  const input = step.stdin === undefined ? undefined : textOf(inputOf(step.stdin, frame))
  const said = input === undefined ? expand(message, frame) : `${expand(message, frame)}\n\n${input}`
  const answer = await run.ports.agent({ ...rest, message: said, maxRetries }, addressOf(run, path), attempt.signal)
  if (answer.usage) await charge(run, [answer.usage], frame.env)
  if (answer.data !== undefined) return { id: step.id, stdout: answer.text, json: answer.data }
  return outputOf(step.id, answer.text, step.output?.mode)
}

async function request(
  run: RunContext,
  step: StepDefinition,
  body: Extract<StepBody, { type: "http" }>,
  path: string,
  frame: StepFrame,
  attempt: Attempt,
): Promise<StepResult> {
  const headers = Object.fromEntries(
    Object.entries(body.headers).map(([name, text]) => [name.toLowerCase(), expand(text, frame)]),
  )
  if (attempt.idempotencyKey !== undefined) headers["idempotency-key"] ??= attempt.idempotencyKey
  const content =
    body.body === undefined && step.stdin !== undefined
      ? inputOf(step.stdin, frame)
      : expandDeep(body.body, frame, true)
  const text = textOf(content)
  if (text !== undefined && typeof content !== "string") headers["content-type"] ??= "application/json"
  const answer = await run.ports.fetch(
    { url: expand(body.url, frame), method: body.method, headers, ...(text === undefined ? {} : { body: text }) },
    addressOf(run, path),
    attempt.signal,
  )
  if (answer.status >= 400) throw new Error(`HTTP ${answer.status}: ${answer.text.slice(0, 2_000)}`)
  return outputOf(step.id, answer.text, step.output?.mode)
}
