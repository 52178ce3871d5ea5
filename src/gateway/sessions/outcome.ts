// How a turn ended, for callers that wait for it.
import { ERROR_TABLE, type ErrorCode, PincerError } from "../../base/errors.ts"
import type { TurnRecord } from "../../protocol/turn.ts"
import { wireUsage } from "./history.ts"

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERROR_TABLE, code)
}

/** The refusal that a failed or timed out turn becomes; undefined when it completed, was canceled or has not ended. */
export function failureOf(record: TurnRecord): PincerError | undefined {
  if (record.status !== "failed" && record.status !== "timeout") return undefined
  const error = record.outcome?.error
  const fallback = record.status === "timeout" ? "TIMEOUT" : "INTERNAL_ERROR"
  const message = error?.message ?? (record.status === "timeout" ? "The turn ran out of time" : "The turn failed")
  return new PincerError(isErrorCode(error?.code) ? error.code : fallback, message, {
    details: {
      runId: record.turnId,
      status: "error",
      stopReason: record.outcome?.stop,
      kind: error?.kind,
      httpStatus: error?.status,
    },
    retryAfterMs: error?.retryAfterMs,
  })
}

/** Nobody waits any more for a turn that has not ended: the connection closed, or the gateway stops. */
export function unfinished(runId: string): PincerError {
  return new PincerError(
    "UNAVAILABLE",
    `Turn ${runId} has not ended: it goes on without this connection, ask agent.wait for it`,
    {
      details: { runId, status: "interrupted" },
    },
  )
}

/** One answer at the end of a turn (protocol §9.5): the simple dialect's `{completed}` and everything else that is known. */
export function completion(record: TurnRecord): Record<string, unknown> {
  const { outcome } = record
  return {
    completed: record.status === "completed",
    ...(record.status === "canceled" ? { aborted: true } : {}),
    runId: record.turnId,
    status: record.status === "completed" ? "ok" : record.status,
    sessionKey: record.sessionKey,
    sessionId: record.sessionId,
    agentId: record.agentId,
    text: outcome?.text ?? "",
    stopReason: outcome?.stop ?? null,
    usage: outcome ? wireUsage(outcome.usage) : null,
    ...(outcome?.model === undefined ? {} : { model: outcome.model, provider: outcome.provider ?? null }),
  }
}

/** The final result of `agent` (protocol §1.9). */
export function agentResult(record: TurnRecord): Record<string, unknown> {
  const { outcome } = record
  const text = outcome?.text ?? ""
  return {
    runId: record.turnId,
    sessionKey: record.sessionKey,
    agentId: record.agentId,
    status: "ok",
    summary: record.status === "canceled" ? "aborted" : "completed",
    result: {
      payloads: text === "" ? [] : [{ text, mediaUrl: null }],
      meta: {
        durationMs: (record.endedAt ?? record.acceptedAt) - (record.startedAt ?? record.acceptedAt),
        stopReason: outcome?.stop ?? null,
        ...(record.status === "canceled" ? { aborted: true } : {}),
        agentMeta: {
          sessionId: record.sessionId,
          provider: outcome?.provider ?? null,
          model: outcome?.model ?? null,
          usage: outcome ? wireUsage(outcome.usage) : null,
        },
      },
    },
  }
}
