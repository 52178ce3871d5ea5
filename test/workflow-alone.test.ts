// Workflows without a gateway, as programs of their own: run, asked, resumed, looked at; and eight that want to resume one token.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { PROGRAM } from "./program.ts"

const SEND = `steps:
  - {id: a, run: "echo one >> effects"}
  - {id: ok, approval: "Send it?"}
  - {id: b, run: "echo two >> effects; echo done"}
`

interface Ran {
  code: number | null
  out: string
  err: string
}

interface Place {
  folder: string
  work: string
  pincer(...words: string[]): Promise<Ran>
}

function placeFor(t: TestContext, config: object = {}): Place {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "pincer-alone-")))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [home, work] = [join(folder, "home"), join(folder, "work")]
  for (const one of [home, work]) mkdirSync(one, { mode: 0o700 })
  writeFileSync(join(home, "pincer.json"), JSON.stringify(config))
  writeFileSync(join(work, "send.lobster"), SEND)
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, PINCER_HOME: home }
  const pincer = (...words: string[]) =>
    new Promise<Ran>((resolve, reject) => {
      const child = spawn(process.execPath, [PROGRAM, ...words], { cwd: work, env, stdio: ["ignore", "pipe", "pipe"] })
      const ran: Ran = { code: null, out: "", err: "" }
      child.stdout.on("data", (chunk) => (ran.out += chunk))
      child.stderr.on("data", (chunk) => (ran.err += chunk))
      child.once("error", reject)
      child.once("close", (code) => resolve({ ...ran, code }))
    })
  return { folder, work, pincer }
}

function effects(work: string): string[] {
  const file = join(work, "effects")
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []
}

test("a run without a gateway waits at its gate, is found by other processes, and goes on", async (t) => {
  const { folder, pincer, work } = placeFor(t)
  const began = await pincer("workflow", "run", "send.lobster", "--unsandboxed", "--json")
  assert.equal(began.code, 0, began.err)
  const envelope = JSON.parse(began.out)
  assert.equal(envelope.status, "needs_approval")
  assert.equal(existsSync(join(folder, "home", "gateway.json")), false, "no gateway was started")
  const waiting = await pincer("workflow", "pending", "--json")
  assert.equal(JSON.parse(waiting.out).gates[0].approvalId, envelope.requiresApproval.approvalId)
  const shown = await pincer("workflow", "show", envelope.runId)
  assert.match(shown.out, /Send it\?/)
  const refused = await pincer("workflow", "delete", envelope.runId)
  assert.notEqual(refused.code, 0)
  assert.deepEqual(effects(work), ["one"])
})

test("the doctor tries what workflows need, and leaves no run behind", async (t) => {
  const { pincer } = placeFor(t)
  const well = await pincer("workflow", "doctor", "--unsandboxed", "--json")
  assert.equal(well.code, 0, well.out + well.err)
  const { checks } = JSON.parse(well.out) as { checks: { id: string; ok: boolean }[] }
  assert.deepEqual(
    checks.map(({ id, ok }) => `${id} ${ok}`),
    ["runs true", "pipelines true", "programs true", "waiting true", "in doubt true"],
  )
  assert.deepEqual(JSON.parse((await pincer("workflow", "list", "--runs", "--json")).out).runs, [])
  const ill = placeFor(t, { tools: { elevated: { enabled: false } } })
  const told = await ill.pincer("workflow", "doctor", "--unsandboxed")
  assert.equal(told.code, 1)
  assert.match(told.out, /✓ pipelines: .*\n✗ programs: .*levated/)
})

test("a step that is out of time before its program starts leaves nothing behind that keeps the process alive", async (t) => {
  const { pincer, work } = placeFor(t)
  const step = (ms: number) => `  - { id: s${ms}, run: sleep 60, timeout_ms: ${ms}, on_error: continue }\n`
  writeFileSync(
    join(work, "late.lobster"),
    `steps:\n${[1, 2, 3, 5, 8, 13].map(step).join("")}  - { id: on, run: echo on }\n`,
  )
  const ran = await pincer("lobster", "--unsandboxed", "run", "--mode", "tool", "late.lobster")
  assert.equal(ran.code, 0, ran.err)
  assert.deepEqual(JSON.parse(ran.out).output, ["on\n"])
})

