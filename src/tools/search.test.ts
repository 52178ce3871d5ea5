import assert from "node:assert/strict"
import type { ServerResponse } from "node:http"
import { type TestContext, test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { webServer } from "../../test/fakes/web-server.ts"
import { readResultsPage, webSearch } from "./search.ts"
import type { ToolSettings } from "./tool.ts"

const PAGE = `<div class="result"><h2><a rel="nofollow" class="result__a" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fa.example%2Fx%3Fy%3D1&amp;rut=z">A &amp; <b>B</b></a></h2>
<a class="result__snippet" href="#">Some <b>snippet</b> &#x4f60;&#22909;</a></div>
<div class="result result--ad"><a class="result__a" href="https://duckduckgo.com/y.js?ad=1">Ad</a></div>
<div class="result"><a class="result__a" href="https://b.example/">Plain</a><div class="result__snippet">second</div></div>
<div><a class="result__a" href="javascript:alert(1)">Bad</a></div>`

type Service = ToolSettings["search"]["service"]

async function room(t: TestContext, service: Service, answer: (response: ServerResponse) => void, key?: string) {
  const server = await webServer(t, (_request, response) => answer(response))
  const room = await toolRoom(t, { search: { service, apiKey: () => key, baseUrl: `${server.url}/` } })
  return { ...room, server, search: (args = {}) => room.call(webSearch, { query: "你好 world", ...args }) }
}

test("readResultsPage() reads titles, targets and snippets, and no advertisements", () => {
  assert.deepEqual(readResultsPage(PAGE), [
    { title: "A & B", url: "https://a.example/x?y=1", snippet: "Some snippet 你好" },
    { title: "Plain", url: "https://b.example/", snippet: "second" },
  ])
})

test("WebSearch asks DuckDuckGo without a key", async (t) => {
  const { search, server } = await room(t, "duckduckgo", (response) => response.end(PAGE))
  const text = textIn(await search({ count: 1 }))
  assert.equal(text, "1. A & B\n   https://a.example/x?y=1\n   Some snippet 你好")
  assert.deepEqual([server.asked[0]?.method, server.asked[0]?.url], ["POST", "/html/"])
  assert.equal(new URLSearchParams(server.asked[0]?.body).get("q"), "你好 world")
})

test("WebSearch asks Brave and Tavily with the key where each wants it", async (t) => {
  const row = { title: "T", url: "https://t.example", description: "<strong>D</strong>", content: "C" }
  const brave = await room(t, "brave", (response) => response.end(JSON.stringify({ web: { results: [row] } })), "k-1")
  assert.equal(textIn(await brave.search()), "1. T\n   https://t.example\n   D")
  assert.equal(brave.server.asked[0]?.headers["x-subscription-token"], "k-1")
  assert.doesNotMatch(brave.server.asked[0]?.url ?? "", /k-1/)
  const tavily = await room(t, "tavily", (response) => response.end(JSON.stringify({ results: [row] })), "k-2")
  assert.equal(textIn(await tavily.search({ count: 3 })), "1. T\n   https://t.example\n   C")
  assert.equal(tavily.server.asked[0]?.headers.authorization, "Bearer k-2")
  assert.deepEqual(JSON.parse(tavily.server.asked[0]?.body ?? ""), { query: "你好 world", max_results: 3 })
})

test("WebSearch says what is missing or broken, and never the key", async (t) => {
  const without = await room(t, "brave", (response) => response.end("{}"))
  assert.match(textIn(await without.search()), /brave needs a key/)
  assert.equal(without.server.asked.length, 0)
  const refused = await room(t, "tavily", (response) => response.writeHead(401).end("bad key canary-1"), "canary-1")
  assert.equal(textIn(await refused.search()), "tavily answered 401: check tools.search.apiKey")
  const html = await room(t, "brave", (response) => response.end("<html>"), "k")
  await assert.rejects(html.search(), /did not answer with JSON/)
  const nothing = await room(t, "brave", (response) => response.end("{}"), "k")
  assert.match(textIn(await nothing.search()), /Nothing was found for "你好 world"/)
  const robot = await room(t, "duckduckgo", (response) => response.end('<div class="anomaly-modal__title">'))
  await assert.rejects(robot.search(), /asks whether a person is searching/)
})
