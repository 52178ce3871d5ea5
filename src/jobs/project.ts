// A job as the wire has it: snake_case, times in RFC 3339. Pure.
import { cut } from "../base/text.ts"
import type { JobLogLine, JobRecord, WireJob } from "../protocol/job.ts"

/** Characters of a prompt in a list. */
export const LIST_PROMPT_CHARS = 1_000

const time = (at: number) => new Date(at).toISOString()

/** What a list shows of it. */
export function listedJob(record: JobRecord): WireJob {
  const { prompt } = record
  const long = prompt.length > LIST_PROMPT_CHARS
  return { ...base(record), prompt: cut(prompt, LIST_PROMPT_CHARS), ...(long ? { prompt_truncated: true } : {}) }
}

/** Everything there is; `result` is absent until it has completed. `resultChars`: how much of it is shown. */
export function wholeJob(
  record: JobRecord,
  more: { result?: string; logs?: readonly JobLogLine[]; resultChars: number },
): WireJob {
  const { error } = record
  const { result, logs, resultChars } = more
  return {
    ...base(record),
    ...(result === undefined
      ? {}
      : {
          result: cut(result, resultChars),
          result_size: result.length,
          ...(result.length > resultChars ? { result_truncated: true } : {}),
        }),
    ...(error === null
      ? {}
      : {
          error: error.message,
          error_code: error.code,
          ...(error.reason === undefined ? {} : { error_reason: error.reason }),
        }),
    ...(logs === undefined ? {} : { logs: [...logs] }),
  }
}

function base(record: JobRecord): WireJob {
  const { request, callback } = record
  const { timeoutMs } = request
  return {
    id: record.id,
    status: record.status,
    prompt: record.prompt,
    agent_name: request.agentId,
    session_key: request.sessionKey,
    priority: request.priority,
    attempt: record.attempt,
    max_attempts: request.maxAttempts,
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs / 1000 }),
    ...(record.idempotencyKey === null ? {} : { idempotency_key: record.idempotencyKey }),
    created_at: time(record.createdAt),
    ...(record.startedAt === null ? {} : { started_at: time(record.startedAt) }),
    ...(record.finishedAt === null ? {} : { finished_at: time(record.finishedAt) }),
    ...(record.notBefore === null ? {} : { not_before: time(record.notBefore) }),
    ...(request.callback
      ? { callback: { url: request.callback.url, state: callback.state, tries: callback.tries } }
      : {}),
  }
}
