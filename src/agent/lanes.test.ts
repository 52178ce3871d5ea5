import assert from "node:assert/strict"
import { test } from "node:test"
import { callTools, openAgentRoom, say, testTools } from "../../test/fakes/agent-room.ts"
import { textOf } from "../protocol/message.ts"

test("lanes.submit() answers a message: accepted, recorded, ended once, with usage", async () => {
  const room = await openAgentRoom({ script: () => say("Hello there") })
  const { record, duplicate } = await room.lanes.submit(room.request("hi"))
  assert.equal(duplicate, false)
  const ended = await room.lanes.wait(record.turnId)
  assert.equal(ended?.status, "completed")
  assert.equal(ended?.outcome?.text, "Hello there")
  assert.equal(ended?.outcome?.usage.inputTokens, 10)
  assert.equal(room.events.filter((e) => e.event.type === "turn.ended").length, 1)
  const recorded = room.events.filter((e) => e.seq !== null).map((e) => e.seq)
  assert.deepEqual(
    recorded,
    recorded.map((_, i) => i + 1),
    "numbers run from 1 without holes",
  )
  const session = await room.ports.books.sessions.get(record.sessionKey)
  assert.equal(session?.messageCount, 2)
  assert.equal(session?.title, "hi")
  assert.equal(session?.usage.costUsd, 0.01)
  assert.equal((await room.ports.books.usage.days(0))[0]?.turns, 1)
  await room.close()
})

test("lanes.submit() runs the turns of one session one at a time, in order, and sessions side by side", async () => {
  const gate = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  const room = await openAgentRoom({
    async *script(request, signal) {
      running += 1
      most = Math.max(most, running)
      yield* say(`re: ${textOf(request.messages.at(-1)!.content)}`, signal, gate.promise)
      running -= 1
    },
  })
  const same = [room.request("1"), room.request("2"), room.request("3")]
  const other = room.request("x", { sessionKey: "agent:main:other" })
  for (const request of [...same, other]) await room.lanes.submit(request)
  await room.seen("text.delta", same[0]!.turnId)
  await room.seen("text.delta", other.turnId)
  assert.equal(most, 2, "two sessions, one turn each")
  assert.deepEqual(
    room.lanes.active("agent:main:test").map((turn) => turn.status),
    ["running", "queued", "queued"],
  )
  gate.resolve()
  const ended = await Promise.all(same.map((request) => room.lanes.wait(request.turnId)))
  assert.deepEqual(
    ended.map((record) => record?.outcome?.text),
    ["re: 1", "re: 2", "re: 3"],
  )
  const messages = await room.ports.books.transcript.messages("agent:main:test")
  assert.deepEqual(
    messages.map((m) => textOf(m.content)),
    ["1", "re: 1", "2", "re: 2", "3", "re: 3"],
  )
  await room.close()
})

test("lanes.submit() with a turn id that is known starts nothing and gives the first one", async () => {
  let calls = 0
  const room = await openAgentRoom({
    script: () => {
      calls += 1
      return say("once")
    },
  })
  const request = room.request("hi")
  const [first, second] = await Promise.all([room.lanes.submit(request), room.lanes.submit(request)])
  assert.deepEqual([first.duplicate, second.duplicate], [false, true])
  await room.lanes.wait(request.turnId)
  const third = await room.lanes.submit(request)
  assert.equal(third.duplicate, true)
  assert.equal(third.record.outcome?.text, "once")
  assert.equal(calls, 1)
  await assert.rejects(room.lanes.submit({ ...request, sessionKey: "agent:main:other" }), { code: "CONFLICT" })
  await room.close()
})

