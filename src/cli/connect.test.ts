import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import type { Cli, GlobalFlags } from "./cli.ts"
import { gatewayUrl, namedGateway } from "./connect.ts"
import { Screen } from "./screen.ts"

function cliWith(flags: GlobalFlags, env: Record<string, string> = {}): Cli {
  const screen = new Screen({ stream: { write: () => true }, env: {} })
  return { env, flags, out: screen, err: screen, version: "0", cwd: "/", interactive: false, verbose: false }
}

test("gatewayUrl() takes what people write and refuses what is no gateway", () => {
  for (const [given, url] of [
    ["ws://127.0.0.1:18789", "ws://127.0.0.1:18789/"],
    ["http://localhost:8080/ws", "ws://localhost:8080/ws"],
    ["https://example.com", "wss://example.com/"],
    ["example.com:18789", "ws://example.com:18789/"],
    ["[::1]:18789", "ws://[::1]:18789/"],
  ] as const)
    assert.equal(gatewayUrl(given, "--server").href, url)
  for (const given of ["", "ftp://x", "ws://", "a b", "ws://user:secret@host"])
    assert.throws(() => gatewayUrl(given, "--server"), { code: "INVALID_PARAMS" }, given)
})

test("namedGateway(): an address on the command line gets no token from the environment", () => {
  const env = { PINCER_GATEWAY_URL: "ws://a:1", PINCER_GATEWAY_TOKEN: "from-environment" }
  const byFlag = namedGateway(cliWith({ server: "ws://b:2" }, env))
  assert.deepEqual([byFlag?.url, byFlag?.token], ["ws://b:2", undefined])
  const byEnv = namedGateway(cliWith({}, env))
  assert.deepEqual([byEnv?.url, byEnv?.token], ["ws://a:1", "from-environment"])
  assert.equal(namedGateway(cliWith({ server: "ws://b:2", token: "by-flag" }, env))?.token, "by-flag")
  assert.equal(namedGateway(cliWith({}, {})), undefined)
})

test("namedGateway(): a token comes from one place, and two that differ are refused", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-connect-"))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, "token")
  writeFileSync(file, "from-file\n")
  assert.equal(namedGateway(cliWith({ server: "ws://b", tokenFile: file }))?.token, "from-file")
  assert.throws(() => namedGateway(cliWith({ server: "ws://b", tokenFile: file, token: "x" })), {
    code: "INVALID_PARAMS",
  })
  assert.throws(() => namedGateway(cliWith({ server: "ws://b", tokenFile: join(folder, "none") })), {
    code: "NOT_FOUND",
  })
  assert.throws(() => namedGateway(cliWith({ server: "ws://b", token: "a\nb" })), { code: "INVALID_PARAMS" })
  const env = { PINCER_GATEWAY_URL: "ws://a", IMCLAW_TOKEN: "one", OPENCLAW_GATEWAY_TOKEN: "two" }
  assert.throws(() => namedGateway(cliWith({}, env)), { code: "CONFLICT" })
  assert.equal(namedGateway(cliWith({}, { ...env, PINCER_GATEWAY_TOKEN: "own" }))?.token, "own")
})
