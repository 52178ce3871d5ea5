// One tool call: judge it, ask if so decided, run it as one journalled step where policy placed it, record it, and write the decision
// and the effect into the audit. Whatever goes wrong with a call is a result that the model sees; only parking, a lost fence and a
// denial that ends the turn leave through exceptions.
import { realpathSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { PincerError } from "../base/errors.ts"
import { excerpt } from "../base/text.ts"
import type { AuditEntry } from "../protocol/audit.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Message, ToolCallPart } from "../protocol/message.ts"
import { errorResult, type Tool, type ToolResult } from "../tools/tool.ts"
import { askUser, type UserSaid } from "./ask-user.ts"
import { type Known, leaveFor } from "./leave.ts"
import { whoOf } from "./rights.ts"
import { type CallRoom, type Judged, judge } from "./scene.ts"
import { TurnAbort } from "./scope.ts"
import { taintOfCall } from "./taint.ts"
import { tell } from "./tell.ts"
import { contextFor } from "./tool-context.ts"
import { beforeView } from "./view.ts"

/** The working directory, made if it is the agent's own, with symlinks resolved. `made` is told of the agent's own. */
export async function openWorkspace(path: string, mayCreate: boolean, made: (folder: string) => void): Promise<string> {
  try {
    // Asked of the system at once: a way through the pool of threads takes each turn ten times as long.
    const real = realpathSync.native(path)
    if (mayCreate) made(real)
    return real
  } catch (error) {
    if (!mayCreate)
      throw new PincerError("INVALID_PARAMS", `Working directory "${path}" does not exist: name one that does`, {
        cause: error,
      })
  }
  await mkdir(path, { recursive: true, mode: 0o700 })
  const real = realpathSync.native(path)
  made(real)
  return real
}

/** Runs the calls in order; neighbours that only read run side by side. Each leaves its result message in the transcript. */
export async function runCalls(
  room: CallRoom,
  calls: readonly { call: ToolCallPart; key: string }[],
): Promise<Message[]> {
  const results: Message[] = []
  let reading: Promise<Message>[] = []
  const settle = async () => {
    const settled = await Promise.allSettled(reading)
    reading = []
    for (const one of settled) {
      if (one.status === "rejected") throw one.reason
      results.push(one.value)
    }
  }
  for (const { call, key } of calls) {
    const tool = room.tools.get(call.name)
    const readsOnly = tool?.effect === "read" && (tool.class === "read" || tool.class === "search")
    if (!readsOnly) await settle()
    if (room.scope.signal.aborted) throw room.scope.signal.reason
    // What an earlier call of the same answer read from outside counts for the later ones.
    const seen = results.length === 0 ? room : { ...room, messages: [...room.messages, ...results] }
    const running = runCall(seen, call, key)
    if (readsOnly && reading.push(running) < 8) continue
    if (!readsOnly) results.push(await running)
    else await settle()
  }
  await settle()
  return results
}

async function runCall(room: CallRoom, call: ToolCallPart, key: string): Promise<Message> {
  const known = await room.ports.books.approvals.forStep(room.scope.fence.turnId, key)
  const judged = await judge(room, call, known !== undefined)
  if (!("tool" in judged)) return refuse(room, call, call.args ?? {}, call.name, judged)
  const title = room.ports.redactor.text(excerpt(judged.tool.title(judged.args), 300))
  // A call that an earlier attempt began had its leave; what came of it is the journal's to say.
  if (await room.scope.begun(key)) return act(room, call, key, judged, title)
  const refusal = await refusalOf(room, call, key, judged, known, title)
  if (!refusal) {
    const question = judged.tool.question?.(judged.args)
    const asked = question && (await askUser(room, call, key, judged.tool.name, question))
    return act(room, call, key, judged, title, asked)
  }
  const message = await refuse(room, call, judged.args, title, refusal)
  const { endsTurn, reason } = judged.decision
  if (endsTurn) throw new PincerError("PERMISSION_DENIED", `${excerpt(reason, 500)}. The turn was ended`)
  return message
}

/** Undefined when the call may run. Throws Parked while nobody has answered. A denial of today beats an approval of yesterday. */
async function refusalOf(
  room: CallRoom,
  call: ToolCallPart,
  key: string,
  judged: Judged,
  known: Known | undefined,
  title: string,
): Promise<ToolResult | undefined> {
  const { decision } = judged
  if (decision.verdict === "deny") {
    await audit(room, call, judged, title, { type: "decision", verdict: "deny" })
    const { step, rule, source, reason } = decision
    return errorResult(`Denied: ${reason}. The call was not carried out.`, { denied: true, step, rule, source, reason })
  }
  if (decision.verdict === "allow" && !known) {
    const grant = /^grant (.+)$/.exec(decision.source)?.[1]
    if (grant !== undefined) await room.ports.books.grants.used(grant)
    await audit(room, call, judged, title, { type: "decision", verdict: "allow" })
    return undefined
  }
  return leaveFor(room, call, key, judged, known, title, () =>
    audit(room, call, judged, title, { type: "decision", verdict: "ask" }),
  )
}

/** Records a call that was not carried out. */
async function refuse(
  room: CallRoom,
  call: ToolCallPart,
  args: Record<string, unknown>,
  title: string,
  result: ToolResult,
): Promise<Message> {
  const { message, ended } = tell(room, call, call.name, result, 0, [])
  await room.scope.record([
    {
      type: "tool.started",
      callId: call.callId,
      name: call.name,
      args: room.ports.redactor.value(args),
      title,
    },
    ended,
    { type: "message.added", message },
  ])
  return message
}

async function act(
  room: CallRoom,
  call: ToolCallPart,
  key: string,
  judged: Judged,
  title: string,
  asked?: UserSaid,
): Promise<Message> {
  const { tool, args, facts, decision } = judged
  const { clock, redactor } = room.ports
  const startedAt = clock.now()
  const taint = taintOfCall(facts, decision, room.cwd, call.callId)
  let told: { message: Message; ended: RecordedEvent } | undefined
  const outcome = await room.scope.step<ToolResult>(
    key,
    tool.effect,
    {
      before: [
        {
          type: "tool.started",
          callId: call.callId,
          name: tool.name,
          args: redactor.value(args),
          title,
          view: beforeView(facts),
        },
      ],
      after: (result) => {
        const marks = [...taint, ...(result.taint ?? [])]
        told = tell(room, call, tool.name, result, clock.now() - startedAt, marks)
        const { plan } = result
        const planned: RecordedEvent[] = plan
          ? [{ type: "plan.updated", planId: plan.planId, plan: redactor.value(plan) }]
          : []
        return [told.ended, { type: "message.added", message: told.message }, ...planned]
      },
    },
    (signal) => runTool(room, judged, call, signal, asked),
  )
  const durationMs = clock.now() - startedAt
  if (outcome.type === "done" && told) {
    await auditEffect(room, call, judged, title, outcome.value, durationMs)
    return told.message
  }
  if (outcome.type !== "done")
    await audit(room, call, judged, title, { type: "effect", outcome: "uncertain", durationMs })
  return uncertain(room, call, tool, outcome.type === "done" ? outcome.value : undefined, title)
}

async function runTool(
  room: CallRoom,
  judged: Judged,
  call: ToolCallPart,
  signal: AbortSignal,
  asked?: UserSaid,
): Promise<ToolResult> {
  const { tool, args } = judged
  const { ports, scope, notes } = room
  const before = tool.class === "control" ? JSON.stringify([...notes]) : ""
  const remarks: string[] = asked?.remark === undefined ? [] : [asked.remark]
  try {
    const context = contextFor(room, judged, call, signal, remarks)
    const result = await tool.run(args, { ...context, ...(asked?.answer ? { answer: asked.answer } : {}) })
    if (tool.class === "control" && JSON.stringify([...notes]) !== before)
      await ports.books.notes.save(scope.fence.sessionKey, notes)
    // A secret is taken out before anybody sees the result: the model, the log, the transcript.
    const beside = remarks.map((text) => ({ type: "text" as const, text: `[${text}]` }))
    return { ...result, content: ports.redactor.value([...result.content, ...beside]) }
  } catch (error) {
    if (signal.aborted) return errorResult(stopped(signal))
    if (error instanceof PincerError) return errorResult(ports.redactor.text(error.message))
    ports.log.error({ err: error, tool: tool.name, turnId: scope.fence.turnId }, "A tool failed unexpectedly")
    return errorResult(
      ports.redactor.text(`${tool.name} failed: ${error instanceof Error ? error.message : String(error)}`),
    )
  }
}

function stopped(signal: AbortSignal): string {
  const reason = signal.reason instanceof TurnAbort ? signal.reason.kind : "aborted"
  return reason === "time_limit" ? "Stopped: the turn's time limit was reached." : "Stopped: the turn was canceled."
}

/** A call whose effect nobody can be sure of: not repeated, told to the model and to the user. */
async function uncertain(
  room: CallRoom,
  call: ToolCallPart,
  tool: Tool,
  known: ToolResult | undefined,
  title: string,
): Promise<Message> {
  const result =
    known ??
    errorResult(
      `Pincer stopped while this call was running. It may or may not have taken effect, and it was not repeated. Check before trying again.`,
      { uncertain: true },
    )
  const { message, ended } = tell(room, call, tool.name, result, 0, [])
  const notice: RecordedEvent = {
    type: "notice.posted",
    level: "warning",
    code: "call-uncertain",
    text: `${tool.name} ${title} was running when Pincer stopped. It may or may not have taken effect; it was not repeated.`,
  }
  await room.scope.record([...(known ? [] : [notice]), ended, { type: "message.added", message }])
  return message
}

async function auditEffect(
  room: CallRoom,
  call: ToolCallPart,
  judged: Judged,
  title: string,
  result: ToolResult,
  durationMs: number,
): Promise<void> {
  const exitCode = result.details?.["exitCode"]
  const details = typeof exitCode === "number" ? { details: { exitCode } } : {}
  const canceled = room.scope.signal.aborted
  const outcome = canceled ? "canceled" : result.isError ? "failed" : "done"
  await audit(room, call, judged, title, { type: "effect", outcome, durationMs, ...details })
  const { placement } = judged.decision
  if (placement.type !== "host" || placement.because !== "elevated" || !judged.elevation) return
  const entry = lineOf(room, call, judged, title)
  await room.ports.rights.elevatedUse(judged.elevation, { ...entry, outcome, durationMs, ...details })
}

/** One line of the audit about this call. */
function audit(
  room: CallRoom,
  call: ToolCallPart,
  judged: Judged,
  title: string,
  more: Pick<AuditEntry, "type"> & Partial<AuditEntry>,
): Promise<void> {
  const { step, rule, reason, taint } = judged.decision
  return room.ports.rights.audit({
    ...lineOf(room, call, judged, title),
    at: room.ports.clock.now(),
    ...(more.type === "decision" ? { step, rule, reason, ...(taint.length > 0 ? { taint } : {}) } : {}),
    ...more,
  })
}

function lineOf(
  { request, scope }: CallRoom,
  call: ToolCallPart,
  { argsDigest, decision, tool }: Judged,
  title: string,
): Omit<AuditEntry, "type" | "at"> {
  return {
    who: whoOf(request),
    door: request.origin.door,
    agentId: request.agentId,
    sessionKey: scope.fence.sessionKey,
    turnId: scope.fence.turnId,
    callId: call.callId,
    tool: tool.name,
    summary: title,
    argsDigest,
    placement: decision.placement,
  }
}