test("lanes.cancel() stops the running turn, keeps what was said, and lets the queue go on", async () => {
  const never = new Promise<void>(() => undefined)
  const room = await openAgentRoom({
    script: (_, signal, call) => (call === 1 ? say("Half an answer", signal, never) : say("next")),
  })
  const first = room.request("a")
  const second = room.request("b")
  await room.lanes.submit(first)
  await room.lanes.submit(second)
  await room.seen("text.delta", first.turnId)
  assert.deepEqual(await room.lanes.cancel({ sessionKey: first.sessionKey }), [first.turnId])
  const ended = await room.lanes.wait(first.turnId)
  assert.equal(ended?.status, "canceled")
  assert.equal(ended?.outcome?.text, "Hal")
  assert.equal((await room.lanes.wait(second.turnId))?.outcome?.text, "next")
  const partial = (await room.ports.books.transcript.messages(first.sessionKey)).find((m) => m.partial)
  assert.equal(textOf(partial!.content), "Hal")
  await room.close()
})

test("lanes.submit() with queue interrupt cancels what runs and waits in that session first", async () => {
  const never = new Promise<void>(() => undefined)
  const room = await openAgentRoom({
    script: (_, signal, call) => (call === 1 ? say("Long answer", signal, never) : say("new")),
  })
  const [a, b, c] = [room.request("a"), room.request("b"), room.request("c", { queue: "interrupt" })]
  await room.lanes.submit(a!)
  await room.lanes.submit(b!)
  await room.seen("text.delta", a!.turnId)
  await room.lanes.submit(c!)
  assert.equal((await room.lanes.wait(a!.turnId))?.status, "canceled")
  assert.equal((await room.lanes.wait(b!.turnId))?.status, "canceled")
  assert.equal((await room.lanes.wait(c!.turnId))?.outcome?.text, "new")
  await room.close()
})

test("a tool call runs through policy and its result goes back to the model", async () => {
  const room = await openAgentRoom({
    script: (request, _, call) =>
      call === 1
        ? callTools({ name: "Look", args: { text: "a" } }, { name: "Note", args: { text: "b" } })
        : say(`saw ${request.messages.length}`),
  })
  const request = room.request("look")
  await room.lanes.submit(request)
  assert.equal((await room.lanes.wait(request.turnId))?.outcome?.text, "saw 3")
  assert.equal((await room.ports.books.notes.of(request.sessionKey)).get("note"), "b")
  await room.close()
})

test("a call that must be asked for is denied when nobody can be asked, and never runs", async () => {
  let denied = ""
  const room = await openAgentRoom({
    script(request, _, call) {
      if (call === 1) return callTools({ name: "Act", args: { text: "rm" } })
      const part = request.messages.at(-1)!.content[0]!
      if (part.type === "tool.result") denied = textOf(part.content)
      return say("ok")
    },
  })
  const request = room.request("act")
  await room.lanes.submit(request)
  await room.lanes.wait(request.turnId)
  assert.match(denied, /^Denied: There is no sandbox/)
  assert.deepEqual(room.acts, [])
  await room.close()
})

test("an approval parks the turn; the first answer runs the call once, a second answer is refused", async () => {
  const room = await openAgentRoom({
    canAsk: true,
    script: (_, __, call) => (call === 1 ? callTools({ name: "Act", args: { text: "deploy" } }) : say("done")),
  })
  const request = room.request("act")
  await room.lanes.submit(request)
  const asked = await room.seen("approval.requested")
  assert.ok(asked.event.type === "approval.requested")
  assert.equal(asked.event.approval.summary, "deploy")
  assert.deepEqual(room.acts, [])
  await room.desk.resolve(asked.event.approval.id, "allow-once", "test")
  await assert.rejects(room.desk.resolve(asked.event.approval.id, "deny", "test"), { code: "CONFLICT" })
  assert.equal((await room.lanes.wait(request.turnId))?.outcome?.text, "done")
  assert.deepEqual(room.acts, ["deploy"])
  await room.close()
})

