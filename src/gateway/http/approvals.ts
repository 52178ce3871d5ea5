// Approvals over plain HTTP: GET /api/approvals, GET and POST /api/approvals/{id}, /approvals/{id}. The caller has been authenticated and holds
// operator.approvals; Host and Origin have been judged; only application/json is read, which no other site's page can send unasked.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { parseWith } from "../../base/schema.ts"
import { unknownApproval } from "../../store/approvals.ts"
import { answered, approvalRow, DECISIONS } from "../approvals/approval-rows.ts"
import { readJsonBody } from "./body.ts"
import type { Exchange } from "./exchange.ts"
import { sendJson } from "./refusal.ts"

const answerSchema = z.strictObject({
  decision: z.enum(DECISIONS, { error: `must be one of ${DECISIONS.map((one) => `"${one}"`).join(", ")}` }),
  reason: z.string().max(2_000).optional(),
  answer: z.record(z.string(), z.unknown()).optional(),
  sessionKey: z.string().min(1).optional(),
})

export async function approvalRoutes(exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const { pathname } = new URL(request.url ?? "/", "http://gateway")
  const part = pathname.replace(/^\/api|\/$/g, "").split("/")[2]
  if (part === undefined) return sendJson(response, 200, exchange.parts.redactor.value(await list(exchange)))
  const id = decoded(part)
  const result = request.method === "POST" ? await answer(exchange, id) : await show(exchange, id)
  sendJson(response, 200, exchange.parts.redactor.value(result))
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `"${part}" is not well encoded`, { cause: error })
  }
}

async function list({ parts }: Exchange) {
  const elevated = await parts.elevations.all()
  const waiting = await parts.approvals.pending()
  const approvals = waiting.map((one) => approvalRow(one, elevated.get(one.sessionKey)?.level))
  return { approvals, count: approvals.length }
}

async function show({ parts }: Exchange, id: string) {
  const approval = await parts.approvals.get(id)
  if (!approval) throw unknownApproval(id)
  const elevation = await parts.elevations.of(approval.sessionKey)
  return approvalRow(approval, elevation?.level)
}

async function answer({ request, parts, subject }: Exchange, id: string) {
  const body = parseWith(answerSchema, await readJsonBody(request, parts.clock), "invalid answer")
  const { decision, ...resolver } = body
  const who = subject === "owner" ? "http (owner)" : `http (device ${subject.slice(0, 12)})`
  return answered(await parts.approvals.resolve(id, decision, who, { ...resolver, door: "http" }))
}
