// What callers ask of jobs, in whatever spelling, as what the desk takes: shared by the methods and the HTTP routes, so that both
// accept and refuse the same (IM-JOB-04).
import { isAbsolute } from "node:path"
import { z } from "zod"
import { hostedOf } from "../../agent/hosted-profile.ts"
import { PincerError } from "../../base/errors.ts"
import type { Redactor } from "../../base/redact.ts"
import type { Submission } from "../../jobs/job.ts"
import { wholeJob } from "../../jobs/project.ts"
import { JOB_INTERRUPTS, JOB_STATUSES, type JobRecord, type WireJob } from "../../protocol/job.ts"
import type { Permissions } from "../../protocol/permission.ts"
import type { SessionName } from "../../protocol/session.ts"
import type { JobFilter } from "../../store/jobs.ts"
import { checkPermissions, hostingOf, requireAgent, resolveSession } from "../inbound.ts"
import { agentCommand, idempotencyKey, permissions, renamed, tidy, ttl } from "../methods/params.ts"
import type { Parts } from "../parts.ts"

/** Characters of a prompt; the same as of a chat message. */
const MAX_PROMPT = 500_000
const MAX_TIMEOUT_S = 30 * 86_400
const MAX_PAGE = 500
const DEFAULT_PAGE = 50

export const submitParams = () =>
  z.object({
    prompt: z.string({ error: "prompt is required" }),
    agent: z.string().optional().describe("Also agent_name; default: the configured default agent"),
    session: z
      .string()
      .optional()
      .describe("Also session_key, session_id; jobs of one session run in order. Default: a session of its own"),
    model: z.string().min(1).optional(),
    cwd: z.string().optional().describe("Absolute path"),
    timeout: z.number().min(0).max(MAX_TIMEOUT_S).optional().describe("Seconds for one attempt; 0 for none"),
    priority: z.number().int().min(-100).max(100).optional().describe("The higher, the earlier; default 0"),
    maxAttempts: z.number().int().min(1).max(100).optional(),
    onInterrupt: z
      .enum(JOB_INTERRUPTS)
      .optional()
      .describe('After a crash or restart: "fail", or "resume" where it was cut off'),
    permissions: permissions(),
    agentCommand: agentCommand(),
    ttl: ttl(),
    callback: z
      .object({ url: z.string(), secret: z.string().min(8).max(256).optional() })
      .optional()
      .describe("Also callback_url, callback_secret: called once the job has ended"),
    idempotencyKey: idempotencyKey(),
  })
export type SubmitParams = z.infer<ReturnType<typeof submitParams>>

export const listParams = () =>
  z.object({
    status: z.array(z.enum(JOB_STATUSES)).optional(),
    agent: z.string().optional(),
    session: z.string().optional(),
    since: z.number().optional().describe("Submitted after this time, ms"),
    until: z.number().optional().describe("Submitted before this time, ms"),
    limit: z.number().int().min(1).max(MAX_PAGE).optional(),
    cursor: z
      .string()
      .regex(/^\d{1,15}$/, { error: "is not what an earlier page gave as next_cursor" })
      .optional(),
  })
export type ListParams = z.infer<ReturnType<typeof listParams>>

/** Every spelling of a submission as the canonical one. */
export function normalizeSubmit(params: Record<string, unknown>): Record<string, unknown> {
  const out = renamed(params, {
    agent: ["agentName", "agentId"],
    session: ["sessionKey", "sessionId"],
    maxAttempts: ["attempts"],
    timeout: ["timeoutSeconds"],
  })
  if (out["callback"] === undefined && out["callbackUrl"] !== undefined)
    out["callback"] = {
      url: out["callbackUrl"],
      ...(out["callbackSecret"] === undefined ? {} : { secret: out["callbackSecret"] }),
    }
  else if (typeof out["callback"] === "string") out["callback"] = { url: out["callback"] }
  const { permissions: asked } = out
  if (asked !== null && typeof asked === "object" && !Array.isArray(asked))
    out["permissions"] = tidy({ ...asked } as Record<string, unknown>)
  return out
}

export function normalizeList(params: Record<string, unknown>): Record<string, unknown> {
  const out = renamed(params, { agent: ["agentName", "agentId"], session: ["sessionKey", "sessionId"] })
  if (typeof out["status"] === "string") out["status"] = out["status"].split(",").map((word) => word.trim())
  for (const name of ["since", "until"]) if (typeof out[name] === "string") out[name] = timeOf(out[name], name)
  return out
}

