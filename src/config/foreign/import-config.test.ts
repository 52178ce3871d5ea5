import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { checkText } from "../check.ts"
import { type Foreign, planImport } from "./import-config.ts"

const OPENCLAW = `{
  // JSON5, as people write it
  gateway: { port: 18790, bind: 'loopback', mode: 'local', auth: { mode: 'token', token: 's3cret-token-0123456789' },
    controlUi: { allowedOrigins: ['https://ui.example'] }, tailscale: { mode: 'serve' } },
  agents: {
    defaults: { workspace: '/srv/work', model: { primary: 'anthropic/claude-x', fallbacks: ['own/small'] }, thinkingDefault: 'high', heartbeat: { every: '30m' } },
    list: [{ id: 'main', default: true }, { id: 'Büro 2', name: 'Büro', model: 'own/small' }],
  },
  models: { providers: { own: { baseUrl: 'http://127.0.0.1:9/v1', api: 'openai-completions', apiKey: '\${OWN_KEY}',
    models: [{ id: 'small', name: 'Small', cost: { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 0 } }] } } },
  tools: { profile: 'coding', deny: ['browser'], exec: { timeoutSec: 90 }, web: { search: { provider: 'brave', apiKey: 'brave-s3cret' } } },
  mcp: { servers: { files: { command: 'npx', args: ['-y', 'server'], env: { TOKEN: '\${MCP_TOKEN}' } } } },
  channels: { telegram: { botToken: '123:s3cret', allowFrom: ['me'] } },
  logging: { level: 'trace' },
}`

const CLAWGO = {
  agents: {
    defaults: {
      workspace: "/srv/clawgo",
      proxy: "cloud",
      proxy_fallbacks: ["proxy"],
      max_tokens: 4096,
      temperature: 0.3,
      max_tool_iterations: 12,
    },
  },
  providers: {
    proxy: { api_key: "", api_base: "http://localhost:8080/v1", models: ["m1"], timeout_sec: 60 },
    proxies: {
      cloud: {
        api_key: "s3cret-cloud",
        api_base: "https://api.example/v1",
        protocol: "responses",
        models: ["big"],
        timeout_sec: 90,
      },
    },
  },
  gateway: { host: "127.0.0.1", port: 18790, token: "" },
  tools: { shell: { enabled: false, timeout: 60_000_000_000 } },
  cron: { max_workers: 3, retry_backoff_base_sec: 20, min_sleep_sec: 1 },
}

function open(t: TestContext, files: Record<string, string>) {
  const home = mkdtempSync(join(tmpdir(), "pincer-import-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(home, name, ".."), { recursive: true })
    writeFileSync(join(home, name), text)
  }
  const plan = (from: Foreign, current?: string, overrule = false, path?: string) =>
    planImport({ from, path, env: { HOME: home }, cwd: home, current, overrule })
  return { home, plan }
}

test("OpenClaw's settings are found, moved, and what has no counterpart is listed", async (t) => {
  const { plan } = open(t, { ".openclaw/openclaw.json": OPENCLAW })
  const { left, mapped, patch } = await plan("openclaw")
  const checked = checkText(JSON.stringify(patch))
  assert.ok(checked.ok, JSON.stringify(checked))
  const { agents, gateway, log, models, policy, providers, tools } = checked.config
  assert.deepEqual([gateway.host, gateway.port], ["127.0.0.1", 18790])
  assert.equal(agents.defaults.model, "anthropic/claude-x")
  assert.equal(agents.defaults.thinking, "high")
  assert.equal(agents.entries["b-ro-2"]?.model, "own/small")
  assert.deepEqual(providers["own"]?.apiKey, { env: "OWN_KEY" })
  assert.equal(providers["own"]?.wire, "openai-chat")
  assert.equal(models.prices["own/small"]?.output, 2)
  assert.equal(tools.exec.timeoutMs, 90_000)
  assert.deepEqual(tools.mcpServers["files"]?.env, { TOKEN: { env: "MCP_TOKEN" } })
  assert.equal(policy.profile, "coding")
  assert.equal(log.level, "debug")
  const paths = left.map((one) => one.path)
  for (const path of ["channels", "gateway.tailscale", "agents.defaults.heartbeat"])
    assert.ok(paths.includes(path), path)
  assert.doesNotMatch(JSON.stringify({ mapped, left }), /s3cret/)
})

test("ClawGo's settings: snake_case, proxies as providers, durations in their units", async (t) => {
  const { plan } = open(t, { ".clawgo/config.json": JSON.stringify(CLAWGO) })
  const { left, patch } = await plan("clawgo")
  const checked = checkText(JSON.stringify(patch))
  assert.ok(checked.ok, JSON.stringify(checked))
  const { agents, models, policy, providers, tools } = checked.config
  assert.equal(agents.defaults.model, "cloud/big")
  assert.equal(agents.defaults.limits.maxModelCalls, 12)
  assert.equal(providers["cloud"]?.wire, "openai-responses")
  assert.equal(providers["proxy"]?.wire, "openai-chat")
  assert.equal(providers["proxy"]?.stallMs, 60_000)
  assert.deepEqual(models.fallbackProviders, ["proxy"])
  assert.equal(tools.exec.timeoutMs, 60_000)
  assert.deepEqual(policy.deny, ["bash"])
  assert.deepEqual([checked.config.cron.maxConcurrent, checked.config.cron.backoffMs], [3, 20_000])
  assert.ok(left.some(({ path }) => path === "cron.min_sleep_sec"))
})

test("what our file says already stays, unless it is to be overruled", async (t) => {
  const { plan } = open(t, { ".openclaw/openclaw.json": OPENCLAW })
  const ours = '{"gateway": {"port": 4000}}'
  const kept = await plan("openclaw", ours)
  assert.deepEqual(kept.kept, ["gateway.port"])
  assert.equal((kept.patch["gateway"] as { port?: number }).port, undefined)
  const overruled = await plan("openclaw", ours, true)
  assert.equal((overruled.patch["gateway"] as { port?: number }).port, 18790)
})

test("a value that would not be valid here is left out with the reason, and the rest goes on", async (t) => {
  const { plan } = open(t, { "their.json": "{gateway: {port: 'many', bind: 'loopback'}, logging: {level: 'info'}}" })
  const { left, mapped } = await plan("openclaw-py", undefined, false, "their.json")
  assert.deepEqual(mapped.map(({ to }) => to).sort(), ["gateway.host", "log.level"])
  assert.match(left.find(({ path }) => path === "gateway.port")?.why ?? "", /must be a number|whole number/)
})

test("a file that is not there or not JSON5 is refused by name; nothing is written beside it", async (t) => {
  const { home, plan } = open(t, { "bad.json": "{{" })
  await assert.rejects(plan("clawgo"), /no configuration of clawgo at .*\.clawgo\/config\.json/)
  await assert.rejects(plan("clawgo", undefined, false, "bad.json"), /bad\.json is not JSON5/)
  assert.deepEqual(readdirSync(home), ["bad.json"])
})
