// Gates within a walk: opened once, then answered from the store. Until somebody answers, the walk is left.

import type { GateAnswer, GateRequest } from "../command.ts"
import type { Gate, StepDefinition } from "../definition.ts"
import type { StepResult } from "../language/reference.ts"
import { expiryOf, newGate } from "./gates.ts"
import { ended, type RunContext, type StepFrame } from "./run-context.ts"
import { GateWaits, Refused } from "./signals.ts"
import { inputOf, jsonOf, outputOf } from "./values.ts"

const PREVIEW = 2_000

/** The answer of the gate at `path`. Throws GateWaits until there is one, Refused for a no, an Error when its time is over. */
export async function answerAt(
  run: RunContext,
  path: string,
  request: GateRequest,
  timeoutMs?: number,
): Promise<GateAnswer> {
  const { ports, fence } = run
  const known = await ports.runs.gateAt(fence.runId, path)
  if (!known) {
    const gate = newGate(run.kind)
    const expiresAt = expiryOf(ports.clock.now(), timeoutMs)
    const plain = JSON.parse(JSON.stringify(request)) as Record<string, unknown>
    const { prompt } = request
    const facts = [{ type: "run.waiting", path, gate: request.type, prompt, expiresAt } as const]
    run.log.openGate({ ...gate, path, request: plain, expiresAt }, facts)
    throw new GateWaits([{ id: gate.id, path }])
  }
  if (known.status === "waiting") throw new GateWaits([known])
  if (known.status === "expired") throw new Error(`The gate ${path} has expired: nobody answered in time`)
  const answer = known.answer as unknown as GateAnswer
  if (known.status === "canceled") throw new Refused(`The gate ${path} was withdrawn`)
  if (answer.type === "rejected")
    throw new Refused(answer.reason === undefined ? "Not approved" : `Not approved: ${answer.reason}`)
  return answer
}

/** Where the result of a step with its gate lies. */
export function passedKey(path: string): string {
  return `${path}!passed`
}

/** A step's gate, after its own work. `own`: what that work left. */
export async function passGate(
  run: RunContext,
  step: StepDefinition,
  gate: Gate,
  path: string,
  frame: StepFrame,
  own: StepResult | undefined,
): Promise<StepResult> {
  const key = passedKey(path)
  const passed = await run.log.known<StepResult>(key)
  if (passed) return passed
  // What an input is given is its subject; what it gives is the answer.
  const base = own ?? (gate.type === "input" ? { id: step.id } : givenTo(step, frame))
  if (!own && !(await run.ports.runs.gateAt(run.fence.runId, path)))
    await run.log.tell([{ type: "step.started", path, kind: step.kind, attempt: 1 }])
  const request = requestOf(run, gate, step, frame, base)
  const answer = await answerAt(run, path, request, gate.timeoutMs)
  const result: StepResult =
    answer.type === "answered" ? answered(base, request, answer) : approved(base, request, answer)
  run.log.settle(key, "read", result, [ended(path, step.kind, "completed", 0)])
  return result
}

/** A step that is only a gate passes its input on as its own. */
function givenTo(step: StepDefinition, frame: StepFrame): StepResult {
  if (step.stdin === undefined) return { id: step.id }
  const input = inputOf(step.stdin, frame)
  return typeof input === "string"
    ? outputOf(step.id, input)
    : { id: step.id, json: input, stdout: JSON.stringify(input) }
}

function approved(base: StepResult, request: GateRequest, answer: GateAnswer): StepResult {
  const by = "by" in answer && answer.by !== undefined ? { approvedBy: answer.by } : {}
  const from =
    request.type === "approval" && request.initiatedBy !== undefined ? { initiatedBy: request.initiatedBy } : {}
  return { ...base, approved: true, ...by, ...from }
}

function answered(
  base: StepResult,
  request: GateRequest,
  answer: Extract<GateAnswer, { type: "answered" }>,
): StepResult {
  const subject = request.type === "input" && request.subject !== undefined ? { subject: request.subject } : {}
  return { ...base, response: answer.response, ...subject }
}

