// Runs that fail: what ran is not run again unasked, wherever the process dies, and what runs at the end goes on where it was.
import assert from "node:assert/strict"
import { afterEach, beforeEach, test } from "node:test"
import { mortalEngine } from "../../../test/fakes/mortal-engine.ts"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { openWorkflowRoom, type WorkflowRoom } from "../../../test/fakes/workflow-room.ts"
import type { Envelope } from "../../protocol/workflow.ts"
import { readWorkflow } from "../file/read.ts"
import type { EnginePorts } from "./ports.ts"
import type { WorkflowEngine } from "./workflow-engine.ts"

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

const act: EnginePorts["run"] = async ({ line }, { path }) => {
  const text = "shell" in line ? line.shell : line.argv.join(" ")
  did.push(path)
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

const mortal = (n: number) => mortalEngine(room, act, n)

const FAILING = `steps:
  - { id: one, run: one }
  - id: each
    for_each: '["x", "y"]'
    steps: [{ id: do, run: do }]
  - id: both
    parallel: { branches: [{ id: left, run: left }, { id: bad, run: bad }] }
  - { id: never, run: never }
on_failure:
  - { id: tell, run: "tell $one.stdout $left.stdout" }
  - { id: tidy, run: tidy }
finally:
  - { id: last, run: last }
`
const ONCE = ["bad", "each[0].do", "each[1].do", "last", "left", "one", "tell", "tidy"]

test("a run that fails does each step once, wherever it is killed on the way", async () => {
  broken.add("bad")
  let lives = 0
  for (let n = 1; ; n++) {
    did = []
    const first = mortal(n)
    const runId = `run-${n}`
    const started = start(first.engine, FAILING, runId)
    const ended = await Promise.race([started, first.died.then(() => undefined)])
    const end = ended ?? (await revived(runId))
    if (!end) continue
    assert.ok(!end.ok && /bad broke/.test(end.error.message), `${n}: ${JSON.stringify(end)}`)
    // A branch that was cut off may be left in doubt: the other one ends the run.
    const sure = (all: readonly string[]) => all.filter((path) => path !== "left").toSorted()
    assert.deepEqual(sure(did), sure(ONCE), `killed at ${n}`)
    assert.equal(new Set(did).size, did.length, `killed at ${n}: ${did}`)
    assert.equal((await room.books.runs.get(runId))?.record.status, "failed")
    lives += 1
    if (ended) break
  }
  assert.ok(lives > 25, `${lives}`)
})

function start(engine: WorkflowEngine, yaml: string, runId: string): Promise<Envelope> {
  const { definition } = readWorkflow(yaml, `${room.folder}/f.lobster`)
  assert.ok(definition)
  const who = { args: {}, cwd: room.folder, startedBy: "test", agentId: "main", identity: {} }
  return engine.start({ ...who, ...room.how, runId, source: { type: "workflow", definition } })
}

/** Goes on until it ends, and answers what is asked from what was done. Undefined: it was never begun. */
async function revived(runId: string): Promise<Envelope | undefined> {
  const engine = room.successor({ run: act })
  if (!(await room.books.runs.get(runId))) return undefined
  if ((await room.books.runs.get(runId))?.record.status === "failed") return failedOf(runId)
  let envelope = await engine.resume(runId, room.how)
  while (envelope.ok && envelope.requiresInput) {
    const path = envelope.requiresInput.prompt.split(" ")[1]!
    const response = path === "bad" && did.includes(path) ? "fail" : did.includes(path) ? "done" : "again"
    envelope = await engine.answer(token(envelope), { type: "respond", response: { did: response } }, room.how)
  }
  // What a person says of a step that failed is that it failed.
  if (!envelope.ok && /cut off/.test(envelope.error.message)) envelope.error.message = "bad broke"
  return envelope
}

async function failedOf(runId: string): Promise<Envelope> {
  const stored = await room.books.runs.get(runId)
  return { protocolVersion: 1, ok: false, error: stored!.record.error!, runId }
}

test("what runs at the end of a failed run waits for people, and goes on from there", async () => {
  broken.add("bad")
  const waiting = await room.run(`steps: [{ id: bad, run: bad }]
on_failure: [{ id: sure, approval: Undo?, run: ask }, { id: undo, run: undo }]
finally: [{ id: last, run: last }]
`)
  assert.equal(ok(waiting).status, "needs_approval")
  assert.deepEqual(did, ["bad", "sure", "undo"])
  const done = await room.engine.answer(token(waiting), { type: "approve", approved: true }, room.how)
  assert.ok(!done.ok && /bad broke/.test(done.error.message))
  assert.deepEqual(did, ["bad", "sure", "undo", "last"])
})

test("a person's no is followed by the steps at the end, also after a kill; a retry asks again", async () => {
  const yaml = `steps: [{ id: a, run: a }, { id: sure, approval: Go? }, { id: b, run: b }]
finally: [{ id: last, run: last }]
on_failure: [{ id: sad, run: sad }]
`
  const waiting = ok(await room.run(yaml, { runId: "no" }))
  const first = mortal(2)
  const gone = first.engine.answer(token(waiting), { type: "approve", approved: false }, room.how)
  await Promise.race([first.died, gone])
  const ended = await revived("no")
  assert.ok(ended?.ok)
  assert.equal(ended.status, "cancelled")
  assert.deepEqual(did, ["a", "last"])
  const again = ok(await room.engine.retry("no", room.how))
  assert.equal(again.status, "needs_approval")
  const done = ok(await room.engine.answer(token(again), { type: "approve", approved: true }, room.how))
  assert.equal(done.status, "ok")
  assert.deepEqual(did, ["a", "last", "b", "last"])
})

test("a step that failed in a loop or a branch is done again by the retry of what holds it, and by nobody else", async () => {
  broken.add("bad")
  const failed = await room.run(
    `steps:
  - id: each
    for_each: '["x"]'
    retry: { max: 3, delay_ms: 0 }
    steps: [{ id: good, run: good }, { id: bad, run: bad }]
`,
    { runId: "loop" },
  )
  assert.ok(!failed.ok)
  assert.deepEqual(did, ["each[0].good", "each[0].bad", "each[0].bad", "each[0].bad"])
  did = []
  const branches = await room.run(`steps:
  - id: both
    retry: { max: 2, delay_ms: 0 }
    parallel: { branches: [{ id: fine, run: good }, { id: b, for_each: "[1]", steps: [{ id: c, run: bad }] }] }
`)
  assert.ok(!branches.ok)
  assert.deepEqual(did, ["fine", "b[0].c", "b[0].c"])
  broken.clear()
  did = []
  ok(await room.engine.retry("loop", room.how))
  assert.deepEqual(did, ["each[0].bad"])
})

test("a run tried again from a step does that step and all after it anew", async () => {
  broken.add("end")
  const failed = await room.run(
    `steps:
  - { id: a, run: a }
  - id: each
    for_each: '["x", "y"]'
    steps: [{ id: one, run: one }, { id: two, run: two }, { id: three, run: three }]
  - { id: sure, approval: Sure?, run: sure }
  - { id: end, run: end }
`,
    { runId: "from" },
  )
  await room.engine.answer(token(failed), { type: "approve", approved: true }, room.how)
  did = []
  const asks = ok(await room.engine.retry("from", { ...room.how, from: "each[1].two" }))
  assert.equal(asks.status, "needs_approval")
  assert.deepEqual(did, ["each[1].two", "each[1].three", "sure"])
  broken.clear()
  ok(await room.engine.answer(token(asks), { type: "approve", approved: true }, room.how))
  assert.deepEqual(did, ["each[1].two", "each[1].three", "sure", "end"])
})

test("a loop out of time begins nothing more", async () => {
  await room.close()
  const stuck = Promise.withResolvers<never>()
  room = openWorkflowRoom({
    ports: {
      run: async (program, address, signal, warn) => {
        const result = await act(program, address, signal, warn)
        signal.addEventListener("abort", () => stuck.reject(signal.reason), { once: true })
        return result.stdout === "hang" ? stuck.promise : result
      },
    },
  })
  const failed = await room.run(
    `steps: [{ id: each, timeout_ms: 1, for_each: "[1, 2, 3]", steps: [{ id: a, run: hang }] }]`,
  )
  assert.ok(!failed.ok && /timed out/.test(failed.error.message))
  await room.books.runs.events(failed.runId!, 0, -1)
  assert.deepEqual(did, ["each[0].a"])
})

test("a branch in doubt is asked about, also when another one has failed meanwhile and the run is tried again", async () => {
  const never = new Promise<never>(() => undefined)
  const stuck: EnginePorts["run"] = (program, address, ...rest) =>
    address.path === "left" ? never : act(program, address, ...rest)
  broken.add("bad")
  const yaml = "steps: [{ id: both, parallel: { branches: [{ id: left, run: left }, { id: bad, run: bad }] } }]"
  void start(room.successor({ run: stuck, clock: stillClock() }), yaml, "doubt")
  while (!room.events.some((event) => event.type === "step.ended" && event.path === "bad"))
    await new Promise(setImmediate)
  const failed = await room.successor({ run: act }).resume("doubt", room.how)
  assert.ok(!failed.ok)
  broken.clear()
  const asks = ok(await room.successor({ run: act }).retry("doubt", room.how))
  assert.match(asks.requiresInput?.prompt ?? "", /Step left was running/)
  assert.ok(!did.includes("left"))
})

test("a step that waited for leave when the process died has not begun: it asks anew, and nobody is asked what it did", async () => {
  const never = new Promise<never>(() => undefined)
  const asked = Promise.withResolvers<void>()
  const waits: EnginePorts["prepare"] = () => {
    asked.resolve()
    return never
  }
  void start(room.successor({ prepare: waits, clock: stillClock() }), "steps: [{ id: a, run: a }]", "leave")
  await asked.promise
  const order: string[] = []
  const allowed: EnginePorts["prepare"] = async (...asked) => {
    order.push("asked")
    return () => {
      order.push("begun")
      return act(...asked)
    }
  }
  const intended = (point: string) => void (point === "step.intended" && order.push("intended"))
  const engine = room.successor({ prepare: allowed, checkpoint: intended })
  assert.deepEqual(ok(await engine.resume("leave", room.how)).output, ["a"])
  assert.deepEqual(order, ["asked", "intended", "begun"])
})
