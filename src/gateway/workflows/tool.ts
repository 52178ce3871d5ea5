// Workflow: an agent runs a workflow of its workspace. The run is bounded by the turn that calls: its session, its permissions, what it has read
// from outside; files outside of the workspace are not there for it. Gates are for people: an agent cannot answer an approval.
import { z } from "zod"
import { PincerError, unreachable } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import type { Envelope } from "../../protocol/workflow.ts"
import {
  type CallingTurn,
  errorResult,
  type Tool,
  type ToolContext,
  type ToolResult,
  textResult,
} from "../../tools/tool.ts"
import { workflowFiles } from "./files.ts"
import type { SaidByRun, Source, Workflows } from "./workflows.ts"

const args = z.strictObject({
  action: z.enum(["run", "resume", "list", "check"]).describe("list shows the workflow files of the workspace"),
  file: z.string().min(1).max(4_000).optional().describe("run, check: a workflow file of the workspace"),
  pipeline: z.string().min(1).max(100_000).optional().describe("run, check: a pipeline instead of a file"),
  definition: z.string().min(1).max(1_000_000).optional().describe("run, check: a workflow as YAML or JSON instead"),
  args: z.record(z.string(), z.unknown()).optional().describe("run: arguments of the workflow"),
  answerTo: z
    .string()
    .min(1)
    .max(4_096)
    .optional()
    .describe("resume: resumeToken or approvalId of a run of this session"),
  response: z.unknown().optional().describe("resume: the answer to an input request"),
})
type Args = z.infer<typeof args>

export function workflowTool(workflows: () => Workflows): Tool<Args> {
  return {
    name: "Workflow",
    aliases: ["workflow", "lobster"],
    class: "control",
    effect: "once",
    description:
      "Runs a workflow (a file, a pipeline, or a definition) step by step, and durably. Answers with the envelope of the run: output, what waits for a person, and one line a step. Approvals are for people; input requests can be answered with resume.",
    args,
    title: ({ action, file, pipeline, answerTo }) =>
      excerpt(`${action} ${file ?? pipeline ?? answerTo ?? ""}`.trim(), 200),
    touch: async () => ({ reads: [], writes: [], hosts: [] }),
    async run(given, context) {
      const { turn } = context
      if (!turn) throw new PincerError("PERMISSION_DENIED", "A workflow is started by a turn, not by another workflow")
      switch (given.action) {
        case "list":
          return list(workflows(), turn, context)
        case "check":
          return check(workflows(), given, context)
        case "run":
          return run(workflows(), given, turn, context)
        case "resume":
          return resume(workflows(), given, turn, context)
        default:
          return unreachable(given.action)
      }
    },
  }
}

async function list({ runs }: Workflows, turn: CallingTurn, { cwd }: ToolContext): Promise<ToolResult> {
  const files = await workflowFiles(cwd, cwd)
  const recent = (await runs.list({ limit: 50 })).filter((run) => run.startedBy === starterOf(turn)).slice(0, 10)
  const lines = [
    files.length === 0 ? "No workflow files: put some into workflows/ of the workspace." : "Workflow files:",
    ...files.map(({ description, file, problem, args: named }) => {
      const words = named.map(({ name, required }) => (required ? name : `[${name}]`)).join(" ")
      return `- ${file}${words === "" ? "" : ` (${words})`}${description === undefined ? "" : `: ${excerpt(description, 200)}`}${problem === undefined ? "" : ` (cannot run: ${excerpt(problem, 200)})`}`
    }),
    ...(recent.length === 0 ? [] : ["Runs of this session, newest first:"]),
    ...recent.map(({ runId, status, title }) => `- ${runId} ${status}: ${excerpt(title, 100)}`),
  ]
  return textResult(lines.join("\n"), { files: files.map(({ file }) => file) })
}