test("an approved call whose target has changed meanwhile is not carried out", async () => {
  const acts: string[] = []
  const tools = testTools(acts)
  let target = "/work/a"
  const act = tools.find((tool) => tool.name === "Act")!
  tools[tools.indexOf(act)] = {
    ...act,
    touch: async () => ({ reads: [], writes: [target], hosts: [] }),
  }
  let told = ""
  const room = await openAgentRoom({
    canAsk: true,
    tools,
    script(request, _, call) {
      if (call === 1) return callTools({ name: "Act", args: { text: "write" } })
      const part = request.messages.at(-1)!.content[0]!
      if (part.type === "tool.result") told = textOf(part.content)
      return say("ok")
    },
  })
  const request = room.request("act")
  await room.lanes.submit(request)
  const asked = await room.seen("approval.requested")
  assert.ok(asked.event.type === "approval.requested")
  target = "/etc/passwd"
  await room.desk.resolve(asked.event.approval.id, "allow-once", "test")
  await room.lanes.wait(request.turnId)
  assert.deepEqual(acts, [])
  assert.match(told, /has changed since it was approved/)
  await room.close()
})

test("a denied, an expired and a canceled approval never run the call, and each turn ends", async () => {
  for (const how of ["deny", "expire", "cancel"] as const) {
    const room = await openAgentRoom({
      canAsk: true,
      settings: how === "expire" ? { approvalTimeoutMs: 1 } : {},
      script: (_, __, call) => (call === 1 ? callTools({ name: "Act", args: { text: "x" } }) : say("went on")),
    })
    const request = room.request("act")
    await room.lanes.submit(request)
    const asked = await room.seen("approval.requested")
    assert.ok(asked.event.type === "approval.requested")
    if (how === "deny") await room.desk.resolve(asked.event.approval.id, "deny", "test")
    if (how === "cancel") await room.lanes.cancel({ turnId: request.turnId })
    const record = await room.lanes.wait(request.turnId)
    assert.equal(record?.status, how === "cancel" ? "canceled" : "completed", how)
    assert.deepEqual(room.acts, [], how)
    assert.deepEqual(await room.desk.pending(), [], how)
    await room.close()
  }
})

test("limits end a turn with a stated reason", async () => {
  const cases = [
    [{ maxModelCalls: 2 }, "max_model_calls"],
    [{ maxTokens: 20 }, "token_limit"],
    [{ maxCostUsd: 0.015 }, "cost_limit"],
  ] as const
  for (const [limits, stop] of cases) {
    const room = await openAgentRoom({ limits, script: () => callTools({ name: "Look", args: { text: "again" } }) })
    const request = room.request("go")
    await room.lanes.submit(request)
    const record = await room.lanes.wait(request.turnId)
    assert.deepEqual([record?.status, record?.outcome?.stop], ["completed", stop])
    await room.close()
  }
  const never = new Promise<void>(() => undefined)
  const room = await openAgentRoom({
    limits: { maxTimeMs: 250 },
    script: (_, signal) => say("slow one", signal, never),
  })
  const request = room.request("go")
  await room.lanes.submit(request)
  const record = await room.lanes.wait(request.turnId)
  assert.deepEqual([record?.status, record?.outcome?.stop, record?.outcome?.text], ["timeout", "time_limit", "slo"])
  await room.close()
})

test("resend and edit take the last exchange back and stay refused where there is none", async () => {
  const room = await openAgentRoom({ script: (request) => say(`re: ${textOf(request.messages.at(-1)!.content)}`) })
  await assert.rejects(room.lanes.submit(room.request("", { input: [], replay: "resend" })), { code: "CONFLICT" })
  for (const request of [
    room.request("one"),
    room.request("", { input: [], replay: "resend" }),
    room.request("two", { replay: "edit" }),
  ]) {
    await room.lanes.submit(request)
    await room.lanes.wait(request.turnId)
  }
  const messages = await room.ports.books.transcript.messages("agent:main:test")
  assert.deepEqual(
    messages.map((m) => textOf(m.content)),
    ["two", "re: two"],
  )
  assert.deepEqual(await room.ports.books.transcript.messages("agent:main:test", { limit: 1 }), messages.slice(1))
  await room.close()
})

