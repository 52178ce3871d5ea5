// The JSON-RPC door as a client that nobody here wrote sees it (the npm package json-rpc-2.0 over ws and over HTTP), and by hand where
// that client would be too polite.
import assert from "node:assert/strict"
import { once } from "node:events"
import { type TestContext, test } from "node:test"
import { JSONRPCClient, JSONRPCErrorException } from "json-rpc-2.0"
import { WebSocket } from "ws"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse, TEST_TOKEN } from "./house.ts"

// biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
type Any = any

interface Talk {
  client: JSONRPCClient
  socket: WebSocket
  notes: { method: string; params: Any }[]
  raw: Any[]
  /** Resolves with the first notification, old or new, that matches. */
  note(matches: (note: { method: string; params: Any }) => boolean): Promise<Any>
}

async function open(t: TestContext): Promise<{ house: House; fake: FakeModel }> {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const house = await startHouse({ fake: fake.url })
  t.after(() => house.close())
  return { house, fake }
}

async function talk(
  t: TestContext,
  house: House,
  headers: Record<string, string> = bearer,
  path = "/ws",
): Promise<Talk> {
  const socket = new WebSocket(`${house.wsUrl}${path}`, { headers })
  const notes: Talk["notes"] = []
  const raw: Any[] = []
  const ears = new Set<() => void>()
  const client = new JSONRPCClient((request) => socket.send(JSON.stringify(request)))
  socket.on("message", (data) => {
    const message: Any = JSON.parse(String(data))
    raw.push(message)
    for (const one of Array.isArray(message) ? message : [message])
      if (one.method === undefined) client.receive(one)
      else notes.push(one)
    for (const ear of ears) ear()
  })
  t.after(() => socket.terminate())
  await once(socket, "open")
  return {
    client,
    socket,
    notes,
    raw,
    note: (matches) =>
      new Promise((resolve) => {
        const look = () => {
          const found = notes.find(matches)
          if (!found) return
          ears.delete(look)
          resolve(found.params)
        }
        ears.add(look)
        look()
      }),
  }
}

const bearer = { authorization: `Bearer ${TEST_TOKEN}` }

function rawAnswer(socket: WebSocket, text: string, wanted: (message: Any) => boolean): Promise<Any> {
  return new Promise((resolve) => {
    const listen = (data: unknown) => {
      const message: Any = JSON.parse(String(data))
      if (!wanted(message)) return
      socket.off("message", listen)
      resolve(message)
    }
    socket.on("message", listen)
    socket.send(text)
  })
}

async function post(house: House, body: string, headers: Record<string, string> = bearer) {
  const response = await fetch(`${house.url}/rpc`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  })
  const text = await response.text()
  return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as Any) }
}

test("a new connection is told its session and the sessions there are; ask answers", async (t) => {
  const { house, fake } = await open(t)
  const { client, note } = await talk(t, house)
  const { session_id } = await note(({ method }) => method === "connected")
  assert.deepEqual((await note(({ method }) => method === "session.snapshot")).sessions, [])
  fake.script({ text: "Good day." })
  const answer: Any = await client.request("ask", { content: "Hello" })
  assert.equal(answer.content, "Good day.")
  assert.equal(answer.session_id, session_id)
  assert.equal(answer.agent, "main")
})

test("ask_stream tells what happens in order and ends with the answer", async (t) => {
  const { house, fake } = await open(t)
  const { client, notes } = await talk(t, house)
  fake.script({ calls: [{ name: "LS", args: { path: "." } }] }, { text: "Nothing here." })
  const answer: Any = await client.request("ask_stream", { content: "look", session_id: "s1", cwd: house.work })
  assert.equal(answer.content, "Nothing here.")
  const events = notes.filter(({ method }) => method === "event").map(({ params }) => params)
  const types = events.map((event) => event.type)
  assert.deepEqual(
    types.filter((type, i) => type !== types[i - 1]),
    ["tool_start", "tool_input", "tool_output", "tool_end", "output_delta", "output_final", "done"],
  )
  assert.ok(events.every((event) => event.session_id === "s1" && event.version === "v1"))
  assert.equal(events[0].name, "LS")
  const chunks = notes.filter(({ method }) => method === "stream").map(({ params }) => params)
  assert.equal(
    chunks
      .filter(({ type }) => type === "content")
      .map(({ content }) => content)
      .join(""),
    "Nothing here.",
  )
  assert.equal(chunks.at(-1)?.type, "done")
})

