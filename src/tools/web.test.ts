import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { type WebServer, webServer } from "../../test/fakes/web-server.ts"
import { PincerError } from "../base/errors.ts"
import { type WebRequest, webRequest, webUrl } from "./web.ts"

const ask = (url: string, more: Partial<WebRequest> = {}) =>
  webRequest({
    url,
    timeoutMs: 5_000,
    maxBytes: 100_000,
    allowHosts: [],
    signal: new AbortController().signal,
    ...more,
  })

const is = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, text)
  return true
}

/** Answers by path; the allow-list entry for it is `host`. */
async function site(
  t: TestContext,
  pages: Record<string, string | { to: string; status?: number }>,
): Promise<WebServer> {
  return webServer(t, (request, response) => {
    const page = pages[request.url ?? ""]
    if (page === undefined) response.writeHead(404).end("gone")
    else if (typeof page === "string") response.writeHead(200, { "content-type": "text/plain" }).end(page)
    else response.writeHead(page.status ?? 302, { location: page.to }).end()
  })
}

test("private and local addresses are refused in every spelling, without a connection", async (t) => {
  const { port, asked } = await site(t, { "/": "secret" })
  for (const host of [
    ...[
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "0x7f.1",
      "127.0.0.1.",
      "①②⑦.0.0.1",
      "0",
      "localhost",
    ],
    ...[
      "[::1]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "[0:0:0:0:0:ffff:7f00:1]",
      "[::127.0.0.1]",
      "[64:ff9b::7f00:1]",
    ],
    ...["169.254.169.254", "198.18.0.1", "100.100.100.200", "10.0.0.1", "[fd00:ec2::254]"],
  ])
    await assert.rejects(ask(`http://${host}:${port}/`), is("INVALID_PARAMS", /private or local address/), host)
  assert.deepEqual(asked, [])
})

