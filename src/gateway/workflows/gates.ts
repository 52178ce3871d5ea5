// Gates of runs at the approval desk: whoever may answer approvals may answer them there. One answer counts over all doors: the desk's answer and
// the gate's are one commit, and an answer through another door withdraws the question at the desk.
import type { Asking, Desk } from "../../agent/approvals.ts"
import { unreachable } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { Logger } from "../../base/log.ts"
import { excerpt } from "../../base/text.ts"
import type { Approval } from "../../protocol/approval.ts"
import type { UserQuestion } from "../../protocol/question.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import type { RunEvent } from "../../protocol/workflow.ts"
import type { GateRow } from "../../store/run-rows.ts"
import type { RunTable } from "../../store/runs.ts"
import type { GateRequest } from "../../workflow/command.ts"
import type { GateReply } from "../../workflow/engine/engine.ts"
import { answerOf, expiryOf } from "../../workflow/engine/gates.ts"
import { UnreadableText } from "../../workflow/failure.ts"
import type { StepLeaves } from "./leave.ts"

const PREFIX = "gate-"
const MAX_PROMPT = 4_000
const MAX_ITEMS = 20_000

export interface GatePorts {
  desk: Desk
  runs: RunTable
  leaves: StepLeaves
  log: Logger
  now: () => number
  /** A gate was answered at the desk, or its time is over: the run goes on. */
  goOn: (runId: string) => void
}

export class DeskGates {
  readonly #ports: GatePorts

  constructor(ports: GatePorts) {
    this.#ports = ports
    ports.desk.serve(
      "workflow",
      (approval) => this.#answerNow(approval),
      (approval) => this.#answered(approval),
      true,
    )
  }

  /** Takes up what an earlier life left: gates that wait are asked, steps that asked are not waited for any more. */
  async start(): Promise<void> {
    const { desk, runs } = this.#ports
    const waiting = new Map((await runs.pending()).map((gate) => [PREFIX + gate.id, gate]))
    for (const { id, kind } of await desk.pending()) {
      if (kind !== "workflow" || waiting.delete(id)) continue
      await desk.cancel(id, "a restart")
    }
    for (const gate of waiting.values()) await this.#ask(gate)
  }

  /** Told of every fact of a run. Never throws. */
  hear(event: RunEvent): void {
    if (event.type !== "run.waiting" && event.type !== "run.ended") return
    const told = event.type === "run.waiting" ? this.#opened(event.runId, event.path) : this.withdrawn(event.runId)
    told.catch((error: unknown) =>
      this.#ports.log.error({ err: error, runId: event.runId }, "A gate could not be shown at the approval desk"),
    )
  }

  /** Questions at the desk whose gates do not wait any more. */
  async withdrawn(runId: string): Promise<void> {
    for (const { id, status } of await this.#ports.runs.gatesOf(runId))
      if (status !== "waiting") await this.#ports.desk.cancel(PREFIX + id, "the run")
  }

  async #opened(runId: string, path: string): Promise<void> {
    const gate = await this.#ports.runs.gateAt(runId, path)
    if (gate?.status === "waiting") await this.#ask(gate)
  }

  async #ask(gate: GateRow): Promise<void> {
    const { desk, runs } = this.#ports
    const stored = await runs.get(gate.runId)
    if (!stored || (await desk.get(PREFIX + gate.id))) return
    await desk.ask(askingOf(gate, stored.record.title, stored.record.cwd, stored.settings, this.#ports.now()))
    await this.withdrawn(gate.runId)
  }

  #answerNow(approval: Approval): void {
    if (!approval.id.startsWith(PREFIX)) return
    const reply = replyOf(approval)
    if (!reply) return
    const id = approval.id.slice(PREFIX.length)
    this.#ports.runs.answerNow(id, reply.type === "cancel" ? "canceled" : "answered", (gate) =>
      reply.type === "cancel" ? { ...reply } : { ...answerOf(gate, reply) },
    )
  }

  #answered(approval: Approval): void {
    if (this.#ports.leaves.settle(approval) || !approval.id.startsWith(PREFIX)) return
    if (approval.decision === "canceled") return
    const runId = approval.args["runId"]
    if (typeof runId === "string") this.#ports.goOn(runId)
  }
}

