// Turns of an external agent: recorded in order, ended once, stopped at their limits.
import assert from "node:assert/strict"
import { test } from "node:test"
import { openHostedRoom, stopped } from "../../test/fakes/hosted-room.ts"
import type { TurnEvent } from "../protocol/event.ts"
import { type Message, NO_USAGE } from "../protocol/message.ts"
import type { HostedEnd } from "./harness.ts"

const USAGE = { ...NO_USAGE, inputTokens: 100, outputTokens: 20 }

function partsOf(messages: Message[]) {
  return messages.map(({ content, role }) => [role, ...content.map((part) => part.type)].join(" "))
}

test("thoughts, words, calls and plans stand in the log in the order in which they were said", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      turn.hear({ type: "text", of: "thought", text: "Let me " })
      turn.hear({ type: "text", of: "thought", text: "look" })
      turn.hear({ type: "text", of: "answer", text: "First " })
      turn.hear({ type: "text", of: "answer", text: "this." })
      await turn.hear({ type: "plan", planId: "main", plan: { planId: "main", entries: [] } })
      await turn.hear({
        type: "tool",
        callId: "c1",
        view: { title: "Read a", kind: "read", status: "pending", rawInput: { path: "a.txt" } },
      })
      await turn.hear({ type: "tool", callId: "c1", view: { status: "in_progress" } })
      await turn.hear({
        type: "tool",
        callId: "c1",
        view: { status: "completed", content: [{ type: "content", part: { type: "text", text: "the text" } }] },
      })
      turn.hear({ type: "text", of: "answer", text: "Done." })
      await turn.hear({ type: "facts", facts: { title: "A title" } })
      await turn.hear({ type: "other", update: { sessionUpdate: "new_thing" } })
      return { stop: "end_turn", usage: USAGE, model: "m1" }
    },
  })
  const record = await room.turn()
  assert.equal(record.status, "completed")
  assert.deepEqual(record.outcome, {
    ...{ status: "completed", stop: "end_turn", text: "Done.", usage: USAGE },
    ...{ provider: "fake-agent", model: "m1" },
  })
  const messages = await room.ports.books.transcript.messages(record.sessionKey)
  assert.deepEqual(partsOf(messages), [
    "user text",
    "assistant thinking text",
    "assistant tool.call",
    "tool tool.result",
    "assistant text",
  ])
  const kinds = (await room.log()).map(({ event }) => event.type)
  assert.deepEqual(kinds, [
    ...["turn.started", "message.added", "plan.updated", "message.added", "tool.started", "tool.changed"],
    ...["message.added", "tool.ended", "message.added", "session.described", "update.received"],
    ...["message.added", "turn.ended"],
  ])
  const [ended] = room.heard("tool.ended")
  assert.equal(ended?.text, "the text")
  assert.equal(ended?.name, "Read")
  assert.deepEqual(
    (await room.ports.books.usage.days(0)).map(({ model, provider, turns }) => [provider, model, turns]),
    [["fake-agent", "m1", 1]],
  )
  await room.close()
})

test("what was shown live is what is on record, secrets taken out of both", async () => {
  const secret = `sk-ant-api03-${"aB3dE5fG7h".repeat(9)}-QwErTyAA`
  const room = await openHostedRoom({
    async play(turn) {
      for (const piece of ["the key is ", secret.slice(0, 20), secret.slice(20), " and it ends", " here"])
        await turn.hear({ type: "text", of: "answer", text: piece })
      const part = { type: "image", mimeType: "image/png", data: "AAAA" } as const
      await turn.hear({ type: "part", part })
      await turn.hear({
        type: "tool",
        callId: "c",
        view: { kind: "execute", rawInput: { command: `echo ${secret}` }, title: `echo ${secret}` },
      })
    },
  })
  const record = await room.turn()
  const live = room.heard("text.delta").map(({ delta }) => delta)
  const messages = await room.ports.books.transcript.messages(record.sessionKey)
  const [text, image] = messages[1]!.content
  assert.equal(text?.type === "text" && text.text, live.join(""))
  assert.equal(image?.type, "image")
  assert.equal(room.heard("part.added").length, 1)
  assert.match(live.join(""), /the key is \[redacted\] and it ends here/)
  assert.doesNotMatch(JSON.stringify(room.events), /aB3dE5fG7haB3dE5fG7h/)
  // Replaying the log gives what was published, event by event.
  const published = room.events.filter(({ seq }) => seq !== null)
  assert.deepEqual(await room.log(), published)
  await room.close()
})

