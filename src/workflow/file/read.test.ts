// Workflow files: what is read, and what is noted, where.
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Problem } from "../definition.ts"
import { readWorkflow } from "./read.ts"

const told = (problems: readonly Problem[]) =>
  problems.map(({ level, code, place }) => `${level} ${code} ${place?.line}:${place?.column}`)

test("readWorkflow() reads every field of the format", () => {
  const { definition, problems } = readWorkflow(
    `name: inbox
description: d
args:
  who: { default: me, description: whom }
  count: { type: integer, required: true }
env: { A: "1" }
cwd: \${dir}
cost_limit: { max_usd: 0.5, action: stop }
steps:
  - id: fetch
    run: echo '[1]'
    retry: { max: 3, backoff: exponential, delay_ms: 5, max_delay_ms: 50, jitter: true }
    timeout_ms: 1000
    on_error: continue
    output: { schema: { type: array } }
  - id: each
    for_each: $fetch.json
    item_var: mail
    index_var: n
    batch_size: 2
    pause_ms: 1
    steps:
      - { id: one, pipeline: "pick a" }
  - id: both
    parallel: { wait: any, timeout_ms: 9, branches: [{ id: l, run: "true" }, { id: r, pipeline: head }] }
  - id: ok
    approval: { prompt: Send?, items: [1], preview: p, initiated_by: a, requiredApprover: b, require_different_approver: true }
    when: $both.json
    stdin: { a: 1 }
  - id: ask
    input: { prompt: Which?, responseSchema: { type: object }, defaults: { x: 1 } }
  - { id: sub, workflow: other.lobster, workflow_args: { a: "\${who}" } }
  - { id: argv, argv: [git, log, "-1", 5] }
  - { id: tool, tool: Read, tool_args: { path: x } }
  - { id: agent, agent: { message: hi, schema: { type: object }, max_retries: 2 } }
  - { id: http, http: { url: "https://a", headers: { B: c }, body: { d: 1 } } }
finally: [{ id: end, run: "true" }]
on_failure: [{ id: bad, run: "true" }]
`,
    "/w/inbox.lobster",
  )
  assert.deepEqual(problems, [])
  assert.ok(definition)
  assert.deepEqual(definition.args["count"], { schema: { type: "integer" }, required: true })
  assert.deepEqual(definition.costLimit, { maxUsd: 0.5, action: "stop" })
  assert.deepEqual(
    definition.steps.map((step) => [step.id, step.kind, step.place.line]),
    [
      ["fetch", "shell", 10],
      ["each", "for_each", 16],
      ["both", "parallel", 24],
      ["ok", "approval", 26],
      ["ask", "input", 30],
      ["sub", "workflow", 32],
      ["argv", "argv", 33],
      ["tool", "tool", 34],
      ["agent", "agent", 35],
      ["http", "http", 36],
    ],
  )
  assert.deepEqual(definition.steps[3]!.gate, {
    type: "approval",
    prompt: "Send?",
    items: [1],
    preview: "p",
    initiatedBy: "a",
    requiredApprover: "b",
    requireDifferentApprover: true,
  })
  assert.deepEqual(definition.steps[6]!.body, { type: "argv", argv: ["git", "log", "-1", "5"] })
  assert.deepEqual(definition.steps[9]!.body, {
    type: "http",
    url: "https://a",
    method: "POST",
    headers: { B: "c" },
    body: { d: 1 },
  })
  assert.deepEqual([definition.finally[0]!.id, definition.onFailure[0]!.id], ["end", "bad"])
})

test("everything that is wrong is noted at once, each in its place", () => {
  const { problems } = readWorkflow(`steps:
  - id: a
    run: 5
    retires: { max: 3 }
    timeout_ms: "5"
  - id: a
    run: x
    pipeline: head
    on_error: perhaps
  - run: y
  - id: c
  - id: d
    retry: 3
    env: { A: 5 }
  - 7
  - id: e
    for_each: $a.json
  - id: f
    parallel: { branches: [] }
  - id: g
    input: { prompt: x }
`)
  assert.deepEqual(told(problems), [
    "error type 3:10",
    "warning unknown-key 4:5",
    "error type 5:17",
    "error duplicate-id 6:5",
    "error two-bodies 8:15",
    "error type 9:15",
    "error missing 10:5",
    "error no-body 11:5",
    "error no-body 12:5",
    "error type 13:12",
    "warning type 14:15",
    "error type 15:5",
    "error missing 17:15",
    "error missing 19:15",
    "error missing 21:12",
  ])
})

