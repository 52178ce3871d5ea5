// What the payload of each event holds, as a schema: for the JSON Schema of the protocol, and for tests, which hold every event that
// they see against it. Made when first looked at.
import { z } from "zod"
import { ASK_KINDS } from "../lending/asks.ts"
import { updateRun } from "../update/record.ts"
import { approvalSchema } from "./approvals.ts"
import { row as sessionRow } from "./sessions.ts"

const text = () => z.string()
const number = () => z.number()
const run = () => ({ runId: text(), sessionKey: text(), agentId: text(), seq: number() })
const simple = () => ({ ...run(), sessionId: text() })
const said = () =>
  z.object({
    role: z.literal("assistant"),
    content: z.array(z.object({ type: z.literal("text"), text: text() })),
    timestamp: number(),
  })
const session = () => sessionRow().nullable()

const chat = () =>
  z.discriminatedUnion("state", [
    z.strictObject({ ...run(), state: z.literal("status"), phase: text() }),
    z.strictObject({
      ...run(),
      state: z.literal("delta"),
      deltaText: text(),
      message: said(),
      replace: z.literal(true).optional(),
    }),
    z.strictObject({
      ...run(),
      state: z.literal("final"),
      stopReason: text(),
      message: said().optional(),
      usage: z.looseObject({}),
    }),
    z.strictObject({
      ...run(),
      state: z.literal("aborted"),
      stopReason: text(),
      message: said().optional(),
      usage: z.looseObject({}),
    }),
    z.strictObject({
      ...run(),
      state: z.literal("error"),
      errorMessage: text(),
      errorKind: z.enum(["refusal", "timeout", "rate_limit", "context_length", "unknown"]),
      errorDetail: z.looseObject({}),
      stopReason: text(),
      message: said().optional(),
      usage: z.looseObject({}),
    }),
  ])

const agent = () =>
  z.strictObject({
    ...run(),
    sessionId: text(),
    stream: z.enum(["lifecycle", "assistant", "thinking", "tool", "usage", "run_status", "notice", "plan"]),
    ts: number(),
    data: z.looseObject({}),
  })

const SCHEMAS: Readonly<Record<string, () => z.ZodType>> = {
  "connect.challenge": () => z.object({ nonce: text(), ts: number() }),
  tick: () => z.object({ ts: number() }),
  shutdown: () => z.object({ reason: text(), restartExpectedMs: number().optional() }),
  health: () => z.looseObject({ ok: z.boolean(), status: text(), ts: number() }),
  presence: () => z.object({ presence: z.array(z.looseObject({ ts: number() })) }),
  chat,
  agent,
  "chat.delta": () => z.strictObject({ ...simple(), delta: text(), role: z.literal("assistant") }),
  "chat.tool_call": () => z.strictObject({ ...simple(), tool: text(), args: z.looseObject({}), toolCallId: text() }),
  "chat.tool_result": () =>
    z.strictObject({ ...simple(), tool: text(), result: text(), toolCallId: text(), isError: z.boolean() }),
  "chat.done": () =>
    z.strictObject({
      ...simple(),
      usage: z.looseObject({}),
      stopReason: text(),
      text: text(),
      aborted: z.literal(true).optional(),
    }),
  "chat.error": () => z.strictObject({ ...simple(), error: text(), code: text() }),
  "exec.approval.requested": approvalSchema,
  "exec.approval.resolved": () => approvalSchema().extend({ ts: number(), reason: text() }),
  "elevated.changed": () =>
    z.looseObject({
      sessionKey: text(),
      level: text(),
      grantedAtMs: number().nullable(),
      expiresAtMs: number().nullable(),
    }),
  "session.event": () =>
    z.object({
      envelope: z.object({
        sessionKey: text(),
        sessionId: text(),
        agentId: text(),
        turnId: text(),
        seq: number().nullable(),
        at: number(),
        event: z.looseObject({ type: text() }),
      }),
    }),
  "session.changed": () =>
    z.object({
      sessionKey: text(),
      sessionId: text().optional(),
      changed: z.array(text()),
      title: text().nullable().optional(),
      updatedAt: number().optional(),
      deleted: z.literal(true).optional(),
    }),
  "sessions.changed": () =>
    z.strictObject({
      sessionKey: text(),
      agentId: text(),
      reason: z.enum(["send", "create", "patch", "reset", "delete"]).optional(),
      phase: z.enum(["start", "model", "end"]).optional(),
      runId: text().optional(),
      ts: number(),
      session: session(),
    }),
  "session.message": () =>
    z.strictObject({
      sessionKey: text(),
      sessionId: text(),
      agentId: text(),
      message: z.looseObject({ role: text() }),
      messageId: text(),
      messageSeq: number(),
      session: session(),
    }),
  "session.tool": () =>
    z.strictObject({
      sessionKey: text(),
      sessionId: text(),
      agentId: text(),
      runId: text(),
      ts: number(),
      phase: z.enum(["start", "result"]),
      name: text(),
      toolCallId: text(),
      args: z.looseObject({}).optional(),
      isError: z.boolean().optional(),
      result: z.looseObject({}).optional(),
    }),
  "mcp.changed": () => z.strictObject({ server: text().optional() }),
  "config.changed": () =>
    z.object({
      ts: number(),
      cause: z.enum(["signal", "file", "call", "write"]),
      ok: z.boolean(),
      changed: z.array(text()),
      restart: z.array(text()),
      refused: z.object({ message: text(), issues: z.array(z.unknown()) }).optional(),
    }),
  heartbeat: () =>
    z.looseObject({
      ts: number(),
      agentId: text(),
      status: z.enum(["sent", "ok-empty", "ok-token", "skipped", "failed"]),
      reason: text().optional(),
      preview: text().optional(),
    }),
  "update.run.changed": () => z.strictObject({ ...updateRun().shape, words: text().optional() }),
  cron: () => z.looseObject({ jobId: text(), action: z.enum(["added", "updated", "removed", "started", "finished"]) }),
  "device.pair.requested": () => z.looseObject({ requestId: text(), deviceId: text() }),
  "device.pair.resolved": () =>
    z.looseObject({ requestId: text(), deviceId: text(), decision: z.enum(["approved", "rejected"]), ts: number() }),
  "device.pair.setup.completed": () =>
    z.looseObject({ setupId: text(), deviceId: text(), access: z.enum(["full", "limited", "node"]), ts: number() }),
  "device.pair.setup.deliveryUncertain": () =>
    z.looseObject({ setupId: text(), deviceId: text(), access: z.enum(["full", "limited", "node"]), ts: number() }),
  "client.asked": () =>
    z.strictObject({
      id: text(),
      lender: text(),
      sessionKey: text(),
      turnId: text().optional(),
      what: z.enum(ASK_KINDS),
      params: z.unknown(),
    }),
  "client.withdrawn": () => z.object({ id: text() }),
  "workflow.event": () =>
    z.object({ event: z.looseObject({ runId: text(), seq: number(), at: number(), type: text() }) }),
  "workflow.done": () => z.object({ runId: text(), status: text() }),
  "job.event": () => z.looseObject({ cursor: z.unknown(), type: text(), job_id: text() }),
  "job.done": () => z.object({ job_id: text() }),
}

const made = new Map<string, z.ZodType>()

/** Undefined for an event whose payload stands in words only. */
export function eventSchema(name: string): z.ZodType | undefined {
  const known = made.get(name) ?? SCHEMAS[name]?.()
  if (known) made.set(name, known)
  return known
}
