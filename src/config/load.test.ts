import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { PincerError } from "../base/errors.ts"
import { closest } from "./check.ts"
import { isLoopback, loadConfig, MAX_CONFIG_BYTES } from "./load.ts"

function homeWith(t: TestContext, text?: string): { home: string; file: string; env: Record<string, string> } {
  const home = mkdtempSync(join(tmpdir(), "pincer-config-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, "pincer.json")
  if (text !== undefined) writeFileSync(file, text, { mode: 0o600 })
  return { home, file, env: { PINCER_HOME: home } }
}

function refusal(run: () => unknown): PincerError {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof PincerError, String(error))
    return error
  }
  assert.fail("It was accepted")
}

test("loadConfig() takes an absent file for the defaults", (t) => {
  const { env, file } = homeWith(t)
  const loaded = loadConfig({ env })
  assert.equal(loaded.text, undefined)
  assert.equal(loaded.path, file)
  assert.deepEqual(loaded.warnings, [])
  assert.equal(loaded.config.gateway.port, 18789)
  assert.equal(loaded.config.gateway.host, "127.0.0.1")
})

test("loadConfig() says so when a config file that was named is not there", (t) => {
  const { home, env } = homeWith(t)
  const loaded = loadConfig({ env: { ...env, PINCER_CONFIG: join(home, "typo.json") } })
  assert.match(loaded.warnings.join(), /typo\.json does not exist/)
})

test("loadConfig() reads comments, trailing commas, a byte order mark, and an empty file", (t) => {
  const { env, file } = homeWith(t, '\ufeff{\n  // one\n  "gateway": { "port": 4711, /* two */ },\n}\n')
  assert.equal(loadConfig({ env }).config.gateway.port, 4711)
  for (const empty of ["", "  \n", "// nothing yet\n"]) {
    writeFileSync(file, empty)
    assert.equal(loadConfig({ env }).config.gateway.port, 18789)
  }
})

test("loadConfig() lets a flag beat the environment and the environment beat the file", (t) => {
  const { env } = homeWith(t, '{"gateway": {"port": 1000, "host": "10.0.0.1"}}')
  assert.deepEqual(hostAndPort(env), ["10.0.0.1", 1000])
  const both = { ...env, PINCER_GATEWAY_PORT: "2000", PINCER_GATEWAY_HOST: "10.0.0.2" }
  assert.deepEqual(hostAndPort(both), ["10.0.0.2", 2000])
  assert.deepEqual(hostAndPort(both, { port: "3000", host: "10.0.0.3" }), ["10.0.0.3", 3000])
  assert.deepEqual(hostAndPort(both, { port: 0 }), ["10.0.0.2", 0])
})

function hostAndPort(env: Record<string, string>, flags = {}): [string, number] {
  const { host, port } = loadConfig({ env, flags }).config.gateway
  return [host, port]
}

test("loadConfig() refuses a port that is none and names where it was said", (t) => {
  const { env } = homeWith(t)
  for (const port of ["65536", "-1", "1.5", "80x", ""])
    assert.match(refusal(() => loadConfig({ env, flags: { port } })).message, /^--port: ".*" is not a port/)
  assert.match(
    refusal(() => loadConfig({ env: { ...env, PINCER_GATEWAY_PORT: "http" } })).message,
    /^PINCER_GATEWAY_PORT: "http"/,
  )
})

test("loadConfig() names line and column of a syntax error", (t) => {
  const { env, file } = homeWith(t, '{\n  "gateway": {\n    "port" 1\n  }\n}')
  const error = refusal(() => loadConfig({ env }))
  assert.equal(error.code, "INVALID_PARAMS")
  assert.ok(error.message.startsWith(`${file}: line 3, column 12: Syntax error: colon expected`), error.message)
})

test("loadConfig() lists every problem on a line of its own with path, place and the nearest key", (t) => {
  const { env } = homeWith(
    t,
    '{\n"gateway": {"prot": 1, "host": 5},\n"max_output_chars": 1,\n"providers": {"my.own": {"modls": [], "baseUrl": "ftp://x"}},\n"zzzzzz": 1\n}',
  )
  const error = refusal(() => loadConfig({ env }))
  const lines = error.message
    .split("\n")
    .slice(1)
    .map((line) => line.trim())
  assert.match(error.message, /has 6 problems:/)
  assert.equal(lines[0], "line 2, column 13: Unknown key gateway.prot: did you mean gateway.port?")
  assert.equal(lines[1], "line 2, column 24: gateway.host: must be text in quotes, not 5")
  assert.equal(lines[2], "line 3, column 1: Unknown key max_output_chars: did you mean tools.maxOutputChars?")
  assert.equal(
    lines[3],
    'line 4, column 26: Unknown key providers["my.own"].modls: did you mean providers["my.own"].models?',
  )
  assert.match(lines[4]!, /providers\["my\.own"\]\.baseUrl: must be a URL/)
  assert.match(lines[5]!, /Unknown key zzzzzz: known here are .*gateway.*tools/)
  const issues = error.details?.issues
  assert.ok(Array.isArray(issues) && issues.length === 6)
  assert.equal(issues[0].path, "gateway.prot")
})