test("what cannot be parsed, holds no steps, or is no object", () => {
  assert.deepEqual(told(readWorkflow("steps: [").problems).slice(0, 1), ["error syntax 1:9"])
  assert.deepEqual(told(readWorkflow('{"steps": [', "/a.json").problems).slice(0, 1), ["error syntax 1:12"])
  assert.deepEqual(told(readWorkflow("- 1").problems), ["error type 1:1"])
  assert.deepEqual(told(readWorkflow("").problems), ["error type 1:1"])
  assert.deepEqual(told(readWorkflow("steps: []").problems), ["error no-steps 1:8"])
  assert.deepEqual(told(readWorkflow("steps: {a: 1}").problems), ["error type 1:8"])
  assert.deepEqual(told(readWorkflow("name: x").problems), ["error no-steps 1:1"])
  assert.deepEqual(told(readWorkflow("a: &a [x, x]\nb: &b [*a, *a]\nsteps: []").problems), [
    "warning unknown-key 1:1",
    "warning unknown-key 2:1",
    "error no-steps 3:8",
  ])
})

test("unknown keys are warnings with the nearest name, errors in strict files", () => {
  const text = "steps: [{ id: a, run: x, tiemout_ms: 5 }]"
  assert.match(readWorkflow(text).problems[0]!.message, /did you mean "timeout_ms"/)
  assert.equal(readWorkflow(`strict: true\n${text}`).problems[0]!.level, "error")
})

test("aliases that multiply without end are refused", () => {
  const bomb = [
    "a: &a [x,x,x,x,x,x,x,x,x]",
    ..."bcdefgh".split("").map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(",")}]`),
    "steps: *h",
  ]
  const wide = (what: string) =>
    `x: &x ${what}\nsteps: [{ id: a, tool: t, tool_args: { q: [${Array(900).fill("*x").join(",")}] } }]`
  for (const text of [bomb.join("\n"), wide(`[${Array(50_000).fill(1).join(",")}]`), wide("y".repeat(1_000_000))]) {
    const { definition, problems } = readWorkflow(text)
    assert.equal(definition, undefined)
    assert.deepEqual(
      problems.map(({ code, message }) => [code, /^Aliases stand for more than/.test(message)]),
      [["syntax", true]],
    )
  }
  const fine = readWorkflow(wide("[1, 2]"))
  assert.deepEqual(told(fine.problems), ["warning unknown-key 1:1"])
})

test("aliases of nothing and of themselves, and keys that stand twice, are told where they stand", () => {
  const steps = "steps: [{ id: a, run: x }]\n"
  assert.deepEqual(told(readWorkflow(`${steps}x: &x [*x]`).problems), ["error syntax 2:8"])
  assert.deepEqual(told(readWorkflow(`${steps}x: &x { a: { b: *x } }`).problems), ["error syntax 2:17"])
  assert.deepEqual(told(readWorkflow(`${steps}x: [*no, &no 1]`).problems), ["error syntax 2:5"])
  assert.deepEqual(told(readWorkflow(`${steps}x: { b: 1, b: 2 }`).problems), ["error syntax 2:12"])
  assert.deepEqual(told(readWorkflow('{"steps": [{"id": "a", "run": "x", "run": "y"}]}', "/a.json").problems), [])
  const again = readWorkflow("steps: [&a { id: a, run: x }, { id: b, env: { A: &a t, B: *a }, run: y }]")
  assert.deepEqual(again.definition?.steps[1]?.env, { A: "t", B: "t" })
})

test("what nests without end is refused in one sentence, in each form that files have", () => {
  const steps = "steps: [{ id: a, run: x }]\n"
  const deep = {
    lists: `${steps}x: ${"[".repeat(100_000)}`,
    "closed lists": `${steps}x: ${"[".repeat(3_000)}${"]".repeat(3_000)}`,
    maps: `${steps}x: ${"{ a: ".repeat(20_000)}1${"}".repeat(20_000)}`,
    indented: `${steps}x:\n${Array.from({ length: 2_000 }, (_, i) => `${" ".repeat(i + 1)}a:\n`).join("")}`,
  }
  for (const [name, text] of Object.entries(deep)) {
    const { definition, problems } = readWorkflow(text)
    assert.equal(definition, undefined, name)
    assert.deepEqual(
      problems.map(({ code, message }) => `${code}: ${message}`),
      ["syntax: It nests too deeply to be read"],
      name,
    )
  }
  const json = `{"steps": [{"id": "a", "tool": "t", "tool_args": ${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}}]}`
  assert.deepEqual(told(readWorkflow(json, "/a.json").problems), ["error syntax 1:1"])
  const text = `steps: [{ id: a, run: "${"[{".repeat(5_000)}" }, { id: b, run: '${"[".repeat(300)}' }]`
  assert.equal(readWorkflow(text).definition?.steps.length, 2)
})

test("a file of many keys is read at once, and its problems are bounded", () => {
  const text = `steps: [{ id: a, run: x }]\n${Array.from({ length: 30_000 }, (_, i) => `a${i}: 1\n`).join("")}`
  const { definition, problems } = readWorkflow(text)
  assert.deepEqual([definition?.steps.length, problems.length], [1, 1_000])
  const error = readWorkflow(`${text}b: 1\nsteps: 1\n`)
  assert.ok(error.problems.some(({ level }) => level === "error"))
})
