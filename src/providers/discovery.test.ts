import assert from "node:assert/strict"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { test } from "node:test"
import {
  baseUrlOf,
  type ConfiguredProvider,
  type DiscoveryInput,
  discover,
  probeLocal,
  withLocal,
} from "./discovery.ts"
import { serviceOf, services } from "./services.ts"

function entry(more: Partial<ConfiguredProvider> = {}): ConfiguredProvider {
  return { headers: {}, models: [], connectTimeoutMs: 1_000, stallMs: 1_000, quirks: {}, enabled: true, ...more }
}

function found(more: Partial<DiscoveryInput> = {}) {
  return discover({ configured: {}, env: {}, discover: true, keyOf: () => undefined, ...more })
}

const ids = (result: ReturnType<typeof found>) => result.settings.map((one) => one.id)

test("with nothing there is the offline model alone", () => {
  const result = found()
  assert.deepEqual(ids(result), ["offline"])
  assert.equal(result.settings[0]?.wire, "offline")
  assert.equal(result.defaultModels.get("offline"), "rules")
})

test("the configuration comes first, then keys in the environment in the table's order, offline last", () => {
  const result = found({
    configured: { "my-vllm": entry({ wire: "openai-chat", baseUrl: "http://10.0.0.1:8000/v1/", models: ["m"] }) },
    env: { GROQ_API_KEY: "g", OPENAI_API_KEY: "o", ANTHROPIC_API_KEY: "a", GEMINI_API_KEY: " " },
  })
  assert.deepEqual(ids(result), ["my-vllm", "anthropic", "openai", "groq", "offline"])
  assert.equal(result.settings[0]?.baseUrl, "http://10.0.0.1:8000/v1")
  assert.match(result.sources.get("anthropic") ?? "", /ANTHROPIC_API_KEY/)
})

test("a configured provider takes its key from the configuration before the environment, at the moment of use", () => {
  let key = "first"
  const result = found({
    configured: { openai: entry({ apiKey: { env: "X" } }), groq: entry() },
    env: { OPENAI_API_KEY: "from-env", GROQ_API_KEY: "groq-env" },
    keyOf: () => key,
  })
  key = "second"
  assert.deepEqual(ids(result), ["openai", "groq", "offline"])
  assert.equal(result.settings[0]?.apiKey(), "second")
  assert.equal(result.settings[1]?.apiKey(), "groq-env")
})

test("what is disabled stays away even when its key is in the environment", () => {
  const configured = { openai: entry({ enabled: false }) }
  assert.deepEqual(ids(found({ configured, env: { OPENAI_API_KEY: "o" } })), ["offline"])
})

test("discover: false leaves the environment alone", () => {
  assert.deepEqual(ids(found({ discover: false, env: { OPENAI_API_KEY: "o" } })), ["offline"])
})

test("what cannot work is left out with a sentence that says what to do", () => {
  const result = found({
    configured: { openai: entry(), odd: entry(), other: entry({ service: "nobody" }) },
  })
  assert.deepEqual(ids(result), ["offline"])
  assert.match(
    result.problems.join("\n"),
    /providers\.openai has no key: set providers\.openai\.apiKey or OPENAI_API_KEY/,
  )
  assert.match(result.problems.join("\n"), /providers\.odd: name a known "service"/)
  assert.match(result.problems.join("\n"), /there is no service "nobody"; known ones: anthropic/)
})

test("a server on this machine is sent the key that it was given, and none otherwise", () => {
  const result = found({
    configured: { vllm: entry({ apiKey: "k" }), ollama: entry() },
    keyOf: () => "k",
  })
  assert.equal(result.settings[0]?.quirks.keyless, false)
  assert.equal(result.settings[1]?.quirks.keyless, true)
})

test("a local server that the default model names is there before it was looked for", () => {
  const result = found({ chosenModel: "ollama/llama3" })
  assert.deepEqual(ids(result), ["ollama", "offline"])
})

test("an OpenAI address that was moved speaks chat completions", () => {
  const env = { OPENAI_API_KEY: "o" }
  assert.equal(found({ env }).settings[0]?.wire, "openai-responses")
  const moved = found({ env: { ...env, OPENAI_BASE_URL: "http://127.0.0.1:4000/v1" } }).settings[0]
  assert.equal(moved?.wire, "openai-chat")
  assert.equal(moved?.baseUrl, "http://127.0.0.1:4000/v1")
  const named = found({ configured: { openai: entry({ baseUrl: "http://x/v1", wire: "openai-responses" }) }, env })
  assert.equal(named.settings[0]?.wire, "openai-responses")
})

