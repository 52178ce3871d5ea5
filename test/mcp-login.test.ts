// Signing in at MCP servers as a person does it: `pincer mcp login` with a browser on this machine or another one, in a whole gateway,
// against a service of ours that checks everything and against the one that MCP's makers give away.
import assert from "node:assert/strict"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { PassThrough } from "node:stream"
import { type TestContext, test } from "node:test"
import { Command } from "commander"
import type { Cli } from "../src/cli/cli.ts"
import { mcp } from "../src/cli/commands/mcp.ts"
import { logIn } from "../src/cli/mcp-login.ts"
import { report } from "../src/cli/report.ts"
import { Screen } from "../src/cli/screen.ts"
import { startLoginService } from "./fakes/login-service.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse, TEST_TOKEN } from "./house.ts"

// biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
type Any = any

interface Ran {
  code: number
  out: string
  err: string
}

/** `page` hears the page that a person should open. */
function desk(
  home: string,
  page: (url: string) => void = () => undefined,
): { cli: Cli; said: { out: string; err: string } } {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: TEST_TOKEN }
  const said = { out: "", err: "" }
  let shown = false
  const screen = (name: "out" | "err") => {
    const write = (text: unknown) => {
      said[name] += String(text)
      const url = /^ {2}(http\S+)$/m.exec(said.err)?.[1]
      if (url !== undefined && !shown) {
        shown = true
        page(url)
      }
      return true
    }
    return new Screen({ stream: { write }, env })
  }
  const cli = { env, flags: {}, out: screen("out"), err: screen("err"), version: "0", cwd: home }
  return { cli: { ...cli, interactive: false, verbose: false }, said }
}

async function pincer(home: string, words: string[], page?: (url: string) => void): Promise<Ran> {
  const { cli, said } = desk(home, page)
  const program = new Command("pincer").exitOverride()
  mcp(program, () => cli)
  try {
    await program.parseAsync(["mcp", ...words], { from: "user" })
    return { code: 0, ...said }
  } catch (error) {
    return { code: report(error, cli, { verbose: false, json: false }), ...said }
  }
}

async function openHouse(t: TestContext, mcpServers: object): Promise<{ house: House; fake: FakeModel }> {
  const fake = await startFakeModel()
  const permissions = { agents: { defaults: { permissions: { mode: "approve-all" } } } }
  const house = await startHouse({ fake: fake.url, config: { ...permissions, tools: { mcpServers } } })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  return { house, fake }
}

