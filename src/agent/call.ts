// One tool call: find, parse strictly, see what it touches, decide, ask if so decided, run as one journalled step, record.
// Whatever goes wrong with a call is a result that the model sees; only parking and a lost fence leave through exceptions.
import { mkdir, realpath } from "node:fs/promises"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import { excerpt } from "../base/text.ts"
import { type Decision, decide } from "../policy/decide.ts"
import type { Approval } from "../protocol/approval.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Message, ToolCallPart } from "../protocol/message.ts"
import { errorResult, type Tool, type ToolResult, type Touch } from "../tools/tool.ts"
import { fingerprintOf, standingOf } from "./approvals.ts"
import type { Ports } from "./ports.ts"
import { Parked, TurnAbort, type TurnScope } from "./scope.ts"

/** How much of a result's text goes into the tool.ended event; the whole is in the message. */
const EVENT_TEXT = 4_000
const PROGRESS_MS = 200

export interface CallRoom {
  ports: Ports
  scope: TurnScope
  /** Tools this turn may use, by canonical name and alias. */
  tools: ReadonlyMap<string, Tool>
  cwd: string
  notes: Map<string, unknown>
  /** Who could approve may be on the way back: after a restart calls are asked for although nobody is connected yet. */
  expectsReturn: boolean
}

interface Prepared {
  tool: Tool
  args: Record<string, unknown>
  touch: Touch
  decision: Decision
}

/** The working directory, made if it is the agent's own, with symlinks resolved. */
export async function openWorkspace(path: string, mayCreate: boolean): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (!mayCreate)
      throw new PincerError("INVALID_PARAMS", `Working directory "${path}" does not exist: name one that does`, {
        cause: error,
      })
  }
  await mkdir(path, { recursive: true, mode: 0o700 })
  return realpath(path)
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
    const running = runCall(room, call, key)
    if (readsOnly && reading.push(running) < 8) continue
    if (!readsOnly) results.push(await running)
    else await settle()
  }
  await settle()
  return results
}

async function runCall(room: CallRoom, call: ToolCallPart, key: string): Promise<Message> {
  const prepared = await prepare(room, call)
  if (!("tool" in prepared)) return refuse(room, call, call.args ?? {}, call.name, prepared)
  const { tool, args, decision } = prepared
  const title = titleOf(tool, args)
  const known = await room.ports.books.approvals.forStep(room.scope.fence.turnId, key)
  // A call that an earlier attempt began had its leave; what came of it is the journal's to say.
  if (await room.scope.begun(key)) return act(room, call, key, prepared, title)
  if (known || decision.verdict === "ask") {
    const refusal = await approve(room, call, key, prepared, known, title)
    if (refusal) return refuse(room, call, args, title, refusal)
  } else if (decision.verdict === "deny") {
    const text = `Denied: ${decision.reason}. The call was not carried out.`
    return refuse(
      room,
      call,
      args,
      title,
      errorResult(text, { denied: true, step: decision.step, reason: decision.reason }),
    )
  }
  return act(room, call, key, prepared, title)
}