async function check(workflows: Workflows, given: Args, { cwd }: ToolContext): Promise<ToolResult> {
  const { problems } = await workflows.check(sourceOf(given), cwd, cwd)
  if (problems.length === 0) return textResult("Nothing is wrong with it.")
  const lines = problems.map(({ level, message, place }) => {
    return `${place ? `${place.line}:${place.column} ` : ""}${level}: ${message}`
  })
  const isWrong = problems.some(({ level }) => level === "error")
  return (isWrong ? errorResult : textResult)(lines.slice(0, 100).join("\n"), { problems: problems.length })
}

async function run(
  workflows: Workflows,
  given: Args,
  turn: CallingTurn,
  { cwd, signal }: ToolContext,
): Promise<ToolResult> {
  const { channel, clientId, deviceId, parentTurnId, sender, stranger } = turn.origin
  const started = await workflows.begin(
    {
      source: sourceOf(given),
      args: given.args ?? {},
      cwd,
      startedBy: starterOf(turn),
      identity: { initiatedBy: starterOf(turn) },
      signal,
      caller: {
        sessionKey: turn.sessionKey,
        agentId: turn.agentId,
        approved: false,
        recovery: "mark",
        turnId: turn.turnId,
        taint: [...turn.taint],
        permissions: turn.permissions,
        provider: turn.provider,
        model: turn.model,
        ...{ channel, clientId, deviceId, parentTurnId, sender, stranger },
      },
    },
    cwd,
  )
  return told(workflows, await started.ended, started)
}

async function resume(
  workflows: Workflows,
  { answerTo, response }: Args,
  turn: CallingTurn,
  { signal }: ToolContext,
): Promise<ToolResult> {
  if (answerTo === undefined) throw new PincerError("INVALID_PARAMS", "resume needs answerTo")
  const gate = await workflows.runs.gate(answerTo)
  const stored = gate && (await workflows.runs.get(gate.runId))
  if (!gate || stored?.record.startedBy !== starterOf(turn))
    throw new PincerError("NOT_FOUND", "No run of this session waits under that")
  if (gate.request["type"] !== "input" || gate.path.includes("?uncertain"))
    throw new PincerError("PERMISSION_DENIED", "This gate is for a person: wait until somebody has answered it")
  const said: SaidByRun = { printed: "", warnings: [] }
  const by = starterOf(turn)
  return told(workflows, await workflows.answer(answerTo, { type: "respond", response, by }, said, signal), said)
}

function starterOf({ agentId, sessionKey }: CallingTurn): string {
  return `agent ${agentId} in ${sessionKey}`
}

function sourceOf({ definition, file, pipeline }: Args): Source {
  const given = [definition, file, pipeline].filter((one) => one !== undefined)
  if (given.length !== 1) throw new PincerError("INVALID_PARAMS", "Give exactly one of file, pipeline and definition")
  if (pipeline !== undefined) return { pipeline }
  if (definition !== undefined) return { definition }
  return { file: file! }
}

/** The envelope, then what happened step by step. */
async function told(workflows: Workflows, envelope: Envelope, { printed, warnings }: SaidByRun): Promise<ToolResult> {
  const { runId, steps = [], ...rest } = envelope
  const lines = steps.map(({ attempts, kind, message, path, status }) => {
    const tries = attempts > 1 ? ` after ${attempts} attempts` : ""
    return `- ${path} (${kind}): ${status}${tries}${message === undefined ? "" : `: ${excerpt(message, 300)}`}`
  })
  const text = [
    JSON.stringify({ ...rest, run_id: runId ?? null }),
    ...(lines.length === 0 ? [] : ["Steps:", ...lines]),
    ...(printed === "" ? [] : ["Printed:", printed]),
    ...warnings.map((warning) => `Warning: ${warning}`),
  ].join("\n")
  const details = { runId: runId ?? null, status: envelope.ok ? envelope.status : "error" }
  const result = envelope.ok ? textResult(text, details) : errorResult(text, details)
  return runId === undefined ? result : { ...result, taint: await workflows.marksOf(runId) }
}
