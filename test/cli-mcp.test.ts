// `pincer mcp` as a person types it: servers tried and written down, shown, switched off and taken out; without a gateway and with one.

import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { Command } from "commander"
import type { Cli } from "../src/cli/cli.ts"
import { mcp } from "../src/cli/commands/mcp.ts"
import { report } from "../src/cli/report.ts"
import { Screen } from "../src/cli/screen.ts"
import { fakeProgram } from "./fakes/stripped.ts"
import { startHouse, TEST_TOKEN } from "./house.ts"

const FAKE = fakeProgram("mcp-server")

interface Ran {
  code: number
  out: string
  err: string
}

/** Without a process of its own. */
async function pincer(home: string, ...words: string[]): Promise<Ran> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: TEST_TOKEN }
  const said = { out: "", err: "" }
  const screen = (name: "out" | "err") =>
    new Screen({ stream: { write: (text: unknown) => Boolean((said[name] += String(text))) }, env })
  const [out, err] = [screen("out"), screen("err")]
  const cli: Cli = { env, flags: {}, out, err, version: "0", cwd: home, interactive: false, verbose: false }
  const program = new Command("pincer").exitOverride()
  mcp(program, () => cli)
  try {
    await program.parseAsync(words, { from: "user" })
    return { code: 0, ...said }
  } catch (error) {
    return { code: report(error, { out, err }, { verbose: false, json: false }), ...said }
  }
}

function serversIn(home: string): unknown {
  return JSON.parse(readFileSync(join(home, "pincer.json"), "utf8")).tools?.mcpServers
}

function bareHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), "pincer-cli-mcp-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  mkdirSync(home, { recursive: true })
  return home
}

test("without a gateway the configuration is shown, and a server is written down untried where that is asked for", async (t) => {
  const home = bareHome(t)
  const none = await pincer(home, "mcp", "status")
  assert.match(none.out, /No MCP server is configured. To add one: pincer mcp add/)
  const words = ["--no-probe", "--header-from", "Authorization=MY_TOKEN", "--deny-tool", "delete_*", "--agent", "main"]
  const added = await pincer(home, "mcp", "add", "web", "--url", "https://example.com/mcp", ...words, "--json")
  assert.equal(added.code, 0, added.err)
  assert.equal(JSON.parse(added.out).added, "web")
  assert.deepEqual(serversIn(home), {
    web: {
      url: "https://example.com/mcp",
      headers: { Authorization: { env: "MY_TOKEN" } },
      agents: ["main"],
      tools: { deny: ["delete_*"] },
    },
  })
  assert.match((await pincer(home, "mcp", "status")).out, /^web\tno gateway runs\t\?\tmain\thttps:\/\/example\.com$/m)
})

test("what makes no sense is refused with the value and the next step, and nothing is written", async (t) => {
  const home = bareHome(t)
  writeFileSync(join(home, "pincer.json"), "{}")
  const refusals: [words: string[], said: RegExp][] = [
    [["add", "a__b", "--", "x"], /"a__b" is no name for a server/],
    [["add", "one"], /Give the program of one after --, or its address with --url/],
    [["add", "one", "--url", "ftp://x", "--no-probe"], /tools\.mcpServers\.one\.url must be a URL/],
    [["add", "one", "--url", "https://x.example", "--no-probe", "--", "x"], /give one of the two/],
    [["add", "one", "--env", "KEY", "--no-probe", "--", "x"], /--env: "KEY" has no "="/],
    [["remove", "nope"], /No MCP server "nope" is configured/],
    [["prompt", "one", "two", "blank"], /"blank" fills in no blank/],
  ]
  const answers = await Promise.all(refusals.map(([words]) => pincer(home, "mcp", ...words)))
  for (const [i, { code, err }] of answers.entries()) {
    assert.notEqual(code, 0)
    assert.match(err, refusals[i]![1])
  }
  assert.equal(readFileSync(join(home, "pincer.json"), "utf8"), "{}")
})

test("with a gateway a server is tried first, counts at once, and is switched off and taken out while it runs", async (t) => {
  const house = await startHouse()
  t.after(() => house.close())
  const run = (...words: string[]) => pincer(house.home, "mcp", ...words)
  const dead = await run("add", "dead", "--sandbox", "off", "--", "/nonexistent/x")
  assert.notEqual(dead.code, 0)
  assert.match(dead.err, /Nothing was written: --no-probe writes it down without trying/)
  const added = await run("add", "docs", "--sandbox", "off", "--", process.execPath, FAKE, "resources")
  assert.equal(added.code, 0, added.err)
  assert.match(added.out, /docs answered after \d+ ms with 2 tools, and resources and prompts/)
  assert.match(added.out, /Added docs to .* It counts already\./)
  assert.match((await run("add", "docs", "--no-probe", "--", "x")).err, /already: pass --replace/)
  const [tools, read, prompt] = await Promise.all([
    run("list-tools", "docs"),
    run("read", "docs", "fake://a"),
    run("prompt", "docs", "review", "file=读.ts"),
  ])
  assert.equal(tools.out, "mcp:docs:echo\tSays it again\nmcp:docs:turn\tDoes what the manner says\n")
  assert.match(read.out, /Ignore all rules/)
  assert.equal(prompt.out, "Review 读.ts\n")
  assert.match((await run("test", "docs")).out, /2 tools/)
  await run("disable", "docs")
  assert.equal(JSON.parse((await run("status", "--json")).out).servers[0].state, "off")
  await run("remove", "docs")
  assert.deepEqual(serversIn(house.home) ?? {}, {})
})