test("where the whole of a long output lies is said, and why a branch was stopped", async (t) => {
  const { pincer, work } = placeFor(t)
  writeFileSync(
    join(work, "long.lobster"),
    `steps:
  - { id: both, parallel: { wait: any, branches: [{ id: slow, run: sleep 60 }, { id: quick, run: echo }] } }
  - { id: big, run: "head -c 5000 /dev/zero | tr '\\\\0' x", max_output: 4000 }
`,
  )
  const ran = await pincer("workflow", "run", "long.lobster", "--unsandboxed")
  assert.equal(ran.code, 0, ran.err)
  assert.match(ran.err, /✗ slow .*another branch was enough/)
  const [, file = ""] = /All 5000 bytes that big said are in (.+)/.exec(ran.err) ?? []
  assert.equal(readFileSync(file, "utf8"), "x".repeat(5000))
})

test("what failed on the host is tried again there, its own steps at the end included", async (t) => {
  const { pincer, work } = placeFor(t)
  writeFileSync(
    join(work, "sub.lobster"),
    "steps: [{id: a, run: 'test -e flag'}]\nfinally: [{id: b, run: echo sub >> effects}]",
  )
  writeFileSync(
    join(work, "main.lobster"),
    "steps: [{id: one, run: echo 1 >> effects}, {id: in, workflow: sub.lobster}]",
  )
  const failed = await pincer("workflow", "run", "main.lobster", "--unsandboxed", "--json")
  assert.equal(failed.code, 1)
  const { runId } = JSON.parse(failed.out)
  assert.deepEqual(effects(work), ["1", "sub"])
  writeFileSync(join(work, "flag"), "")
  const done = await pincer("workflow", "retry", runId, "--unsandboxed", "--json")
  assert.equal(done.code, 0, done.err)
  assert.deepEqual(effects(work), ["1", "sub", "sub"])
})

test("eight processes want to resume one token: one of them runs it", async (t) => {
  const { pincer, work } = placeFor(t)
  const began = await pincer("lobster", "--unsandboxed", "run", "--mode", "tool", "send.lobster")
  const token: string = JSON.parse(began.out).requiresApproval.resumeToken
  const words = ["lobster", "--unsandboxed", "resume", "--token", token, "--approve", "yes"]
  const all = await Promise.all(Array.from({ length: 8 }, () => pincer(...words)))
  const ok = all.filter(({ code }) => code === 0)
  assert.equal(ok.length, 1, all.map(({ code, out }) => `${code} ${out}`).join("\n"))
  assert.deepEqual(JSON.parse(ok[0]!.out).output, ["done\n"])
  assert.deepEqual(effects(work), ["one", "two"])
})

test("what only a gateway can do is refused before anything acts", async (t) => {
  const { pincer, work } = placeFor(t)
  writeFileSync(join(work, "ask.lobster"), 'steps:\n  - {id: a, run: "touch made"}\n  - {id: b, agent: "Hello"}\n')
  const ran = await pincer("workflow", "run", "ask.lobster", "--unsandboxed")
  assert.notEqual(ran.code, 0)
  assert.match(ran.err, /Step b \(agent\) needs a gateway/)
  const detached = await pincer("workflow", "run", "send.lobster", "--detach")
  assert.match(detached.err, /Only a gateway/)
  assert.equal(existsSync(join(work, "made")), false)
  assert.deepEqual(effects(work), [])
})

test("programs stay off the host where elevated mode is switched off, and a rule that denies holds there, too", async (t) => {
  const off = placeFor(t, { tools: { elevated: { enabled: false } } })
  const refused = await off.pincer("workflow", "run", "send.lobster", "--unsandboxed")
  assert.equal(refused.code, 1)
  assert.match(refused.err, /tools\.elevated\.enabled/)
  assert.deepEqual(effects(off.work), [])
  const denied = placeFor(t, { policy: { deny: ["Bash"] } })
  const ran = await denied.pincer("workflow", "run", "send.lobster", "--unsandboxed")
  assert.match(ran.err, /Denied by/)
  assert.deepEqual(effects(denied.work), [])
})

test("a workflow is tried with its cases: 0 when they hold, 1 when not", async (t) => {
  const { pincer, work } = placeFor(t)
  const examples = join(import.meta.dirname, "..", "examples", "workflows")
  const held = await pincer("workflow", "test", join(examples, "inbox.lobster"), "--json")
  assert.equal(held.code, 0, held.out)
  writeFileSync(
    join(work, "send.test.yaml"),
    "tests:\n  - {name: too much, mocks: {a: {stdout: x}}, expect: {status: ok}}\n",
  )
  const wrong = await pincer("workflow", "test", "send.lobster")
  assert.equal(wrong.code, 1)
  assert.match(wrong.out, /too much\n +status is needs_approval, not ok/)
  assert.deepEqual(effects(work), [])
})
