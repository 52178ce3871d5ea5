// The engine as a whole: order, conditions, repetition, gates, crashes.
import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { openWorkflowRoom, type WorkflowRoom } from "../../../test/fakes/workflow-room.ts"
import type { Envelope } from "../../protocol/workflow.ts"
import type { Command } from "../command.ts"
import { head } from "../commands/head.ts"
import { collected } from "../commands/items.ts"
import { json } from "../commands/json.ts"
import { pick } from "../commands/pick.ts"
import type { EnginePorts } from "./ports.ts"

const items: Command = {
  name: "items",
  description: "Three items",
  args: {},
  examples: [],
  sideEffects: [],
  effect: "read",
  run: () => ({ items: [{ a: 1, b: 2 }, { a: 2 }, { a: 3 }] }),
}
let counted = 0
const count: Command = {
  ...items,
  name: "count",
  effect: "once",
  async run({ items: given }) {
    counted += 1
    return { items: await collected(given) }
  },
}
const approve: Command = {
  ...items,
  name: "approve",
  gates: true,
  async run({ items: given }, context) {
    const all = await collected(given)
    await context.gate({ type: "approval", prompt: "Approve?", items: all })
    return { items: all }
  },
}

let room: WorkflowRoom
beforeEach(() => {
  counted = 0
  room = openWorkflowRoom({ commands: [items, count, approve, head, pick, json] })
})
afterEach(() => room.close())

const ok = (envelope: Envelope) => {
  assert.ok(envelope.ok, JSON.stringify(envelope))
  return envelope
}
const token = (envelope: Envelope) => {
  const { requiresApproval, requiresInput } = ok(envelope)
  return (requiresApproval ?? requiresInput)!.resumeToken
}
const steps = (envelope: Envelope) => envelope.steps?.map((step) => `${step.path} ${step.status}`)
const log = () => {
  try {
    return readFileSync(join(room.folder, "log"), "utf8").trim().split("\n")
  } catch {
    return []
  }
}

test("steps run in order and pass values on; the last completed one is the output", async () => {
  const envelope = ok(
    await room.run(`args: { who: { default: me } }
steps:
  - { id: a, run: "echo '{\\"n\\": 5}'" }
  - { id: b, run: "echo \${who} $a.json.n $LOBSTER_ARG_WHO", when: $a.json.n == 5 }
  - { id: c, run: echo no, when: $b.skipped }
  - { id: d, run: cat, stdin: $a.json }
  - { id: e, pipeline: "pick n | head", stdin: $d.json }
  - { id: f, run: "false", on_error: continue }
  - { id: g, run: "echo $f.error", when: $f.error }
`),
  )
  assert.deepEqual(envelope.output, [true])
  assert.deepEqual(steps(envelope), [
    "a completed",
    "b completed",
    "c skipped",
    "d completed",
    "e completed",
    "f failed",
    "g completed",
  ])
  const stored = await room.books.runs.get(envelope.runId!)
  assert.equal(stored?.record.status, "completed")
  const text = ok(await room.run(`steps: [{ id: a, run: echo hi }, { id: b, run: x, when: false }]`))
  assert.deepEqual(text.output, ["hi\n"])
})

test("a failure ends the run, tells why, and can be retried with everything before it kept", async () => {
  const yaml = `steps:
  - { id: a, run: "echo a >> log" }
  - { id: b, run: "echo b >> log; test -e ready" }
  - { id: c, run: "echo c >> log" }
on_failure: [{ id: sad, run: "echo sad >> log" }]
finally: [{ id: end, run: "echo end >> log" }]
`
  const failed = await room.run(yaml)
  assert.ok(!failed.ok)
  assert.equal(failed.error.type, "runtime_error")
  assert.match(failed.error.message, /workflow command failed \(1\)/)
  assert.deepEqual(log(), ["a", "b", "sad", "end"])
  writeFileSync(join(room.folder, "ready"), "")
  const again = ok(await room.engine.retry(failed.runId!, room.how))
  assert.equal(again.status, "ok")
  assert.deepEqual(log(), ["a", "b", "sad", "end", "b", "c", "end"])
  await assert.rejects(room.engine.retry(failed.runId!, room.how), { code: "CONFLICT" })
  await assert.rejects(room.engine.retry("nope", room.how), { code: "NOT_FOUND" })
})

