// `pincer plan`: plans listed, shown, taken up again and forgotten.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import { idFor } from "./approvals.ts"
import type { Cli } from "./cli.ts"
import { inert, inertLine } from "./inert.ts"
import { fieldsOf, withGateway } from "./one-call.ts"
import { visible } from "./question.ts"
import { Exit } from "./report.ts"
import { duration } from "./status.ts"

type Fields = Record<string, unknown>

const WAIT_MS = 60_000

async function plansOf(client: GatewayClient, params: Fields): Promise<Fields[]> {
  const { plans } = await fieldsOf(client, "plan.list", params)
  return Array.isArray(plans) ? plans.filter(isObject) : []
}

async function planId(client: GatewayClient, part: string): Promise<string> {
  const plans = await plansOf(client, { limit: 500 })
  return idFor(
    plans.map(({ id }) => String(id)),
    part,
    "plans",
  )
}

function stepsOf(plan: Fields): Fields[] {
  return Array.isArray(plan["steps"]) ? plan["steps"].filter(isObject) : []
}

export interface PlanListFlags {
  session?: string
  agent?: string
  open?: boolean
  limit: string
  json?: boolean
}

export async function listPlans(cli: Cli, flags: PlanListFlags): Promise<void> {
  const limit = Number(flags.limit)
  if (!Number.isInteger(limit) || limit < 1)
    throw new PincerError("INVALID_PARAMS", `--limit "${flags.limit}" is not a number from 1 on`)
  const params = {
    limit,
    ...(flags.session === undefined ? {} : { sessionKey: flags.session }),
    ...(flags.agent === undefined ? {} : { agentId: flags.agent }),
    ...(flags.open ? { open: true } : {}),
  }
  const plans = await withGateway(cli, (client) => plansOf(client, params))
  if (flags.json) {
    cli.out.json(plans)
    return
  }
  if (plans.length === 0) {
    cli.err.line("No plans: an agent declares one when work has several steps.")
    return
  }
  const now = Date.now()
  const cells = plans.map((plan) => {
    const steps = stepsOf(plan)
    const done = steps.filter(({ status }) => status === "completed").length
    const told = `${duration(Math.max(0, now - Number(plan["updatedAt"])))} ago`
    const where = String(plan["sessionKey"])
    return [
      String(plan["id"]),
      String(plan["status"]),
      `${done}/${steps.length}`,
      told,
      where,
      visible(inertLine(String(plan["goal"]))),
    ]
  })
  cli.out.table(["ID", "STATUS", "DONE", "TOLD", "SESSION", "GOAL"], cells)
}

const MARKS: Readonly<Record<string, string>> = { completed: "[x]", in_progress: "[~]", pending: "[ ]" }

export async function showPlan(cli: Cli, part: string, flags: { json?: boolean }): Promise<void> {
  const plan = await withGateway(cli, async (client) =>
    fieldsOf(client, "plan.get", { planId: await planId(client, part) }),
  )
  if (flags.json) {
    cli.out.json(plan)
    return
  }
  const steps = stepsOf(plan)
  for (const { description, status } of steps)
    cli.out.line(`${MARKS[String(status)] ?? "[ ]"} ${visible(inertLine(String(description)))}`)
  if (steps.length === 0 && typeof plan["markdown"] === "string") cli.out.line(inert(plan["markdown"]))
  if (typeof plan["file"] === "string") cli.out.line(`It is kept in ${visible(inertLine(plan["file"]))}`)
  cli.out.facts([
    ["Id", String(plan["id"])],
    ["Goal", visible(inertLine(String(plan["goal"])))],
    ["Status", String(plan["status"])],
    ["Session", String(plan["sessionKey"])],
  ])
}

export async function resumePlan(cli: Cli, part: string, flags: { wait?: boolean; json?: boolean }): Promise<void> {
  await withGateway(cli, async (client) => {
    const answer = await fieldsOf(client, "plan.resume", { planId: await planId(client, part) })
    const plan = isObject(answer["plan"]) ? answer["plan"] : {}
    if (answer["resumed"] !== true) {
      if (flags.json) cli.out.json(answer)
      cli.err.line(`Not resumed: ${inertLine(String(answer["reason"]))}.`)
      throw new Exit(1)
    }
    const runId = String(answer["runId"])
    if (!flags.wait) {
      if (flags.json) cli.out.json(answer)
      else cli.out.line(`The agent goes on in ${String(plan["sessionKey"])} (run ${runId}).`)
      return
    }
    const ended = await ending(client, runId)
    const text = await lastWords(client, String(plan["sessionKey"]))
    if (flags.json) cli.out.json({ ...answer, ...ended, text })
    else if (text !== "") cli.out.line(inert(text))
    if (ended["status"] !== "ok")
      throw new PincerError("INTERNAL_ERROR", String(ended["error"] ?? "The turn did not end well"))
  })
}

async function ending(client: GatewayClient, runId: string): Promise<Fields> {
  for (;;) {
    const options = { timeoutMs: WAIT_MS + 10_000 }
    const waited: unknown = await client.request("agent.wait", { runId, timeoutMs: WAIT_MS }, options)
    if (!isObject(waited))
      throw new PincerError("INTERNAL_ERROR", "The gateway's answer to agent.wait is not understood")
    if (waited["endedAt"] !== null) return waited
  }
}

async function lastWords(client: GatewayClient, sessionKey: string): Promise<string> {
  const { previews } = await fieldsOf(client, "sessions.preview", { keys: [sessionKey], limit: 1, maxChars: 10_000 })
  const [preview] = Array.isArray(previews) ? previews.filter(isObject) : []
  const [item] = Array.isArray(preview?.["items"]) ? preview["items"].filter(isObject) : []
  return typeof item?.["text"] === "string" ? item["text"] : ""
}

export async function deletePlan(cli: Cli, part: string, flags: { json?: boolean }): Promise<void> {
  const id = await withGateway(cli, async (client) => {
    const found = await planId(client, part)
    const { deleted } = await fieldsOf(client, "plan.delete", { planId: found })
    if (deleted !== true) throw new PincerError("NOT_FOUND", `Unknown plan "${part}": run "pincer plan list"`)
    return found
  })
  if (flags.json) cli.out.json({ deleted: true, planId: id })
  else cli.out.line(`Forgotten: ${id}`)
}