test("ids come back as they came: numbers, text and null; a notification is not answered", async (t) => {
  const { house } = await open(t)
  const { socket } = await talk(t, house)
  for (const id of [1, "one", 2.5]) {
    const text = JSON.stringify({ jsonrpc: "2.0", id, method: "health" })
    assert.strictEqual((await rawAnswer(socket, text, (message) => message.id === id)).id, id)
  }
  const answers: Any[] = []
  socket.on("message", (data) => answers.push(JSON.parse(String(data))))
  socket.send('{"jsonrpc":"2.0","method":"session.init","params":{"session_id":"quiet"}}')
  const found = await rawAnswer(
    socket,
    '{"jsonrpc":"2.0","id":9,"method":"session.get","params":{"session_id":"quiet"}}',
    (m) => m.id === 9,
  )
  assert.equal(found.result.id, "quiet")
  assert.deepEqual(
    answers.filter((message) => "result" in message || "error" in message).map((message) => message.id),
    [9],
  )
})

test("what is no call is refused with its number, and the connection goes on", async (t) => {
  const { house } = await open(t)
  const { client, socket } = await talk(t, house)
  const cases: [string, number][] = [
    ["{nope", -32700],
    ["[]", -32600],
    ["1", -32600],
    ['{"jsonrpc":"2.0","id":1}', -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"health"}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"health"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"no.such"}', -32601],
    ['{"jsonrpc":"2.0","id":1,"method":"ask"}', -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"ask","params":[1]}', -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"ask","params":{"content":""}}', -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"ask","params":{"content":"x","agent":"nobody"}}', -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"ask","params":{"content":"x","permission_preset":"yolo"}}', -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"session.rename","params":{"session_id":"gone","name":"x"}}', -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"job.get"}', -32602],
  ]
  for (const [text, code] of cases) {
    const answer = await rawAnswer(socket, text, (message) => "error" in message)
    assert.equal(answer.error.code, code, text)
    assert.equal((await post(house, text)).body.error.code, code, `over HTTP: ${text}`)
  }
  assert.ok(await client.request("health", {}))
})

test("a job that is not there is null to job.get, and -32603 to job.cancel and job.delete", async (t) => {
  const { house } = await open(t)
  const { client, socket } = await talk(t, house)
  assert.equal(await client.request("job.get", { job_id: "none" }), null)
  for (const method of ["job.cancel", "job.delete"]) {
    const text = JSON.stringify({ jsonrpc: "2.0", id: method, method, params: { job_id: "none" } })
    assert.equal((await rawAnswer(socket, text, (message) => message.id === method)).error.code, -32603)
  }
  const job = (await client.request("job.submit", { prompt: "hi", agent: "main" })) as Any
  assert.equal(((await client.request("job.get", { job_id: job.id })) as Any).id, job.id)
  assert.ok(((await client.request("job.list", {})) as Any).jobs.length === 1)
})

test("a batch is answered as one, in HTTP and on the socket; only notifications get no answer", async (t) => {
  const { house } = await open(t)
  const { socket } = await talk(t, house)
  const batch = JSON.stringify([
    { jsonrpc: "2.0", id: 1, method: "session.init", params: { session_id: "b" } },
    { jsonrpc: "2.0", method: "session.rename", params: { session_id: "b", name: "批" } },
    { jsonrpc: "2.0", id: 2, method: "session.get", params: { session_id: "b" } },
    { foo: 1 },
    { jsonrpc: "2.0", id: 3, method: "no.such" },
  ])
  for (const answers of [await rawAnswer(socket, batch, Array.isArray), (await post(house, batch)).body]) {
    assert.deepEqual(answers.map((one: Any) => one.id).sort(), [1, 2, 3, null].sort())
    assert.equal(answers.find((one: Any) => one.id === 2).result.name, "批")
  }
  const quiet = await post(house, '[{"jsonrpc":"2.0","method":"health"}]')
  assert.deepEqual([quiet.status, quiet.body], [204, undefined])
})