async function callNote({ house, fake }: { house: House; fake: FakeModel }, name: string): Promise<string> {
  fake.script({ calls: [{ name, args: {} }] }, { text: "Done." })
  const response = await fetch(`${house.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${TEST_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "pincer", messages: [{ role: "user", content: "go" }] }),
  })
  assert.equal(response.status, 200, await response.text())
  const body: Any = fake.requests.at(-1)?.body
  return body.messages.filter((message: Any) => message.role === "tool").map((message: Any) => message.content)[0]
}

test("needed, signed in by the browser, used, renewed without a word, ended: no restart, and no token in log or configuration", async (t) => {
  const service = await startLoginService(t)
  const room = await openHouse(t, { other: { url: service.url, enabled: false } })
  const { home } = room.house
  const run = (words: string[], page?: (url: string) => void) => pincer(home, words, page)
  const added = await run(["add", "notes", "--url", service.url])
  assert.equal(added.code, 0, added.err)
  assert.match(added.out, /It wants you to sign in: pincer mcp login notes/)
  const tools = await run(["list-tools", "notes"])
  assert.match(tools.err, /notes: it wants you to sign in: type "pincer mcp login notes"/)
  const status = await run(["status"])
  assert.match(status.out, /^notes\tneeds login\t/m)
  const pages: string[] = []
  const signed = await run(["login", "notes"], async (url) => {
    const answer = await service.visit(url)
    const forged = await fetch(answer.replace(/state=[^&]*/, "state=guessed"))
    pages.push(await forged.text())
    await fetch(answer)
  })
  assert.equal(signed.code, 0, signed.err)
  assert.match(signed.out, /Signed in at notes: 1 tools/)
  assert.match(pages[0]!, /does not belong to the sign-in that is open/)
  assert.match(await callNote(room, "mcp__notes__note"), /喝茶/)
  service.expire()
  assert.match(await callNote(room, "mcp__notes__note"), /喝茶/)
  assert.equal(service.wanted.length, 2)
  const kept = JSON.parse(readFileSync(join(home, "mcp-logins/notes.json"), "utf8"))
  const seen = [readFileSync(join(home, "logs/gateway.log"), "utf8"), readFileSync(join(home, "pincer.json"), "utf8")]
  seen.push(...(await Promise.all([run(["status", "--json"]), run(["test", "notes", "--json"])])).map(({ out }) => out))
  for (const secret of [kept.accessToken, kept.refreshToken, ...service.wanted.map(({ code }) => code ?? "-none-")])
    for (const text of seen) assert.ok(!text.includes(secret))
  service.needs = "more"
  assert.match(
    await callNote(room, "mcp__notes__note"),
    /more rights than the sign-in has: type "pincer mcp login notes"/,
  )
  const out = await run(["logout", "notes"])
  assert.match(out.out, /Signed out of notes, and its tokens were taken back\./)
  assert.equal(service.live.size, 0)
  assert.ok(!existsSync(join(home, "mcp-logins/notes.json")))
  assert.match((await run(["logout", "notes"])).out, /Nobody was signed in at notes/)
})

test("without a browser the last address is pasted; what is not of this sign-in is asked for again, and refusals name the server", async (t) => {
  const service = await startLoginService(t)
  const { house } = await openHouse(t, { notes: { url: service.url }, files: { command: "x" } })
  const input = new PassThrough()
  const { cli, said } = desk(house.home, async (url) => {
    input.write("https://example.com/\n\n")
    input.write(`${await service.visit(url)}\n`)
  })
  await logIn(cli, "notes", { browser: false, json: true }, input)
  assert.equal(JSON.parse(said.out).connected, true)
  assert.match(said.err, /Paste the whole address, from http:\/\/ to its end/)
  const { cli: second } = desk(house.home, () => input.end())
  await assert.rejects(logIn(second, "notes", { browser: false }, new PassThrough().end()), /Nothing was pasted/)
  const refusals: [string[], RegExp][] = [
    [["login", "files"], /"files" is a program/],
    [["login", "nope"], /No MCP server "nope" is configured/],
    [["logout", "files"], /"files" is a program/],
    [["login", "notes", "--timeout", "x"], /--timeout: "x" is no number of seconds/],
    [["login", "notes", "--timeout", "1"], /Nobody signed in at notes in time/],
  ]
  for (const [words, refusal] of refusals) {
    const { code, err } = await pincer(house.home, words)
    assert.notEqual(code, 0)
    assert.match(err, refusal)
  }
  assert.equal(service.live.size, 1)
  assert.equal((await pincer(house.home, ["remove", "notes"])).code, 0)
  assert.equal(service.live.size, 0)
  assert.ok(!existsSync(join(house.home, "mcp-logins/notes.json")))
})

test("the sign-in service that MCP's makers give away, in front of their server", async (t) => {
  const { url } = await startTheirs(t)
  const room = await openHouse(t, { theirs: { url } })
  const { code, err, out } = await pincer(room.house.home, ["login", "theirs"], async (page) => {
    const answer = await fetch(page, { redirect: "manual" })
    await fetch(answer.headers.get("location")!)
  })
  assert.equal(code, 0, err)
  assert.match(out, /Signed in at theirs: 1 tools/)
  assert.equal(await callNote(room, "mcp__theirs__whoami"), "mcp:tools")
  const gone = await pincer(room.house.home, ["logout", "theirs"])
  assert.match(gone.out, /^Signed out of theirs\.$/m)
  assert.match(gone.err, /takes no tokens back: what was given may count there until it ends/)
})

/** Their authorization router with its demonstration provider, and their server behind their check of tokens, on one port. */
async function startTheirs(t: TestContext): Promise<{ url: string }> {
  const at = "@modelcontextprotocol/sdk"
  const require = createRequire(import.meta.url)
  const express = createRequire(require.resolve(`${at}/server/auth/router.js`))("express")
  const [router, demo, bearer, server, http]: Any[] = await Promise.all([
    import(`${at}/server/auth/router.js`),
    import(`${at}/examples/server/demoInMemoryOAuthProvider.js`),
    import(`${at}/server/auth/middleware/bearerAuth.js`),
    import(`${at}/server/mcp.js`),
    import(`${at}/server/streamableHttp.js`),
  ])
  const app = express()
  const listener = createServer(app).listen(0, "127.0.0.1")
  await once(listener, "listening")
  t.after(() => {
    listener.closeAllConnections()
    listener.close()
  })
  const issuerUrl = new URL(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`)
  const url = new URL("/mcp", issuerUrl)
  const provider = new demo.DemoInMemoryAuthProvider((resource: URL | undefined) => resource?.href === url.href)
  const resourceMetadataUrl = router.getOAuthProtectedResourceMetadataUrl(url)
  app.use(router.mcpAuthRouter({ provider, issuerUrl, resourceServerUrl: url, scopesSupported: ["mcp:tools"] }))
  const check = bearer.requireBearerAuth({ verifier: provider, requiredScopes: ["mcp:tools"], resourceMetadataUrl })
  app.post("/mcp", check, express.json(), async (request: Any, response: Any) => {
    const mcpServer = new server.McpServer({ name: "theirs", version: "1" })
    mcpServer.registerTool("whoami", { description: "Who asks" }, async (extra: Any) => ({
      content: [{ type: "text", text: extra.authInfo.scopes.join(" ") }],
    }))
    const transport = new http.StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
    await mcpServer.connect(transport)
    await transport.handleRequest(request, response, request.body)
  })
  return { url: url.href }
}
