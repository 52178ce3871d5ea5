// `pincer workflow check|graph|list|show|pending|export`: looking at workflows and their runs.
import { resolve } from "node:path"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { RunRecord } from "../protocol/workflow.ts"
import type { WorkflowPlan } from "../protocol/workflow-plan.ts"
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"
import { Exit } from "./report.ts"
import { countOf } from "./sessions.ts"
import { duration } from "./status.ts"
import { withGateway } from "./workflow.ts"
import { planLines } from "./workflow-plan.ts"

interface Problem {
  level: string
  code: string
  message: string
  file?: string
  place?: { line: number; column: number }
}

async function problemsOf(cli: Cli, source: { file: string } | { pipeline: string }, cwd: string): Promise<Problem[]> {
  const answer = await withGateway(cli, ({ client }) => client.request("workflow.check", { ...source, cwd }))
  if (isObject(answer) && Array.isArray(answer["problems"])) return answer["problems"] as Problem[]
  throw new PincerError("INTERNAL_ERROR", "The gateway's answer to workflow.check is not understood")
}

/** `file:line:column: level: message (code)`, as editors read it. */
export function problemLine({ code, file, level, message, place }: Problem): string {
  const where = [file ?? "workflow", ...(place ? [place.line, place.column] : [])].join(":")
  return inertLine(`${where}: ${level}: ${message} (${code})`)
}

export async function checkWorkflowFile(
  cli: Cli,
  file: string,
  flags: { strict?: boolean; json?: boolean },
): Promise<void> {
  const problems = await problemsOf(cli, { file: resolve(cli.cwd, file) }, cli.cwd)
  if (flags.json) cli.out.json({ problems })
  else for (const problem of problems) cli.out.line(problemLine(problem))
  const errors = problems.filter((one) => one.level === "error" || flags.strict)
  if (errors.length > 0) throw new Exit(2)
  if (!flags.json) cli.err.line(problems.length === 0 ? "No problems." : "No errors.")
}

/** `plan`, and `run --dry-run`, which keeps standard output free. Nothing is run. Exit code 2 when it could not be. */
export async function planWorkflow(
  cli: Cli,
  source: { file: string } | { pipeline: string },
  how: { cwd: string; args: Record<string, unknown>; json?: boolean; dryRun?: boolean },
): Promise<void> {
  const { args, cwd } = how
  const answer = await withGateway(cli, ({ client }) => client.request("workflow.plan", { ...source, cwd, args }))
  if (!isObject(answer) || !Array.isArray(answer["problems"]))
    throw new PincerError("INTERNAL_ERROR", "The gateway's answer to workflow.plan is not understood")
  const problems = answer["problems"] as Problem[]
  if (how.json) cli.out.json(answer)
  else for (const problem of problems) cli.err.line(problemLine(problem))
  if (problems.some((one) => one.level === "error")) throw new Exit(2)
  if (how.json) return
  const lines = planLines(answer["plan"] as WorkflowPlan)
  for (const line of lines) (how.dryRun ? cli.err : cli.out).line(inertLine(line))
  cli.err.line("Nothing was run.")
}

async function drawing(cli: Cli, of: Record<string, unknown>, format: string): Promise<string> {
  const answer = await withGateway(cli, ({ client }) => client.request("workflow.graph", { ...of, format }))
  const text = isObject(answer) ? answer["text"] : undefined
  if (typeof text === "string") return text
  throw new PincerError("INTERNAL_ERROR", "The gateway's answer to workflow.graph is not understood")
}

export async function drawWorkflow(cli: Cli, what: string, flags: { format: string; run?: string }): Promise<void> {
  const isRun = /^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(what)
  const of = isRun
    ? { runId: what }
    : { ...(flags.run === undefined ? { file: resolve(cli.cwd, what) } : { runId: flags.run }), cwd: cli.cwd }
  cli.out.write(await drawing(cli, of, flags.format))
}

export interface WorkflowListFlags {
  runs?: boolean
  status?: string
  search?: string
  limit: string
  cwd?: string
  json?: boolean
}

