// What holds for every back end, and for a machine that has none.
import assert from "node:assert/strict"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { AS_MAC, holdingExec } from "../../test/fakes/seatbelt-room.ts"
import { BACKENDS, backendOf } from "./index.ts"
import { BUILT_IN } from "./profile.ts"
import { Seatbelt } from "./seatbelt.ts"

const settings = { profile: "workspace", profiles: {}, uid: 65_534 }
const place = { path: "/usr/bin:/bin", hidden: [] }
const profile = BUILT_IN[0]!

test("each platform has one back end", () => {
  assert.equal(new Set(BACKENDS.map((row) => row.platform)).size, BACKENDS.length)
})

const FAKED = {
  platform: "darwin, by a program in sandbox-exec's place",
  open: (t: TestContext) => new Seatbelt({ sandboxExec: holdingExec(t), uid: 501, writer: AS_MAC }),
}

for (const row of [...BACKENDS.map(({ open, platform }) => ({ platform, open: () => open(settings, place) })), FAKED])
  test(`the back end of ${row.platform} says whether it can confine, and confines nothing when it cannot`, async (t) => {
    const backend = row.open(t)
    const workspace = realpathSync(mkdtempSync(join(tmpdir(), "contract-")))
    t.after(() => {
      backend.close()
      rmSync(workspace, { recursive: true, force: true })
    })
    const report = await backend.check()
    assert.equal(report.backend, backend.name)
    assert.notEqual(report.detail, "")
    assert.deepEqual(await backend.check(), report, "the second answer comes from memory")
    const program = { file: "/bin/sh", args: ["-c", "true"], cwd: workspace, env: { PATH: place.path } }
    const request = { program, workspace, profile, hidden: [] }
    if (!report.available) {
      assert.deepEqual(report.facts, [])
      await assert.rejects(backend.confine(request), { code: "UNAVAILABLE" })
      return
    }
    assert.ok(report.facts.length > 0)
    const confined = await backend.confine(request)
    assert.notDeepEqual([confined.file, ...confined.args], [program.file, ...program.args])
    await confined.close()
    await confined.close()
  })

test("where there is no back end everything is refused", async () => {
  const backend = backendOf(settings, place, "win32")
  assert.equal((await backend.check()).available, false)
  const program = { file: "cmd", args: [], cwd: "/", env: {} }
  await assert.rejects(backend.confine({ program, workspace: "/", profile, hidden: [] }), {
    code: "UNAVAILABLE",
    message: /nothing was run: there is no sandbox for win32/,
  })
})
