// pincer workflow, as a person types it: checked, run, asked, resumed, looked at.
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

let house: House
let place: string

before(async () => {
  house = await startHouse({ config: { policy: {} } })
  place = mkdtempSync(join(tmpdir(), "pincer-cli-workflow-"))
  mkdirSync(join(place, "workflows"))
  writeFileSync(
    join(place, "workflows", "demo.lobster"),
    `name: demo
args: { who: { default: you } }
steps:
  - { id: list, pipeline: "items.none | state.get nothing" }
`.replace("items.none | ", ""),
  )
  writeFileSync(
    join(place, "gate.lobster"),
    `args: { who: { default: you } }
steps:
  - { id: first, pipeline: "state.get nothing" }
  - { id: ok, approval: "Send it?" }
  - { id: out, pipeline: "template --text 'sent to \${who}'", stdin: [1] }
`,
  )
})
after(async () => {
  await house.close()
  rmSync(place, { recursive: true, force: true })
})

/** Through the gateway of the house, which lives in this very process: so not in step with it. */
async function pincer(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { spawn } = await import("node:child_process")
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: place,
    env: { PATH: process.env["PATH"] ?? "", HOME: place, PINCER_HOME: house.home, PINCER_GATEWAY_TOKEN: house.token },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let [out, err] = ["", ""]
  child.stdout.on("data", (chunk) => (out += chunk))
  child.stderr.on("data", (chunk) => (err += chunk))
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve))
  return { code, out, err }
}

test("a workflow is run up to its gate, and goes on when somebody answers", async () => {
  const ran = await pincer("workflow", "run", "gate.lobster", "--arg", "who=ann", "--json")
  assert.equal(ran.code, 0, ran.err)
  const envelope = JSON.parse(ran.out)
  assert.equal(envelope.status, "needs_approval")
  assert.equal(envelope.requiresApproval.prompt, "Send it?")
  const { approvalId } = envelope.requiresApproval
  assert.match(
    (await pincer("workflow", "pending")).out,
    new RegExp(`^${approvalId}\t${envelope.runId}\tok\tSend it\\?`),
  )
  const wrong = await pincer("workflow", "resume", approvalId)
  assert.equal(wrong.code, 2)
  assert.match(wrong.err, /--approve yes\|no/)
  const done = await pincer("workflow", "resume", approvalId, "--approve", "yes")
  assert.deepEqual([done.code, done.out], [0, "sent to ann\n"], done.err)
  const again = await pincer("workflow", "resume", approvalId, "--approve", "yes")
  assert.notEqual(again.code, 0)
  const shown = await pincer("workflow", "show", envelope.runId)
  assert.match(shown.out, /Status {3}completed[\s\S]*first\tcompleted\t1\t/)
  assert.match(
    (await pincer("workflow", "graph", envelope.runId, "--format", "ascii")).out,
    /- ok \[approval\] completed/,
  )
  assert.match((await pincer("workflow", "list", "--runs")).out, new RegExp(`${envelope.runId}\tcompleted`))
})

test("progress goes to standard error, results to standard output; what a gate asks says how to answer", async () => {
  const ran = await pincer("workflow", "run", "gate.lobster")
  assert.equal(ran.code, 0)
  assert.equal(ran.out, "Send it?\n")
  assert.match(
    ran.err,
    /✓ first \(\d+ .*\n… ok: Send it\?\nIt waits for an answer: pincer workflow resume [0-9a-f]{8} --approve yes/,
  )
})

test("pipelines, failures and files that are not there end with their exit codes", async () => {
  const pipe = await pincer("workflow", "run", "state.get x | template --text '[{{.}}]'")
  assert.deepEqual([pipe.code, pipe.out], [0, "[]\n"], pipe.err)
  const failed = await pincer("workflow", "run", "template")
  assert.equal(failed.code, 1)
  assert.match(failed.err, /template needs --text[\s\S]*pincer workflow retry [0-9a-f-]{36}/)
  const missing = await pincer("workflow", "run", "nope.lobster")
  assert.equal(missing.code, 4)
  assert.match(missing.err, /no workflow file .*nope\.lobster/)
  const near = await pincer("workflow", "run", "templte")
  assert.equal(near.code, 2)
  assert.match(near.err, /did you mean "template"/)
  assert.equal((await pincer("workflow", "run", "gate.lobster", "--arg", "novalue")).code, 2)
  assert.equal((await pincer("workflow", "run", "gate.lobster", "--args-json", "[1]")).code, 2)
})

test("check names file, line and column, and a dry run runs nothing", async () => {
  writeFileSync(
    join(place, "bad.lobster"),
    "steps:\n  - { id: a, pipeline: nope }\n  - { id: b, approval: true, tiemout_ms: 5 }\n",
  )
  const checked = await pincer("workflow", "check", "bad.lobster")
  assert.equal(checked.code, 2)
  assert.match(
    checked.out,
    /bad\.lobster:2:\d+: error: .*"nope".*\(unknown-command\)\n.*bad\.lobster:3:\d+: warning: .*timeout_ms/,
  )
  assert.equal((await pincer("workflow", "run", "bad.lobster")).code, 2)
  const runs = async () => JSON.parse((await pincer("workflow", "list", "--runs", "--json")).out).runs.length
  const before = await runs()
  const dry = await pincer("workflow", "run", "gate.lobster", "--dry-run")
  assert.equal(dry.code, 0)
  assert.match(dry.err, /1\. first \(pipeline\)[\s\S]*Nothing was run\./)
  const plan = await pincer("workflow", "plan", "gate.lobster", "--arg", "who=安")
  assert.match(plan.out, /gate\.lobster: 3 steps, 0 of them act, 1 gate\n {2}who = "安"\n1\. first/)
  const planned = JSON.parse((await pincer("workflow", "plan", "gate.lobster", "--json")).out)
  assert.deepEqual(planned.plan.counts, { steps: 3, acting: 0, gates: 1, models: 0 })
  const bad = await pincer("workflow", "plan", "bad.lobster")
  assert.deepEqual([bad.code, bad.out], [2, ""])
  assert.equal(await runs(), before)
  assert.match((await pincer("workflow", "list")).out, /demo\.lobster\t1\tdemo/)
})

test("the help of every verb has an example or says what it does", () => {
  const help = spawnSync(process.execPath, [PROGRAM, "workflow", "--help"], { encoding: "utf8" })
  for (const verb of [
    "run",
    "plan",
    "check",
    "graph",
    "list",
    "show",
    "watch",
    "pending",
    "resume",
    "retry",
    "cancel",
    "delete",
    "export",
  ])
    assert.match(help.stdout, new RegExp(`^ {2}${verb}\\b`, "m"), verb)
})

test("the schema of workflow files is printed for editors, without a gateway", async () => {
  const printed = await pincer("workflow", "schema")
  assert.equal(printed.code, 0, printed.err)
  assert.equal(JSON.parse(printed.out).title, "Pincer workflow")
  assert.equal((await pincer("workflow", "serve-schema")).out, printed.out)
})
