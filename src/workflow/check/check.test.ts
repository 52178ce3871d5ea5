// What a check finds, all of it at once and each in its place, and what it lets pass.
import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { groupBy } from "../commands/group-by.ts"
import { head } from "../commands/head.ts"
import { pick } from "../commands/pick.ts"
import { commandTable } from "../engine/pipeline.ts"
import { readWorkflow } from "../file/read.ts"
import { checkWorkflow } from "./check.ts"

const folder = mkdtempSync(join(tmpdir(), "pincer-check-"))
after(() => rmSync(folder, { recursive: true, force: true }))
const commands = commandTable([groupBy, head, pick])
const check = (text: string, name = "main.lobster") => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return checkWorkflow(readWorkflow(text, file), { commands, cwd: folder }).map(
    ({ level, code, place }) => `${level} ${code} ${place?.line}:${place?.column}`,
  )
}

test("a sound workflow has no problems", () => {
  assert.deepEqual(
    check(`args: { who: { default: me } }
steps:
  - { id: a, run: "echo '{}'", output: { schema: { type: object, properties: { list: { type: array } } } } }
  - id: b
    for_each: $a.json.list
    item_var: mail
    steps:
      - { id: c, pipeline: "pick x | head --n 2", stdin: $mail.json, when: $index.json < 3 && $a.json.list }
      - { id: d, argv: [echo, "\${who}", "$c.stdout"], when: $c.skipped == false }
  - { id: p, parallel: { branches: [{ id: l, run: "true" }, { id: r, run: "true" }] } }
  - { id: e, run: "echo \\"$HOME $1.50\\" \${HOME}", when: $l.json || $r.stdout }
  - { id: f, run: "echo \${who}", quote: true }
`),
    [],
  )
})

test("names, references, types and shells, all at once", () => {
  assert.deepEqual(
    check(`args:
  who: { default: 5, type: string }
steps:
  - id: a
    run: echo \${who} \${hwo} $b.stdout
    output: { schema: { type: object, properties: { title: { type: string } } } }
  - { id: b, pipeline: "pikc x | head 3 | groupBy | head --n x --m 1" }
  - { id: c, run: x, when: $a.json.titel == 1 }
  - { id: d, run: x, when: $a.jsn }
  - { id: e, run: x, when: $nope.json }
  - { id: f, run: x, when: $g.json == 2 }
  - { id: g, run: x, when: "1 +" }
  - { id: h, for_each: $a.json.title, steps: [{ id: i, run: x, stdin: $zz.json }] }
  - { id: j, run: x, when: false }
  - { id: k, workflow: missing.lobster }
  - { id: l, agent: { message: hi, schema: { type: nonsense } } }
`),
    [
      "error type-clash 2:19",
      "warning unknown-argument 5:10",
      "warning forward-reference 5:10",
      "warning injection 5:10",
      "error unknown-command 7:24",
      "warning extra-word 7:24",
      "error missing 7:24",
      "error argument 7:24",
      "warning unknown-argument 7:24",
      "error unknown-field 8:28",
      "error unknown-field 9:28",
      "error unknown-reference 10:28",
      "error forward-reference 11:28",
      "error condition 12:28",
      "error type-clash 13:24",
      "error unknown-reference 13:71",
      "warning unreachable 14:28",
      "error no-file 15:24",
      "error schema 16:44",
    ],
  )
})

test("needs that are unknown or go in a circle, and what they let a step see", () => {
  assert.deepEqual(
    check(`steps:
  - { id: a, needs: [b], run: x }
  - { id: b, needs: [a], run: x }
  - { id: c, needs: [aa], run: x }
  - { id: d, needs: [], run: x, when: $e.json }
  - { id: e, needs: [], run: x }
`),
    ["error circle 2:21", "error circle 3:21", "error unknown-reference 4:21", "error forward-reference 5:39"],
  )
})

test("in a text an unknown step is told of where nothing else can be meant", () => {
  assert.deepEqual(
    check(`steps:
  - { id: fetch, run: "cp $name.json $HOME.bak; echo $1.50" }
  - { id: b, run: "echo $zz.stdout" }
  - { id: c, run: "echo $fetsh.json" }
`),
    ["warning unknown-reference 3:19", "warning unknown-reference 4:19"],
  )
})

test("a tool that is not there now is a warning with the nearest name", () => {
  const text = `steps:
  - { id: a, tool: Raed, tool_args: { path: x } }
  - { id: b, tool: "mcp:files:lost" }
  - { id: c, for_each: "[1]", steps: [{ id: d, tool: mcp__files__read }, { id: e, tool: "$a.json.name" }] }
`
  const tools = new Set(["Read", "mcp:files:read", "mcp__files__read"])
  const file = join(folder, "tools.lobster")
  const problems = checkWorkflow(readWorkflow(text, file), { commands, cwd: folder, tools })
  assert.deepEqual(
    problems.map(({ level, message, place }) => `${level} ${place?.line}:${place?.column} ${message}`),
    [
      'warning 2:20 Step a: there is no tool "Raed" now: did you mean "Read"?',
      'warning 3:20 Step b: no MCP server offers the tool "mcp:files:lost" now',
    ],
  )
  assert.deepEqual(check(text), [])
})

test("files within files are checked where they stand, with their arguments", () => {
  writeFileSync(
    join(folder, "child.lobster"),
    'args: { n: { type: integer, required: true } }\nsteps: [{ id: a, pipeline: "nope" }]',
  )
  writeFileSync(join(folder, "self.lobster"), "")
  assert.deepEqual(
    check(
      "steps:\n  - { id: a, workflow: child.lobster, workflow_args: { n: x } }\n  - { id: b, workflow: child.lobster }",
    ),
    ["error unknown-command 2:28", "error type-clash 2:54", "error missing 3:24"],
  )
  assert.deepEqual(check("steps: [{ id: a, workflow: self.lobster }]", "self.lobster"), ["error circle 1:28"])
  writeFileSync(
    join(folder, "ends.lobster"),
    "steps: [{ id: a, run: x }]\nfinally: [{ id: b, run: y }]\non_failure: [{ id: c, run: z }]",
  )
  assert.deepEqual(check("steps: [{ id: a, workflow: ends.lobster }]"), [])
  writeFileSync(join(folder, "ends.lobster"), "steps: [{ id: a, run: x }]\ntimeout_ms: 5")
  assert.deepEqual(check("steps: [{ id: a, workflow: ends.lobster }]"), ["warning left-out 1:28"])
  // Each names the next one twice.
  for (let i = 0; i < 8; i++) {
    const next = i === 7 ? "run: x" : `workflow: deep${i + 1}.lobster`
    const steps = Array.from({ length: 20 }, (_, j) => `{ id: s${j}, ${next}, nope: 1 }`)
    writeFileSync(join(folder, `deep${i}.lobster`), `steps: [${steps.join(", ")}]`)
  }
  assert.equal(check("steps: [{ id: a, workflow: deep0.lobster }]").length, 8 * 20)
})
