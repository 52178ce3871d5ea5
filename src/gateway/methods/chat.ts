// chat.*: say something in a session, stop it, read it back. chat.send answers at once in the claw dialect and at the end in the
// simple one, or when `wait` is set (protocol §9.5). The idempotency key is the run id.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Part } from "../../protocol/message.ts"
import type { Permissions } from "../../protocol/permission.ts"
import type { SessionName } from "../../protocol/session.ts"
import type { Sampling, TurnRecord } from "../../protocol/turn.ts"
import { isFinal } from "../../protocol/turn.ts"
import { attachmentParts, attachments } from "../attachments.ts"
import {
  namesSession,
  promptedInput,
  resolveSession,
  type SessionParams,
  type TurnInput,
  turnRequest,
} from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { content, type SaidParts, saidParts } from "../said-parts.ts"
import { historyMessages, newestWithin, shortened } from "../sessions/history.ts"
import { completion, failureOf, unfinished } from "../sessions/outcome.ts"
import { type Caller, type Method, type MethodContext, method } from "./method.ts"
import {
  agentCommand,
  count,
  idempotencyKey,
  lender,
  permissions,
  renamed,
  sessionFields,
  thinking,
  ttl,
} from "./params.ts"
import { sessionRow, row as sessionRowSchema } from "./sessions.ts"

const MAX_MESSAGE = 500_000
const HISTORY_BYTES = 6 * 1024 * 1024
const STOP = "/stop"

const message = () =>
  z
    .string({ error: "message is required" })
    .max(MAX_MESSAGE, { error: `message is too long: at most ${MAX_MESSAGE} characters` })

const sendFields = () => ({
  ...sessionFields(),
  idempotencyKey: idempotencyKey(),
  model: z.string().min(1).optional(),
  provider: z.string().min(1).optional(),
  systemPrompt: z.string().max(100_000).optional(),
  thinking: thinking(),
  temperature: z.number().optional().describe("0..2; anything else is ignored"),
  timeoutMs: z.number().int().min(0).optional().describe("Wall time limit of the turn; 0 for the configured one"),
  maxTurns: z.number().int().min(1).max(1_000).optional().describe("Answers of the model in this turn, at most"),
  cwd: z.string().optional().describe("Absolute path"),
  abortPrevious: z.boolean().optional().describe("Stop what runs and waits in this session first"),
  permissions: permissions(),
  agentCommand: agentCommand(),
  ttl: ttl(),
  lender: lender(),
  wait: z.boolean().optional().describe("One response at the end of the turn (always so in the simple dialect)"),
})

const sendResult = () =>
  z.union([
    z.object({
      runId: z.string(),
      status: z.enum(["started", "in_flight", "ok", "error"]),
      summary: z.string().optional(),
    }),
    z.looseObject({
      completed: z.boolean(),
      aborted: z.literal(true).optional(),
      runId: z.string(),
      status: z.string(),
      sessionKey: z.string(),
      sessionId: z.string(),
      text: z.string(),
      usage: z.unknown(),
    }),
    z.object({ ok: z.boolean(), aborted: z.boolean(), runIds: z.array(z.string()) }),
  ])

/** Params of every form; a temperature that makes no sense is ignored (PY-RPC-CHAT-02). */
function normalize(params: Record<string, unknown>, caller: Caller): Record<string, unknown> {
  const out = renamed(params, { path: ["file"], message: ["text"] })
  const { temperature } = out
  if (typeof temperature !== "number" || !(temperature >= 0 && temperature <= 2)) delete out["temperature"]
  if (typeof out["thinking"] === "string" && out["thinking"].trim() === "") delete out["thinking"]
  if (typeof out["message"] === "string") out["message"] = sanitized(out["message"], caller.dialect === "py")
  return out
}

/**
 * NUL bytes and outer blanks go. The simple dialect also promises to take script elements and HTML comments out
 * (PY-RPC-CHAT-03); in the other one people talk to their agent about code and mean every character.
 */
export function sanitized(text: string, markup: boolean): string {
  const plain = text.replaceAll("\0", "")
  return (markup ? withoutMarkup(plain) : plain).trim()
}

function withoutMarkup(text: string): string {
  return text
    .replace(/<script\b[^>]*>[\s\S]*?(?:<\/script\s*>|$)/gi, "[script removed]")
    .replace(/<!--[\s\S]*?(?:-->|$)/g, "")
}

interface Asked extends SessionParams {
  thinking?: Sampling["thinking"]
  temperature?: number
  idempotencyKey?: string
  model?: string
  provider?: string
  systemPrompt?: string
  timeoutMs?: number
  maxTurns?: number
  cwd?: string
  abortPrevious?: boolean
  permissions?: Permissions
  agentCommand?: string[]
  ttl?: number
  lender?: string
  wait?: boolean
}

