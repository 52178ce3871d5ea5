// What runs at the end of a workflow within a workflow: after its failure, after a no, in any case; once, also when the process dies on the way.
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, test } from "node:test"
import { mortalEngine } from "../../../test/fakes/mortal-engine.ts"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { openWorkflowRoom, type WorkflowRoom } from "../../../test/fakes/workflow-room.ts"
import type { Envelope } from "../../protocol/workflow.ts"
import { readWorkflow } from "../file/read.ts"
import type { Engine } from "./engine.ts"
import type { EnginePorts } from "./ports.ts"

let room: WorkflowRoom
let did: string[]
/** Programs that fail: by their line. */
let broken: Set<string>
beforeEach(() => {
  did = []
  broken = new Set()
  room = openWorkflowRoom({ ports: { run: act } })
})
afterEach(() => room.close())

const act: EnginePorts["run"] = async ({ line }, { path }, signal) => {
  const text = "shell" in line ? line.shell : line.argv.join(" ")
  did.push(path)
  while (text === "after b" && !did.includes("in.b")) await new Promise(setImmediate)
  if (text === "hang")
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }))
  const result = { exitCode: 0, killedBy: null, stdout: text, stderr: "", timedOut: false }
  return broken.has(text) ? { ...result, exitCode: 1, stderr: `${text} broke` } : result
}
const ok = (envelope: Envelope) => {
  assert.ok(envelope.ok, JSON.stringify(envelope))
  return envelope
}
const token = (envelope: Envelope) => {
  const { requiresApproval, requiresInput } = ok(envelope)
  return (requiresApproval ?? requiresInput)!.resumeToken
}
const file = (name: string, yaml: string) => writeFileSync(join(room.folder, name), yaml)
const PARENT = `steps: [{ id: in, workflow: sub.lobster }, { id: next, run: next }]
on_failure: [{ id: sad, run: sad }]
finally: [{ id: last, run: last }]
`
const SUB = `steps: [{ id: a, run: a }, { id: b, run: b }]
on_failure: [{ id: undo, run: "undo $a.stdout" }]
finally: [{ id: tidy, run: "tidy $a.stdout" }]
`
const start = (engine: Engine, yaml: string, runId: string) => {
  const { definition } = readWorkflow(yaml, join(room.folder, "parent.lobster"))
  assert.ok(definition)
  const who = { args: {}, cwd: room.folder, startedBy: "test", agentId: "main", identity: {} }
  return engine.start({ ...who, ...room.how, runId, source: { type: "workflow", definition } })
}
const counted = (envelope: Envelope) => envelope.steps?.map(({ path, status }) => `${path} ${status}`)

test("a file within a file ends with its own steps before anything else of the file around it", async () => {
  file("sub.lobster", SUB)
  const good = ok(await start(room.engine, PARENT, "good"))
  assert.deepEqual(did, ["in.a", "in.b", "in.tidy", "next", "last"])
  // What it gives is what its last step gave, not what tidied up.
  assert.deepEqual((await room.books.runs.get("good"))?.record.steps.length, 6)
  assert.deepEqual(counted(good), [
    "in completed",
    "in.a completed",
    "in.b completed",
    "in.tidy completed",
    "next completed",
    "last completed",
  ])
  did = []
  broken.add("b").add("tidy a")
  const bad = await start(room.engine, PARENT, "bad")
  assert.ok(!bad.ok && /b broke/.test(bad.error.message), JSON.stringify(bad))
  assert.deepEqual(did, ["in.a", "in.b", "in.undo", "in.tidy", "sad", "last"])
  assert.ok(room.warnings.some((text) => /Step in\.tidy: .*tidy a broke/.test(text)))
  assert.deepEqual(
    counted(bad)?.filter((one) => one.startsWith("in.")),
    ["in.a completed", "in.b failed", "in.undo completed", "in.tidy failed"],
  )
})

test("what a file within a file gives is not touched by what runs at its end", async () => {
  file("sub.lobster", "steps: [{ id: a, run: '[1, 2]' }]\nfinally: [{ id: tidy, run: tidy }]")
  const done = ok(await start(room.engine, "steps: [{ id: in, workflow: sub.lobster }]", "gives"))
  assert.deepEqual(done.output, [1, 2])
})

test("each step is done once, wherever the process is killed", async () => {
  file("sub.lobster", SUB)
  broken.add("b")
  let lives = 0
  for (let n = 1; ; n++) {
    did = []
    const first = mortalEngine(room, act, n)
    const runId = `run-${n}`
    const ended = await Promise.race([start(first.engine, PARENT, runId), first.died.then(() => undefined)])
    const end = ended ?? (await revived(runId))
    if (!end) continue
    assert.ok(!end.ok && /b broke/.test(end.error.message), `${n}: ${JSON.stringify(end)}`)
    assert.deepEqual(did.toSorted(), ["in.a", "in.b", "in.tidy", "in.undo", "last", "sad"], `killed at ${n}`)
    lives += 1
    if (ended) break
  }
  assert.ok(lives > 15, `${lives}`)
})

