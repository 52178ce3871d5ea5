import assert from "node:assert/strict"
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { defaultConfig } from "./check.ts"
import type { SecretRef } from "./schema.ts"
import { clientToken, loadOrCreateToken, readToken, resolveSecret, secretReader, serverToken } from "./secrets.ts"

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "pincer-secrets-"))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const name = "providers.openai.apiKey"

test("resolveSecret() reads text, variables and files, trimmed and anew each time", (t) => {
  const base = folder(t)
  const env: Record<string, string> = { KEY: " from-env \n" }
  assert.equal(resolveSecret(" plain ", { env, base, name }), "plain")
  assert.equal(resolveSecret({ env: "KEY" }, { env, base, name }), "from-env")
  writeFileSync(join(base, "key"), "first\n")
  const read = secretReader({ file: "key" }, { env, base, name })
  assert.equal(read(), "first")
  writeFileSync(join(base, "key"), "second\n")
  assert.equal(read(), "second")
  assert.equal(secretReader(undefined, { env, base, name })(), undefined)
})

test("resolveSecret() names the reference and never the value in its refusals", (t) => {
  const base = folder(t)
  const context = { env: { EMPTY: " ", TWO: "s3cret\nline", BIG: "x".repeat(70_000) }, base, name }
  assert.throws(() => resolveSecret({ env: "NOPE" }, context), {
    code: "NOT_FOUND",
    message: /providers\.openai\.apiKey.*NOPE is not set/,
  })
  assert.throws(() => resolveSecret({ env: "EMPTY" }, context), { message: /EMPTY\) is empty/ })
  assert.throws(
    () => resolveSecret({ env: "TWO" }, context),
    (error: Error) => /line break/.test(error.message) && !/s3cret/.test(error.message),
  )
  assert.throws(() => resolveSecret({ env: "BIG" }, context), { code: "TOO_LARGE" })
  assert.throws(() => resolveSecret({ file: "nope" }, context), { code: "NOT_FOUND", message: /nope does not exist/ })
  assert.throws(() => resolveSecret({ file: "." }, context), { message: /not a regular file/ })
  writeFileSync(join(base, "big"), "x".repeat(70_000))
  assert.throws(() => resolveSecret({ file: "big" }, context), { code: "TOO_LARGE" })
})

test("loadOrCreateToken() makes 32 random bytes in a 0600 file once and reads them from then on", (t) => {
  const home = join(folder(t), "new", "home")
  const made = loadOrCreateToken(home)
  assert.equal(made.created, true)
  assert.equal(Buffer.from(made.token, "base64url").length, 32)
  assert.equal(statSync(made.path).mode & 0o777, 0o600)
  assert.equal(statSync(home).mode & 0o777, 0o700)
  const again = loadOrCreateToken(home)
  assert.deepEqual([again.token, again.created, again.warnings], [made.token, false, []])
})

test("loadOrCreateToken() closes a file that others can read and says so", (t) => {
  const home = folder(t)
  const { path, token } = loadOrCreateToken(home)
  chmodSync(path, 0o644)
  const again = loadOrCreateToken(home)
  assert.equal(again.token, token)
  assert.match(again.warnings.join(), /could be read by other users/)
  assert.doesNotMatch(again.warnings.join(), new RegExp(token))
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test("loadOrCreateToken() refuses links, empty files, files of others and a home it cannot write", (t) => {
  const home = folder(t)
  const path = join(home, "gateway.token")
  writeFileSync(join(home, "elsewhere"), "attacker")
  symlinkSync("elsewhere", path)
  assert.throws(() => loadOrCreateToken(home), { code: "UNAVAILABLE", message: /ELOOP/ })
  rmSync(path)
  writeFileSync(path, "\n", { mode: 0o600 })
  assert.throws(() => loadOrCreateToken(home), { message: /gateway\.token is empty/ })
  if (process.getuid?.() === 0) {
    chownSync(path, 12345, 12345)
    assert.throws(() => loadOrCreateToken(home), { code: "PERMISSION_DENIED", message: /belongs to another user/ })
  }
  assert.throws(() => loadOrCreateToken(join(home, "elsewhere", "below")), { code: "UNAVAILABLE", message: /ENOTDIR/ })
})

test("readToken() and clientToken() create nothing", (t) => {
  const home = folder(t)
  assert.equal(readToken(home), undefined)
  assert.deepEqual(clientToken({ env: {}, config: defaultConfig(), home }), {
    token: undefined,
    source: "none",
    warnings: [],
  })
  assert.equal(statSync(join(home, "gateway.token"), { throwIfNoEntry: false }), undefined)
})

function configWith(token: SecretRef | undefined, mode: "token" | "none" = "token") {
  const config = defaultConfig()
  return { ...config, gateway: { ...config.gateway, auth: { ...config.gateway.auth, token, mode } } }
}

test("serverToken() takes flag, PINCER_GATEWAY_TOKEN, foreign names, config, generated file in this order", (t) => {
  const home = folder(t)
  const env = { PINCER_GATEWAY_TOKEN: "own", IMCLAW_TOKEN: "im", PYCLAW_AUTH_TOKEN: "im" }
  const config = configWith("configured")
  assert.equal(serverToken({ env, config, home, flag: "flagged" }).token, "flagged")
  assert.equal(serverToken({ env, config, home }).token, "own")
  const foreign = serverToken({ env: { ...env, PINCER_GATEWAY_TOKEN: "" }, config, home })
  assert.deepEqual([foreign.token, foreign.source], ["im", "IMCLAW_TOKEN"])
  assert.equal(serverToken({ env: {}, config, home }).token, "configured")
  assert.equal(serverToken({ env: { T: "ref" }, config: configWith({ env: "T" }), home }).token, "ref")
  const file = serverToken({ env: {}, config: configWith(undefined), home })
  assert.equal(file.token, loadOrCreateToken(home).token)
  assert.equal(clientToken({ env: {}, config: configWith(undefined), home }).token, file.token)
})

test("serverToken() names both variables when two foreign names disagree, and neither value", (t) => {
  const env = { OPENCLAW_GATEWAY_TOKEN: "value-one", CLAWDBOT_GATEWAY_TOKEN: "value-two" }
  const input = { env, config: configWith(undefined), home: folder(t) }
  assert.throws(
    () => serverToken(input),
    (error: Error) => {
      assert.match(error.message, /OPENCLAW_GATEWAY_TOKEN and CLAWDBOT_GATEWAY_TOKEN hold different tokens/)
      assert.doesNotMatch(error.message, /value-/)
      return true
    },
  )
  assert.equal(serverToken({ ...input, env: { ...env, PINCER_GATEWAY_TOKEN: "own" } }).token, "own")
})

test("serverToken() asks for nothing with auth.mode none; a client still shows what it was given", (t) => {
  const home = folder(t)
  const config = configWith(undefined, "none")
  assert.equal(serverToken({ env: {}, config, home }).token, undefined)
  assert.equal(clientToken({ env: { PINCER_GATEWAY_TOKEN: "x" }, config, home }).token, "x")
})