test("the outside client over HTTP: calls, batches and errors with their numbers", async (t) => {
  const { house, fake } = await open(t)
  const client: JSONRPCClient = new JSONRPCClient(async (request) => {
    client.receive((await post(house, JSON.stringify(request))).body)
  })
  fake.script({ text: "over HTTP" })
  assert.equal(((await client.request("ask", { content: "hi" })) as Any).content, "over HTTP")
  await assert.rejects(
    () => Promise.resolve(client.request("ask_stream", { content: "x" })),
    (error: unknown) => error instanceof JSONRPCErrorException && error.code === -32601,
  )
  const [first, second] = await client.requestAdvanced([
    { jsonrpc: "2.0", id: 1, method: "agents.list" },
    { jsonrpc: "2.0", id: 2, method: "models.list" },
  ])
  // External agents that are installed on the machine of the test come after it.
  assert.equal((first as Any).result.agents[0], "main")
  assert.ok((second as Any).result.models.length > 0)
})

test("every control-plane method can be called here, and these on the control plane", async (t) => {
  const { house } = await open(t)
  const { client } = await talk(t, house)
  for (const method of ["status", "system.info", "tools.list", "sessions.list", "usage.get", "exec.approval.list"])
    assert.ok(await client.request(method, {}), method)
  const status: Any = await client.request("sessions.list", {})
  assert.ok(Array.isArray(status.sessions))
})

test("no token, a wrong one and a foreign origin do not get in", async (t) => {
  const { house } = await open(t)
  const refused = (headers: Record<string, string>, path = "/ws") =>
    new Promise<number>((resolve, reject) => {
      const socket = new WebSocket(`${house.wsUrl}${path}`, { headers })
      socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0))
      socket.on("open", () => reject(new Error("let in")))
      socket.on("error", () => undefined)
    })
  assert.equal(await refused({ authorization: "Bearer wrong" }), 401)
  assert.equal(await refused({}, "/ws?token=wrong"), 401)
  assert.equal(await refused({ ...bearer, origin: "https://evil.example" }), 403)
  assert.equal((await post(house, '{"jsonrpc":"2.0","id":1,"method":"health"}', {})).status, 401)
  assert.equal((await post(house, "{}", { ...bearer, "content-type": "text/plain" })).status, 415)
  const { client } = await talk(t, house, {}, `/ws?token=${TEST_TOKEN}`)
  assert.ok(await client.request("health", {}))
  // Without any token the socket is a stranger's: it may say connect, and nothing else.
  const stranger = new WebSocket(`${house.wsUrl}/ws`)
  await once(stranger, "open")
  stranger.send('{"jsonrpc":"2.0","id":1,"method":"session.list"}')
  const [code] = await once(stranger, "close")
  assert.equal(code, 1008)
})

test("sessions: names, tags, archive, agent, search; everybody is told", async (t) => {
  const { house, fake } = await open(t)
  const [one, two] = [await talk(t, house), await talk(t, house)]
  fake.script({ text: "第一个回答" })
  await one.client.request("ask", { content: "重构这个模块", session_id: "work" })
  await one.client.request("session.rename", { session_id: "work", name: "季度报告" })
  await one.client.request("session.tag", { session_id: "work", tag: "urgent" })
  await one.client.request("session.tag", { session_id: "work", tag: "urgent" })
  const row: Any = await one.client.request("session.tag", { session_id: "work", tag: "后端" })
  assert.deepEqual(row.tags, ["urgent", "后端"])
  assert.equal(
    (await two.note(({ method, params }) => method === "session.updated" && params.session.name === "季度报告")).session
      .id,
    "work",
  )
  for (const search of ["重构", "季度", "后端", "work"])
    assert.equal(((await one.client.request("session.list", { search })) as Any).sessions.length, 1, search)
  await one.client.request("session.untag", { session_id: "work", tag: "urgent" })
  assert.equal(((await one.client.request("session.archive", { session_id: "work" })) as Any).archived, true)
  const get = async (path: string) => (await (await fetch(`${house.url}${path}`, { headers: bearer })).json()) as Any
  assert.equal((await get("/api/sessions")).count, 0)
  assert.equal((await get("/api/sessions?archived=true")).count, 1)
  assert.equal((await get("/api/sessions/archive/")).sessions[0].id, "work")
  await one.client.request("session.unarchive", { session_id: "work" })
  assert.equal((await get(`/api/sessions?tag=${encodeURIComponent("后端")}`)).sessions[0].last_output, "第一个回答")
  assert.deepEqual(await one.client.request("session.delete", { session_id: "work" }), { success: true })
  assert.deepEqual(await one.client.request("session.delete", { session_id: "work" }), { success: true })
  assert.equal((await two.note(({ method }) => method === "session.deleted")).session_id, "work")
  assert.equal(await one.client.request("session.get", { session_id: "work" }), null)
})

