// What is kept of sign-ins on disk: for the owner alone, whole or not at all, one at a time across processes; who can sign in where.
import assert from "node:assert/strict"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { startLoginService } from "../../../test/fakes/login-service.ts"
import { systemClock } from "../../base/clock.ts"
import { silentLogger } from "../../base/log.ts"
import { openRedactor } from "../../base/redact.ts"
import { holdLock } from "../../config/claim.ts"
import { mcpServer } from "../../config/mcp.ts"
import { type LoginsParts, McpLogins } from "./mcp-logins.ts"

const never = new AbortController().signal
const HERE = "http://127.0.0.1:8976/callback"

function openLogins(t: TestContext) {
  const home = mkdtempSync(join(tmpdir(), "pincer-logins-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const redactor = openRedactor()
  const live = { current: () => ({ tools: { fetch: { allowHosts: [] } } }) } as unknown as LoginsParts["live"]
  const parts = { home, live, redactor, env: {}, clock: systemClock, log: silentLogger }
  return { home, redactor, logins: new McpLogins(parts), others: new McpLogins(parts) }
}

test("the file is the owner's alone and never half written; what it holds is taken out of what leaves", async (t) => {
  const service = await startLoginService(t)
  const { home, logins, redactor } = openLogins(t)
  const login = logins.of("Notes", mcpServer.parse({ url: service.url }))!
  await login.finish(await service.visit((await login.begin(HERE, never)).url), never)
  const folder = join(home, "mcp-logins")
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.equal(statSync(join(folder, "notes.json")).mode & 0o777, 0o600)
  assert.ok(readdirSync(folder).every((name) => !name.endsWith(".tmp")))
  const token = (await login.token())!
  assert.doesNotMatch(redactor.text(`the token ${token}.`), new RegExp(token))
  writeFileSync(join(folder, "notes.json"), readFileSync(join(folder, "notes.json"), "utf8").slice(0, -5))
  assert.equal(login.state, "none")
  assert.equal(await login.token(), undefined)
})

test("of two processes one renews while the other waits, and both have the same token", async (t) => {
  const service = await startLoginService(t)
  const { home, logins, others } = openLogins(t)
  const settings = mcpServer.parse({ url: service.url })
  const login = logins.of("notes", settings)!
  const theirs = others.of("notes", settings)!
  await login.finish(await service.visit((await login.begin(HERE, never)).url), never)
  const failed = await login.token()
  service.expire()
  const release = holdLock(join(home, "mcp-logins", "notes.json.lock"))!
  const both = [login.renew(failed), theirs.renew(failed)]
  assert.equal(service.wanted.length, 1)
  release()
  await Promise.all(both)
  assert.equal(service.wanted.length, 2)
  assert.equal(await login.token(), await theirs.token())
})

test("programs and addresses that say who we are have no sign-in; one object for one address", (t) => {
  const { logins } = openLogins(t)
  const url = "https://a.example/mcp"
  const of = (settings: object) => logins.of("a", mcpServer.parse(settings))
  assert.equal(of({ command: "x" }), undefined)
  assert.equal(of({ url, headers: { authorization: "x" } }), undefined)
  assert.equal(of({ url, oauth: false }), undefined)
  assert.equal(of({ url }), of({ url, enabled: false }))
  assert.notEqual(of({ url }), of({ url: "https://b.example/mcp" }))
  assert.throws(() => mcpServer.parse({ command: "x", oauth: {} }), /is for servers with a/)
  assert.throws(() => mcpServer.parse({ url, oauth: { clientSecret: "x" } }), /no .*clientId/)
})