test("attempts are repeated as the file says, and time limits count for each", async () => {
  const envelope = ok(
    await room.run(`steps:
  - { id: a, run: "echo x >> log; test $(wc -l < log) -ge 3", retry: { max: 5, delay_ms: 1 } }
  - { id: b, run: "echo y >> log; sleep 30", timeout_ms: 1000, retry: { max: 2, delay_ms: 0 }, on_error: continue }
`),
  )
  assert.deepEqual(log(), ["x", "x", "x", "y", "y"])
  assert.match(envelope.steps!.find((step) => step.path === "b")!.message!, /timed out after 1000ms/)
  assert.equal(room.warnings.length, 3)
})

test("a gate waits, is answered once, and the run goes on behind it", async () => {
  const waiting = ok(
    await room.run(`steps:
  - { id: a, run: "echo a >> log; echo '[1,2]'" , approval: Send? }
  - { id: b, run: "echo b >> log; echo $a.approved" }
`),
  )
  assert.equal(waiting.status, "needs_approval")
  assert.deepEqual(waiting.requiresApproval?.items, [1, 2])
  assert.equal(waiting.requiresApproval?.preview, "[1,2]")
  assert.deepEqual(waiting.output, [])
  const tries = await Promise.allSettled(
    [1, 2, 3].map(() => room.engine.answer(token(waiting), { type: "approve", approved: true, by: "me" }, room.how)),
  )
  assert.deepEqual(tries.map((one) => one.status).sort(), ["fulfilled", "rejected", "rejected"])
  const done = tries.find((one) => one.status === "fulfilled")
  assert.deepEqual(done?.status === "fulfilled" && ok(done.value).output, [true])
  assert.deepEqual(log(), ["a", "b"])
})

test("no ends the run as cancelled; wrong answers leave the gate as it was", async () => {
  const yaml = `steps:
  - { id: a, approval: { prompt: Go?, required_approver: ann, initiated_by: bob, require_different_approver: true } }
  - { id: b, input: { prompt: Which?, responseSchema: { type: object, required: [n] } } }
  - { id: c, run: "echo $b.response.n" }
`
  const one = ok(await room.run(yaml))
  const gate = token(one)
  await assert.rejects(room.engine.answer(gate, { type: "approve", approved: true, by: "bob" }, room.how), /Only ann/)
  await assert.rejects(room.engine.answer(gate, { type: "respond", response: {} }, room.how), /yes or no/)
  await assert.rejects(room.engine.answer("00000000", { type: "approve", approved: true }, room.how), /not found/)
  await assert.rejects(room.engine.answer("garbage", { type: "approve", approved: true }, room.how), /Invalid token/)
  const two = ok(
    await room.engine.answer(
      one.requiresApproval!.approvalId!,
      { type: "approve", approved: true, by: "ann" },
      room.how,
    ),
  )
  assert.equal(two.status, "needs_input")
  await assert.rejects(
    room.engine.answer(token(two), { type: "respond", response: { x: 1 } }, room.how),
    /does not fit/,
  )
  const three = ok(await room.engine.answer(token(two), { type: "respond", response: { n: 7 } }, room.how))
  assert.deepEqual(three.output, [7])
  const again = ok(await room.run(yaml))
  const no = ok(await room.engine.answer(token(again), { type: "approve", approved: false }, room.how))
  assert.equal(no.status, "cancelled")
  await assert.rejects(
    room.engine.answer(token(again), { type: "approve", approved: true, by: "ann" }, room.how),
    /answered before/,
  )
})