export async function listWorkflows(cli: Cli, flags: WorkflowListFlags): Promise<void> {
  const limit = countOf(flags.limit, "--limit")
  if (flags.runs || flags.status !== undefined || flags.search !== undefined) {
    const answer = await withGateway(cli, ({ client }) =>
      client.request("workflow.runs", {
        limit,
        ...(flags.status === undefined ? {} : { status: flags.status.split(",").map((word) => word.trim()) }),
        ...(flags.search === undefined ? {} : { search: flags.search }),
      }),
    )
    if (flags.json) cli.out.json(answer)
    else showRuns(cli, isObject(answer) ? (answer["runs"] as RunRecord[]) : [])
    return
  }
  const cwd = resolve(cli.cwd, flags.cwd ?? ".")
  const answer = await withGateway(cli, ({ client }) => client.request("workflow.list", { cwd }))
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  const files = isObject(answer) && Array.isArray(answer["files"]) ? answer["files"].filter(isObject) : []
  if (files.length === 0) cli.err.line(`No workflow files in ${cwd} or its folder workflows/.`)
  else
    cli.out.table(
      ["FILE", "STEPS", "WHAT"],
      files.map((one) => [
        String(one["file"]),
        String(one["steps"]),
        String(one["problem"] ?? one["description"] ?? (one["name"] === one["file"] ? "" : one["name"])),
      ]),
    )
}

function showRuns(cli: Cli, runs: readonly RunRecord[]): void {
  if (runs.length === 0) {
    cli.err.line("No runs.")
    return
  }
  const now = Date.now()
  const rows = runs.map((run) => {
    const status = Reflect.get(run, "interrupted") === true ? "interrupted" : run.status
    return [run.runId, status, `${duration(Math.max(0, now - run.startedAt))} ago`, run.title]
  })
  cli.out.table(["RUN", "STATUS", "STARTED", "WHAT"], rows)
}

export async function showRun(cli: Cli, runId: string, flags: { json?: boolean }): Promise<void> {
  const answer = await withGateway(cli, ({ client }) => client.request("workflow.show", { runId }))
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  if (!isObject(answer) || !isObject(answer["run"]))
    throw new PincerError("INTERNAL_ERROR", "The gateway's answer to workflow.show is not understood")
  const run = answer["run"] as unknown as RunRecord & { interrupted?: boolean }
  cli.out.facts([
    ["Run", run.runId],
    ["What", run.title],
    ...(run.file === undefined ? [] : ([["File", run.file]] as const)),
    ["Status", run.interrupted ? "interrupted: pincer workflow resume goes on with it" : run.status],
    ["Started", `${new Date(run.startedAt).toISOString()} by ${run.startedBy}, attempt ${run.attempt}`],
    ...(run.endedAt === null ? [] : ([["Took", duration(run.endedAt - run.startedAt)]] as const)),
    ...(run.error === undefined ? [] : ([["Error", run.error.message]] as const)),
  ])
  cli.out.table(
    ["STEP", "STATUS", "TRIES", "TOOK", "WHY"],
    run.steps.map((step) => [
      step.path,
      step.status,
      String(step.attempts),
      step.startedAt === null || step.endedAt === null ? "" : duration(step.endedAt - step.startedAt),
      step.message ?? "",
    ]),
  )
  for (const gate of Array.isArray(answer["pending"]) ? answer["pending"].filter(isObject) : [])
    cli.out.line(
      inertLine(`Waits at ${String(gate["path"])}: ${String(gate["prompt"])} (${String(gate["approvalId"])})`),
    )
  const { output } = answer
  if (Array.isArray(output) && output.length > 0) cli.out.json(output)
}

export async function listPending(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const answer = await withGateway(cli, ({ client }) => client.request("workflow.pending", {}))
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  const gates = isObject(answer) && Array.isArray(answer["gates"]) ? answer["gates"].filter(isObject) : []
  if (gates.length === 0) cli.err.line("Nothing waits.")
  else
    cli.out.table(
      ["ID", "RUN", "STEP", "WHAT"],
      gates.map((gate) => ["approvalId", "runId", "path", "prompt"].map((key) => String(gate[key] ?? ""))),
    )
}

export async function exportRun(cli: Cli, runId: string): Promise<void> {
  cli.out.json(await withGateway(cli, ({ client }) => client.request("workflow.export", { runId })))
}