test("a client's own tool ends the turn with its call; the result in the next turn goes to the model", async () => {
  const clientTools = [{ name: "weather", description: "", inputSchema: { type: "object" } }]
  const room = await openAgentRoom({
    script: (request, _, call) =>
      call === 1
        ? callTools({ name: "weather", args: { city: "Bern" } })
        : say(`tools: ${request.messages.at(-1)!.role}`),
  })
  const first = room.request("weather?", { clientTools })
  await room.lanes.submit(first)
  const record = await room.lanes.wait(first.turnId)
  assert.equal(record?.outcome?.stop, "tool_calls")
  const call = (await room.ports.books.transcript.messages(first.sessionKey)).at(-1)!.content[0]!
  assert.ok(call.type === "tool.call")
  const second = room.request("", {
    clientTools,
    input: [
      {
        type: "tool.result",
        callId: call.callId,
        name: "weather",
        content: [{ type: "text", text: "rain" }],
        isError: false,
      },
    ],
  })
  await room.lanes.submit(second)
  assert.equal((await room.lanes.wait(second.turnId))?.outcome?.text, "tools: tool")
  await room.close()
})

test("lanes.drain() refuses new turns, records what runs as interrupted, and the next life resumes it", async () => {
  const never = new Promise<void>(() => undefined)
  const acts: string[] = []
  const first = await openAgentRoom({
    canAsk: true,
    tools: testTools(acts, never),
    script: (_, __, call) =>
      call === 1 ? callTools({ name: "Note", args: { text: "1" } }) : say("Half done now", __, never),
  })
  const request = first.request("work")
  await first.lanes.submit(request)
  await first.seen("text.delta")
  await first.lanes.drain(0)
  await assert.rejects(first.lanes.submit(first.request("more")), { code: "UNAVAILABLE" })
  assert.equal((await first.ports.books.turns.get(request.turnId))?.status, "interrupted")
  first.desk.close()
  await first.ports.books.close()
  let asked = ""
  const second = await openAgentRoom({
    home: first.home,
    script(modelRequest) {
      asked = modelRequest.messages.map((m) => `${m.role}:${textOf(m.content).slice(0, 8)}`).join(" ")
      return say(" and the rest")
    },
  })
  await second.lanes.start()
  const record = await second.lanes.wait(request.turnId)
  assert.equal(record?.outcome?.text, "Hal and the rest")
  assert.match(asked, /assistant:Hal user:Pincer w$/)
  await second.close()
})

test("after a restart a call is asked for when somebody could approve before, and denied when nobody could", async () => {
  const never = new Promise<void>(() => undefined)
  for (const attended of [true, false]) {
    const first = await openAgentRoom({ canAsk: attended, script: (_, signal) => say("Wait a moment", signal, never) })
    const request = first.request("act")
    await first.lanes.submit(request)
    await first.seen("text.delta")
    await first.lanes.drain(0)
    first.desk.close()
    await first.ports.books.close()
    const acts: string[] = []
    const second = await openAgentRoom({
      home: first.home,
      canAsk: false,
      tools: testTools(acts),
      script: (_, __, call) => (call === 1 ? callTools({ name: "Act", args: { text: "go" } }) : say("done")),
    })
    await second.lanes.start()
    if (attended) {
      const asked = await second.seen("approval.requested")
      assert.ok(asked.event.type === "approval.requested")
      await second.desk.resolve(asked.event.approval.id, "allow-once", "test")
    }
    await second.lanes.wait(request.turnId)
    assert.deepEqual(acts, attended ? ["go"] : [])
    await second.close()
  }
})

test("when more turns may run at once, those that waited for room begin at once", async () => {
  const gate = Promise.withResolvers<void>()
  const settings = { maxConcurrent: 1 }
  const room = await openAgentRoom({ script: (_, signal) => say("so", signal, gate.promise), settings })
  const requests = ["a", "b"].map((name) => room.request(name, { sessionKey: `agent:main:${name}` }))
  for (const request of requests) await room.lanes.submit(request)
  await room.seen("text.delta", requests[0]!.turnId)
  assert.deepEqual(room.lanes.counts().running, 1)
  room.ports.settings.maxConcurrent = 2
  room.lanes.settingsChanged()
  await room.seen("text.delta", requests[1]!.turnId)
  gate.resolve()
  await Promise.all(requests.map((request) => room.lanes.wait(request.turnId)))
  await room.close()
})
