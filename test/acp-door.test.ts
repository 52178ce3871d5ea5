// ACP over a WebSocket at /acp: who gets in, and that the same bridge answers.
import assert from "node:assert/strict"
import { once } from "node:events"
import { test } from "node:test"
import WebSocket from "ws"
import { startFakeModel } from "./fakes/model-service.ts"
import { startHouse } from "./house.ts"

async function refusalOf(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url, { headers })
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }]
  socket.on("error", () => undefined)
  socket.terminate()
  return response.statusCode
}

test("/acp asks for the token, the Host and the Origin before the upgrade", async (t) => {
  const house = await startHouse()
  t.after(() => house.close())
  const url = `${house.wsUrl}/acp`
  const token = { authorization: `Bearer ${house.token}` }
  assert.equal(await refusalOf(url, {}), 401)
  assert.equal(await refusalOf(url, { authorization: "Bearer wrong" }), 401)
  assert.equal(await refusalOf(url, { ...token, origin: "https://evil.example" }), 403)
  assert.equal(await refusalOf(url, { ...token, host: "evil.example" }), 403)
})

test("/acp speaks ACP, one object a frame, and survives what is none", async (t) => {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  const socket = new WebSocket(`${house.wsUrl}/acp`, { headers: { authorization: `Bearer ${house.token}` } })
  t.after(() => socket.terminate())
  const opened = once(socket, "open")
  const [response] = (await once(socket, "upgrade")) as [{ headers: Record<string, string> }]
  assert.match(response.headers["acp-connection-id"]!, /^[0-9a-f-]{36}$/)
  const answers = new Map<unknown, (message: Record<string, unknown>) => void>()
  const texts: string[] = []
  const odd = Promise.withResolvers<Record<string, unknown>>()
  socket.on("message", (data) => {
    const message = JSON.parse(String(data)) as Record<string, unknown>
    const update = (message["params"] as { update?: { sessionUpdate: string; content?: { text: string } } })?.update
    if (update?.sessionUpdate === "agent_message_chunk") texts.push(update.content!.text)
    if (message["id"] === null) odd.resolve(message)
    answers.get(message["id"])?.(message)
  })
  let id = 0
  const request = (method: string, params: unknown) =>
    new Promise<Record<string, unknown>>((resolve) => {
      const own = id++
      answers.set(own, (message) => resolve(message["result"] as Record<string, unknown>))
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: own, method, params }))
    })
  await opened
  socket.send("nonsense")
  assert.equal(((await odd.promise)["error"] as { code: number }).code, -32700)
  assert.equal((await request("initialize", { protocolVersion: 1, clientCapabilities: {} }))["protocolVersion"], 1)
  const { sessionId } = await request("session/new", { cwd: house.work, mcpServers: [] })
  const answer = await request("session/prompt", { sessionId, prompt: [{ type: "text", text: "hi" }] })
  assert.equal(answer["stopReason"], "end_turn")
  assert.equal(texts.join(""), "Hello from the fake model.")
})