test("another message id begins another message, and the offsets begin anew", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      turn.hear({ type: "text", of: "answer", text: "one", messageId: "a" })
      await turn.hear({ type: "text", of: "answer", text: "two", messageId: "b" })
      await turn.hear({ type: "text", of: "answer", text: " more", messageId: "b" })
    },
  })
  const record = await room.turn()
  const messages = await room.ports.books.transcript.messages(record.sessionKey)
  assert.deepEqual(
    messages.slice(1).map(({ content }) => content),
    [[{ type: "text", text: "one" }], [{ type: "text", text: "two more" }]],
  )
  assert.deepEqual(
    room.heard("text.delta").map(({ offset }) => offset),
    [0, 0, 3],
  )
  assert.equal(record.outcome?.text, "two more")
  await room.close()
})

test("bursts of changes are put together, the last state is recorded, and a call ends once", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      await turn.hear({ type: "tool", callId: "c", view: { kind: "think", title: "t", status: "pending" } })
      for (let i = 0; i < 200; i++) await turn.hear({ type: "tool", callId: "c", view: { title: `t${i}` } })
      await turn.hear({ type: "tool", callId: "c", view: { status: "failed" } })
      await turn.hear({ type: "tool", callId: "c", view: { status: "completed", title: "late" } })
      await turn.hear({ type: "tool", callId: "open", view: { title: "never ends" } })
    },
  })
  await room.turn()
  assert.ok(room.heard("tool.changed").length < 60)
  const ended = room.heard("tool.ended")
  assert.deepEqual(
    ended.map(({ callId, isError, view }) => [callId, isError, view?.status, view?.title]),
    [
      ["c", true, "failed", "t199"],
      ["open", true, "canceled", "never ends"],
    ],
  )
  await room.close()
})

test("views are cut, so that a log stays bounded", async () => {
  const big = "x".repeat(1_000_000)
  const room = await openHostedRoom({
    async play(turn) {
      await turn.hear({
        type: "tool",
        callId: "c",
        view: {
          kind: "edit",
          status: "pending",
          rawInput: { path: "a.txt", content: big, deep: { more: big } },
          content: [{ type: "diff", path: "/a", oldText: big, newText: big }],
          rawOutput: Array.from({ length: 5_000 }, () => "y".repeat(100)),
        },
      })
      await turn.hear({ type: "other", update: { sessionUpdate: "huge", big } })
    },
  })
  await room.turn()
  const [started] = room.heard("tool.started")
  const [diff] = started?.view?.content ?? []
  assert.equal(diff?.type === "diff" && diff.newText.length, 256 * 1024)
  assert.equal(diff?.type === "diff" && diff.cut, true)
  assert.ok(JSON.stringify(started?.view?.rawInput).length <= 64 * 1024)
  assert.ok(JSON.stringify(started?.view?.rawOutput).length <= 64 * 1024)
  assert.deepEqual(room.heard("update.received")[0]?.update, { sessionUpdate: "huge", cut: true })
  await room.close()
})

test("an agent that fails, that is stopped, or that ends without a word: one end each", async () => {
  const ends: [() => Promise<HostedEnd | undefined>, string, string][] = [
    [async () => ({ stop: "error", error: { code: "UNAVAILABLE", message: "it broke" } }), "failed", "error"],
    [async () => ({ stop: "refusal" }), "completed", "refusal"],
    [async () => ({ stop: "aborted" }), "canceled", "aborted"],
    [async () => ({ stop: "error", error: { code: "TIMEOUT", message: "slow" } }), "timeout", "error"],
  ]
  for (const [play, status, stop] of ends) {
    const room = await openHostedRoom({ play })
    const { outcome } = await room.turn()
    assert.deepEqual([outcome?.status, outcome?.stop], [status, stop])
    assert.equal(room.heard("turn.ended").length, 1)
    await room.close()
  }
})

