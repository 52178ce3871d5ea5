// What a web page may do to a gateway on this machine: nothing, unless it is ours or listed. Foreign and look-alike origins, rebound
// names, and requests that browsers send without asking first; on HTTP and on WebSocket.
import assert from "node:assert/strict"
import http from "node:http"
import { after, before, test } from "node:test"
import { openRaw } from "./frames.ts"
import { type House, startHouse } from "./house.ts"

let house: House
before(async () => {
  house = await startHouse({
    config: { gateway: { allowedOrigins: ["https://app.example"], allowedHosts: ["pincer.example"] } },
  })
})
after(() => house.close())

/** A plain request with exactly these headers; the status. */
function ask(method: string, path: string, headers: Record<string, string>, body = ""): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${house.url}${path}`, { method, headers, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.once("error", reject)
    request.end(body)
  })
}

/** 101 when the socket opens, else the status of the refusal. */
async function upgrade(headers: Record<string, string>, path = ""): Promise<number> {
  try {
    const { socket } = await openRaw(`${house.wsUrl}${path}`, { headers })
    socket.terminate()
    return 101
  } catch (error) {
    return Number(/Unexpected server response: (\d+)/.exec(String(error))?.[1])
  }
}

const own = () => house.url
const port = () => new URL(house.url).port

const FOREIGN = (): string[] => [
  "https://evil.example",
  "null",
  "http://127.0.0.1",
  "http://127.0.0.1:1",
  `http://127.0.0.1:${port()}.evil.example`,
  `http://127.0.0.1:${port()}@evil.example`,
  "https://app.example.evil.example",
  "http://app.example",
  "https://app.example:8443",
  "file://",
]

test("a socket opens for our own page, a listed one, and programs, which send no Origin; for nobody else", async () => {
  assert.equal(await upgrade({}), 101)
  assert.equal(await upgrade({ origin: own() }), 101)
  assert.equal(await upgrade({ origin: "https://app.example" }), 101)
  for (const origin of FOREIGN()) assert.equal(await upgrade({ origin }), 403, origin)
})

test("the token does not help a foreign page, on any path", async () => {
  for (const path of ["/", "/ws", "/gateway", "/v1/chat/completions?x=1"]) {
    const headers = { origin: "https://evil.example", authorization: `Bearer ${house.token}` }
    assert.equal(await upgrade(headers, path), 403, path)
  }
})

test("HTTP routes refuse foreign pages before anything of them is read", async () => {
  const authorization = `Bearer ${house.token}`
  for (const path of ["/health", "/v1/models", "/nowhere"]) {
    assert.notEqual(await ask("GET", path, { authorization }), 403, path)
    assert.notEqual(await ask("GET", path, { authorization, origin: own() }), 403, path)
    for (const origin of FOREIGN())
      assert.equal(await ask("GET", path, { authorization, origin }), 403, `${path} ${origin}`)
  }
})

test("a rebound name is refused on HTTP and on WebSocket, whatever its Origin says", async () => {
  for (const host of [
    "evil.example",
    `evil.example:${port()}`,
    "127.0.0.1.nip.io",
    "localhost.evil.example",
    "0.0.0.0",
    "2130706433",
  ]) {
    assert.equal(await ask("GET", "/health", { host }), 403, host)
    assert.equal(await ask("GET", "/v1/models", { host, authorization: `Bearer ${house.token}` }), 403, host)
    assert.equal(await upgrade({ host }), 403, host)
    assert.equal(await upgrade({ host, origin: `http://${host}` }), 403, host)
  }
  for (const host of ["localhost", `localhost:${port()}`, `[::1]:${port()}`, "pincer.example"]) {
    assert.equal(await ask("GET", "/health", { host }), 200, host)
    assert.equal(await upgrade({ host }), 101, host)
  }
})

test("a form or a text post is refused on every route that acts", async () => {
  const body = JSON.stringify({ model: "pincer", messages: [{ role: "user", content: "hi" }] })
  const authorization = `Bearer ${house.token}`
  for (const path of ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"])
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "text/plain;application/json",
    ]) {
      const status = await ask("POST", path, { authorization, "content-type": type }, body)
      assert.ok(status === 415 || status === 400, `${path} ${type}: ${status}`)
    }
  assert.equal((await house.parts.store.turns.list({ limit: 10 })).length, 0, "and nothing ran")
})

test("a page's preflight is not answered with leave", async () => {
  const headers = { origin: "https://evil.example", "access-control-request-method": "POST" }
  assert.equal(await ask("OPTIONS", "/v1/chat/completions", headers), 403)
})

test("a refusal names the origin and gives nothing away", async () => {
  const { status, text } = await fetch(`${house.url}/v1/models`, { headers: { origin: "https://evil.example" } }).then(
    async (response) => ({ status: response.status, text: await response.text() }),
  )
  assert.equal(status, 403)
  assert.ok(!text.includes(house.token))
  assert.match(text, /evil\.example/)
})
