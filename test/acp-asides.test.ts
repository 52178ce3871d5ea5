// What an external agent says when its turn has ended, in a whole house: recorded, shown, bounded, and never in a log that is not its own.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { activitiesOf } from "../src/gateway/rpc/session-view.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { RecordedEvent } from "../src/protocol/event.ts"
import { textOf } from "../src/protocol/message.ts"
import type { TurnTable } from "../src/store/turns.ts"
import { FAKE_AGENT } from "./fakes/acp-agent-room.ts"
import { type House, startHouse } from "./house.ts"

const KEY = "agent:fake:one"

interface Opened {
  house: House
  client: GatewayClient
  say(message: string): Promise<{ status: string; text: string }>
  events(): Promise<{ turnId: string; event: RecordedEvent }[]>
  /** Resolves once the session's log holds an event like this. */
  until(test: (event: RecordedEvent) => boolean): Promise<void>
}

async function open(t: TestContext): Promise<Opened> {
  const command = [process.execPath, FAKE_AGENT]
  const house = await startHouse({ config: { agents: { entries: { fake: { acp: { command } } } } } })
  t.after(() => house.close())
  const hello = { id: "cli", version: "0", platform: "test", mode: "cli" }
  const client = await connectGateway({ url: house.wsUrl, token: house.token, client: hello, caps: [] })
  t.after(() => client.close())
  const events = () => house.parts.store.transcript.events(KEY, { afterSeq: 0, limit: 10_000 })
  return {
    ...{ house, client, events },
    say: (message) => client.request("chat.send", { sessionKey: KEY, message, wait: true }, { timeoutMs: 0 }),
    async until(test) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const stop = house.parts.hub.onSession(KEY, ({ event, seq }) => {
        if (seq !== null && test(event as RecordedEvent)) resolve()
      })
      if ((await events()).some(({ event }) => test(event))) resolve()
      await promise
      stop()
    },
  }
}

test("what an agent says after its turn is recorded under that turn, and numbers of others stay right", async (t) => {
  const { client, events, house, say, until } = await open(t)
  await say("say one;after title A better name,plan,usage,unknown,commands,notice mind it,open late,say and this")
  await until(
    (event) =>
      event.type === "message.added" &&
      event.message.role === "assistant" &&
      textOf(event.message.content) === "and this",
  )
  const all = await events()
  const end = all.findIndex(({ event }) => event.type === "turn.ended")
  const late = all.slice(end + 1)
  assert.deepEqual(
    late.map(({ event }) => event.type),
    [
      "session.described",
      "plan.updated",
      "context.measured",
      "update.received",
      "session.described",
      "notice.posted",
      "update.received",
      "message.added",
    ],
  )
  assert.equal(new Set(all.map(({ turnId }) => turnId)).size, 1)
  const row: { sessions: { displayName: string }[] } = await client.request("sessions.list", { agentId: "fake" })
  assert.equal(row.sessions[0]?.displayName, "A better name")
  const before = await activitiesOf(KEY, 0, house.parts)
  assert.equal((await say("say two")).text, "two")
  const after = await activitiesOf(KEY, 0, house.parts)
  assert.deepEqual(after.activity.slice(0, before.activity.length), before.activity)
  assert.equal(after.log.standing.status, "idle")
  assert.deepEqual(
    (await house.parts.store.transcript.messages(KEY)).filter(({ role }) => role === "assistant").length,
    3,
  )
})

test("a chatty agent fills no log: what is beyond the bound is counted in one notice", async (t) => {
  const { events, say, until } = await open(t)
  const many = Array.from({ length: 100 }, (_, i) => `notice number ${i}`).join(",")
  await say(`say one;after ${many}`)
  await until((event) => event.type === "notice.posted" && event.text === "number 59")
  const kept = (await events()).filter(({ event }) => event.type === "notice.posted")
  assert.equal(kept.length, 60)
})

test("a session that was emptied or deleted since hears nothing of what comes late", async (t) => {
  const { client, events, house, say } = await open(t)
  await say("say one")
  const { id } = (await house.parts.store.sessions.get(KEY))!
  await client.request("sessions.reset", { key: KEY })
  const event = { type: "notice.posted", level: "info", code: "x", text: "late" } as const
  const turns = house.parts.store.turns as TurnTable
  assert.equal(await turns.aside(KEY, id, () => [event]), undefined)
  const now = (await house.parts.store.sessions.get(KEY))!
  assert.equal(await turns.aside(KEY, now.id, () => [event]), undefined, "no turn has begun in the new one")
  assert.deepEqual(await events(), [])
  await client.request("sessions.delete", { key: KEY })
  assert.equal(await turns.aside(KEY, now.id, () => [event]), undefined)
})