function requestOf(run: RunContext, gate: Gate, step: StepDefinition, frame: StepFrame, base: StepResult): GateRequest {
  if (gate.type === "input") {
    const subject = step.stdin === undefined ? subjectOf(base) : inputOf(step.stdin, frame)
    return {
      type: "input",
      prompt: gate.prompt,
      responseSchema: gate.responseSchema,
      ...(gate.defaults === undefined ? {} : { defaults: gate.defaults }),
      subject: subject ?? null,
    }
  }
  const steered = steering(base.json)
  const initiatedBy = gate.initiatedBy ?? run.identity.initiatedBy
  const requiredApprover = gate.requiredApprover ?? run.identity.requiredApprover
  const different = gate.requireDifferentApprover ?? run.identity.requireDifferentApprover
  const preview = steered.preview ?? gate.preview ?? base.stdout?.trim().slice(0, PREVIEW)
  return {
    type: "approval",
    prompt: steered.prompt ?? gate.prompt,
    items:
      steered.items ??
      gate.items ??
      (Array.isArray(base.json) ? base.json : base.json === undefined ? [] : [base.json]),
    ...(preview === undefined ? {} : { preview }),
    ...(initiatedBy === undefined ? {} : { initiatedBy }),
    ...(requiredApprover === undefined ? {} : { requiredApprover }),
    ...(different === undefined ? {} : { requireDifferentApprover: different }),
  }
}

function subjectOf(base: StepResult): unknown {
  if (base.json !== undefined) return base.json
  return base.stdout === undefined ? undefined : (jsonOf(base.stdout) ?? base.stdout)
}

/** What a step's own JSON says of its gate: who wrote the step wrote the gate, too. Never who may approve it. */
function steering(json: unknown): { prompt?: string; items?: unknown[]; preview?: string } {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return {}
  const inner = "requiresApproval" in json ? json.requiresApproval : json
  if (typeof inner !== "object" || inner === null || !("prompt" in inner) || typeof inner.prompt !== "string") return {}
  return {
    prompt: inner.prompt,
    ...("items" in inner && Array.isArray(inner.items) ? { items: inner.items } : {}),
    ...("preview" in inner && typeof inner.preview === "string" ? { preview: inner.preview } : {}),
  }
}

/** A step that may have acted before a crash: what somebody says it did. Undefined: it is to be done (again). */
export async function askWhatHappened(
  run: RunContext,
  step: StepDefinition,
  path: string,
): Promise<StepResult | undefined> {
  const answer = await answerAt(run, `${path}?uncertain#${run.fence.epoch === 1 ? 1 : await epochOf(run, path)}`, {
    type: "input",
    prompt: `Step ${path} was running when Pincer stopped, and it may or may not have taken effect. Did it?`,
    responseSchema: {
      type: "object",
      properties: {
        did: {
          enum: ["done", "again", "fail"],
          description: "done: go on with `output`; again: run it once more; fail: the step failed",
        },
        output: { description: "With done: what the step gave" },
      },
      required: ["did"],
      additionalProperties: false,
    },
    subject: { path, kind: step.kind },
  })
  const said = (answer.type === "answered" ? answer.response : {}) as { did?: string; output?: unknown }
  if (said.did === "fail") throw new Error(`Step ${path} was cut off, and somebody said that it failed`)
  if (said.did !== "done") return undefined
  if (said.output === undefined) return { id: step.id }
  return typeof said.output === "string" ? outputOf(step.id, said.output) : { id: step.id, json: said.output }
}

/** Which cut this is: the attempt that wrote the intent asks under its own number, so that a later cut asks anew. */
async function epochOf(run: RunContext, path: string): Promise<number> {
  return (await run.ports.runs.intentEpoch(run.fence.runId, path)) ?? run.fence.epoch
}
