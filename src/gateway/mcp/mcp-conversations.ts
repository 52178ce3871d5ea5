// The conversations of this gateway as tools for MCP clients: which there are, what was said, saying something and waiting for the answer.
import { z } from "zod"
import { uuid } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { jsonSchema, parseWith } from "../../base/schema.ts"
import { excerpt } from "../../base/text.ts"
import { isFinal, type TurnRecord } from "../../protocol/turn.ts"
import { requireSession, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { failureOf } from "../sessions/outcome.ts"

/** One call of a client. */
export interface McpTalk {
  parts: Parts
  /** Ends with the call, or with the client's session. */
  signal: AbortSignal
  /** The session of calls that name none. */
  ownSession: string
  /** A call of the method table, as this client. */
  request(method: string, params: Record<string, unknown>): Promise<unknown>
  progress(message: string): void
}

export interface OfferedResult {
  [key: string]: unknown
  content: { type: "text"; text: string }[]
  structuredContent?: Record<string, unknown>
  isError?: boolean
}

export interface ConversationTool {
  name: string
  title: string
  description: string
  inputSchema: Record<string, unknown>
  readOnly: boolean
  run(args: Record<string, unknown>, ask: McpTalk): Promise<OfferedResult>
}

const DEFAULT_WAIT_S = 300
const MAX_WAIT_S = 3_600
const PROGRESS_MS = 1_000
const MAX_LIST = 100
const MAX_MESSAGE_CHARS = 20_000

function tool<Args>(
  words: Pick<ConversationTool, "name" | "title" | "description" | "readOnly">,
  args: z.ZodType<Args>,
  run: (args: Args, ask: McpTalk) => Promise<OfferedResult>,
): ConversationTool {
  return {
    ...words,
    get inputSchema() {
      return jsonSchema(args)
    },
    run: (given, ask) => run(parseWith(args, given, `Invalid arguments for ${words.name}`), ask),
  }
}

const session = z.string().min(1).max(300).optional()
const waitSeconds = z
  .number()
  .min(0)
  .max(MAX_WAIT_S)
  .default(DEFAULT_WAIT_S)
  .describe("How long to wait for the answer; after that it goes on, and run_wait waits for it again")

const list = tool(
  {
    name: "sessions_list",
    title: "List conversations",
    description: "Lists the conversations of this gateway, newest first.",
    readOnly: true,
  },
  z.strictObject({
    search: z.string().max(500).optional().describe("Part of a title or name, or words that a message holds"),
    agent: z.string().optional().describe("Only those with this agent"),
    limit: z.number().int().min(1).max(MAX_LIST).default(20),
    offset: z.number().int().min(0).default(0),
  }),
  async ({ agent, limit, offset, search }, ask) => {
    const params = { limit, offset, includeDerivedTitles: true, ...named({ agentId: agent, search }) }
    const answer: unknown = await ask.request("sessions.list", params)
    const { hasMore, sessions: rows } = isObject(answer) ? answer : {}
    const sessions = (Array.isArray(rows) ? rows : []).filter(isObject).map((row) => ({
      session: row["key"],
      ...named({ title: row["label"] ?? row["displayName"] ?? row["derivedTitle"], updatedAt: row["updatedAt"] }),
    }))
    return structured({ sessions, hasMore: hasMore === true })
  },
)

const read = tool(
  {
    name: "session_read",
    title: "Read a conversation",
    description: "Gives the newest messages of a conversation, oldest first.",
    readOnly: true,
  },
  z.strictObject({
    session: z.string().min(1).max(300).describe("As sessions_list names it"),
    limit: z.number().int().min(1).max(200).default(20),
  }),
  async ({ limit, session: key }, ask) => {
    const row = await requireSession({ sessionKey: key }, ask.parts)
    const params = { sessionKey: row.key, limit, maxChars: MAX_MESSAGE_CHARS }
    const answer: unknown = await ask.request("chat.history", params)
    const { hasMore, messages: rows } = isObject(answer) ? answer : {}
    const messages = (Array.isArray(rows) ? rows : []).filter(isObject).map(({ content, role, timestamp }) => ({
      role,
      text: textOf(content),
      at: typeof timestamp === "number" ? new Date(timestamp).toISOString() : undefined,
    }))
    return structured({ session: row.key, messages, hasMore: hasMore === true })
  },
)

const send = tool(
  {
    name: "message_send",
    title: "Say something",
    description:
      "Says something to the agent in a conversation and gives its answer. Without a session the conversation of this connection goes on.",
    readOnly: false,
  },
  z.strictObject({
    message: z.string().min(1).max(200_000),
    session: session.describe("As sessions_list names it, or a new name"),
    agent: z.string().optional().describe("Default: the default agent"),
    wait_seconds: waitSeconds,
  }),
  async ({ agent, message, session: wanted, wait_seconds }, ask) => {
    const { parts } = ask
    const name = await resolveSession({ sessionKey: wanted ?? ask.ownSession, ...named({ agentId: agent }) }, parts)
    const runId = uuid(parts.clock.now())
    const stop = tellProgress(runId, ask)
    try {
      await ask.request("chat.send", { sessionKey: name.key, message, idempotencyKey: runId, wait: false })
      return await ended(runId, name.key, wait_seconds, ask)
    } finally {
      stop()
    }
  },
)

const wait = tool(
  {
    name: "run_wait",
    title: "Wait for an answer",
    description:
      "Waits for an answer that message_send did not wait for any longer, or for a call that a human had to allow.",
    readOnly: true,
  },
  z.strictObject({ run_id: z.string().min(1).max(256), wait_seconds: waitSeconds }),
  async ({ run_id, wait_seconds }, ask) => {
    const stop = tellProgress(run_id, ask)
    try {
      // The scope and the existence of the run are judged there.
      await ask.request("agent.wait", { runId: run_id, timeoutMs: 0 })
      const record = await ask.parts.store.turns.get(run_id)
      return await ended(run_id, record?.sessionKey ?? "", wait_seconds, ask)
    } finally {
      stop()
    }
  },
)

const abort = tool(
  {
    name: "run_stop",
    title: "Stop an answer",
    description: "Stops what runs in a conversation.",
    readOnly: false,
  },
  z.strictObject({ session, run_id: z.string().min(1).max(256).optional() }),
  async ({ run_id, session: wanted }, ask) => {
    const name = await resolveSession({ sessionKey: wanted ?? ask.ownSession }, ask.parts)
    await ask.request("chat.abort", { sessionKey: name.key, ...named({ runId: run_id }) })
    return structured({ session: name.key, stopped: true })
  },
)

export const conversationTools: readonly ConversationTool[] = [list, read, send, wait, abort]

/** The answer, or that it takes longer. A client that gives its call up stops the run. */
async function ended(runId: string, key: string, seconds: number, ask: McpTalk): Promise<OfferedResult> {
  const { parts, signal } = ask
  const record = await waited(runId, seconds * 1_000, parts, signal)
  if (signal.aborted) {
    await parts.lanes.cancel({ turnId: runId })
    return { content: [{ type: "text", text: "Stopped." }], isError: true }
  }
  if (!record || !isFinal(record.status)) {
    const pending = (await parts.approvals.pending()).filter((one) => one.turnId === runId)
    const why = pending[0] ? `It waits for a human: ${excerpt(pending[0].summary, 300)}. ` : ""
    const text = `${why}The answer is not there yet: call run_wait with run_id "${runId}".`
    return { content: [{ type: "text", text }], structuredContent: { session: key, runId, status: "running" } }
  }
  const { task } = record.request
  // What a call by hand gave is told by a repeat of it, which calls nothing.
  if (task?.type === "call") {
    const again = { sessionKey: record.sessionKey, name: task.tool, args: task.args, idempotencyKey: runId }
    return invoked(await ask.request("tools.invoke", again))
  }
  const failure = failureOf(record)
  if (failure) throw failure
  const text = record.outcome?.text ?? ""
  const status = record.status === "completed" ? "completed" : "canceled"
  return {
    content: [{ type: "text", text: text === "" ? "(No words.)" : text }],
    structuredContent: { session: record.sessionKey, runId, status },
  }
}

/** An answer of tools.invoke. */
export function invoked(answer: unknown): OfferedResult {
  const { approvalId, error, output, requiresApproval, runId } = isObject(answer) ? answer : {}
  if (requiresApproval === true) {
    const text = `A human must allow this call first (approval ${String(approvalId)}). Then call run_wait with run_id "${String(runId)}".`
    return { content: [{ type: "text", text }], structuredContent: { runId, approvalId, status: "waiting" } }
  }
  if (isObject(error)) return { content: [{ type: "text", text: String(error["message"]) }], isError: true }
  const text = isObject(output) && typeof output["text"] === "string" ? output["text"] : ""
  return { content: [{ type: "text", text }] }
}

async function waited(runId: string, ms: number, parts: Parts, signal: AbortSignal): Promise<TurnRecord | undefined> {
  return (await parts.lanes.wait(runId, { timeoutMs: ms, signal })) ?? (await parts.store.turns.get(runId))
}

/** Tells what happens, at most once a second. */
function tellProgress(runId: string, { parts, progress }: McpTalk): () => void {
  let text = ""
  let toldAt = 0
  return parts.hub.onTurn(runId, ({ event }) => {
    const now = parts.clock.now()
    if (event.type === "text.delta") text += event.delta
    if (event.type === "approval.requested") progress(`Waits for a human: ${excerpt(event.approval.summary, 300)}`)
    else if (event.type === "tool.started") progress(excerpt(event.title, 300))
    else if (event.type === "text.delta" && now - toldAt >= PROGRESS_MS) {
      toldAt = now
      progress(text.slice(-500))
    }
  })
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content
  const parts: unknown[] = Array.isArray(content) ? content : []
  return parts
    .filter(isObject)
    .map((part) => (typeof part["text"] === "string" ? part["text"] : `[${String(part["type"])}]`))
    .join("\n")
}

function structured(value: Record<string, unknown>): OfferedResult {
  return { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value }
}

/** Without what is not there. */
function named(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null))
}
