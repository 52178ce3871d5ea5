// Plans: what would run is said, what only a run knows is named, and nothing runs.
import assert from "node:assert/strict"
import { test } from "node:test"
import type { PlannedStep, WorkflowPlan } from "../../protocol/workflow-plan.ts"
import { commands } from "../commands/index.ts"
import type { Definition } from "../definition.ts"
import { commandTable } from "../engine/pipeline.ts"
import { readWorkflow } from "../file/read.ts"
import { type PlanRoom, planOf, planOfPipeline } from "./plan.ts"

const FILES: Record<string, string> = {
  "/w/main.lobster": `name: notes
args: { who: { default: ann }, list: { default: [a, b] } }
steps:
  - { id: fetch, run: "list \${who}", effect: read }
  - { id: sum, agent: { message: "Sum up for \${who}", model: m }, stdin: $fetch.json, retry: { max: 3, delay_ms: 5 } }
  - id: each
    for_each: \${list}
    concurrency: 2
    steps:
      - { id: mail, argv: [mail-it, $item.json], when: $sum.json.ok }
      - { id: sub, workflow: child.lobster, workflow_args: { n: 5 } }
  - { id: both, parallel: { branches: [{ id: l, http: { url: "https://a" } }, { id: r, tool: Write, tool_args: { a: 1 } }] } }
  - { id: later, for_each: $fetch.json, steps: [{ id: x, pipeline: "llm.invoke --model m --prompt 中文" }] }
  - { id: never, run: x, when: "1 == 2", needs: [both] }
finally: [{ id: tidy, run: tidy, idempotency_key: "t-\${who}" }]
on_failure: [{ id: tell, approval: { prompt: Undo?, required_approver: bob } }]
`,
  "/w/child.lobster":
    'args: { n: { type: integer, required: true } }\nsteps: [{ id: look, argv: [get, "${n}"] }, { id: again, workflow: main.lobster }]',
  "/w/ends.lobster": "steps: [{ id: in, workflow: ended.lobster }]",
  "/w/ended.lobster":
    "steps: [{ id: a, run: a }]\nfinally: [{ id: z, run: z, effect: read }]\non_failure: [{ id: f, run: f }]",
  "/w/self.lobster":
    'steps: [{ id: a, workflow: self.lobster }, { id: b, workflow: "$a.json" }, { id: c, workflow: no.lobster }]',
  "/w/wide.lobster": `steps: [${Array.from({ length: 60 }, (_, i) => `{ id: s${i}, workflow: wider.lobster }`).join(",")}]`,
  "/w/wider.lobster": `steps: [${Array.from({ length: 60 }, (_, i) => `{ id: s${i}, run: x }`).join(",")}]`,
}

const load = (file: string): { definition: Definition; real: string } | undefined => {
  const definition = FILES[file] === undefined ? undefined : readWorkflow(FILES[file], file).definition
  return definition && { definition, real: file }
}
const room: PlanRoom = {
  commands: commandTable(commands),
  cwd: "/w",
  load,
  price: async ({ inputTokens, model }) => (model === "m" ? inputTokens / 1_000 : null),
}
const plan = (file: string, args = {}): Promise<WorkflowPlan> => planOf(load(file)!.definition, args, room)

function flat(steps: readonly PlannedStep[]): PlannedStep[] {
  return steps.flatMap((step) => [step, ...flat(step.steps ?? [])])
}

test("what runs at the end of a file within the file stands below it", async () => {
  const { counts, finally: last, onFailure, steps } = await plan("/w/ends.lobster")
  const [held] = steps
  assert.deepEqual(
    [held?.steps, held?.onFailure, held?.finally].map((list) => list?.map(({ path }) => path)),
    [["in.a"], ["in.f"], ["in.z"]],
  )
  assert.deepEqual([onFailure, last], [[], []])
  assert.deepEqual([counts.steps, counts.acting], [4, 2])
})

test("a plan names every step with what it does, files within files included", async () => {
  const { counts, finally: last, onFailure, steps, usd } = await plan("/w/main.lobster", { who: "bob" })
  const line = ({ does, effect, path, runs }: PlannedStep) => `${path}: ${does} [${runs}${effect ? ` ${effect}` : ""}]`
  assert.deepEqual(flat([...steps, ...onFailure, ...last]).map(line), [
    "fetch: list bob [yes read]",
    "sum: Sum up for bob [yes once]",
    "each: for each of a,b [yes]",
    "each[*].mail: mail-it $item.json [depends once]",
    "each[*].sub: child.lobster [yes]",
    "each[*].sub.look: get 5 [yes once]",
    "each[*].sub.again: main.lobster [yes]",
    "both: side by side [yes]",
    "l: GET https://a [yes read]",
    'r: Write {"a":1} [yes once]',
    "later: for each of $fetch.json [yes]",
    "later[*].x: llm.invoke --model m --prompt 中文 [yes once]",
    "never: x [no once]",
    "tell: asks for approval [yes]",
    "tidy: tidy [yes idempotent]",
  ])
  const [, sum, each] = steps
  assert.deepEqual([sum?.retry, sum?.stdin, sum?.cost?.usd], [3, "$fetch.json", sum!.cost!.inputTokens / 1_000])
  assert.deepEqual(each?.each, { over: "a,b", atOnce: 2, items: 2 })
  assert.match(each!.steps![1]!.steps![1]!.note ?? "", /holds this workflow itself/)
  assert.equal(steps.find(({ path }) => path === "later")?.each?.items, undefined)
  assert.deepEqual(onFailure[0]?.gate, { type: "approval", prompt: "Undo?", approver: "bob" })
  assert.deepEqual([counts, last[0]?.idempotencyKey], [{ steps: 15, acting: 7, gates: 1, models: 2 }, "t-bob"])
  assert.ok(usd > sum!.cost!.usd!)
})

test("what cannot be known is said; arguments that do not fit are refused; a plan ends", async () => {
  const [a, b, c] = (await plan("/w/self.lobster")).steps
  assert.match(a?.note ?? "", /itself/)
  assert.match(b?.note ?? "", /only the run knows/)
  assert.match(c?.note ?? "", /no\.lobster cannot be looked at/)
  await assert.rejects(plan("/w/child.lobster", { n: "x" }), /"n".*integer/)
  await assert.rejects(plan("/w/child.lobster"), /"n" is missing/)
  const wide = await plan("/w/wide.lobster")
  assert.deepEqual([wide.cut, wide.counts.steps], [true, 2_000])
})

test("the plan of a pipeline has its commands", async () => {
  const { counts, steps } = await planOfPipeline("exec ls | approve --prompt ok | head --n 2", room)
  assert.deepEqual(
    steps.map(({ does, effect }) => `${does} ${effect}`),
    ["exec ls once", "approve --prompt ok read", "head --n 2 read"],
  )
  assert.deepEqual(counts, { steps: 3, acting: 1, gates: 1, models: 0 })
  await assert.rejects(planOfPipeline("exce ls", room), /did you mean "exec"/)
})