test("session.subscribe replays from a number and goes on live, each activity once", async (t) => {
  const { house, fake } = await open(t)
  const [speaker, listener] = [await talk(t, house), await talk(t, house)]
  fake.script({ text: "one" }, { text: "two" })
  await speaker.client.request("ask", { content: "1", session_id: "s" })
  const told: Any = await listener.client.request("session.subscribe", { session_id: "s", after: 1 })
  assert.equal(told.subscribed, true)
  await speaker.client.request("ask", { content: "2", session_id: "s" })
  await listener.note(
    ({ method, params }) =>
      method === "session.activity" && params.activity.content === "two" && params.activity.type === "result",
  )
  const seen = listener.notes.filter(({ method }) => method === "session.activity").map(({ params }) => params.activity)
  const whole: Any = await speaker.client.request("session.get", { session_id: "s" })
  assert.deepEqual(seen, whole.activity.slice(1))
  assert.deepEqual(
    whole.activity.map((one: Any) => one.id),
    whole.activity.map((_: Any, i: number) => i + 1),
  )
  assert.equal(((await listener.client.request("session.unsubscribe", { session_id: "s" })) as Any).unsubscribed, true)
  assert.equal(((await listener.client.request("session.unsubscribe", { session_id: "s" })) as Any).unsubscribed, false)
})

test("export and import keep a session whole; bad data changes nothing", async (t) => {
  const { house, fake } = await open(t)
  const { client } = await talk(t, house)
  fake.script({ calls: [{ name: "LS", args: { path: "." } }] }, { text: "Empty." })
  await client.request("ask", { content: "列出文件", session_id: "e", cwd: house.work })
  await client.request("session.rename", { session_id: "e", name: "出口" })
  await client.request("session.tag", { session_id: "e", tag: "x" })
  const { data } = (await client.request("session.export", { session_id: "e" })) as Any
  const before: Any = await client.request("session.get", { session_id: "e" })
  await client.request("session.delete", { session_id: "e" })
  const after: Any = await client.request("session.import", { data })
  const bare = (activity: Any[]) =>
    activity.map(({ id, type, prompt, content, event }) => ({ id, type, prompt, content, event }))
  assert.deepEqual(bare(after.activity), bare(before.activity))
  assert.deepEqual([after.name, after.tags, after.archived], ["出口", ["x"], false])
  // The model sees what was imported.
  fake.script({ text: "still there" })
  await client.request("ask", { content: "and now?", session_id: "e" })
  assert.match(JSON.stringify(fake.requests.at(-1)?.body), /列出文件/)
  const markdown = await fetch(`${house.url}/api/sessions/export/e?format=markdown`, { headers: bearer })
  assert.match(markdown.headers.get("content-type") ?? "", /text\/markdown/)
  assert.match(await markdown.text(), /^# 出口\n[\s\S]*列出文件/)
  for (const bad of [
    "",
    "{",
    "[]",
    '{"version":"9.0","session":{"id":"e"}}',
    '{"version":"1.0"}',
    '{"session":{"id":""}}',
  ])
    await assert.rejects(() => Promise.resolve(client.request("session.import", { data: bad })), bad)
  assert.equal(((await client.request("session.get", { session_id: "e" })) as Any).name, "出口")
})

test("a stream goes on when its caller leaves", async (t) => {
  const { house, fake } = await open(t)
  const [leaver, stayer] = [await talk(t, house), await talk(t, house)]
  await stayer.client.request("session.subscribe", { session_id: "long" })
  fake.script({ text: "the whole answer" })
  leaver.socket.send('{"jsonrpc":"2.0","id":1,"method":"ask_stream","params":{"content":"go","session_id":"long"}}')
  await stayer.note(({ method, params }) => method === "session.updated" && params.session.id === "long")
  leaver.socket.terminate()
  const done = await stayer.note(({ method, params }) => method === "event" && params.type === "output_final")
  assert.equal(done.content, "the whole answer")
})
