import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { Cli, GlobalFlags } from "./cli.ts"
import { findGateway, gatewayUrl, homeToken, namedGateway, otherGateway } from "./connect.ts"
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

function homeWith(t: TestContext, gateway: object, tokenFile?: string): string {
  const home = mkdtempSync(join(tmpdir(), "pincer-connect-"))
  t.after(() => rmSync(home, { recursive: true }))
  writeFileSync(join(home, "pincer.json"), JSON.stringify({ gateway }), { mode: 0o600 })
  if (tokenFile !== undefined) writeFileSync(join(home, "gateway.token"), `${tokenFile}\n`, { mode: 0o600 })
  return home
}

const REMOTE = { url: "wss://far.example", token: "beside-the-url" }

test("gateway.remote.url is meant when neither a flag nor a variable names a gateway", async (t) => {
  const home = homeWith(t, { remote: REMOTE }, "of-this-home")
  const meant = async (flags: GlobalFlags, env: Record<string, string> = {}) => {
    const found = await otherGateway(cliWith({ home, ...flags }, env))
    return [found?.url, found?.token, found?.namedBy]
  }
  assert.deepEqual(await meant({}), ["wss://far.example", "beside-the-url", "gateway.remote.url"])
  const found = await findGateway(cliWith({ home }), "refuse")
  assert.deepEqual([found.url, found.token, found.local], ["wss://far.example", "beside-the-url", false])
  const env = { PINCER_GATEWAY_URL: "ws://a:1", PINCER_GATEWAY_TOKEN: "of-env" }
  assert.deepEqual(await meant({}, env), ["ws://a:1", "of-env", "PINCER_GATEWAY_URL"])
  assert.deepEqual(await meant({ server: "ws://b:2" }, env), ["ws://b:2", undefined, "--server"])
  assert.deepEqual(await meant({ standalone: true }), [undefined, undefined, undefined])
  const other = homeWith(t, {}, "of-this-home")
  assert.equal(await otherGateway(cliWith({ home: other })), undefined)
  await assert.rejects(findGateway(cliWith({ home: other }), "refuse"), { code: "UNAVAILABLE" })
})

test("gateway.remote.url is shown the token beside it, then that of the environment, then gateway.auth.token, never the home's own", async (t) => {
  const token = async (gateway: object, env: Record<string, string> = {}, flags: GlobalFlags = {}) => {
    const home = homeWith(t, gateway, "of-this-home")
    return (await otherGateway(cliWith({ home, ...flags }, env)))?.token
  }
  const env = { PINCER_GATEWAY_TOKEN: "of-env" }
  const auth = { token: "of-auth" }
  const { url } = REMOTE
  assert.equal(await token({ remote: REMOTE, auth }, env, { token: "of-flag" }), "of-flag")
  assert.equal(await token({ remote: REMOTE, auth }, env), "beside-the-url")
  assert.equal(await token({ remote: { url, password: { env: "P" } } }, { ...env, P: "word" }), "word")
  assert.equal(await token({ remote: { url }, auth }, env), "of-env")
  assert.equal(await token({ remote: { url }, auth }, { OPENCLAW_GATEWAY_PASSWORD: "word" }), "word")
  assert.equal(await token({ remote: { url }, auth }), "of-auth")
  assert.equal(await token({ remote: { url } }), undefined)
})

test("a secret of gateway.remote that cannot be read, or two that differ, are errors and no reason to show another one", async (t) => {
  const { url } = REMOTE
  for (const [remote, code] of [
    [{ url, token: { env: "NOT_SET" } }, "NOT_FOUND"],
    [{ url, password: { file: "not-there" } }, "NOT_FOUND"],
    [{ url, token: "one", password: "two" }, "CONFLICT"],
    [{ url: "ftp://x" }, "INVALID_PARAMS"],
    [{ url: "ws://user:secret@host" }, "INVALID_PARAMS"],
  ] as const) {
    const cli = cliWith({ home: homeWith(t, { remote }) }, { PINCER_GATEWAY_TOKEN: "of-env" })
    await assert.rejects(otherGateway(cli), { code }, JSON.stringify(remote))
  }
})

test("the gateway of this home is shown gateway.remote.token only where the home has no token of its own", async (t) => {
  const remote = { token: "remote" }
  const token = (gateway: object, file?: string, env: Record<string, string> = {}) => {
    const home = homeWith(t, gateway, file)
    return homeToken(cliWith({ home }, env), home)
  }
  assert.equal(await token({ remote, auth: { token: "of-auth" } }, "file", { IMCLAW_TOKEN: "of-env" }), "of-env")
  assert.equal(await token({ remote, auth: { token: "of-auth" } }, "file"), "of-auth")
  assert.equal(await token({ remote }, "file"), "file")
  assert.equal(await token({ remote }), "remote")
  assert.equal(await token({ remote: { password: "word" } }), "word")
  await assert.rejects(token({ remote, auth: { token: { env: "NOT_SET" } } }, "file"), { code: "NOT_FOUND" })
})
