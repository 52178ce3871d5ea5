// sessions.compact and sessions.context: what fills a model's window, and the summary that makes room in it.
import { z } from "zod"
import { windowOf } from "../../agent/compact.ts"
import { windowUse } from "../../agent/context.ts"
import { systemPrompt } from "../../agent/prompt.ts"
import { agentTools } from "../../agent/turn-tools.ts"
import { PincerError } from "../../base/errors.ts"
import { isFinal } from "../../protocol/turn.ts"
import { requireAgent, requireSession, turnRequest } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { failureOf, unfinished } from "../sessions/outcome.ts"
import { type Method, method } from "./method.ts"
import { idempotencyKey, renamed, sessionFields } from "./params.ts"

const byName = (params: Record<string, unknown>) => renamed(params, { path: ["file"] })

const compact = method({
  name: "sessions.compact",
  summary:
    "Has the model summarise the older messages of a session, which stay in the history; waits for what runs in it.",
  scope: "operator.admin",
  normalize: byName,
  params: () =>
    z.object({
      ...sessionFields(),
      idempotencyKey: idempotencyKey(),
      instructions: z.string().max(10_000).optional().describe("What the summary should dwell on"),
      maxLines: z.number().int().min(1).optional().describe("So many of the newest messages stay as they are, at most"),
    }),
  result: () =>
    z.looseObject({
      ok: z.boolean(),
      key: z.string(),
      compacted: z.boolean(),
      runId: z.string(),
      summarised: z.number().optional().describe("Messages that the summary stands for"),
      tokensBefore: z.number().optional(),
      reason: z.string(),
    }),
  async run(params, context) {
    const { caller, parts } = context
    const session = await requireSession(params, parts)
    refuseHosted(session.agentId, parts)
    const { idempotencyKey, instructions = "", maxLines } = params
    const said = {
      input: instructions === "" ? [] : [{ type: "text" as const, text: instructions }],
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    }
    const name = { key: session.key, agentId: session.agentId, rest: session.key.split(":").slice(2).join(":") }
    const task = { type: "compact" as const, ...(maxLines === undefined ? {} : { keep: maxLines }) }
    const { record } = await parts.lanes.submit({ ...turnRequest(name, said, caller, parts), task })
    const ended = isFinal(record.status) ? record : await parts.lanes.wait(record.turnId, { signal: caller.signal })
    if (!ended) throw unfinished(record.turnId)
    const failure = failureOf(ended)
    if (failure) throw failure
    const messages = await parts.store.transcript.messages(session.key, { limit: 20 })
    const made = messages.find((message) => message.turnId === record.turnId && message.summary)?.summary
    return {
      ok: true,
      key: session.key,
      compacted: made !== undefined,
      runId: record.turnId,
      ...(made ? { summarised: made.messages, tokensBefore: made.tokens } : {}),
      reason: ended.outcome?.text ?? "",
    }
  },
})

const context = method({
  name: "sessions.context",
  summary: "What fills the model's window in a session, in tokens, counted roughly.",
  scope: "operator.read",
  normalize: byName,
  params: () => z.object(sessionFields()),
  result: () =>
    z.looseObject({
      key: z.string(),
      model: z.string(),
      windowTokens: z.number(),
      roomTokens: z.number().describe("Of it for messages; beyond that the older ones are summarised"),
      usedTokens: z.number(),
      summarised: z.number(),
      parts: z.array(z.object({ part: z.string(), tokens: z.number(), count: z.number() })),
    }),
  async run(params, { caller, parts }) {
    const session = await requireSession(params, parts)
    const profile = refuseHosted(session.agentId, parts)
    const ref = parts.catalogue.resolve(session.model ?? profile.model)
    const { room, tokens } = windowOf(parts, ref)
    const system = systemPrompt(profile, session.cwd ?? profile.workspace, undefined, parts.clock.now())
    const messages = await parts.store.transcript.messages(session.key)
    const { specs } = await agentTools(parts, profile, session.cwd ?? profile.workspace, caller.signal)
    return {
      key: session.key,
      model: `${ref.provider}/${ref.model}`,
      windowTokens: tokens,
      roomTokens: room,
      ...windowUse(system, specs, messages),
    }
  },
})

/** Throws NOT_IMPLEMENTED for an agent whose window is its own affair. */
function refuseHosted(agentId: string, parts: Parts) {
  const profile = requireAgent(agentId, parts)
  if (profile.hosted)
    throw new PincerError(
      "NOT_IMPLEMENTED",
      `Agent "${agentId}" keeps its own window: send it its own command for that`,
    )
  return profile
}

export const windowMethods: readonly Method[] = [compact, context]
