// Commands that act or wait, run by the engine; answers as Lobster 2026.9.13 gave them.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { openWorkflowRoom, type WorkflowRoom } from "../../../test/fakes/workflow-room.ts"
import type { Envelope } from "../../protocol/workflow.ts"
import { commands } from "./index.ts"

let room: WorkflowRoom
before(() => {
  room = openWorkflowRoom({ commands })
})
after(() => room.close())

const output = (envelope: Envelope) => {
  assert.ok(envelope.ok, JSON.stringify(envelope))
  return envelope.output
}
const failure = (envelope: Envelope) => (envelope.ok ? "" : envelope.error.message)

test("exec yields lines or JSON, and hands items over", async () => {
  const rows: [string, unknown[]][] = [
    ["exec echo a b", ["a b"]],
    ["exec --shell 'printf \"a\\n\\n b \\n\"'", ["a", " b "]],
    ["exec 'echo a b'", ["a b"]],
    ["exec --json echo [1,2]", [1, 2]],
    ["exec --json echo ''", [null]],
    ["exec --json=false echo 5", [5]],
    ["exec --json echo [1,2,3] | exec --stdin jsonl cat", ["1", "2", "3"]],
    ["exec --json echo [1,2,3] | exec --stdin raw --shell cat", ["1", "2", "3"]],
    ["exec --json echo [1,2,3] | exec --stdin json --json cat", [1, 2, 3]],
    ["exec echo --long -x --key=v", ["--long -x --key=v"]],
    ["exec --stdin raw cat", []],
  ]
  for (const [text, expected] of rows) assert.deepEqual(output(await room.pipe(text)), expected, text)
  const wrong: [string, RegExp][] = [
    ["exec false", /exec failed \(1\): false/],
    ["exec --shell 'echo oops >&2; exit 3'", /exec failed \(3\): oops/],
    ["exec nosuchbin", /not found: nosuchbin/],
    ["exec --json echo nojson", /no JSON/],
    ["exec --stdin bad cat", /raw, json or jsonl/],
    ["exec", /needs a program/],
    ["exec --shell", /needs a program/],
  ]
  for (const [text, message] of wrong) assert.match(failure(await room.pipe(text)), message, text)
})

test("approve and ask wait with what Lobster shows", async () => {
  const one = await room.pipe(
    "exec --json echo [1,2,3,4,5,6,7] | approve --prompt hi --preview-from-stdin --limit 2 | head --n 1",
  )
  assert.ok(one.ok && one.requiresApproval)
  const { approvalId, resumeToken, ...shown } = one.requiresApproval
  assert.deepEqual(shown, {
    type: "approval_request",
    prompt: "hi",
    items: [1, 2, 3, 4, 5, 6, 7],
    preview: "[\n  1,\n  2\n]",
  })
  assert.match(approvalId ?? "", /^[0-9a-f]{8}$/)
  assert.deepEqual(output(await room.engine.answer(resumeToken, { type: "approve", approved: true }, room.how)), [1])
  const two = await room.pipe("exec --json echo [1,2] | ask --prompt q --subject-from-stdin")
  assert.ok(two.ok && two.requiresInput)
  assert.deepEqual(two.requiresInput.subject, { text: "1\n2" })
  const answer = { decision: "redraft", feedback: "更短" }
  assert.deepEqual(
    output(await room.engine.answer(two.requiresInput.resumeToken, { type: "respond", response: answer }, room.how)),
    [answer],
  )
  assert.match(failure(await room.pipe("ask --schema nojson")), /JSON Schema/)
  assert.match(failure(await room.pipe('ask --schema \'{"type":"nope"}\'')), /JSON Schema/)
})

test("state and differences outlive runs", async () => {
  assert.deepEqual(output(await room.pipe("state.get nokey")), [null])
  assert.deepEqual(output(await room.pipe("exec --json echo [1,2] | state.set KK")), [[1, 2]])
  assert.deepEqual(output(await room.pipe("state.get kk")), [[1, 2]])
  const changes = []
  for (const value of [5, 6, 6])
    changes.push(...output(await room.pipe(`exec --json echo ${value} | diff.last --key q`)))
  assert.deepEqual(changes, [
    { kind: "diff.last", key: "q", changed: true, before: null, after: 5 },
    { kind: "diff.last", key: "q", changed: true, before: 5, after: 6 },
    { kind: "diff.last", key: "q", changed: false, before: 6, after: 6 },
  ])
  for (const text of ["state.get", "state.set", "diff.last"])
    assert.match(failure(await room.pipe(text)), /needs a key/)
})

test("commands.list names every command once, sorted, with its arguments", async () => {
  const names = output(await room.pipe("commands.list | pick name")).map((item) => (item as { name: string }).name)
  assert.deepEqual(names, [...new Set(commands.flatMap((one) => [one.name, ...(one.aliases ?? [])]))].sort())
})
