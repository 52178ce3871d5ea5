import assert from "node:assert/strict"
import { test } from "node:test"
import { readWorkflow } from "../file/read.ts"
import { draw, GRAPH_FORMATS } from "./draw.ts"
import { graphOf } from "./graph.ts"

const { definition } = readWorkflow(`name: demo
steps:
  - { id: fetch, run: "echo '[1]' | tee \\"x\\"" }
  - { id: each, for_each: $fetch.json, steps: [{ id: one, run: "echo $item.json" }] }
  - { id: both, parallel: { branches: [{ id: l, run: "true" }, { id: r, pipeline: head }] } }
  - { id: ok, approval: "Send?", when: $both.json && $fetch.stdout != "" }
  - { id: send, run: cat, stdin: $each.json, when: $ok.approved }
`)

test("draw() gives Mermaid and Graphviz as Lobster does", () => {
  const graph = graphOf(definition!)
  assert.equal(
    draw(graph, "mermaid"),
    `flowchart TD
  fetch["fetch\\nrun: echo '[1]' &#124; tee &quot;x&quot;"]
  each["each\\nfor_each: $fetch.json"]
  both["both\\nparallel (all)"]
  ok{"ok\\napproval gate"}
  send["send\\nrun: cat"]

  fetch -->|next| each
  fetch -->|for_each| each
  each -->|next| both
  both -->|next| ok
  both -->|when: $both.json &amp;&amp; $fetch.stdout != &quot;&quot;| ok
  fetch -->|when: $both.json &amp;&amp; $fetch.stdout != &quot;&quot;| ok
  ok -->|next| send
  each -->|stdin| send
  ok -->|when: $ok.approved| send
`,
  )
  assert.match(
    draw(graph, "dot"),
    /^digraph workflow \{\n {2}rankdir=TB;\n {2}"fetch" \[shape=box,label="fetch\\nrun: echo '\[1\]' \| tee \\"x\\""\];/,
  )
  assert.match(draw(graph, "ascii"), /- each \[for_each\] \(for_each: \$fetch\.json\)\n {2}- one \[run\]/)
})

test("the status of a run lies over it, in every format", () => {
  const step = { kind: "shell", attempts: 1, startedAt: 1, endedAt: 2 } as const
  const graph = graphOf(definition!, [
    { ...step, path: "fetch", status: "completed" },
    { ...step, path: "l", status: "failed" },
    { ...step, path: "ok", status: "waiting" },
  ])
  for (const format of GRAPH_FORMATS) assert.match(draw(graph, format), /completed|#dcfce7/, format)
  const shown = JSON.parse(draw(graph, "json"))
  assert.equal(shown.nodes[2].children[0].status, "failed")
})

test("names and texts from a file cannot break out of a picture", () => {
  const hostile = readWorkflow(
    'steps: [{ id: "end", run: "</text><script>|\\"]" }, { id: "a b", run: "x\\ny" }, { id: "a-b", run: x }]',
  )
  const graph = graphOf(hostile.definition!)
  const picture = draw(graph, "svg")
  assert.ok(!picture.includes("<script"))
  assert.match(draw(graph, "mermaid"), /s_end\["end\\nrun: &lt;\/text&gt;/)
  assert.match(draw(graph, "mermaid"), /a_b_1.*\n.*a_b_2/)
})