/** Goes on until it ends, and answers what is asked from what was done. Undefined: it was never begun. */
async function revived(runId: string): Promise<Envelope | undefined> {
  const engine = room.successor({ run: act })
  const stored = await room.books.runs.get(runId)
  if (!stored) return undefined
  if (stored.record.status === "failed") return { protocolVersion: 1, ok: false, error: stored.record.error!, runId }
  let envelope = await engine.resume(runId, room.how)
  while (envelope.ok && envelope.requiresInput) {
    const path = envelope.requiresInput.prompt.split(" ")[1]!
    const answer = !did.includes(path) ? "again" : path === "in.b" ? "fail" : "done"
    envelope = await engine.answer(token(envelope), { type: "respond", response: { did: answer } }, room.how)
  }
  // What a person says of a step that failed is that it failed.
  if (!envelope.ok && /cut off/.test(envelope.error.message)) envelope.error.message = "b broke"
  return envelope
}

test("each time that it is tried again it ends anew, within the run and by a retry of the run", async () => {
  file("sub.lobster", SUB)
  broken.add("b")
  const parent = "steps: [{ id: in, workflow: sub.lobster, retry: { max: 2, delay_ms: 0 } }]"
  assert.ok(!(await start(room.engine, parent, "again")).ok)
  const once = ["in.b", "in.undo", "in.tidy"]
  assert.deepEqual(did, ["in.a", ...once, ...once])
  did = []
  broken.clear()
  ok(await room.engine.retry("again", room.how))
  assert.deepEqual(did, ["in.b", "in.tidy"])
})

test("its steps at the end wait for people; a no there and a no before are followed by what is to come", async () => {
  file(
    "sub.lobster",
    `steps: [{ id: a, run: a }, { id: go, approval: Go? }]
on_failure: [{ id: undo, run: undo }]
finally: [{ id: sure, approval: Tidy?, run: ask }, { id: tidy, run: tidy }]
`,
  )
  const asks = ok(await start(room.engine, PARENT, "no"))
  const no = { type: "approve", approved: false } as const
  const atEnd = ok(await room.engine.answer(token(asks), no, room.how))
  assert.equal(atEnd.requiresApproval?.prompt, "Tidy?")
  assert.deepEqual(did, ["in.a", "in.sure", "in.tidy"])
  // Nobody who was refused is a failure: on_failure is for those.
  const yes = { type: "approve", approved: true } as const
  const end = ok(await room.successor({ run: act }).answer(token(atEnd), yes, room.how))
  assert.equal(end.status, "cancelled")
  assert.deepEqual(did, ["in.a", "in.sure", "in.tidy", "last"])
})

test("out of its time it still ends; stopped from outside it does nothing more", async () => {
  file(
    "sub.lobster",
    "steps: [{ id: a, run: a }, { id: b, run: hang }]\nfinally: [{ id: tidy, run: tidy }]\non_failure: [{ id: undo, run: undo }]",
  )
  const clock = stillClock()
  const timed =
    "steps: [{ id: in, workflow: sub.lobster, timeout_ms: 20, on_error: continue }, { id: next, run: next }]"
  const ending = start(room.successor({ run: act, clock }), timed, "late")
  while (!did.includes("in.b")) await new Promise(setImmediate)
  await clock.advance(20)
  const late = await ending
  assert.ok(late.ok)
  assert.deepEqual(did, ["in.a", "in.b", "in.undo", "in.tidy", "next"])
  assert.match(counted(late)?.[0] ?? "", /^in failed/)
  assert.match(String(late.steps?.[0]?.message), /timed out after 20ms/)
  did = []
  const enough = "{ wait: any, branches: [{ id: in, workflow: sub.lobster }, { id: quick, run: after b }] }"
  assert.ok((await start(room.engine, `steps: [{ id: both, parallel: ${enough} }]`, "enough")).ok)
  assert.deepEqual(did.toSorted(), ["in.a", "in.b", "quick"])
  did = []
  const running = start(room.engine, "steps: [{ id: in, workflow: sub.lobster }]", "stopped")
  while (!did.includes("in.b")) await new Promise(setImmediate)
  assert.equal(await room.engine.cancel("stopped", "ann"), true)
  assert.equal(ok(await running).status, "cancelled")
  assert.deepEqual(did, ["in.a", "in.b"])
})