test("gates stand in loops and branches; what can go on does", async () => {
  const waiting = ok(
    await room.run(`steps:
  - { id: list, run: "echo '[1,2,3]'" }
  - id: each
    for_each: $list.json
    concurrency: 3
    steps:
      - { id: work, run: "echo $item.json >> log; echo $item.json" }
      - { id: gate, approval: true, when: $item.json == 2 }
      - { id: after, run: "echo after $index.json >> log" }
  - id: both
    parallel: { branches: [{ id: l, run: "echo '{\\"x\\":1}'" }, { id: r, run: echo text }] }
`),
  )
  assert.equal(waiting.status, "needs_approval")
  assert.deepEqual(log().sort(), ["1", "2", "3", "after 0", "after 2"])
  const done = ok(await room.engine.answer(token(waiting), { type: "approve", approved: true }, room.how))
  assert.deepEqual(done.output, [{ l: { x: 1 }, r: "text\n" }])
  assert.deepEqual(log().sort(), ["1", "2", "3", "after 0", "after 1", "after 2"])
})

test("loops repeat only what failed, keep order, and go on with their items", async () => {
  const envelope = ok(
    await room.run(
      `steps:
  - id: each
    for_each: \${list}
    retry: { max: 3, delay_ms: 0 }
    steps:
      - { id: do, run: "echo $item.json >> log; test $item.json != b || test -e ok || { touch ok; exit 1; }; echo done $item.json" }
`,
      { args: { list: ["a", "b", "c"] } },
    ),
  )
  assert.deepEqual(log(), ["a", "b", "b", "c"])
  assert.deepEqual(
    envelope.output,
    ["a", "b", "c"].map((item, index) => ({ item, index, do: `done ${item}\n` })),
  )
  const wrong = await room.run('steps: [{ id: e, for_each: "5", steps: [{ id: x, run: echo }] }]')
  assert.ok(!wrong.ok && /must be a list/.test(wrong.error.message))
})

test("needs lets steps run side by side; wait any takes the first success", async () => {
  const envelope = ok(
    await room.run(`steps:
  - { id: a, needs: [], run: "until test -e b; do :; done; echo a" }
  - { id: b, needs: [], run: "touch b; echo b" }
  - { id: c, needs: [a, b], run: "echo '$a.stdout$b.stdout'" }
  - id: race
    needs: [c]
    parallel: { wait: any, branches: [{ id: bad, run: "false" }, { id: slow, run: "sleep 30" }, { id: good, run: "echo '1'" }] }
`),
  )
  assert.deepEqual(envelope.output, [{ good: 1 }])
  const failed = await room.run(
    "steps: [{ id: p, parallel: { wait: any, branches: [{ id: x, run: exit 3 }, { id: y, run: exit 4 }] } }]",
  )
  assert.ok(!failed.ok && /x: .*\(3\).*y: .*\(4\)/s.test(failed.error.message))
})

test("a workflow within a workflow, with gates, arguments and no circles", async () => {
  writeFileSync(
    join(room.folder, "child.lobster"),
    `args: { n: { type: integer, required: true } }
steps: [{ id: gate, approval: Inner? }, { id: out, run: "echo '{\\"got\\": \${n}}'" }]`,
  )
  writeFileSync(join(room.folder, "loop.lobster"), "steps: [{ id: again, workflow: loop.lobster }]")
  const waiting = ok(await room.run("steps: [{ id: sub, workflow: child.lobster, workflow_args: { n: 5 } }]"))
  writeFileSync(join(room.folder, "child.lobster"), "steps: [{ id: changed, run: echo changed }]")
  const done = ok(await room.engine.answer(token(waiting), { type: "approve", approved: true }, room.how))
  assert.deepEqual(done.output, [{ got: 5 }])
  const circle = await room.run("steps: [{ id: sub, workflow: loop.lobster }]")
  assert.ok(!circle.ok && /already running around it/.test(circle.error.message))
})

