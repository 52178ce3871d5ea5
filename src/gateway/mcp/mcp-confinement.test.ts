// Where MCP servers run: what a confined one sees, and what happens where nothing can be confined.
import assert from "node:assert/strict"
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { type Logger, silentLogger } from "../../base/log.ts"
import { type McpServerSettings, mcpServer } from "../../config/mcp.ts"
import type { Sandbox } from "../../sandbox/index.ts"
import { findProfile } from "../../sandbox/profile.ts"
import type { ConfineRequest, Program } from "../../sandbox/sandbox.ts"
import { confineServer } from "./mcp-confinement.ts"

function place(t: TestContext, available = true) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer-confine-")))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const home = join(root, "home")
  const work = join(root, "work")
  for (const one of [home, work]) mkdirSync(one)
  const asked: Omit<ConfineRequest, "hidden">[] = []
  const warnings: string[] = []
  const log: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) }
  const sandbox: Sandbox = {
    report: async () => ({ backend: "bubblewrap", available, detail: "", facts: [], warnings: [] }),
    profile: (name = "workspace") => findProfile(name, {}, [home]),
    async confine(request) {
      if (!available) throw new PincerError("UNAVAILABLE", "The sandbox cannot be used")
      asked.push(request)
      return { ...request.program, file: "confined", close: async () => undefined }
    },
    handOver: () => undefined,
    ownerFor: () => undefined,
    close: () => undefined,
  }
  const rights = { audit: async () => undefined }
  const run = (settings: Record<string, unknown>, program: Partial<Program> = {}) =>
    confineServer(
      { clock: systemClock, home, log, rights, sandbox },
      "one",
      mcpServer.parse({ command: "server", ...settings }) as McpServerSettings,
      { file: "server", args: [], cwd: work, env: {}, ...program },
    )
  return { root, home, work, asked, warnings, run }
}

test("a server is confined with the web, to its folder and to what its own words name; links count as both", async (t) => {
  const { asked, home, root, run, work } = place(t)
  const [notes, tool] = [join(root, "notes"), join(root, "tool")]
  mkdirSync(notes)
  mkdirSync(join(tool, "dist"), { recursive: true })
  writeFileSync(join(tool, "package.json"), "{}")
  writeFileSync(join(tool, "dist", "index.js"), "")
  symlinkSync(notes, join(root, "link"))
  const args = [join(tool, "dist", "index.js"), join(root, "link"), join(home, "pincer.json"), home, "/etc", "plain"]
  assert.equal((await run({}, { args })).file, "confined")
  const [{ profile, workspace }] = asked as [(typeof asked)[0]]
  assert.equal(profile.name, "workspace+net")
  assert.equal(workspace, work)
  assert.deepEqual(profile.read, [tool])
  assert.deepEqual(profile.write, [join(root, "link"), notes])
})

test("paths of its settings are added, but none that would open the sandbox", async (t) => {
  const { asked, home, root, run } = place(t)
  const data = join(root, "data")
  mkdirSync(data)
  await run({ read: [data], sandbox: "read-only" })
  assert.deepEqual([asked[0]?.profile.name, asked[0]?.profile.read], ["read-only", [data]])
  await assert.rejects(run({ read: [home] }), /may not contain/)
  await assert.rejects(run({ write: ["/etc/ssh"] }), /may not contain/)
  await assert.rejects(run({ sandbox: "no-such" }), /Unknown sandbox profile "no-such"/)
})

test("without a sandbox it runs as it is, with a warning; not where a profile is demanded; and never confined where that is off", async (t) => {
  const { run, warnings } = place(t, false)
  assert.equal((await run({})).file, "server")
  assert.match(warnings[0] ?? "", /has no sandbox/)
  await assert.rejects(run({ sandbox: "workspace" }), /cannot be used/)
  const { asked, run: other } = place(t)
  assert.equal((await other({ sandbox: "off" })).file, "server")
  assert.deepEqual(asked, [])
})

test("a folder of ours is made, one of the owner's must be there", async (t) => {
  const { home, root, run } = place(t)
  await run({ sandbox: "off" }, { cwd: join(home, "workspace") })
  assert.ok(existsSync(join(home, "workspace")))
  await assert.rejects(run({}, { cwd: join(root, "gone") }), /its folder .*gone does not exist/)
})
