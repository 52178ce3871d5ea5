// POST /tools/invoke: a tool called by hand (protocol §10.4). What must be asked about answers 202 with the approval's id; GET
// /approvals/{id} says how that stands, and the same call with the same idempotencyKey then gives the outcome.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { parseWith } from "../../base/schema.ts"
import { requireAgent, resolveSession } from "../inbound.ts"
import { callTool } from "../sessions/tool-calls.ts"
import { readJsonBody } from "./body.ts"
import { callerOf } from "./caller.ts"
import type { Exchange } from "./exchange.ts"
import { sendJson } from "./refusal.ts"
import { familyHeader } from "./select.ts"

const text = () => z.string().min(1).max(512).optional()
const bodySchema = z.looseObject({
  tool: text(),
  name: text(),
  action: text(),
  args: z.record(z.string(), z.unknown()).default({}),
  sessionKey: text(),
  agentId: text(),
  idempotencyKey: z.string().min(1).max(256).optional(),
  dryRun: z.boolean().optional(),
})

export async function toolRoutes(exchange: Exchange): Promise<void> {
  const { parts, request, response } = exchange
  const body = parseWith(bodySchema, await readJsonBody(request, parts.clock), "invalid tool call")
  const tool = body.tool ?? body.name
  if (tool === undefined) return refuse(exchange, 400, "invalid_request", "tool is required")
  // Who asks only to look must not find it done.
  if (body.dryRun) return refuse(exchange, 400, "invalid_request", "dryRun is not known here: leave it out")
  const args = body.action === undefined || "action" in body.args ? body.args : { ...body.args, action: body.action }
  const agentId = body.agentId ?? familyHeader(request, "agent-id")?.toLowerCase()
  const sessionKey = body.sessionKey ?? familyHeader(request, "session-key") ?? "main"
  const idempotencyKey = body.idempotencyKey ?? keyOf(request.headers["idempotency-key"])
  try {
    if (agentId !== undefined) requireAgent(agentId, parts)
    const session = await resolveSession({ sessionKey, ...(agentId === undefined ? {} : { agentId }) }, parts)
    const call = { tool, args, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }
    const result = await callTool(session, call, callerOf(exchange), parts)
    const { runId } = result
    if (result.type === "denied") return refuse(exchange, 404, "not_found", `Tool not available: ${tool}`, result.text)
    if (result.type === "failed") return refuse(exchange, 400, "tool_error", result.text)
    if (result.type === "waiting") {
      const { approvalId, expiresAtMs } = result
      sendJson(response, 202, { ok: false, status: "approval-pending", approvalId, expiresAtMs, runId })
      return
    }
    const { details, text: said } = result
    const content = [{ type: "text", text: said }]
    const shown = { ok: true, runId, result: { content, ...(details ? { details } : {}) } }
    sendJson(response, 200, parts.redactor.value(shown))
  } catch (error) {
    if (!(error instanceof PincerError) || error.details?.["tool"] !== tool) throw error
    refuse(exchange, 404, "not_found", `Tool not available: ${tool}`)
  }
}

function keyOf(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" && header !== "" && header.length <= 256 ? header : undefined
}

function refuse({ parts, response }: Exchange, status: number, type: string, message: string, detail?: string): void {
  const error = { type, message, ...(detail === undefined ? {} : { detail }) }
  sendJson(response, status, parts.redactor.value({ ok: false, error }))
}