/** RFC 3339 or ms. */
function timeOf(text: string, name: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isFinite(ms)) return ms
  throw new PincerError(
    "INVALID_PARAMS",
    `${name}: "${text.slice(0, 40)}" is no time: write it like 2026-04-03T16:37:10Z`,
  )
}

/** Throws INVALID_PARAMS, TOO_LARGE, NOT_FOUND for an unknown agent or model: all before anything is accepted. */
export async function submission(
  params: SubmitParams,
  caller: { clientId: string; scopes: readonly string[] },
  parts: Parts,
): Promise<Submission> {
  const { clientId } = caller
  const { prompt, model, cwd, timeout, priority, maxAttempts, onInterrupt, callback } = params
  if (prompt.trim() === "") throw new PincerError("INVALID_PARAMS", "prompt is required")
  if (prompt.length > MAX_PROMPT)
    throw new PincerError(
      "TOO_LARGE",
      `prompt is too long: ${prompt.length} characters, at most ${MAX_PROMPT}: put it into a file and name that`,
    )
  const asked = params.agent?.trim().toLowerCase()
  const agentId = asked === undefined || asked === "" ? parts.config.agents.default : asked
  const session = await sessionOf(params.session, asked || undefined, parts)
  const profile = requireAgent(session?.agentId ?? agentId, parts)
  const hosting = hostingOf(params, profile.id, caller.scopes, parts)
  const origin = { door: "job", clientId } as const
  checkPermissions(params.permissions, session?.agentId ?? agentId, origin, caller.scopes, parts)
  if (model !== undefined && !hostedOf(profile, hosting)) parts.catalogue.resolve(model)
  if (cwd !== undefined && !isAbsolute(cwd))
    throw new PincerError("INVALID_PARAMS", `cwd "${cwd}" is relative: give an absolute path`)
  return {
    prompt,
    agentId: session?.agentId ?? agentId,
    ...(session === undefined ? {} : { sessionKey: session.key }),
    ...(model === undefined ? {} : { model }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(timeout === undefined ? {} : { timeoutMs: Math.round(timeout * 1000) }),
    ...(priority === undefined ? {} : { priority }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(onInterrupt === undefined ? {} : { onInterrupt }),
    ...(params.permissions === undefined ? {} : { permissions: params.permissions as Permissions }),
    ...(callback === undefined ? {} : { callback }),
    ...hosting,
    ...(params.idempotencyKey === undefined ? {} : { idempotencyKey: params.idempotencyKey }),
    clientId,
  }
}

/** A key, a name within the agent, or the id of a transcript. */
async function sessionOf(
  given: string | undefined,
  agentId: string | undefined,
  parts: Parts,
): Promise<SessionName | undefined> {
  const text = given?.trim() ?? ""
  if (text === "") return undefined
  return resolveSession(/^agent:/i.test(text) ? { sessionKey: text, agentId } : { sessionId: text, agentId }, parts)
}

export async function jobFilter(params: ListParams, parts: Parts): Promise<JobFilter> {
  const { status, since, until, limit = DEFAULT_PAGE, cursor } = params
  const agentId = params.agent?.trim().toLowerCase() || undefined
  const session = await sessionOf(params.session, agentId, parts)
  return {
    ...(status === undefined ? {} : { status }),
    ...(agentId === undefined ? {} : { agentId }),
    ...(session === undefined ? {} : { sessionKey: session.key }),
    ...(since === undefined ? {} : { createdAfter: since }),
    ...(until === undefined ? {} : { createdBefore: until }),
    ...(cursor === undefined ? {} : { before: Number(cursor) }),
    limit,
  }
}

/**
 * The answer to a submission: the job as it was written down, without secrets. The callback's key is told this once: without it
 * nobody could check a signature.
 */
export function submittedJob(record: JobRecord, duplicate: boolean, redactor: Redactor): WireJob {
  const job = redactor.value(wholeJob(record, { resultChars: 0 }))
  const { callback } = record.request
  return callback && job.callback && !duplicate
    ? { ...job, callback: { ...job.callback, secret: callback.secret } }
    : job
}