/** Submits, and answers at once or at the end. */
async function run(
  session: SessionName,
  asked: Asked,
  said: Pick<TurnInput, "input" | "outside" | "replay">,
  context: MethodContext,
) {
  const { caller, parts } = context
  const sampling: Sampling = {
    ...(asked.temperature === undefined ? {} : { temperature: asked.temperature }),
    ...(asked.thinking === undefined ? {} : { thinking: asked.thinking }),
  }
  const request = turnRequest(
    session,
    {
      ...said,
      idempotencyKey: asked.idempotencyKey,
      model: asked.model,
      provider: asked.provider,
      systemPrompt: asked.systemPrompt,
      cwd: asked.cwd,
      timeoutMs: asked.timeoutMs,
      abortPrevious: asked.abortPrevious,
      permissions: asked.permissions,
      agentCommand: asked.agentCommand,
      ttl: asked.ttl,
      lender: asked.lender,
      sampling: Object.keys(sampling).length === 0 ? undefined : sampling,
    },
    caller,
    parts,
  )
  if (asked.maxTurns !== undefined) request.limits = { ...request.limits, maxModelCalls: asked.maxTurns }
  context.follow(request.turnId)
  const { record, duplicate } = await parts.lanes.submit(request)
  if (caller.dialect !== "py" && asked.wait !== true) return acknowledged(record, duplicate)
  const ended = isFinal(record.status) ? record : await parts.lanes.wait(record.turnId, { signal: caller.signal })
  if (!ended) throw unfinished(record.turnId)
  const failure = failureOf(ended)
  if (!failure) return completion(ended)
  if (caller.dialect !== "py") throw failure
  // The simple dialect knows two words for a turn that went wrong (PY-RPC-CHAT-11).
  const word = ended.status === "timeout" ? "ABORTED" : "INTERNAL_ERROR"
  throw new PincerError(word, failure.message, {
    details: { ...failure.details, code: failure.code },
    retryable: failure.retryable,
    retryAfterMs: failure.retryAfterMs,
    cause: failure,
  })
}

function acknowledged(record: TurnRecord, duplicate: boolean) {
  const runId = record.turnId
  if (!duplicate) return { runId, status: "started" }
  if (!isFinal(record.status)) return { runId, status: "in_flight" }
  const failure = failureOf(record)
  return failure ? { runId, status: "error", summary: failure.message } : { runId, status: "ok" }
}

function saysPlainly(params: { message: string; attachments?: readonly unknown[] | undefined }): boolean {
  return params.message !== "" || (params.attachments?.length ?? 0) > 0
}

/** The parts of a message, with what the caller's dialect promises about its text. */
function saidIn(given: SaidParts, caller: Caller): Part[] {
  const parts = saidParts(given)
  if (caller.dialect !== "py") return parts
  return parts.map((part) => (part.type === "text" ? { ...part, text: withoutMarkup(part.text) } : part))
}

export const send = method({
  name: "chat.send",
  summary:
    "Says something in a session. Answers {runId, status} at once; with wait, or in the simple dialect, at the end.",
  scope: "operator.write",
  normalize,
  params: () =>
    z
      .object({
        ...sendFields(),
        message: message().default(""),
        attachments: attachments(),
        content: content(),
        queueMode: z.string().optional(),
      })
      .refine((p) => p.content !== undefined || saysPlainly(p), {
        path: ["message"],
        error: "message or attachment required",
      })
      .refine((p) => p.content === undefined || !saysPlainly(p), {
        path: ["content"],
        error: "stands instead of message and attachments: leave them out",
      }),
  result: sendResult,
  async run(params, context) {
    const session = await resolveSession(params, context.parts)
    const text = params.message === "" ? [] : [{ type: "text" as const, text: params.message }]
    const input =
      params.content === undefined
        ? [...text, ...attachmentParts(params.attachments)]
        : saidIn(params.content, context.caller)
    const [only] = input
    if (input.length === 1 && only?.type === "text" && only.text.trim().toLowerCase() === STOP)
      return stop(session, context)
    const abortPrevious = params.abortPrevious ?? params.queueMode === "interrupt"
    return run(session, { ...params, abortPrevious }, await promptedInput(input, session, params.cwd, context), context)
  },
})

/** "/stop": cancels what runs; what waits goes on. */
async function stop(session: SessionName, { caller, parts }: MethodContext) {
  const runIds = await parts.lanes.cancel({ sessionKey: session.key })
  const base = { ok: true, aborted: runIds.length > 0, runIds }
  return caller.dialect === "py" ? { ...base, completed: true, sessionKey: session.key } : base
}

const abort = method({
  name: "chat.abort",
  summary: "Stops a run, or whatever runs in a session; answers once it has ended.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z
      .object({ ...sessionFields(), runId: z.string().min(1).optional() })
      .refine((p) => namesSession(p) || p.runId !== undefined, {
        path: ["sessionKey"],
        error: "sessionKey or sessionId is required",
      }),
  result: () => z.object({ ok: z.boolean(), aborted: z.boolean(), runIds: z.array(z.string()) }),
  async run(params, { parts }) {
    const runIds = await abortRuns(params, parts)
    return { ok: true, aborted: runIds.length > 0, runIds }
  },
})

