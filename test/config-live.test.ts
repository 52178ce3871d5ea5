// A running gateway and its configuration file: what a person changes in the file counts without a restart, what is wrong with it changes
// nothing and is told, and connections and turns do not notice.
import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { type House, startHouse } from "./house.ts"

interface News {
  cause: string
  ok: boolean
  changed: string[]
  restart: string[]
  refused?: { message: string; issues: { line?: number; column?: number }[] }
}

async function open(t: TestContext, config: Record<string, unknown> = {}) {
  const house = await startHouse({ config })
  t.after(() => house.close())
  const client = await connect(t, house)
  const waiting: ((news: News) => void)[] = []
  const heard: News[] = []
  client.on("config.changed", ({ payload }) => {
    heard.push(payload as News)
    waiting.shift()?.(payload as News)
  })
  const file = join(house.home, "pincer.json")
  return {
    house,
    client,
    file,
    heard,
    text: () => readFileSync(file, "utf8"),
    /** Writes as an editor does, and waits for what the gateway says to that. */
    async write(text: string): Promise<News> {
      const news = new Promise<News>((resolve) => waiting.push(resolve))
      writeFileSync(file, text)
      return news
    },
  }
}

async function connect(t: TestContext, house: House): Promise<GatewayClient> {
  const client = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "test", version: "1", platform: "test", mode: "backend" },
    WebSocket,
  })
  t.after(() => client.close())
  return client
}

test("an edited file counts without a restart: agents, models, limits, origins; what cannot waits and is named", async (t) => {
  const { client, house, text, write } = await open(t)
  const value = JSON.parse(text()) as Record<string, object>
  const next = {
    ...value,
    gateway: { ...value["gateway"], allowedOrigins: ["https://mine.example"], host: "localhost" },
    agents: { entries: { helper: { name: "Helper", systemPrompt: "Be kind." } } },
    providers: { own: { wire: "openai-chat", baseUrl: "http://127.0.0.1:9/v1", models: ["small"] } },
    turns: { maxQueued: 3 },
    tools: { exec: { env: { MINE: "1" } } },
  }
  const news = await write(JSON.stringify(next))
  assert.equal(news.ok, true)
  assert.equal(news.cause, "file")
  assert.deepEqual(news.restart, ["gateway.host"])
  const { agents } = await client.request<{ agents: { id: string }[] }>("agents.list")
  assert.ok(agents.some(({ id }) => id === "helper"))
  const { models } = await client.request<{ models: { id: string; provider: string }[] }>("models.list")
  assert.ok(models.some((model) => model.provider === "own"))
  assert.equal(house.parts.config.turns.maxQueued, 3)
  const page = await fetch(`${house.url}/health`, { headers: { origin: "https://mine.example" } })
  assert.notEqual(page.status, 403)
  const foreign = await fetch(`${house.url}/health`, { headers: { origin: "https://other.example" } })
  assert.equal(foreign.status, 403)
  const { configuration } = await client.request<{ configuration: { restart: string[] } }>("status")
  assert.deepEqual(configuration.restart, ["gateway.host"])
})

test("a broken file changes nothing, is told with its place, is not written over, and is taken up once it is mended", async (t) => {
  const { client, house, text, write } = await open(t, { turns: { maxQueued: 5 } })
  const good = text()
  const broken = '{\n  "turns": { "maxQueued": "many" }\n}'
  const news = await write(broken)
  assert.equal(news.ok, false)
  assert.deepEqual([news.refused?.issues[0]?.line, news.refused?.issues[0]?.column], [2, 14])
  assert.equal(house.parts.config.turns.maxQueued, 5)
  assert.equal(text(), broken)
  const status = await client.request<{ configuration: { refused?: { message: string } } }>("status")
  assert.match(status.configuration.refused?.message ?? "", /line 2, column 14/)
  await assert.rejects(client.request("config.set", { key: "turns.maxQueued", value: "few" }))
  assert.equal(text(), broken)
  const mended = await write(good.replace('"maxQueued": 5', '"maxQueued": 6'))
  assert.deepEqual([mended.ok, mended.changed], [true, ["turns.maxQueued"]])
})

test("an emptied file is not taken for all defaults", async (t) => {
  const { house, write } = await open(t, { turns: { maxQueued: 5 } })
  const news = await write("")
  assert.equal(news.ok, false)
  assert.match(news.refused?.message ?? "", /gone or empty/)
  assert.equal(house.parts.config.turns.maxQueued, 5)
})

test("what one client writes is told to all once, and the watched file is no further news", async (t) => {
  const { client, heard, house, write } = await open(t)
  const result = await client.request<{ changed: string[] }>("config.set", { key: "turns.maxQueued", value: 4 })
  assert.deepEqual(result.changed, ["turns.maxQueued"])
  // A change by hand that is heard afterwards: nothing came in between.
  await write(
    JSON.stringify({ ...JSON.parse(readFileSync(join(house.home, "pincer.json"), "utf8")), jobs: { maxQueued: 9 } }),
  )
  assert.deepEqual(
    heard.map((news) => news.cause),
    ["write", "file"],
  )
})

test("a file of 2,000 lines is loaded while answers go on: no frame is lost or doubled", async (t) => {
  const { client, house, write } = await open(t)
  const sessionKey = "agent:main:busy"
  const seen: number[] = []
  client.on("*", (frame) => void seen.push(frame.seq ?? -1))
  let stop = false
  const asking = (async () => {
    let answers = 0
    while (!stop) {
      await client.request("chat.send", { sessionKey, message: "help", wait: true })
      answers += 1
    }
    return answers
  })()
  const prices = Object.fromEntries(
    Array.from({ length: 500 }, (_, i) => [`own/model-${i}`, { input: i, output: i * 2 }]),
  )
  const text = JSON.stringify({ gateway: { port: 0, drainMs: 200 }, models: { discover: false, prices } }, null, 2)
  assert.ok(text.split("\n").length >= 2_000)
  const news = await write(text)
  assert.equal(news.ok, true, news.refused?.message)
  stop = true
  assert.ok((await asking) > 0)
  const numbered = seen.filter((seq) => seq >= 0)
  assert.deepEqual(
    numbered,
    Array.from({ length: numbered.length }, (_, i) => (numbered[0] ?? 0) + i),
  )
  assert.equal(Object.keys(house.parts.config.models.prices).length, 500)
})

test("all but a few places count without a restart; docs/configuration.md names those few", async (t) => {
  const { house } = await open(t)
  const { uiHints } = await import("../src/config/schema-view.ts")
  const paths = Object.keys(uiHints())
  const leaves = paths.filter((path) => !paths.some((other) => other.startsWith(`${path}.`)))
  const restart = leaves.filter((path) => !house.parts.live.isLive(path))
  const page = readFileSync(new URL("../docs/configuration.md", import.meta.url), "utf8")
  const named = page.slice(page.indexOf("## What needs a restart"), page.indexOf("## What cannot be used"))
  for (const path of restart) {
    const parts = path.split(".")
    const known = parts.some((_, i) => named.includes(`\`${parts.slice(0, i + 1).join(".")}\``))
    assert.ok(known, `${path} needs a restart, and docs/configuration.md does not say so`)
  }
  assert.ok(restart.includes("gateway.port"))
  for (const path of ["agents.defaults.model", "providers.*.apiKey", "tools.mcpServers.*.command", "cron.enabled"])
    assert.ok(!restart.includes(path), path)
})