test("a pipeline stops at its gate and does not repeat what came before it", async () => {
  const waiting = ok(await room.pipe("items | count | approve | head --n 2"))
  assert.equal(waiting.status, "needs_approval")
  assert.equal(waiting.requiresApproval?.items.length, 3)
  const done = ok(await room.engine.answer(token(waiting), { type: "approve", approved: true }, room.how))
  assert.deepEqual(done.output, [{ a: 1, b: 2 }, { a: 2 }])
  assert.equal(counted, 1)
  assert.deepEqual(ok(await room.pipe("items | json")).output, [])
  assert.equal(room.printed.join(""), `${JSON.stringify([{ a: 1, b: 2 }, { a: 2 }, { a: 3 }], null, 2)}\n`)
  await assert.rejects(room.pipe("items | cuont"), /did you mean "count"/)
  assert.equal(counted, 1)
})

test("after a crash a run goes on behind its last finished step; a step that may have acted asks", async () => {
  const died = new Promise<never>(() => undefined)
  const stuck = openWorkflowRoom({
    ports: {
      run: (program, ...rest) =>
        "shell" in program.line && program.line.shell === "hang" ? died : runEcho(program, ...rest),
    },
  })
  const ran: string[] = []
  const runEcho: EnginePorts["run"] = async (program) => {
    const shell = "shell" in program.line ? program.line.shell : ""
    ran.push(shell)
    return { exitCode: 0, killedBy: null, stdout: `${shell}!`, stderr: "", timedOut: false }
  }
  try {
    void stuck
      .run("steps: [{ id: a, run: one }, { id: b, run: hang }, { id: c, run: three }]", { runId: "r1" })
      .catch(() => undefined)
    while (!stuck.events.some((event) => event.type === "step.started" && event.path === "b"))
      await new Promise(setImmediate)
    const second = stuck.successor({ run: runEcho })
    const asked = ok(await second.resume("r1", stuck.how))
    assert.equal(asked.status, "needs_input")
    assert.match(asked.requiresInput!.prompt, /Step b was running/)
    assert.deepEqual(ran, ["one"])
    await assert.rejects(
      second.answer(token(asked), { type: "respond", response: { did: "maybe" } }, stuck.how),
      /does not fit/,
    )
    const done = ok(await second.answer(token(asked), { type: "respond", response: { did: "again" } }, stuck.how))
    assert.deepEqual(done.output, ["three!"])
    assert.deepEqual(ran, ["one", "hang", "three"])
  } finally {
    await stuck.close()
  }
})

test("the same idempotency key acts once, over runs", async () => {
  const yaml = 'steps: [{ id: a, run: "echo sent >> log; echo $PINCER_IDEMPOTENCY_KEY", idempotency_key: "mail-${n}" }]'
  assert.deepEqual(ok(await room.run(yaml, { args: { n: 1 } })).output, ["mail-1\n"])
  assert.deepEqual(ok(await room.run(yaml, { args: { n: 1 } })).output, ["mail-1\n"])
  assert.deepEqual(ok(await room.run(yaml, { args: { n: 2 } })).output, ["mail-2\n"])
  assert.deepEqual(log(), ["sent", "sent"])
})

test("a canceled run kills what runs; arguments and outputs are checked", async () => {
  const running = room.run('steps: [{ id: a, run: "touch started; sleep 60" }]', { runId: "r2" })
  while (!room.events.some((event) => event.type === "step.started")) await new Promise(setImmediate)
  assert.equal(await room.engine.cancel("r2", "ann"), true)
  assert.equal(ok(await running).status, "cancelled")
  assert.equal(await room.engine.cancel("r2", "ann"), false)
  const typed = `args: { n: { type: integer, required: true } }
steps: [{ id: a, run: "echo '\\"x\\"'", output: { schema: { type: integer } } }]`
  await assert.rejects(room.run(typed), /"n" is missing/)
  await assert.rejects(room.run(typed, { args: { n: "5" } }), /"n".*integer/)
  const wrong = await room.run(typed, { args: { n: 5 } })
  assert.ok(!wrong.ok && /output of step a does not fit/.test(wrong.error.message))
})