/** What a decision at the desk says to the gate; undefined when it says nothing. */
function replyOf({ answer, args, decision, denyReason, question, resolvedBy }: Approval): GateReply | undefined {
  const by = resolvedBy === undefined ? {} : { by: resolvedBy }
  const isInput = args["gate"] === "input"
  switch (decision) {
    case null:
    case "expired":
    case "canceled":
      return undefined
    case "deny":
      if (isInput) return { type: "cancel", ...by }
      return { type: "approve", approved: false, ...by, ...(denyReason === undefined ? {} : { reason: denyReason }) }
    case "allow-once":
    case "allow-session":
    case "allow-always":
      if (!isInput) return { type: "approve", approved: true, ...by }
      if (!question)
        throw new UnreadableText(
          "This gate asks for data that a form cannot hold: answer with workflow.resume and a response",
        )
      return { type: "respond", response: args["wrapped"] === true ? answer?.["response"] : (answer ?? {}), ...by }
    default:
      return unreachable(decision)
  }
}

function askingOf(
  gate: GateRow,
  title: string,
  cwd: string,
  settings: Readonly<Record<string, unknown>>,
  now: number,
): Asking {
  const request = gate.request as unknown as GateRequest
  const agentId = typeof settings["agentId"] === "string" ? settings["agentId"] : "main"
  const caller = isObject(settings["caller"]) ? settings["caller"] : {}
  const sessionKey =
    typeof caller["sessionKey"] === "string" ? caller["sessionKey"] : parseSessionKey("workflow", agentId).key
  const form = request.type === "input" ? formOf(request) : undefined
  return {
    id: PREFIX + gate.id,
    kind: "workflow",
    sessionKey,
    agentId,
    tool: "workflow",
    args: {
      runId: gate.runId,
      path: gate.path,
      approvalId: gate.id,
      gate: request.type,
      ...(form?.wrapped ? { wrapped: true } : {}),
      ...shownOf(request),
    },
    summary: excerpt(request.prompt, MAX_PROMPT),
    reason: `the workflow ${excerpt(title, 80)} waits at ${gate.path}`,
    cwd,
    ...(form ? { question: form.question } : {}),
    timeoutMs: Math.max(0, (gate.expiresAt ?? expiryOf(now, undefined)) - now),
  }
}

/** What the person who decides looks at. */
function shownOf(request: GateRequest): Record<string, unknown> {
  if (request.type === "input") return { responseSchema: request.responseSchema, subject: short(request.subject) }
  const { initiatedBy, items, preview, requireDifferentApprover, requiredApprover } = request
  const who = { initiatedBy, requireDifferentApprover, requiredApprover }
  return { items: short(items), preview, ...who }
}

function short(value: unknown): unknown {
  const text = JSON.stringify(value) ?? ""
  return text.length <= MAX_ITEMS ? value : `${text.slice(0, MAX_ITEMS)}…`
}

const FLAT = new Set(["string", "number", "integer", "boolean"])

/** A form of flat fields: of the answer's own, or with the answer as its one field. Undefined when it is neither. */
function formOf({
  prompt,
  responseSchema,
}: Extract<GateRequest, { type: "input" }>): { question: UserQuestion; wrapped: boolean } | undefined {
  if (!isObject(responseSchema)) return undefined
  const ask = (schema: Record<string, unknown>): UserQuestion => ({ type: "form", message: prompt, schema })
  if (isFlat(responseSchema)) {
    const schema = { type: "object", properties: { response: responseSchema }, required: ["response"] }
    return { question: ask(schema), wrapped: true }
  }
  const { properties, type } = responseSchema
  if (type !== "object" || !isObject(properties) || !Object.values(properties).every(isFlat)) return undefined
  return { question: ask(responseSchema), wrapped: false }
}

function isFlat(schema: unknown): boolean {
  if (!isObject(schema)) return false
  const { enum: choices, type } = schema
  if (typeof type === "string") return FLAT.has(type)
  return Array.isArray(choices) && choices.every((one) => typeof one !== "object")
}