test("companion variables move the base URL, each in its own form", () => {
  const cases: [id: string, given: string, url: string][] = [
    ["anthropic", "https://proxy.example", "https://proxy.example/v1"],
    ["anthropic", "https://proxy.example/v1/", "https://proxy.example/v1"],
    ["gemini", "https://proxy.example/", "https://proxy.example/v1beta"],
    ["openai", "https://proxy.example/openai", "https://proxy.example/openai"],
    ["ollama", "0.0.0.0", "http://127.0.0.1:11434/v1"],
    ["ollama", "box:1234", "http://box:1234/v1"],
    ["ollama", "http://box:80", "http://box/v1"],
    ["ollama", "https://box.example", "https://box.example/v1"],
    ["ollama", "not a url", "http://127.0.0.1:11434/v1"],
  ]
  for (const [id, given, url] of cases) {
    const row = serviceOf(id)!
    assert.equal(baseUrlOf(row, { [row.baseUrlEnv!]: given }), url, `${id} ${given}`)
  }
})

test("the service table: ids are unique, hosted services have a key variable and a default model", () => {
  assert.equal(new Set(services.map((row) => row.id)).size, services.length)
  for (const row of services) {
    assert.ok(URL.canParse(row.baseUrl), row.id)
    assert.equal(row.keyEnv.length > 0, !row.local, row.id)
    if (!row.local) assert.ok(row.defaultModel, row.id)
  }
})

interface Server {
  url: string
  seen: http.IncomingHttpHeaders[]
  close(): Promise<void>
}

async function serve(answer: (response: http.ServerResponse) => void): Promise<Server> {
  const seen: http.IncomingHttpHeaders[] = []
  const server = http.createServer((request, response) => {
    seen.push(request.headers)
    answer(response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const json = (body: unknown) => (response: http.ServerResponse) =>
  void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))

test("probeLocal() finds servers that list models, sends no credential, and puts embedding models last", async () => {
  const server = await serve(json({ data: [{ id: "nomic-embed-text" }, { id: "llama3" }, { id: 7 }] }))
  try {
    const all = await probeLocal([{ id: "ollama", baseUrl: server.url }], 2_000, new AbortController().signal)
    assert.deepEqual(all, [{ id: "ollama", baseUrl: server.url, models: ["llama3", "nomic-embed-text"] }])
    for (const name of ["authorization", "x-api-key", "x-goog-api-key", "cookie"])
      assert.equal(server.seen[0]?.[name], undefined)
  } finally {
    await server.close()
  }
})

test("probeLocal() leaves out dead ports, silence, HTML, redirects and refusals, and does not wait for them longer than told", async () => {
  const dead = await serve(() => undefined)
  await dead.close()
  const silent = await serve(() => undefined)
  const endless = await serve(
    (response) => void response.writeHead(200, { "content-type": "application/json" }).write("["),
  )
  const html = await serve((response) => void response.end("<html>"))
  const moved = await serve((response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end())
  const closed = await serve((response) => void response.writeHead(401).end())
  const empty = await serve(json({ data: [] }))
  const servers = [silent, endless, html, moved, closed, empty]
  try {
    const rows = [dead, ...servers].map((server, i) => ({ id: `s${i}`, baseUrl: server.url }))
    const began = performance.now()
    assert.deepEqual(await probeLocal(rows, 150, new AbortController().signal), [])
    assert.ok(performance.now() - began < 1_500)
    const quick = performance.now()
    assert.deepEqual(await probeLocal(rows.slice(0, 1), 60_000, new AbortController().signal), [])
    assert.ok(performance.now() - quick < 5_000)
  } finally {
    await Promise.all(servers.map((server) => server.close()))
  }
})

test("local servers come after what the user named and before the offline model, without a key", () => {
  const before = found({ env: { OPENAI_API_KEY: "o" } })
  const after = withLocal(before, [
    { id: "ollama", baseUrl: "http://127.0.0.1:11434/v1", models: ["llama3"] },
    { id: "openai", baseUrl: "http://127.0.0.1:1/v1", models: ["impostor"] },
  ])
  assert.deepEqual(
    after.settings.map((one) => one.id),
    ["openai", "ollama", "offline"],
  )
  assert.equal(after.settings[1]?.quirks.keyless, true)
  assert.equal(after.settings[1]?.apiKey(), undefined)
  assert.equal(after.defaultModels.get("ollama"), "llama3")
  assert.deepEqual(
    before.settings.map((one) => one.id),
    ["openai", "offline"],
  )
})