test("a canceled turn keeps what was said, and what comes after it is heard by nobody", async () => {
  const late = Promise.withResolvers<unknown[]>()
  const room = await openHostedRoom({
    async play(turn) {
      await turn.hear({ type: "text", of: "answer", text: "half an ans" })
      await stopped(turn)
      void Promise.resolve().then(async () => {
        await new Promise((resolve) => setImmediate(resolve))
        const leave = await turn.leave({ callId: "late", view: { kind: "read" }, offersAlways: false })
        const write = await turn.writeText("late.txt", "x").catch((error: Error) => error.message)
        const asked = await turn.ask({ type: "form", message: "?", schema: {} })
        late.resolve([leave, write, asked])
      })
      return { stop: "aborted" }
    },
  })
  const request = room.request("go", { cwd: room.work })
  await room.lanes.submit(request)
  await room.seen("text.delta")
  assert.deepEqual(await room.lanes.cancel({ turnId: request.turnId }), [request.turnId])
  const record = await room.lanes.wait(request.turnId)
  assert.deepEqual([record?.status, record?.outcome?.text], ["canceled", "half an ans"])
  const [leave, write, asked] = await late.promise
  assert.deepEqual(leave, { type: "canceled" })
  assert.match(String(write), /The turn is over/)
  assert.deepEqual(asked, { type: "canceled" })
  assert.equal(room.heard("turn.ended").length, 1)
  await room.close()
})

test("tokens and cost that the agent reports are held against the turn's limits", async () => {
  const measures = [
    [{ maxTokens: 1_000 }, { usedTokens: 1_200, windowTokens: 9_000, costUsd: null }, "token_limit"],
    [{ maxCostUsd: 0.5 }, { usedTokens: 1, windowTokens: null, costUsd: 0.6 }, "cost_limit"],
  ] as const
  for (const [limits, measure, stop] of measures) {
    const room = await openHostedRoom({
      limits,
      async play(turn) {
        await turn.hear({ type: "context", ...measure })
        assert.equal(turn.signal.aborted, true)
      },
    })
    const { outcome } = await room.turn()
    assert.deepEqual([outcome?.status, outcome?.stop], ["completed", stop])
    assert.equal(room.heard("context.measured").length, 1)
    await room.close()
  }
})

test("what the session has cost before this turn is not this turn's", async () => {
  let total = 0
  const room = await openHostedRoom({
    limits: { maxCostUsd: 0.5 },
    async play(turn) {
      total += 0.3
      await turn.hear({ type: "context", usedTokens: 1, windowTokens: null, costUsd: total })
    },
  })
  for (let i = 0; i < 3; i++) {
    const { outcome } = await room.turn()
    assert.equal(outcome?.stop, "end_turn")
    assert.equal(outcome?.usage.costUsd?.toFixed(2), "0.30")
  }
  await room.close()
})

test("what the host remembers of a session is there in the next turn", async () => {
  const seen: unknown[] = []
  const room = await openHostedRoom({
    async play(turn) {
      seen.push(turn.memory.get())
      await turn.memory.set({ id: `s${seen.length}` })
    },
  })
  await room.turn()
  await room.turn()
  assert.deepEqual(seen, [undefined, { id: "s1" }])
  await room.close()
})

test("a gateway that hosts nothing says so", async () => {
  const room = await openHostedRoom({ play: async () => undefined })
  delete room.ports.harness
  const { outcome } = await room.turn()
  assert.equal(outcome?.error?.code, "UNAVAILABLE")
  await room.close()
})

test("what cannot be kept ends the turn", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      const { books } = room.ports
      const append = books.turns.append.bind(books.turns)
      books.turns.append = (fence, events) =>
        events.some(({ type }: TurnEvent) => type === "plan.updated")
          ? Promise.reject(new Error("disk full"))
          : append(fence, events)
      await turn.hear({ type: "plan", planId: "main", plan: null })
      assert.equal(turn.signal.aborted, true)
    },
  })
  const { outcome } = await room.turn()
  assert.deepEqual([outcome?.status, outcome?.error?.message], ["failed", "disk full"])
  await room.close()
})

test("an agent that does not stop when it is told to is left behind", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      await turn.hear({ type: "text", of: "answer", text: "on and on" })
      await new Promise(() => undefined)
    },
  })
  const { clock } = room.ports
  // The wait for its last words is over at once.
  room.ports.clock = { ...clock, after: (ms, fn) => clock.after(ms === 15_000 ? 0 : ms, fn) }
  const request = room.request("go", { cwd: room.work })
  await room.lanes.submit(request)
  await room.seen("text.delta")
  await room.lanes.cancel({ turnId: request.turnId })
  const record = await room.lanes.wait(request.turnId)
  assert.deepEqual([record?.status, record?.outcome?.text], ["canceled", "on and on"])
  await room.close()
})
