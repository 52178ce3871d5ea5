// What runs spend: counted once, kept over gates, and stopped at the limit.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { openWorkflowRoom, type WorkflowRoom } from "../../../test/fakes/workflow-room.ts"
import type { Envelope } from "../../protocol/workflow.ts"
import { commands } from "../commands/index.ts"

let room: WorkflowRoom
before(() => {
  room = openWorkflowRoom({
    commands,
    ports: {
      price: async ({ model }) => (model === "dear" ? 1 : null),
      agent: async () => ({
        text: "hi",
        runId: "r",
        usage: { model: "dear", inputTokens: 1, outputTokens: 1, costUsd: 2 },
      }),
    },
  })
})
after(() => room.close())

const ITEM = `'{"model":"dear","usage":{"input_tokens":10,"output_tokens":1}}'`
const message = (envelope: Envelope) => (envelope.ok ? envelope.status : envelope.error.message)

test("a run stops after the step that passed its limit, whatever on_error says", async () => {
  const done = await room.run(
    `cost_limit: {max_usd: 0.5, action: stop}\nsteps:\n  - {id: a, run: echo ${ITEM}, on_error: continue}\n  - {id: b, run: echo b}\n`.replaceAll(
      `echo ${ITEM}`,
      `"echo ${ITEM.replaceAll('"', '\\"')}"`,
    ),
  )
  assert.match(message(done), /Cost limit exceeded: \$1\.0000 > \$0\.5000 limit/)
  assert.deepEqual(
    done.steps?.map(({ path }) => path),
    ["a"],
  )
})

test("an item that is handed on is paid once, and the total outlives a gate and a restart", async () => {
  const yaml = `
cost_limit: {max_usd: 1.5}
steps:
  - id: a
    run: "echo ${ITEM.replaceAll('"', '\\"')}"
  - {id: b, pipeline: head --n 5, stdin: $a.json}
  - {id: c, run: cat, stdin: $a.json}
  - {id: g, approval: {prompt: go on}}
  - {id: d, agent: {message: hello}}
`
  room.warnings.length = 0
  const waiting = await room.run(yaml)
  assert.ok(waiting.ok && waiting.requiresApproval, JSON.stringify(waiting))
  assert.deepEqual(room.warnings, [])
  const later = room.successor()
  const done = await later.answer(waiting.requiresApproval.resumeToken, { type: "approve", approved: true }, room.how)
  assert.equal(message(done), "ok")
  assert.deepEqual(room.warnings, ["Cost limit exceeded: $3.0000 > $1.5000 limit"])
})

test("a model without a price counts as free and is told of; a price in the environment counts", async () => {
  room.warnings.length = 0
  const line = `echo '{\\"model\\":\\"own\\",\\"usage\\":{\\"inputTokens\\":1000000}}'`
  const free = await room.run(`cost_limit: {max_usd: 0, action: stop}\nsteps:\n  - {id: a, run: "${line}"}\n`)
  assert.equal(message(free), "ok")
  assert.match(room.warnings[0] ?? "", /No price is known for the model "own"/)
  const priced = await room.run(
    `env: {LOBSTER_LLM_PRICING_JSON: '{"own":{"input":3,"output":5}}'}\ncost_limit: {max_usd: 1, action: stop}\nsteps:\n  - {id: a, run: "${line}"}\n`,
  )
  assert.match(message(priced), /\$3\.0000 > \$1\.0000/)
})