async function prepare(room: CallRoom, call: ToolCallPart): Promise<Prepared | ToolResult> {
  const tool = room.tools.get(call.name)
  if (!tool) {
    const names = [...new Set([...room.tools.values()].map((one) => one.name))].join(", ")
    return errorResult(`There is no tool "${call.name}". Tools: ${names}`)
  }
  if (call.args === undefined)
    return errorResult(
      `The arguments of ${tool.name} were not a complete JSON object, so nothing was run. Send them again.`,
    )
  const parsed = tool.args.safeParse(call.args)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "arguments"}: ${issue.message}`)
    return errorResult(`Invalid arguments for ${tool.name}: ${problems.join("; ")}`)
  }
  const args = parsed.data
  try {
    const touch = await tool.touch(args, room.cwd, room.ports.toolSettings)
    const decision = decide({
      tool: tool.name,
      class: tool.class,
      reads: touch.reads,
      writes: touch.writes,
      hosts: touch.hosts,
      workspace: room.cwd,
      home: room.ports.home,
      canAsk: room.expectsReturn || room.ports.canAsk(room.scope.fence.sessionKey),
    })
    return { tool, args, touch, decision }
  } catch (error) {
    if (error instanceof PincerError) return errorResult(error.message)
    throw error
  }
}

function titleOf(tool: Tool, args: Record<string, unknown>): string {
  return excerpt(tool.title(args), 300)
}

/** Undefined when the call may run; the refusal when not. Throws Parked while nobody has answered. */
async function approve(
  room: CallRoom,
  call: ToolCallPart,
  key: string,
  prepared: Prepared,
  known: Known | undefined,
  title: string,
): Promise<ToolResult | undefined> {
  const { ports, scope } = room
  const { fence, session } = scope
  const { tool, args, touch, decision } = prepared
  const { cwd } = room
  const { env } = ports.toolSettings.exec
  const fingerprint = fingerprintOf({ tool: tool.name, args, cwd, touch, env })
  if (known) return answered(known, { ...fence, fingerprint })
  if (await ports.books.approvals.granted(fence.sessionKey, fingerprint)) return undefined
  const now = ports.clock.now()
  const approval: Approval = {
    id: uuid(now),
    kind: "tool",
    sessionKey: fence.sessionKey,
    agentId: session.agentId,
    turnId: fence.turnId,
    callId: call.callId,
    tool: tool.name,
    args,
    summary: touch.command ?? `${tool.name} ${title}`,
    reason: decision.reason,
    cwd: room.cwd,
    createdAt: now,
    expiresAt: now + ports.settings.approvalTimeoutMs,
    decision: null,
  }
  scope.show(await ports.books.approvals.ask(fence, key, fingerprint, approval))
  ports.checkpoint("approval.asked")
  ports.asked(approval)
  throw new Parked(`Waiting for approval ${approval.id}`)
}

type Known = NonNullable<Awaited<ReturnType<Ports["books"]["approvals"]["forStep"]>>>

/** What an approval that was asked before means now. Throws Parked while nobody has answered. */
function answered(
  known: Known,
  now: { sessionKey: string; turnId: string; fingerprint: string },
): ToolResult | undefined {
  const standing = standingOf(known, now)
  switch (standing.type) {
    case "waiting":
      throw new Parked(`Waiting for approval ${standing.approvalId}`)
    case "refused":
      return errorResult(standing.text, standing.details)
    case "allowed":
      return undefined
  }
}

/** Records a call that was not carried out. */
async function refuse(
  room: CallRoom,
  call: ToolCallPart,
  args: Record<string, unknown>,
  title: string,
  result: ToolResult,
): Promise<Message> {
  const { message, ended } = tell(room, call, call.name, result, 0)
  await room.scope.record([
    { type: "tool.started", callId: call.callId, name: call.name, args, title },
    ended,
    { type: "message.added", message },
  ])
  return message
}

async function act(
  room: CallRoom,
  call: ToolCallPart,
  key: string,
  prepared: Prepared,
  title: string,
): Promise<Message> {
  const { tool, args } = prepared
  const { clock } = room.ports
  const startedAt = clock.now()
  let told: { message: Message; ended: RecordedEvent } | undefined
  const outcome = await room.scope.step<ToolResult>(
    key,
    tool.effect,
    {
      before: [{ type: "tool.started", callId: call.callId, name: tool.name, args, title }],
      after: (result) => {
        told = tell(room, call, tool.name, result, clock.now() - startedAt)
        return [told.ended, { type: "message.added", message: told.message }]
      },
    },
    (signal) => runTool(room, prepared, call, signal),
  )
  if (outcome.type === "done" && told) return told.message
  return uncertain(room, call, tool, outcome.type === "done" ? outcome.value : undefined, title)
}

async function runTool(
  room: CallRoom,
  prepared: Prepared,
  call: ToolCallPart,
  signal: AbortSignal,
): Promise<ToolResult> {
  const { tool, args, touch } = prepared
  const { ports, scope, notes } = room
  const before = tool.class === "control" ? JSON.stringify([...notes]) : ""
  let shownAt = 0
  try {
    const result = await tool.run(args, {
      cwd: room.cwd,
      judged: touch,
      notes,
      signal,
      clock: ports.clock,
      launch: async (program) => ({ ...program, close: async () => undefined }),
      progress(output) {
        const now = ports.clock.now()
        if (now - shownAt < PROGRESS_MS) return
        shownAt = now
        scope.live({ type: "tool.updated", callId: call.callId, name: tool.name, output })
      },
      settings: ports.toolSettings,
    })
    if (tool.class === "control" && JSON.stringify([...notes]) !== before)
      await ports.books.notes.save(scope.fence.sessionKey, notes)
    return result
  } catch (error) {
    if (signal.aborted) return errorResult(stopped(signal))
    if (error instanceof PincerError) return errorResult(error.message)
    ports.log.error({ err: error, tool: tool.name, turnId: scope.fence.turnId }, "A tool failed unexpectedly")
    return errorResult(`${tool.name} failed: ${error instanceof Error ? error.message : String(error)}`)
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
  const { message, ended } = tell(room, call, tool.name, result, 0)
  const notice: RecordedEvent = {
    type: "notice.posted",
    level: "warning",
    code: "call-uncertain",
    text: `${tool.name} ${title} was running when Pincer stopped. It may or may not have taken effect; it was not repeated.`,
  }
  await room.scope.record([...(known ? [] : [notice]), ended, { type: "message.added", message }])
  return message
}

function tell(
  room: CallRoom,
  call: ToolCallPart,
  name: string,
  result: ToolResult,
  durationMs: number,
): { message: Message; ended: RecordedEvent } {
  const at = room.ports.clock.now()
  const { content, isError, details } = result
  const text = content.map((part) => (part.type === "text" ? part.text : `[${part.mimeType} image]`)).join("\n")
  return {
    message: {
      id: uuid(at),
      role: "tool",
      content: [{ type: "tool.result", callId: call.callId, name, content, isError }],
      at,
      turnId: room.scope.fence.turnId,
    },
    ended: {
      type: "tool.ended",
      callId: call.callId,
      name,
      isError,
      text: text.length > EVENT_TEXT ? `${text.slice(0, EVENT_TEXT)}…` : text,
      durationMs,
      ...(details ? { details } : {}),
    },
  }
}
