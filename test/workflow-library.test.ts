// The library from outside: the example as it stands, against the source; what it refuses; and what package.json promises.
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { pathToFileURL } from "node:url"
import { runWorkflow } from "../src/gateway/workflows/library.ts"

const ROOT = join(import.meta.dirname, "..")
const SOURCE = pathToFileURL(join(ROOT, "src/gateway/workflows/library.ts")).href

test("the example runs", () => {
  const hook = `import { registerHooks } from "node:module"
registerHooks({ resolve: (name, context, next) => name === "pincer/workflow" ? { url: "${SOURCE}", shortCircuit: true } : next(name, context) })`
  const words = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, "examples/workflow-library.mjs"]
  const ran = spawnSync(process.execPath, words, { cwd: ROOT, encoding: "utf8" })
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stdout, /needs_approval \[ 'Hello, Ann', 'Hello, Bob' \]/)
  assert.match(ran.stdout, /ok \[ 'Hello, Ann' \] \{ completed: 3 \}/)
})

test("what is exported is what is built", () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, string>
  }
  assert.equal(exports["./workflow"], "./dist/app/workflow.js")
  assert.match(
    readFileSync(join(ROOT, "scripts/build.ts"), "utf8"),
    /workflow: join\(root, "src\/gateway\/workflows\/library\.ts"\)/,
  )
})

test("what cannot be run is refused with its problems, and stops are heard", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "pincer-library-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const place = { home, cwd: home, env: {} }
  await assert.rejects(runWorkflow({ ...place, definition: { steps: [{ id: "a", pipeline: "nosuch" }] } }), (error) => {
    assert.ok(error instanceof Error && "details" in error)
    assert.match(JSON.stringify(error.details), /nosuch/)
    return true
  })
  await assert.rejects(runWorkflow({ ...place, pipeline: "head | nosuch" }), /Unknown command/)
  await assert.rejects(runWorkflow(place), /exactly one of/)
  const events: string[] = []
  const told = await runWorkflow({
    ...place,
    definition: { steps: [{ id: "a", pipeline: "head" }] },
    signal: AbortSignal.abort(),
    onEvent: ({ type }) => events.push(type),
  })
  assert.equal(told.ok, false)
  assert.deepEqual(events, ["run.started", "run.ended"])
})