test("loadConfig() refuses a key that is given twice, __proto__ and nesting without end", (t) => {
  const { env, file } = homeWith(t, '{"log": {"level": "info", "level": "debug"}}')
  assert.match(refusal(() => loadConfig({ env })).message, /Key log\.level is given twice/)
  writeFileSync(file, '{"__proto__": {"gateway": {"port": 1}}, "log": {"__proto__": {"level": "debug"}}}')
  assert.match(refusal(() => loadConfig({ env })).message, /Unknown key __proto__[\s\S]*Unknown key log\.__proto__/)
  writeFileSync(file, `{ // a lone " hides nothing\n"x": ${"[".repeat(100_000)}`)
  assert.match(refusal(() => loadConfig({ env })).message, /nests deeper than 64 levels/)
})

test("loadConfig() never quotes a value that may be a secret", (t) => {
  const { env } = homeWith(
    t,
    '{"gateway": "hunter2-hunter2", "providers": {"openai": {"apiKey": {"key": "sk-live-1"}, "models": "hunter2"}}}',
  )
  assert.doesNotMatch(refusal(() => loadConfig({ env })).message, /hunter2|sk-live/)
})

test("loadConfig() reads regular UTF-8 files of bounded size only", (t) => {
  const { env, home, file } = homeWith(t)
  execFileSync("mkfifo", [file])
  assert.match(refusal(() => loadConfig({ env })).message, /not a regular file/)
  rmSync(file)
  mkdirSync(file)
  assert.match(refusal(() => loadConfig({ env })).message, /not a regular file/)
  rmSync(file, { recursive: true })
  symlinkSync("/dev/zero", file)
  assert.match(refusal(() => loadConfig({ env })).message, /not a regular file/)
  rmSync(file)
  writeFileSync(file, " ".repeat(MAX_CONFIG_BYTES + 1))
  assert.equal(refusal(() => loadConfig({ env })).code, "TOO_LARGE")
  writeFileSync(file, Buffer.from([0x7b, 0xff, 0x7d]))
  assert.match(refusal(() => loadConfig({ env })).message, /not UTF-8/)
  rmSync(file)
  writeFileSync(join(home, "real.json"), '{"gateway": {"port": 5}}')
  symlinkSync("real.json", file)
  assert.equal(loadConfig({ env }).config.gateway.port, 5)
})

test("loadConfig() refuses to serve other machines without authentication unless told so in so many words", (t) => {
  const { env, file } = homeWith(t, '{"gateway": {"auth": {"mode": "none"}}}')
  assert.equal(loadConfig({ env }).config.gateway.auth.mode, "none")
  const error = refusal(() => loadConfig({ env, flags: { host: "0.0.0.0" } }))
  assert.match(error.message, /gateway\.auth\.mode: "none" would let anybody who reaches 0\.0\.0\.0.*allowInsecure/)
  writeFileSync(file, '{"gateway": {"auth": {"mode": "none"}, "listeners": [{"host": "192.168.1.4", "port": 1}]}}')
  assert.match(refusal(() => loadConfig({ env })).message, /192\.168\.1\.4/)
  writeFileSync(file, '{"gateway": {"host": "0.0.0.0", "auth": {"mode": "none", "allowInsecure": true}}}')
  assert.equal(loadConfig({ env }).config.gateway.host, "0.0.0.0")
})

test("loadConfig() warns when other users can read a file that holds a secret", (t) => {
  const { env, file } = homeWith(t, '{"providers": {"openai": {"apiKey": "very-secret"}}}')
  assert.deepEqual(loadConfig({ env }).warnings, [])
  chmodSync(file, 0o644)
  assert.match(loadConfig({ env }).warnings.join(), /chmod 600/)
  writeFileSync(file, '{"providers": {"openai": {"apiKey": {"env": "OPENAI_API_KEY"}}}}')
  assert.deepEqual(loadConfig({ env }).warnings, [])
})

test("isLoopback() knows this machine's own addresses", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]", "::ffff:127.0.0.1"])
    assert.ok(isLoopback(host), host)
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.evil.com", "example.com", ""])
    assert.ok(!isLoopback(host), host)
})

test("closest() forgives a third of a word", () => {
  assert.equal(closest("prot", ["host", "port"]), "port")
  assert.equal(closest("time_out_ms", ["timeoutMs", "shell"]), "timeoutMs")
  assert.equal(closest("xyz", ["host", "port"]), undefined)
})
