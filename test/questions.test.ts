// Questions that agents ask their user, through the doors of a whole gateway: what is shown, what is taken as an answer, and by whom.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { Desk } from "../src/agent/approvals.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { Scope } from "../src/protocol/frame.ts"
import type { Json } from "./frames.ts"
import { type House, startHouse } from "./house.ts"

const QUESTION = {
  type: "form",
  message: "Which branch?",
  schema: { type: "object", properties: { branch: { type: "string", minLength: 1 } }, required: ["branch"] },
} as const

async function open(t: TestContext): Promise<{ house: House; id: string }> {
  const house = await startHouse()
  t.after(() => house.close())
  const desk = house.parts.approvals
  assert.ok(desk instanceof Desk)
  const { id } = await desk.ask({
    ...{ kind: "question", sessionKey: "agent:main:main", agentId: "main", tool: "question", args: {} },
    ...{ summary: QUESTION.message, reason: "main asks you something", question: QUESTION, timeoutMs: 60_000 },
  })
  return { house, id }
}

async function client(t: TestContext, house: House, scopes: Scope[]): Promise<GatewayClient> {
  const info = { id: "test", version: "1", platform: "linux", mode: "test" }
  const one = await connectGateway({ url: house.wsUrl, token: house.token, client: info, scopes, caps: [] })
  t.after(() => one.close())
  return one
}

test("a question is listed with its form, and the control plane takes only answers that fit it", async (t) => {
  const { house, id } = await open(t)
  const owner = await client(t, house, ["operator.read", "operator.approvals"])
  const [row] = await owner.request<Json[]>("exec.approval.list")
  assert.deepEqual([row?.["kind"], row?.["question"]], ["question", QUESTION])
  const resolve = (params: Record<string, unknown>) => owner.request<Json>("exec.approval.resolve", { id, ...params })
  await assert.rejects(resolve({ decision: "allow-once" }), /does not fit the question/)
  await assert.rejects(resolve({ decision: "allow-once", answer: { branch: "" } }), /does not fit the question/)
  await assert.rejects(resolve({ decision: "allow-session" }), /is a question/)
  await resolve({ decision: "allow-once", answer: { branch: "main" } })
  assert.deepEqual((await house.parts.approvals.get(id))?.answer, { branch: "main" })
  await assert.rejects(resolve({ decision: "deny" }), /already resolved/)
})

test("over HTTP a question is answered too, and a call that asks none takes no answer", async (t) => {
  const { house, id } = await open(t)
  const post = (path: string, body: Record<string, unknown>) =>
    fetch(`${house.url}/api/approvals/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${house.token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    })
  assert.equal((await post(id, { decision: "allow-once", answer: { other: 1 } })).status, 400)
  assert.equal((await post(id, { decision: "allow-once", answer: { branch: "dev" } })).status, 200)
  const guest = await client(t, house, ["operator.read", "operator.write"])
  const asked = await guest.request<Json>("elevated.set", { sessionKey: "agent:main:x", level: "ask" })
  assert.equal(asked["status"], "asked")
  assert.equal((await post(String(asked["approvalId"]), { decision: "allow-once", answer: { a: 1 } })).status, 400)
})

test("who may not decide cannot answer a question", async (t) => {
  const { house, id } = await open(t)
  const guest = await client(t, house, ["operator.read", "operator.write"])
  const answer = { id, decision: "allow-once", answer: { branch: "main" } }
  await assert.rejects(guest.request("exec.approval.resolve", answer))
  assert.equal((await house.parts.approvals.get(id))?.decision, null)
})