test("the steps at the end wait for people, too, and a stop among them can be resumed", async () => {
  const waiting = ok(
    await room.run(`steps: [{ id: a, run: "echo a >> log; echo out" }]
finally: [{ id: sure, approval: Tidy?, run: "echo sure >> log" }, { id: b, run: "echo b >> log" }]
`),
  )
  assert.equal(waiting.status, "needs_approval")
  const done = ok(await room.engine.answer(token(waiting), { type: "approve", approved: true }, room.how))
  assert.deepEqual([done.status, done.output, log()], ["ok", ["out\n"], ["a", "sure", "b"]])
  const failing = room.run(
    `steps: [{ id: a, run: "false" }]
on_failure: [{ id: c, run: "touch here; sleep 60" }]
`,
    { runId: "stopped" },
  )
  while (!room.events.some((event) => event.type === "step.started" && event.path === "c"))
    await new Promise(setImmediate)
  assert.equal(await room.engine.cancel("stopped", "ann"), true)
  assert.equal(ok(await failing).status, "cancelled")
})

test("an output that was too long is named in the envelope, also after a gate, and later steps find its file", async () => {
  await room.close()
  room = openWorkflowRoom({
    ports: {
      async run({ line }) {
        const text = "shell" in line ? line.shell : ""
        const result = { exitCode: 0, killedBy: null, stdout: text, stderr: "", timedOut: false }
        return text === "long" ? { ...result, spilled: { file: "/kept/whole", bytes: 9_000_000 } } : result
      },
    },
  })
  const waiting = ok(
    await room.run(`steps:
  - { id: each, for_each: "[1]", steps: [{ id: big, run: long }] }
  - { id: gate, approval: true }
  - { id: top, run: long }
  - { id: next, run: "at $top.spilled.file of $top.spilled.bytes" }`),
  )
  assert.deepEqual(waiting.spilled, [{ path: "each[0].big", file: "/kept/whole", bytes: 9_000_000 }])
  const done = ok(await room.engine.answer(token(waiting), { type: "approve", approved: true }, room.how))
  assert.deepEqual(
    done.spilled?.map((one) => one.path),
    ["each[0].big", "top"],
  )
  assert.deepEqual(done.output, ["at /kept/whole of 9000000"])
})

test("a refused answer changes nothing of the gate; an answer that comes too late is refused, and the run fails", async () => {
  await room.close()
  const clock = stillClock()
  room = openWorkflowRoom({ clock })
  const waiting = ok(
    await room.run(`steps:
  - { id: a, approval: { prompt: Go?, required_approver: ann }, gate_timeout_ms: 60000 }
  - { id: b, run: "echo b >> log" }
`),
  )
  const { approvalId } = waiting.requiresApproval!
  const before = await room.books.runs.gate(approvalId!)
  const yes = { type: "approve", approved: true } as const
  await assert.rejects(room.engine.answer(token(waiting), { ...yes, by: "bob" }, room.how), /Only ann/)
  await assert.rejects(room.engine.answer(token(waiting), yes, room.how), /Only ann/)
  await assert.rejects(room.engine.answer(token(waiting), { type: "respond", response: {} }, room.how), /yes or no/)
  assert.deepEqual(await room.books.runs.gate(approvalId!), before)
  clock.jump(60_000)
  await assert.rejects(room.engine.answer(token(waiting), { ...yes, by: "ann" }, room.how), /expired/)
  assert.equal((await room.books.runs.gate(approvalId!))?.status, "expired")
  assert.deepEqual(log(), [])
  const late = await room.engine.resume(waiting.runId!, room.how)
  assert.ok(!late.ok && /nobody answered in time/.test(late.error.message))
  assert.deepEqual(log(), [])
})
