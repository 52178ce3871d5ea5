// workflow.*: runs of workflows, from their start to their end. What they may do is decided step by step (gateway/workflows).
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { grants } from "../../protocol/frame.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import { type Envelope, RUN_STATUSES, type RunRecord } from "../../protocol/workflow.ts"
import type { GateRow } from "../../store/run-rows.ts"
import type { Definition } from "../../workflow/definition.ts"
import type { GateReply } from "../../workflow/engine/engine.ts"
import { shownGate } from "../../workflow/engine/gates.ts"
import { draw, GRAPH_FORMATS } from "../../workflow/graph/draw.ts"
import { graphOf } from "../../workflow/graph/graph.ts"
import { checkPermissions, requireAgent, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { isApproved } from "../workflows/caller.ts"
import { workflowFiles } from "../workflows/files.ts"
import { problemText, type RunWish, type SaidByRun, type Source, type Workflows } from "../workflows/workflows.ts"
import { person } from "./approvals.ts"
import { type Caller, type Method, method } from "./method.ts"
import { permissions, renamed } from "./params.ts"

const envelope = () =>
  z.looseObject({
    protocolVersion: z.literal(1),
    ok: z.boolean(),
    status: z.string().optional().describe("ok, needs_approval, needs_input or cancelled; absent when ok is false"),
    output: z.array(z.unknown()).optional(),
    error: z.looseObject({ type: z.string(), message: z.string() }).optional(),
    runId: z.string().optional(),
  })

const record = () =>
  z.looseObject({
    runId: z.string(),
    title: z.string(),
    status: z.enum(RUN_STATUSES),
    startedAt: z.number(),
    endedAt: z.number().nullable(),
    interrupted: z.boolean().describe("It was cut off and waits for nobody: workflow.resume goes on with it"),
  })

const ended = () =>
  z.object({ runId: z.string(), envelope: envelope(), printed: z.string(), warnings: z.array(z.string()) })

const sources = {
  file: z.string().min(1).optional().describe("A workflow file; relative to cwd"),
  pipeline: z.string().min(1).max(1_000_000).optional().describe("A pipeline instead of a file"),
  definition: z
    .union([z.string().max(4_000_000), z.record(z.string(), z.unknown())])
    .optional()
    .describe("A workflow as YAML or JSON text, or as an object, instead of a file"),
}

const place = {
  cwd: z.string().optional().describe("Absolute; where it works. Default: the workspace of the agent"),
  agentId: z.string().optional().describe("In whose sandbox and under whose rules its steps run"),
}

const runId = () => z.string({ error: "runId is required" }).min(1).max(256)
const named = (params: Record<string, unknown>) => renamed(params, { runId: ["id"] })

function sourceOf({
  definition,
  file,
  pipeline,
}: {
  file?: string
  pipeline?: string
  definition?: string | Record<string, unknown>
}): Source {
  if ([definition, file, pipeline].filter((one) => one !== undefined).length !== 1)
    throw new PincerError("INVALID_PARAMS", "Give exactly one of file, pipeline and definition")
  if (pipeline !== undefined) return { pipeline }
  return file === undefined ? { definition: definition! } : { file }
}

function houseOf({ workflows }: Parts): Workflows {
  if (workflows) return workflows
  throw new PincerError("UNAVAILABLE", "Workflows do not run in this gateway")
}

function cwdOf(given: string | undefined, agentId: string, parts: Parts): string {
  return given ?? requireAgent(agentId, parts).workspace
}

/** Without secrets, but with the tokens that the caller needs to go on. */
function shown(told: Envelope, { redactor }: Parts): Envelope {
  const clean = redactor.value(told)
  if (!told.ok || !clean.ok) return clean
  const token = told.requiresApproval?.resumeToken ?? told.requiresInput?.resumeToken
  if (token === undefined) return clean
  const { requiresApproval, requiresInput } = clean
  return {
    ...clean,
    requiresApproval: requiresApproval && { ...requiresApproval, resumeToken: token },
    requiresInput: requiresInput && { ...requiresInput, resumeToken: token },
  }
}

function answer(told: Envelope, said: SaidByRun, id: string, parts: Parts) {
  const { printed, warnings } = said
  return { runId: told.runId ?? id, envelope: shown(told, parts), ...parts.redactor.value({ printed, warnings }) }
}

async function listed(run: RunRecord, workflows: Workflows) {
  return { ...run, interrupted: await workflows.isInterrupted(run.runId) }
}

const run = method({
  name: "workflow.run",
  summary: "Runs a workflow file, a pipeline or a definition; answers when it ends or waits, or at once.",
  scope: "operator.write",
  reveals: true,
  params: () =>
    z.object({
      ...sources,
      ...place,
      args: z.record(z.string(), z.unknown()).optional(),
      sessionKey: z.string().optional().describe("The session whose rules hold; default: one for workflows"),
      wait: z.boolean().optional().describe("Default true: answer when it ends or waits for somebody"),
      recovery: z.enum(["resume", "mark"]).optional().describe("After a crash: go on by itself, or wait (default)"),
      permissions: permissions(),
      runId: runId().optional().describe("Default: a new one"),
      identity: z
        .object({
          initiatedBy: z.string().max(200).optional(),
          requiredApprover: z.string().max(200).optional(),
          requireDifferentApprover: z.boolean().optional(),
        })
        .optional()
        .describe("For approvals that say nothing of it themselves"),
    }),
  result: () => z.object({ ...ended().shape, envelope: envelope().nullable() }),
  async run(params, { caller, parts }) {
    const workflows = houseOf(parts)
    const wish = await wishOf(params, caller, parts)
    const started = await workflows.begin(wish)
    if (params.wait === false) return { runId: started.runId, envelope: null, printed: "", warnings: [] }
    const told = await waited(started.ended, caller.signal)
    if (told) return answer(told, started, started.runId, parts)
    return { runId: started.runId, envelope: null, printed: "", warnings: [] }
  },
})

/** A caller that goes away leaves its run at work: it can be looked at later. */
async function waited(told: Promise<Envelope>, signal: AbortSignal): Promise<Envelope | undefined> {
  const gone = Promise.withResolvers<undefined>()
  const leave = () => gone.resolve(undefined)
  if (signal.aborted) leave()
  signal.addEventListener("abort", leave, { once: true })
  try {
    return await Promise.race([told, gone.promise])
  } finally {
    signal.removeEventListener("abort", leave)
  }
}

type RunParams = Parameters<typeof sourceOf>[0] & {
  args?: Record<string, unknown>
  cwd?: string
  agentId?: string
  sessionKey?: string
  recovery?: "resume" | "mark"
  permissions?: RunWish["caller"]["permissions"]
  runId?: string
  identity?: RunWish["identity"]
}

async function wishOf(params: RunParams, caller: Caller, parts: Parts): Promise<RunWish> {
  const base = params.agentId ?? parts.config.agents.default
  const session =
    params.sessionKey === undefined
      ? parseSessionKey("workflow", base)
      : await resolveSession({ sessionKey: params.sessionKey, agentId: params.agentId }, parts)
  const { agentId } = session
  const { clientId, deviceId } = caller
  checkPermissions(params.permissions, agentId, { door: "workflow", clientId, deviceId }, caller.scopes, parts)
  return {
    source: sourceOf(params),
    args: params.args ?? {},
    cwd: cwdOf(params.cwd, agentId, parts),
    startedBy: person(caller),
    runId: params.runId,
    identity: params.identity,
    caller: {
      sessionKey: session.key,
      agentId,
      // Who may approve and typed this has approved it.
      approved: grants(caller.scopes, "operator.approvals"),
      recovery: params.recovery ?? "mark",
      clientId,
      deviceId,
      permissions: params.permissions,
      taint: [],
    },
  }
}

const check = method({
  name: "workflow.check",
  summary: "Everything that can be said of a workflow before anything acts, with file, line and column.",
  scope: "operator.read",
  params: () => z.object({ ...sources, ...place }),
  result: () =>
    z.object({
      ok: z.boolean(),
      problems: z.array(
        z.looseObject({
          level: z.enum(["error", "warning"]),
          code: z.string(),
          message: z.string(),
          pointer: z.string(),
        }),
      ),
    }),
  async run(params, { parts }) {
    const agentId = params.agentId ?? parts.config.agents.default
    const cwd = cwdOf(params.cwd, agentId, parts)
    const { problems } = await houseOf(parts).check(sourceOf(params), cwd, undefined, agentId)
    return { ok: !problems.some(({ level }) => level === "error"), problems }
  },
})

const list = method({
  name: "workflow.list",
  summary:
    "Workflow files of the workspace and of cwd (their folders workflows/, and *.lobster in cwd), and the newest runs.",
  scope: "operator.read",
  params: () => z.object(place),
  result: () =>
    z.object({
      files: z.array(z.looseObject({ file: z.string(), name: z.string(), steps: z.number() })),
      runs: z.array(record()),
    }),
  async run({ agentId = "", cwd }, { parts }) {
    const workflows = houseOf(parts)
    const { workspace } = requireAgent(agentId || parts.config.agents.default, parts)
    const files = await workflowFiles(workspace, cwd ?? workspace)
    const recent = await workflows.runs.list({ limit: 20 })
    return { files, runs: await Promise.all(recent.map((one) => listed(one, workflows))) }
  },
})

const runs = method({
  name: "workflow.runs",
  summary: "Runs, newest first, without their steps.",
  scope: "operator.read",
  params: () =>
    z.object({
      status: z.array(z.enum(RUN_STATUSES)).optional(),
      search: z.string().max(1_000).optional().describe("Part of the title, the file or the id"),
      limit: z.number().int().min(1).max(500).optional(),
      offset: z.number().int().min(0).optional(),
    }),
  result: () => z.object({ runs: z.array(record()), count: z.number() }),
  async run({ limit = 50, ...filter }, { parts }) {
    const workflows = houseOf(parts)
    const found = await workflows.runs.list({ ...filter, limit })
    return { runs: await Promise.all(found.map((one) => listed(one, workflows))), count: found.length }
  },
})

async function required(id: string, workflows: Workflows) {
  const stored = await workflows.runs.get(id)
  if (stored) return stored
  throw new PincerError("NOT_FOUND", `Unknown run "${id}": run "pincer workflow list --runs"`)
}

const show = method({
  name: "workflow.show",
  summary: "One run with its steps, its output, and the gates that wait.",
  scope: "operator.read",
  normalize: named,
  params: () => z.object({ runId: runId() }),
  result: () =>
    z.looseObject({ run: record(), output: z.array(z.unknown()).nullable(), pending: z.array(z.looseObject({})) }),
  async run(params, { parts }) {
    const workflows = houseOf(parts)
    const { output, record: found } = await required(params.runId, workflows)
    const gates = (await workflows.runs.gatesOf(params.runId)).filter(({ status }) => status === "waiting")
    return {
      run: await listed(found, workflows),
      output,
      pending: gates.map((gate) => waiting(gate, found.title, false)),
    }
  },
})

function waiting(gate: GateRow, title: string, withToken: boolean) {
  const { createdAt, expiresAt, id, path, runId: run } = gate
  const { requiresApproval, requiresInput } = shownGate(gate)
  const { resumeToken, ...request } = (requiresApproval ?? requiresInput)!
  const token = withToken ? { resumeToken } : {}
  return { runId: run, title, path, createdAt, expiresAt, ...request, approvalId: id, ...token }
}

const pending = method({
  name: "workflow.pending",
  summary: "Gates that wait for somebody, oldest first, with the tokens that answer them.",
  scope: "operator.approvals",
  reveals: true,
  params: () => z.object({ limit: z.number().int().min(1).max(1_000).optional() }),
  result: () =>
    z.object({ gates: z.array(z.looseObject({ runId: z.string(), path: z.string(), approvalId: z.string() })) }),
  async run({ limit = 200 }, { parts }) {
    const workflows = houseOf(parts)
    const gates = await workflows.runs.pending(limit)
    const rows = gates.map(async (gate) => {
      const title = (await workflows.runs.get(gate.runId))?.record.title ?? ""
      const { resumeToken, ...row } = waiting(gate, title, true)
      return { ...parts.redactor.value(row), resumeToken }
    })
    return { gates: await Promise.all(rows) }
  },
})

const resume = method({
  name: "workflow.resume",
  summary: "Answers a gate by token or short id and goes on; or goes on with a run that was cut off, by its run id.",
  scope: "operator.approvals",
  reveals: true,
  normalize: (params) => renamed(params, { token: ["id", "approvalId", "resumeToken"] }),
  params: () =>
    z.object({
      token: z.string().min(1).max(4_096).optional().describe("Also id: the token, or the eight hex digits"),
      runId: runId().optional().describe("Of a run that was cut off"),
      approve: z.boolean().optional(),
      reason: z.string().max(2_000).optional().describe("With approve: false"),
      response: z.unknown().optional().describe("To an input request"),
      cancel: z.boolean().optional(),
      by: z.string().max(200).optional().describe("Who answers, as the gate names people; needs operator.admin"),
    }),
  result: ended,
  async run(params, { caller, parts }) {
    const workflows = houseOf(parts)
    const said: SaidByRun = { printed: "", warnings: [] }
    if (params.token === undefined) {
      if (params.runId === undefined) throw new PincerError("INVALID_PARAMS", "Name a token, an id, or a runId")
      return answer(await workflows.resume(params.runId, said), said, params.runId, parts)
    }
    return answer(await workflows.answer(params.token, replyOf(params, caller), said), said, "", parts)
  },
})

function replyOf(
  given: { approve?: boolean; reason?: string; response?: unknown; cancel?: boolean; by?: string },
  caller: Caller,
): GateReply {
  if (given.by !== undefined && !grants(caller.scopes, "operator.admin"))
    throw new PincerError("PERMISSION_DENIED", "To answer in somebody's name needs the scope operator.admin", {
      details: { code: "MISSING_SCOPE", missingScope: "operator.admin", requiredScopes: ["operator.admin"] },
    })
  const by = given.by ?? person(caller)
  const ways = [given.approve, given.response, given.cancel || undefined].filter((one) => one !== undefined)
  if (ways.length !== 1)
    throw new PincerError("INVALID_PARAMS", "Answer with exactly one of approve, response and cancel")
  if (given.cancel) return { type: "cancel", by }
  if (given.approve === undefined) return { type: "respond", response: given.response, by }
  return { type: "approve", approved: given.approve, by, reason: given.reason }
}

const cancel = method({
  name: "workflow.cancel",
  summary: "Ends a run: its programs are killed, its gates withdrawn. False when it had ended.",
  scope: "operator.write",
  normalize: named,
  params: () => z.object({ runId: runId() }),
  result: () => z.object({ runId: z.string(), canceled: z.boolean() }),
  async run(params, { caller, parts }) {
    return { runId: params.runId, canceled: await houseOf(parts).cancel(params.runId, person(caller)) }
  },
})

const retry = method({
  name: "workflow.retry",
  summary:
    "Runs a failed or canceled run again from the step that failed, or from another; what was done before is kept.",
  scope: "operator.write",
  reveals: true,
  normalize: named,
  params: () => z.object({ runId: runId(), from: z.string().max(1_000).optional().describe("Path of a step") }),
  result: ended,
  async run(params, { caller, parts }) {
    const { settings } = await required(params.runId, houseOf(parts))
    if (isApproved(settings) && !grants(caller.scopes, "operator.approvals"))
      throw new PincerError(
        "PERMISSION_DENIED",
        "Somebody who may approve started this run: to repeat it needs operator.approvals",
      )
    const said: SaidByRun = { printed: "", warnings: [] }
    return answer(await houseOf(parts).retry(params.runId, said, params.from), said, params.runId, parts)
  },
})

const graph = method({
  name: "workflow.graph",
  summary: "A workflow, or a run with the status of its steps, as a drawing.",
  scope: "operator.read",
  normalize: named,
  params: () => z.object({ ...sources, ...place, runId: runId().optional(), format: z.enum(GRAPH_FORMATS).optional() }),
  result: () => z.object({ format: z.enum(GRAPH_FORMATS), text: z.string() }),
  async run({ format = "mermaid", ...params }, { parts }) {
    const workflows = houseOf(parts)
    if (params.runId !== undefined) {
      const { definition, record: found } = await required(params.runId, workflows)
      if (!isObject(definition))
        throw new PincerError("INVALID_PARAMS", `Run ${params.runId} is a pipeline: it has no graph`)
      return { format, text: draw(graphOf(definition as unknown as Definition, found.steps), format) }
    }
    const cwd = cwdOf(params.cwd, params.agentId ?? parts.config.agents.default, parts)
    const { definition, problems } = await workflows.check(sourceOf(params), cwd)
    if (!definition)
      throw new PincerError("INVALID_PARAMS", problemText(problems.filter(({ level }) => level === "error")))
    return { format, text: draw(graphOf(definition), format) }
  },
})

const plan = method({
  name: "workflow.plan",
  summary:
    "What a workflow would do with these arguments: steps, effects, gates, what is known of its price. Nothing is run.",
  scope: "operator.read",
  params: () => z.object({ ...sources, ...place, args: z.record(z.string(), z.unknown()).optional() }),
  result: () =>
    z.object({
      problems: z.array(z.looseObject({ level: z.string(), code: z.string(), message: z.string() })),
      plan: z.looseObject({ title: z.string(), steps: z.array(z.looseObject({ path: z.string() })) }).optional(),
    }),
  async run(params, { parts }) {
    const agentId = params.agentId ?? parts.config.agents.default
    const cwd = cwdOf(params.cwd, agentId, parts)
    const { plan, problems } = await houseOf(parts).plan(sourceOf(params), params.args ?? {}, cwd, agentId)
    return { problems, ...(plan ? { plan: { ...plan } } : {}) }
  },
})

const remove = method({
  name: "workflow.delete",
  summary: "Removes a run that has ended, with its steps, events and outputs.",
  scope: "operator.write",
  normalize: named,
  params: () => z.object({ runId: runId() }),
  result: () => z.object({ runId: z.string(), deleted: z.boolean() }),
  async run(params, { parts }) {
    return { runId: params.runId, deleted: await houseOf(parts).delete(params.runId) }
  },
})

const MAX_EXPORTED = 100_000

const exported = method({
  name: "workflow.export",
  summary: "All that is kept of a run: definition, arguments, events, gates, output.",
  scope: "operator.read",
  normalize: named,
  params: () => z.object({ runId: runId() }),
  result: () => z.looseObject({ run: record(), definition: z.unknown(), events: z.array(z.looseObject({})) }),
  async run(params, { parts }) {
    const workflows = houseOf(parts)
    const { definition, output, record: found } = await required(params.runId, workflows)
    const events = await workflows.runs.events(params.runId, 0, MAX_EXPORTED)
    const gates = (await workflows.runs.gatesOf(params.runId)).map(({ token: _, ...gate }) => gate)
    return { run: await listed(found, workflows), definition, output, events, gates }
  },
})

export const workflowRunMethods: readonly Method[] = [
  run,
  check,
  list,
  runs,
  show,
  pending,
  resume,
  cancel,
  retry,
  graph,
  plan,
  remove,
  exported,
]
