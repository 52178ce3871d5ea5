// The events of the control plane: who hears them and what they carry. features.events, audience checks and the docs follow from
// this list (protocol §5, §6, §9.6).
import { grants, type Scope } from "../../protocol/frame.ts"
import { ASK_KINDS } from "../lending/asks.ts"

export interface EventKind {
  name: string
  /** Right that a connection needs to hear it; null for every connection. */
  scope: Scope | null
  /** Sent to connections of this dialect; both when absent. */
  dialect?: "claw" | "py"
  summary: string
  /** Shape of the payload. */
  payload: string
}

const run = "runId, sessionKey, agentId, seq"
const simple = "sessionId, sessionKey, agentId, runId, seq"

export const events: readonly EventKind[] = [
  { name: "connect.challenge", scope: null, summary: "First frame of every connection.", payload: "{ nonce, ts }" },
  { name: "tick", scope: null, summary: "Sign of life, every policy.tickIntervalMs.", payload: "{ ts }" },
  {
    name: "shutdown",
    scope: null,
    summary: "The gateway stops; close code 1012 follows.",
    payload: "{ reason, restartExpectedMs? }",
  },
  { name: "health", scope: null, summary: "The health object.", payload: "the result of `health`" },
  {
    name: "presence",
    scope: "operator.read",
    summary: "Who is connected, whole list each time.",
    payload: "{ presence: PresenceEntry[] }",
  },
  {
    name: "chat",
    scope: "operator.read",
    dialect: "claw",
    summary:
      "An answer as it grows, then exactly one of final, aborted, error. `message` is the whole text so far, `deltaText` what is new.",
    payload: `{ ${run}, state: "status" | "delta" | "final" | "aborted" | "error", deltaText?, message?, stopReason?, usage?, errorMessage?, errorKind? }`,
  },
  {
    name: "agent",
    scope: "operator.read",
    dialect: "claw",
    summary:
      "The run in detail. Streams: lifecycle, assistant, thinking, tool, usage, run_status. `tool` needs the cap tool-events.",
    payload: `{ ${run}, stream, ts, data }`,
  },
  {
    name: "chat.delta",
    scope: "operator.read",
    dialect: "py",
    summary: "More of an answer.",
    payload: `{ ${simple}, delta, role: "assistant" }`,
  },
  {
    name: "chat.tool_call",
    scope: "operator.read",
    dialect: "py",
    summary: "A tool is called.",
    payload: `{ ${simple}, tool, args, toolCallId }`,
  },
  {
    name: "chat.tool_result",
    scope: "operator.read",
    dialect: "py",
    summary: "What a tool gave.",
    payload: `{ ${simple}, tool, result, toolCallId, isError }`,
  },
  {
    name: "chat.done",
    scope: "operator.read",
    dialect: "py",
    summary: "The run ended well, or was aborted.",
    payload: `{ ${simple}, usage, stopReason, text, aborted? }`,
  },
  {
    name: "chat.error",
    scope: "operator.read",
    dialect: "py",
    summary: "The run failed.",
    payload: `{ ${simple}, error, code }`,
  },
  {
    name: "exec.approval.requested",
    scope: "operator.approvals",
    summary: "A tool call, or something else, waits for a human. Never dropped.",
    payload: "the row of `exec.approval.get`",
  },
  {
    name: "exec.approval.resolved",
    scope: "operator.approvals",
    summary: "An approval was decided, or nobody did (`decision: null`). Never dropped.",
    payload: '{ id, decision, resolvedBy?, ts, reason?: "expired" | "canceled" }, and the row of `exec.approval.get`',
  },
  {
    name: "elevated.changed",
    scope: "operator.read",
    dialect: "claw",
    summary: "A session may leave the sandbox for a while, or no more.",
    payload: "the state of `elevated.get`",
  },
  {
    name: "session.event",
    scope: "operator.read",
    summary:
      "Something happened in a session that this connection reads with `session.events`. Recorded events (`seq` is a number) come in order, each once and none left out; live ones may be left out, as a recorded one holds them later.",
    payload: "{ envelope: { sessionKey, sessionId, agentId, turnId, seq, at, event } }",
  },
  {
    name: "session.changed",
    scope: "operator.read",
    dialect: "claw",
    summary:
      "A session is not what it was: settings, names, transcript, or what its turns cost. `deleted`: it is gone. Read what you show anew.",
    payload: "{ sessionKey, sessionId?, changed: string[], title?, updatedAt?, deleted?: true }",
  },
  {
    name: "mcp.changed",
    scope: "operator.read",
    summary: "An MCP server is not what it was: its tools, or how it is. Without a name: which servers there are.",
    payload: "{ server? }",
  },
  {
    name: "sessions.changed",
    scope: "operator.read",
    summary:
      "Something became of a session, with its row; to connections that called `sessions.subscribe`. Reasons: send, create, patch, reset, delete; phases of a run: start, model, end.",
    payload: "{ sessionKey, agentId, reason? | phase?, runId?, ts, session: row of `sessions.list` | null }",
  },
  {
    name: "session.message",
    scope: "operator.read",
    summary: "A message entered a session; to connections that called `sessions.messages.subscribe` for it.",
    payload: "{ sessionKey, sessionId, agentId, message, messageId, messageSeq, session }",
  },
  {
    name: "session.tool",
    scope: "operator.read",
    summary: "A tool call of a session began or ended; to the same connections.",
    payload:
      '{ sessionKey, sessionId, agentId, runId, ts, phase: "start" | "result", name, toolCallId, args?, isError?, result? }',
  },
  {
    name: "config.changed",
    scope: "operator.read",
    dialect: "claw",
    summary: "The configuration was loaded anew, or what its file says now was refused and the one before it goes on.",
    payload:
      '{ ts, cause: "signal" | "file" | "call" | "write", ok, changed: string[], restart: string[], refused?: { message, issues } }',
  },
  {
    name: "client.asked",
    scope: "operator.write",
    summary:
      "To the connection that lends: do something and answer with `client.answer`, within 30 seconds unless it waits for a process or a person. After a lost connection, what still waits is asked again with the same id.",
    payload: `{ id, lender, sessionKey, turnId?, what: ${ASK_KINDS.map((kind) => `"${kind}"`).join(" | ")}, params }`,
  },
  {
    name: "client.withdrawn",
    scope: "operator.write",
    summary: "Nobody waits for the answer to this `client.asked` any more: undo what it began.",
    payload: "{ id }",
  },
  {
    name: "workflow.event",
    scope: "operator.read",
    summary:
      "Something happened in a run that this connection watches with `workflow.watch`: each recorded fact once, in order.",
    payload: "{ event: { runId, seq, at, type, … } }",
  },
  {
    name: "workflow.done",
    scope: "operator.read",
    summary: "The run that this connection watches has ended, or was removed.",
    payload: "{ runId, status }",
  },
  {
    name: "heartbeat",
    scope: "operator.read",
    summary:
      "What became of a heartbeat: `sent` has something to say, `ok-token` and `ok-empty` need nobody's attention, `skipped` asked nobody.",
    payload:
      '{ ts, agentId, status: "sent" | "ok-empty" | "ok-token" | "skipped" | "failed", sessionKey?, preview?, durationMs?, reason?, silent?, indicatorType? }',
  },
  {
    name: "update.run.changed",
    scope: "operator.admin",
    summary: "An update of Pincer itself began, goes on (`words`: what is done now), or has come to an end.",
    payload: "an update as in `update.runs.list`, and words?",
  },
  {
    name: "cron",
    scope: "operator.read",
    summary: "A schedule was added, changed or removed, or one of its ticks was begun or has ended.",
    payload:
      '{ jobId, action: "added" | "updated" | "removed" | "started" | "finished", runId?, status?, state?, runAtMs?, durationMs?, error?, summary?, nextRunAtMs?, job? }',
  },
  {
    name: "job.event",
    scope: "operator.read",
    summary:
      "Something happened to a job that this connection subscribed to. `cursor` is null for text as it grows, else where to go on after it.",
    payload: "{ cursor, type, job_id, at, fact? | turn_id, seq?, event }",
  },
  {
    name: "job.done",
    scope: "operator.read",
    summary: "The subscription to a job is over: it has ended, or was removed.",
    payload: "{ job_id }",
  },
  {
    name: "device.pair.requested",
    scope: "operator.pairing",
    summary: "A device, or one that wants more than it has, waits to be approved. Also told when such a wish changes.",
    payload: "the pending record of `device.pair.list`",
  },
  {
    name: "device.pair.resolved",
    scope: "operator.pairing",
    summary: "Somebody decided on a device that waited.",
    payload: '{ requestId, deviceId, decision: "approved" | "rejected", ts }',
  },
  {
    name: "device.pair.setup.completed",
    scope: "operator.pairing",
    summary: "A device came in by a code, and was told its token.",
    payload: '{ setupId, deviceId, deviceName?, access: "full" | "limited" | "node", ts }',
  },
  {
    name: "device.pair.setup.deliveryUncertain",
    scope: "operator.pairing",
    summary:
      "A device came in by a code and was gone before it could be told its token. It may come again with the code.",
    payload: '{ setupId, deviceId, access: "full" | "limited" | "node", ts }',
  },
]

/** Notifications of the JSON-RPC door, by the names that its clients know (IM-WS). */
const notifications: Readonly<Record<string, Scope | null>> = {
  connected: null,
  event: "operator.read",
  stream: "operator.read",
  "session.snapshot": "operator.read",
  "session.activity": "operator.read",
  "session.updated": "operator.read",
  "session.deleted": "operator.read",
}

let scopes: ReadonlyMap<string, Scope | null> | undefined

/** The right that hearing of this event needs, null for none; undefined for one that no list names: it is told to nobody. */
export function eventScope(name: string): Scope | null | undefined {
  scopes ??= new Map([
    ...Object.entries(notifications),
    ...events.map(({ name, scope }): [string, Scope | null] => [name, scope]),
  ])
  return scopes.get(name)
}

/** Whether this caller may be told of such an event now: rights can shrink while a connection is open. */
export function mayHear(caller: { role: string; scopes: readonly string[] }, event: string): boolean {
  const scope = eventScope(event)
  return scope === null || (scope !== undefined && caller.role === "operator" && grants(caller.scopes, scope))
}
