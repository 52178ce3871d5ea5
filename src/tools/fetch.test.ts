import assert from "node:assert/strict"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { webServer } from "../../test/fakes/web-server.ts"
import { webFetch } from "./fetch.ts"

const pages: Record<string, [type: string, body: string | Buffer]> = {
  "/html": ["text/html; charset=utf-8", "<title>Doc</title><h1>标题</h1><script>x()</script><p>Text</p>"],
  "/gbk": ["text/html", Buffer.concat([Buffer.from('<meta charset="gbk"><p>'), Buffer.from([0xc4, 0xe3, 0xba, 0xc3])])],
  "/json": ["application/json", '{"a":[1,2]}'],
  "/not-json": ["application/json", "{oops"],
  "/png": ["image/png", Buffer.from("89504e47", "hex")],
  "/untyped": ["", Buffer.from([0, 1, 2])],
  "/long": ["text/plain", "0123456789".repeat(500)],
  "/odd": ["text/plain; charset=klingon", "plain"],
}

async function room(t: Parameters<typeof toolRoom>[0]) {
  const server = await webServer(t, (request, response) => {
    const page = pages[request.url ?? ""]
    if (request.url === "/moved") response.writeHead(301, { location: "/html" }).end()
    else if (page) response.writeHead(200, page[0] === "" ? {} : { "content-type": page[0] }).end(page[1])
    else response.writeHead(404, { "content-type": "text/plain" }).end("no such page")
  })
  const room = await toolRoom(t, { fetch: { timeoutMs: 5_000, maxBytes: 100_000, allowHosts: [server.host] } })
  return {
    ...room,
    fetch: (path: string, more = {}) => room.call(webFetch, { url: server.url + path, ...more }),
    server,
  }
}

test("WebFetch turns pages into text by what they are", async (t) => {
  const { fetch, server } = await room(t)
  assert.equal(textIn(await fetch("/html")), "Doc\n\n标题\n\nText")
  assert.equal(textIn(await fetch("/gbk")), "你好")
  assert.equal(textIn(await fetch("/json")), '{\n  "a": [\n    1,\n    2\n  ]\n}')
  assert.equal(textIn(await fetch("/not-json")), "{oops")
  assert.equal(textIn(await fetch("/odd")), "plain")
  assert.equal(textIn(await fetch("/png")), `${server.url}/png is image/png (4 bytes); it was not shown.`)
  assert.match(textIn(await fetch("/untyped")), /is application\/octet-stream \(3 bytes\)/)
  assert.match(textIn(await fetch("/moved")), /^\[redirected to .*\/html\]\nDoc/)
})

test("WebFetch pages long texts", async (t) => {
  const { fetch, context } = await room(t)
  context.settings = { ...context.settings, maxOutputChars: 1_000 }
  const first = textIn(await fetch("/long"))
  assert.match(first, /\n\[characters 1-1000 of 5000; next: offset 1000\]$/)
  assert.equal(textIn(await fetch("/long", { offset: 4_995 })), "56789")
  assert.match(textIn(await fetch("/long", { offset: 5_000 })), /only 5000 characters/)
})

test("WebFetch marks what failed, and refuses private addresses", async (t) => {
  const { fetch, call } = await room(t)
  const gone = await fetch("/none")
  assert.deepEqual([gone.isError, textIn(gone)], [true, "[status 404]\nno such page"])
  await assert.rejects(call(webFetch, { url: "http://169.254.169.254/latest/meta-data/" }), /private or local/)
})

test("WebFetch names its host for policy and refuses other URLs before anything runs", async () => {
  assert.deepEqual((await webFetch.touch({ url: "https://EXAMPLE.com:8443/x" }, "/")).hosts, ["example.com:8443"])
  assert.deepEqual((await webFetch.touch({ url: "http://0x7f.1/" }, "/")).hosts, ["127.0.0.1"])
  await assert.rejects(webFetch.touch({ url: "file:///etc/passwd" }, "/"), /only https and http/)
})
