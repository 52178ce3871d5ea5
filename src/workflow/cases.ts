// Cases of a workflow: what its steps would have said, how its gates are answered, and what must come of it. Nothing acts: a step that would, and for
// which nothing is written down, fails the case. Runs lie in a folder that is removed afterwards.
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { parse } from "yaml"
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { silentLogger } from "../base/log.ts"
import type { Envelope } from "../protocol/workflow.ts"
import { openRuns } from "../store/run-file.ts"
import type { Command } from "./command.ts"
import type { Definition } from "./definition.ts"
import type { GateReply } from "./engine/engine.ts"
import type { EnginePorts } from "./engine/ports.ts"
import { WorkflowEngine } from "./engine/workflow-engine.ts"

/** Instead of what a step does: its output, its failure, or the answer to its gate. */
export type Mock =
  | { type: "said"; text: string; value: unknown }
  | { type: "fails"; message: string }
  | { type: "answers"; reply: GateReply }

export interface WorkflowCase {
  name: string
  args: Record<string, unknown>
  /** By the path of the step; "[*]" stands for any round of a loop. */
  mocks: ReadonlyMap<string, Mock>
  expect: { status?: string; output?: unknown; error?: string; steps: Readonly<Record<string, string>> }
}

export interface CaseResult {
  name: string
  /** What is not as expected; empty when the case holds. */
  problems: string[]
}

/** Files beside a workflow that may hold its cases. */
export function casesFile(workflow: string): string | undefined {
  const base = workflow.replace(/\.(?:lobster|ya?ml|json)$/i, "")
  return [`${workflow}.test.yaml`, `${base}.test.yaml`, `${base}.test.yml`, `${base}.test.json`].find((one) =>
    existsSync(one),
  )
}