/** The ids of the turns that were stopped. Throws INVALID_PARAMS when run and session do not belong together. */
export async function abortRuns(
  params: SessionParams & { runId?: string },
  parts: Parts,
  queued = false,
): Promise<string[]> {
  const session = namesSession(params) ? await resolveSession(params, parts) : undefined
  if (params.runId === undefined) return session ? parts.lanes.cancel({ sessionKey: session.key, queued }) : []
  const record = await parts.store.turns.get(params.runId)
  if (record && session && record.sessionKey !== session.key)
    throw new PincerError("INVALID_PARAMS", "runId does not match sessionKey", { details: { runId: params.runId } })
  if (!record || isFinal(record.status)) return []
  return parts.lanes.cancel({ turnId: params.runId })
}

const history = method({
  name: "chat.history",
  summary: "The newest messages of a session, oldest first, at most 6 MiB, and the answer that is being written now.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z
      .object({
        ...sessionFields(),
        limit: count(1000),
        offset: z.number().int().min(0).optional().describe("So many of the newest are left out: nextOffset of a page"),
        maxChars: count(500_000),
      })
      .refine(namesSession, { path: ["sessionKey"], error: "sessionKey or sessionId is required" }),
  result: () =>
    z.looseObject({
      sessionKey: z.string(),
      sessionId: z.string().nullable(),
      messages: z.array(
        z.looseObject({ role: z.string(), content: z.array(z.unknown()).optional(), timestamp: z.number() }),
      ),
      thinkingLevel: z.string(),
      hasMore: z.boolean(),
      nextOffset: z.number().nullable(),
      totalMessages: z.number(),
      sessionInfo: sessionRowSchema().nullable(),
      lastSeq: z.number().describe("Number of the last recorded event"),
      inFlightRun: z
        .looseObject({ runId: z.string(), status: z.string(), text: z.string(), thinking: z.string() })
        .nullable(),
    }),
  async run(params, { parts }) {
    const name = await resolveSession(params, parts)
    const row = await parts.store.sessions.get(name.key)
    const { limit = 200, maxChars, offset = 0 } = params
    const newest = row ? await parts.store.transcript.messages(name.key, { limit: limit + offset + 1 }) : []
    const stored = newest.slice(0, Math.max(0, newest.length - offset))
    const shown = stored.slice(-limit).flatMap(historyMessages)
    const cutTo = maxChars === undefined ? shown : shown.map((entry) => shortened(entry, maxChars))
    const messages = newestWithin(cutTo, HISTORY_BYTES)
    return {
      sessionKey: name.key,
      sessionId: row?.id ?? null,
      agentId: name.agentId,
      messages,
      thinkingLevel: row?.settings["thinkingLevel"] ?? "off",
      hasMore: stored.length > limit || messages.length < cutTo.length,
      nextOffset: stored.length > limit ? offset + limit : null,
      sessionInfo: row ? sessionRow(row, parts) : null,
      totalMessages: row?.messageCount ?? 0,
      lastSeq: row?.lastSeq ?? 0,
      inFlightRun: inFlight(name.key, parts),
    }
  },
})

function inFlight(sessionKey: string, parts: Parts) {
  const turns = parts.lanes.active(sessionKey)
  const turn = turns.find((active) => active.status !== "queued")
  if (!turn) return null
  const { turnId: runId, status, text, thinking: thought, startedAt } = turn
  return {
    runId,
    status,
    text,
    thinking: thought,
    startedAt,
    queued: turns.filter((active) => active.status === "queued").length,
  }
}

/** Throws NOT_FOUND unless the session holds something that the user said. */
async function requireUserMessage(session: SessionName, parts: Parts): Promise<void> {
  const messages = await parts.store.transcript.messages(session.key)
  if (!messages.some((entry) => entry.role === "user" && !entry.synthetic))
    throw new PincerError("NOT_FOUND", `Session "${session.key}" holds no message yet: send one first`)
}

const resend = method({
  name: "chat.resend",
  summary: "Takes back the last answer and asks again.",
  scope: "operator.write",
  normalize,
  params: () => z.object(sendFields()),
  result: sendResult,
  async run(params, context) {
    const session = await resolveSession(params, context.parts)
    await requireUserMessage(session, context.parts)
    return run(session, params, { input: [], replay: "resend" }, context)
  },
})

const edit = method({
  name: "chat.edit",
  summary: "Takes back the last exchange and says something else instead.",
  scope: "operator.write",
  normalize,
  params: () =>
    z.object({
      ...sendFields(),
      message: message().min(1, { error: "message is required" }),
      attachments: attachments(),
    }),
  result: sendResult,
  async run(params, context) {
    const session = await resolveSession(params, context.parts)
    await requireUserMessage(session, context.parts)
    const input = [{ type: "text" as const, text: params.message }, ...attachmentParts(params.attachments)]
    return run(session, params, { input, replay: "edit" }, context)
  },
})

export const chatMethods: readonly Method[] = [send, abort, history, resend, edit]