test("a name is refused when any of its addresses is private", async () => {
  for (const addresses of [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:169.254.169.254"]])
    await assert.rejects(
      ask("http://rebind.example/", { lookup: async () => addresses }),
      is("INVALID_PARAMS", /private or local/),
    )
})

test("the connection goes to the address that was judged, whatever the name means by then", async (t) => {
  const { port, asked } = await site(t, { "/": "pinned" })
  let lookups = 0
  const lookup = async () => {
    lookups += 1
    return ["127.0.0.1"]
  }
  const url = `http://does-not-exist.invalid:${port}/`
  const { body } = await ask(url, { lookup, allowHosts: ["does-not-exist.invalid"] })
  assert.equal(String(body), "pinned")
  assert.equal(lookups, 1)
  assert.equal(asked[0]?.headers.host, `does-not-exist.invalid:${port}`)
})

test("allowHosts opens a host, or one port of it, and nothing else", async (t) => {
  const { url, port } = await site(t, { "/": "ok" })
  assert.equal((await ask(`${url}/`, { allowHosts: ["127.0.0.1"] })).status, 200)
  assert.equal((await ask(`${url}/`, { allowHosts: [`127.0.0.1:${port}`] })).status, 200)
  for (const entry of [`127.0.0.1:${port + 1}`, "127.0.0.2", "0.0.1", "localhost", ""])
    await assert.rejects(ask(`${url}/`, { allowHosts: [entry] }), is("INVALID_PARAMS", /private/), entry)
})

test("every redirect is judged anew", async (t) => {
  const { port: inner, asked } = await site(t, { "/": "metadata" })
  const { url, host } = await site(t, {
    "/in": { to: `http://localhost:${inner}/` },
    "/file": { to: "file:///etc/passwd" },
    "/user": { to: "http://user:pw@example.com/" },
    "/bad": { to: "http://[" },
  })
  const allowHosts = [host]
  await assert.rejects(ask(`${url}/in`, { allowHosts }), is("INVALID_PARAMS", /localhost:\d+ is a private/))
  await assert.rejects(ask(`${url}/file`, { allowHosts }), is("INVALID_PARAMS", /file: URLs are not fetched/))
  await assert.rejects(ask(`${url}/user`, { allowHosts }), is("INVALID_PARAMS", /user name or password/))
  await assert.rejects(ask(`${url}/bad`, { allowHosts }), is("UNAVAILABLE", /not a URL/))
  assert.deepEqual(asked, [])
})

test("five redirects are followed, a sixth is not", async (t) => {
  const pages: Parameters<typeof site>[1] = { "/6": "end" }
  for (let i = 0; i < 6; i++) pages[`/${i}`] = { to: `/${i + 1}` }
  const { url, host } = await site(t, pages)
  const response = await ask(`${url}/1`, { allowHosts: [host] })
  assert.deepEqual([String(response.body), response.url], ["end", `${url}/6`])
  await assert.rejects(ask(`${url}/0`, { allowHosts: [host] }), is("UNAVAILABLE", /more than 5 times/))
})

test("keys are not taken along to another origin, nor a body", async (t) => {
  const other = await site(t, { "/": "other" })
  const first = await site(t, { "/get": { to: `${other.url}/` }, "/post": { to: `${other.url}/`, status: 307 } })
  const options = { allowHosts: [first.host, other.host], headers: { authorization: "Bearer canary" } }
  await ask(`${first.url}/get`, options)
  assert.equal(first.asked[0]?.headers.authorization, "Bearer canary")
  assert.equal(other.asked[0]?.headers.authorization, undefined)
  await assert.rejects(
    ask(`${first.url}/post`, { ...options, method: "POST", body: "canary" }),
    is("UNAVAILABLE", /redirects a POST/),
  )
  assert.equal(other.asked.length, 1)
})

test("bodies are capped, after decompression too", async (t) => {
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  const { url, host } = await webServer(t, (request, response) => {
    if (request.url === "/bomb") response.writeHead(200, { "content-encoding": "gzip" }).end(bomb)
    else if (request.url === "/br")
      response.writeHead(200, { "content-encoding": "br" }).end(brotliCompressSync("你好"))
    else if (request.url === "/broken") response.writeHead(200, { "content-encoding": "gzip" }).end("no gzip")
    else {
      const more = () => response.write("x".repeat(10_000), () => response.destroyed || more())
      response.writeHead(200)
      more()
    }
  })
  for (const path of ["/bomb", "/endless"]) {
    const { body, cut } = await ask(url + path, { allowHosts: [host] })
    assert.deepEqual([body.length, cut], [100_000, true], path)
  }
  assert.equal(String((await ask(`${url}/br`, { allowHosts: [host] })).body), "你好")
  await assert.rejects(ask(`${url}/broken`, { allowHosts: [host] }), is("UNAVAILABLE", /could not be read/))
})

test("slow, dead and unknown hosts are said to be so; cancel is the caller's own reason", async (t) => {
  const { url, host } = await webServer(t, (request, response) => {
    if (request.url === "/half") {
      response.writeHead(200, { "content-length": "100" }).write("half")
      setImmediate(() => response.destroy())
    } else if (request.url === "/drip") response.writeHead(200).write("x")
  })
  const allowHosts = [host]
  await assert.rejects(ask(`${url}/silent`, { allowHosts, timeoutMs: 100 }), is("TIMEOUT", /did not answer in time/))
  await assert.rejects(ask(`${url}/drip`, { allowHosts, timeoutMs: 100 }), is("TIMEOUT", /did not answer in time/))
  await assert.rejects(ask(`${url}/half`, { allowHosts }), is("UNAVAILABLE", /could not be read/))
  const lookup = async () => new Promise<string[]>(() => undefined)
  await assert.rejects(ask("http://slow.example/", { lookup, timeoutMs: 50 }), is("TIMEOUT", /in time/))
  await assert.rejects(ask("http://x.invalid/", { lookup: async () => [] }), is("UNAVAILABLE", /no address/))
  const controller = new AbortController()
  const asking = ask(`${url}/silent`, { allowHosts, signal: controller.signal })
  const canceled = assert.rejects(asking, { name: "AbortError" })
  setImmediate(() => controller.abort())
  await canceled
})

test("webUrl() takes http and https only", () => {
  for (const url of ["ftp://x/", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "gopher://x"])
    assert.throws(() => webUrl(url), is("INVALID_PARAMS", /only https and http/), url)
  for (const url of ["", "example.com", "http://", "//x"])
    assert.throws(() => webUrl(url), is("INVALID_PARAMS", /is not a URL/), url)
  assert.throws(
    () => webUrl("https://me:secret@x/"),
    (error: Error) => !error.message.includes("secret"),
  )
})