/** Throws INVALID_PARAMS naming the case and the field. `workflow`: the file that is named there, absolute. */
export function readCases(text: string, file: string): { workflow: string | undefined; cases: WorkflowCase[] } {
  let root: unknown
  try {
    root = parse(text)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  const list = Array.isArray(root) ? root : isObject(root) ? (root["tests"] ?? root["cases"]) : undefined
  if (!Array.isArray(list) || list.length === 0)
    throw new PincerError("INVALID_PARAMS", `${file} needs "tests": a list with at least one case`)
  const named = isObject(root) && typeof root["workflow"] === "string" ? root["workflow"] : undefined
  return {
    workflow: named === undefined ? undefined : resolve(dirname(file), named),
    cases: list.map((one, i) => caseOf(one, `${file}, case ${i + 1}`)),
  }
}

const FIELDS = ["name", "args", "mocks", "expect"]

function caseOf(value: unknown, where: string): WorkflowCase {
  const fields = objectAt(value, where)
  for (const key of Object.keys(fields))
    if (!FIELDS.includes(key))
      throw new PincerError("INVALID_PARAMS", `${where}: unknown field "${key}"; there are ${FIELDS.join(", ")}`)
  const mocks = Object.entries(objectAt(fields["mocks"] ?? {}, `${where}, mocks`))
  const expect = objectAt(fields["expect"] ?? {}, `${where}, expect`)
  const { error, output, status, steps } = expect
  return {
    name: typeof fields["name"] === "string" ? fields["name"] : where,
    args: objectAt(fields["args"] ?? {}, `${where}, args`),
    mocks: new Map(mocks.map(([path, one]) => [path, mockOf(one, `${where}, mock of ${path}`)])),
    expect: {
      ...(typeof status === "string" ? { status } : {}),
      ...(output === undefined ? {} : { output }),
      ...(typeof error === "string" ? { error } : {}),
      steps: Object.fromEntries(
        Object.entries(objectAt(steps ?? {}, `${where}, steps`)).map(([path, one]) => [path, String(one)]),
      ),
    },
  }
}

function objectAt(value: unknown, where: string): Record<string, unknown> {
  if (isObject(value)) return value
  throw new PincerError("INVALID_PARAMS", `${where} must be an object`)
}

function mockOf(value: unknown, where: string): Mock {
  const fields = objectAt(value, where)
  const [key, more] = Object.keys(fields).filter((one) => one !== "by" && one !== "reason")
  if (key === undefined || more !== undefined)
    throw new PincerError("INVALID_PARAMS", `${where} must have one of stdout, json, fail, approve, response`)
  const given = fields[key]
  const by = typeof fields["by"] === "string" ? { by: fields["by"] } : {}
  switch (key) {
    case "stdout":
      return { type: "said", text: String(given), value: String(given) }
    case "json":
      return { type: "said", text: JSON.stringify(given), value: given }
    case "fail":
      return { type: "fails", message: String(given) }
    case "approve": {
      const approved = given === true || /^y(?:es)?$/i.test(String(given))
      const reason = typeof fields["reason"] === "string" ? { reason: fields["reason"] } : {}
      return { type: "answers", reply: { type: "approve", approved, ...reason, ...by } }
    }
    case "response":
      return { type: "answers", reply: { type: "respond", response: given, ...by } }
    default:
      throw new PincerError("INVALID_PARAMS", `${where}: unknown "${key}": use stdout, json, fail, approve or response`)
  }
}

export interface CaseRoom {
  definition: Definition
  commands: readonly Command[]
  clock: Clock
}

export async function runCase(one: WorkflowCase, { clock, commands, definition }: CaseRoom): Promise<CaseResult> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "pincer-case-")))
  const store = openRuns({ path: join(folder, "runs.db"), durability: "normal" }, clock, silentLogger)
  const mocks = new Mocks(one.mocks)
  const engine = new WorkflowEngine({
    ...mocks.ports(),
    runs: store.runs,
    clock,
    log: silentLogger,
    holder: { pid: process.pid, birth: "case" },
    isAlive: () => true,
    env: {},
    spillFolder: folder,
    commands,
    publish: () => undefined,
    checkpoint: () => undefined,
  })
  try {
    const how = { print: () => undefined, warn: () => undefined, signal: new AbortController().signal }
    const who = { startedBy: "test", agentId: "main", identity: {}, cwd: folder }
    let told = await engine.start({ source: { type: "workflow", definition }, args: one.args, ...who, ...how })
    for (;;) {
      const [gate] = (await store.runs.gatesOf(told.runId ?? "")).filter(
        (row) => row.status === "waiting" && mocks.reply(row.path) !== undefined,
      )
      const reply = gate && mocks.reply(gate.path)
      if (!gate || !reply) break
      told = await engine.answer(gate.token, reply, how)
    }
    return { name: one.name, problems: [...differences(one, told), ...mocks.unused()] }
  } catch (error) {
    return { name: one.name, problems: [error instanceof Error ? error.message : String(error)] }
  } finally {
    store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

class Mocks {
  readonly #all: ReadonlyMap<string, Mock>
  readonly #used = new Set<string>()

  constructor(all: ReadonlyMap<string, Mock>) {
    this.#all = all
  }

  unused(): string[] {
    return [...this.#all.keys()]
      .filter((path) => !this.#used.has(path))
      .map((path) => `${path}: its mock was never asked`)
  }

  /** Stages of a pipeline are "path|0"; a gate within one is "path|0:0". */
  #find(path: string): Mock | undefined {
    const [step = path] = path.split("|")
    for (const name of [path, step, step.replace(/\[\d+\]/g, "[*]")]) {
      const found = this.#all.get(name)
      if (!found) continue
      this.#used.add(name)
      return found
    }
    return undefined
  }

  reply(path: string): GateReply | undefined {
    const found = this.#find(path)
    return found?.type === "answers" ? found.reply : undefined
  }

  #said(path: string): { text: string; value: unknown } {
    const found = this.#find(path)
    if (found?.type === "said") return found
    if (found?.type === "fails") throw new Error(found.message)
    throw new Error(`Step ${path} would act, and no mock says what comes of it: nothing was run`)
  }

  ports(): Pick<EnginePorts, "run" | "readText" | "fetch" | "model" | "tool" | "agent"> {
    const said = (path: string) => this.#said(path)
    return {
      run: async (_, { path }) => {
        const { text } = said(path)
        return { exitCode: 0, killedBy: null, stdout: text, stderr: "", timedOut: false }
      },
      // Reading changes nothing: templates and other workflows are the real ones.
      readText: (path) => readFile(path, "utf8"),
      fetch: async (_, { path }) => ({ status: 200, text: said(path).text }),
      model: async (_, { path }) => {
        const { text, value } = said(path)
        return { text, data: value, model: "mock", attempts: 1 }
      },
      tool: async (_name, _args, { path }) => said(path).value,
      agent: async (_, { path, runId }) => {
        const { text, value } = said(path)
        return { text, runId, ...(typeof value === "string" ? {} : { data: value }) }
      },
    }
  }
}

function differences({ expect }: WorkflowCase, told: Envelope): string[] {
  const problems: string[] = []
  const status = told.ok ? told.status : "error"
  const why = told.ok ? "" : `: ${told.error.message}`
  const wanted = expect.status ?? (expect.error === undefined ? "ok" : "error")
  if (status !== wanted) problems.push(`status is ${status}, not ${wanted}${why}`)
  if (expect.error !== undefined && !told.ok && !told.error.message.includes(expect.error))
    problems.push(`the error is "${told.error.message}" and does not hold "${expect.error}"`)
  if (expect.output !== undefined && told.ok && !isDeepStrictEqual(told.output, listOf(expect.output)))
    problems.push(`output is ${JSON.stringify(told.output)}, not ${JSON.stringify(listOf(expect.output))}`)
  for (const [path, wish] of Object.entries(expect.steps)) {
    const step = told.steps?.find((one) => one.path === path)
    const is = step?.status ?? "never begun"
    if (is !== wish) problems.push(`step ${path} is ${is}, not ${wish}`)
  }
  return problems
}

function listOf(output: unknown): unknown[] {
  return Array.isArray(output) ? output : [output]
}

/** The text of a file. Throws NOT_FOUND. */
export function casesText(file: string): string {
  try {
    return readFileSync(file, "utf8")
  } catch (error) {
    throw new PincerError("NOT_FOUND", `There is no file ${file}`, { cause: error })
  }
}
