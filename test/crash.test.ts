// kill -9 at named points: a seeded sample here, hundreds of rounds in test/long/crash.long.ts (npm run test:crash).
import assert from "node:assert/strict"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { after, before, test } from "node:test"
import { systemClock } from "../src/base/clock.ts"
import { textOf } from "../src/protocol/message.ts"
import {
  ANSWER,
  connectApprover,
  crashModel,
  crashRound,
  killChildren,
  POINTS,
  readBack,
  startChild,
} from "./fakes/crash-rounds.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { makeHome, NO_SANDBOX, startHouse } from "./house.ts"

let fake: FakeModel
before(async () => {
  fake = await startFakeModel()
})
after(async () => {
  killChildren()
  await fake.close()
})

for (const point of POINTS)
  test(`a turn with a tool call survives kill -9 at ${point}`, { timeout: 30_000 }, async () => {
    fake.otherwise(crashModel)
    await crashRound(fake, { point, nth: 1, kind: "act" })
  })

test("nothing runs unapproved: an approval that was open at kill -9 is denied in the next life", {
  timeout: 30_000,
}, async () => {
  fake.otherwise(crashModel)
  await crashRound(fake, { point: "approval.asked", nth: 1, kind: "act", next: "deny" })
})

test("an answer that was given before kill -9 counts, once, whatever is said later", { timeout: 30_000 }, async () => {
  fake.otherwise(crashModel)
  await crashRound(fake, { point: "approval.answered", nth: 1, kind: "act", next: "deny" })
})

test("an answer cut off by kill -9 is kept, shown, and gone on with", { timeout: 30_000 }, async () => {
  const gate = Promise.withResolvers<void>()
  fake.script({ text: "The first half. ", deltaSize: 100, gate: gate.promise })
  fake.otherwise({ text: ANSWER })
  const { home, work } = makeHome({ fake: fake.url, config: NO_SANDBOX })
  const first = await startChild(home)
  const gone = once(first.process, "exit")
  const client = await connectApprover(first.url)
  const said = { sessionKey: "agent:main:crash", message: "say it", idempotencyKey: "half", cwd: work }
  await client.request("chat.send", said)
  await waitForDraft(join(home, "pincer.db"))
  first.process.kill("SIGKILL")
  await gone
  client.close()
  gate.resolve()
  const second = await startHouse({ home })
  const next = await connectApprover(second.wsUrl)
  await next.request("agent.wait", { runId: "half", timeoutMs: 20_000 })
  const history = await next.request<{ messages: unknown[] }>("chat.history", { sessionKey: "agent:main:crash" })
  assert.match(JSON.stringify(history.messages), /The first half/)
  next.close()
  await second.stop()
  const { record, messages } = await readBack(home, "half")
  assert.equal(record.outcome?.text, `The first half. ${ANSWER}`)
  assert.equal(textOf(messages.find((one) => one.partial)!.content), "The first half. ")
  rmSync(home, { recursive: true, force: true })
})

async function waitForDraft(path: string): Promise<void> {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  const deadline = Date.now() + 10_000
  while (Number(db.prepare("SELECT count(*) AS n FROM drafts").get()?.["n"]) === 0) {
    assert.ok(Date.now() < deadline, "No draft was stored")
    await systemClock.sleep(20)
  }
  db.close()
}
