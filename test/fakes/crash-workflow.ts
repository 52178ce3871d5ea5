// A run of 30 steps in a process of its own that can be killed at any moment: begins it, or goes on with it, until it has ended.
// Usage: node crash-workflow.ts <folder> whole|failing [<checkpoint> <n>]: the run ends well, or fails and undoes what it did; it kills itself
// (SIGKILL) the n-th time it passes that point. Prints a line for each point it passes. What steps do to the world is a line in the file "effects":
// their path. A question whether a step that was cut off has acted is answered by looking there.
import { appendFileSync, existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import type { Envelope } from "../../src/protocol/workflow.ts"
import { openStore } from "../../src/store/open.ts"
import type { GateRow } from "../../src/store/run-rows.ts"
import type { Command, ProgramResult } from "../../src/workflow/command.ts"
import { approve } from "../../src/workflow/commands/approve.ts"
import type { GateReply } from "../../src/workflow/engine/engine.ts"
import type { EnginePorts } from "../../src/workflow/engine/ports.ts"
import { WorkflowEngine } from "../../src/workflow/engine/workflow-engine.ts"
import { readWorkflow } from "../../src/workflow/file/read.ts"

export const RUN = "the-run"

/** Every step that acts, by its path. */
export const EFFECTS: readonly string[] = [
  ...["one", "two", "three", "flaky", "keyed", "left", "middle", "right", "first", "second", "join", "gated"],
  ...["0", "1", "2"].flatMap((i) => [`each[${i}].do`, `each[${i}].then`]),
  ...["sub.in", "sub.in2", "sub.loop[0].deep", "sub.loop[1].deep", "sub.out"],
  ...["line|1", "p[0].a", "p[0].b", "eight", "nine", "last"],
]

const MAIN = `name: crash
args: { list: { default: [a, b, c] } }
steps:
  - { id: look, run: "read", effect: read }
  - { id: one, run: act, effect: write }
  - { id: two, argv: [act], effect: write }
  - { id: three, run: act, when: $one.stdout }
  - id: each
    for_each: \${list}
    concurrency: 2
    steps:
      - { id: do, run: act, effect: write }
      - { id: ask, approval: "Go on with it?", when: $index.json == 1 }
      - { id: then, run: act, effect: write }
  - { id: flaky, run: flaky, effect: write, retry: { max: 4, delay_ms: 1 } }
  - { id: keyed, run: keyed, idempotency_key: "mail-\${list}" }
  - id: both
    parallel:
      branches:
        - { id: left, run: act, effect: write }
        - { id: middle, run: act, approval: "Middle?" }
        - { id: right, run: act, effect: write }
  - { id: gate, approval: "Send all?" }
  - { id: gated, run: act, when: $gate.approved }
  - { id: which, input: { prompt: "Which?", responseSchema: { type: object, required: [n] } } }
  - { id: sub, workflow: child.lobster, workflow_args: { n: 5 } }
  - { id: line, pipeline: "approve --prompt 'Line?' | mark", stdin: [1, 2] }
  - { id: first, run: act, needs: [line] }
  - { id: second, run: act, needs: [line] }
  - { id: join, run: act, needs: [first, second] }
  - id: p
    for_each: '["x"]'
    steps: [{ id: a, run: act }, { id: b, run: act }]
  - { id: eight, run: act }
  - { id: nine, run: act }
finally:
  - { id: last, run: act }
`
/** At the end of the run that fails: what it does then, too. */
export const UNDONE: readonly string[] = ["broke", "undo", "each2[0].back", "each2[1].back", "told"]
const FAILING = `  - { id: broke, run: broke, effect: write }
on_failure:
  - { id: undo, run: act }
  - { id: each2, for_each: "[1, 2]", steps: [{ id: back, run: act }] }
  - { id: sorry, approval: "Tell them?" }
  - { id: told, run: act }
`
const CHILD = `args: { n: { type: integer, required: true } }
steps:
  - { id: in, run: act }
  - { id: okay, approval: "Inside?" }
  - { id: in2, run: act }
  - { id: loop, for_each: "[1, 2]", steps: [{ id: deep, run: act }] }
  - { id: out, run: act }
`

const mark: Command = {
  name: "mark",
  description: "Acts once for all items",
  args: {},
  examples: [],
  sideEffects: ["local_exec"],
  effect: "once",
  async run({ items }, { cwd, env, run }) {
    const all: unknown[] = []
    for await (const item of items) all.push(item)
    await run({ line: { argv: ["act"] }, cwd, env, maxBytes: 1_000 })
    return { items: all }
  },
}

async function main(folder: string, text: string, point: string | undefined, nth: number): Promise<void> {
  const effects = join(folder, "effects")
  const done = (): string[] => (existsSync(effects) ? readFileSync(effects, "utf8").trimEnd().split("\n") : [])
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, Math.random() * 3))
  let left = nth
  let tries = 0
  const act: EnginePorts["run"] = async ({ env, line }, { path }) => {
    const what = "shell" in line ? line.shell : line.argv.join(" ")
    const result: ProgramResult = { exitCode: 0, killedBy: null, stdout: "{}", stderr: "", timedOut: false }
    await pause()
    if (what === "flaky" && ++tries % 2 === 1) return { ...result, exitCode: 1, stderr: "not yet" }
    // The other side keeps its word: what carries a key that it has seen is not done again.
    const seen = what === "keyed" && env["PINCER_IDEMPOTENCY_KEY"] !== undefined && done().includes(path)
    if (!seen) appendFileSync(effects, `${path}\n`)
    say(`did ${path}`)
    await pause()
    return what === "broke" ? { ...result, exitCode: 1, stderr: "it broke" } : result
  }
  const books = openStore({ path: join(folder, "p.db"), durability: "normal" }, systemClock, silentLogger)
  const ports: EnginePorts = {
    runs: books.runs,
    clock: systemClock,
    log: silentLogger,
    holder: { pid: process.pid, birth: "crash" },
    isAlive: ({ pid }) => pid === process.pid,
    env: {},
    spillFolder: join(folder, "spill"),
    commands: [approve, mark],
    run: act,
    readText: (path) => readFile(path, "utf8"),
    fetch: () => Promise.reject(new Error("No network here")),
    model: () => Promise.reject(new Error("No model here")),
    tool: () => Promise.reject(new Error("No tools here")),
    agent: () => Promise.reject(new Error("No agents here")),
    publish: () => undefined,
    checkpoint(name) {
      say(name)
      if (name === point && --left === 0) process.kill(process.pid, "SIGKILL")
    },
  }
  const engine = new WorkflowEngine(ports)
  const how = { print: () => undefined, warn: () => undefined, signal: new AbortController().signal }
  say("ready")
  for (;;) {
    const stored = await books.runs.get(RUN)
    const status = stored?.record.status
    if (status === "completed" || status === "failed" || status === "canceled") break
    let envelope: Envelope
    const waits = stored && (await books.runs.gatesOf(RUN)).find((gate) => gate.status === "waiting")
    if (!stored) envelope = await engine.start({ ...how, ...source(folder, text), ...STARTER })
    else if (waits && status !== "running") envelope = await engine.answer(waits.token, replyTo(waits, done()), how)
    else envelope = await engine.resume(RUN, how)
    say(envelope.ok ? envelope.status : `failed ${envelope.error.message}`)
    if (!envelope.ok) break
  }
  await books.close()
}

const STARTER = { runId: RUN, args: {}, startedBy: "crash", agentId: "main", identity: {} }

function source(folder: string, text: string): Pick<Parameters<WorkflowEngine["start"]>[0], "source" | "cwd"> {
  const file = join(realpathSync(folder), "main.lobster")
  writeFileSync(join(folder, "child.lobster"), CHILD)
  writeFileSync(file, text)
  const { definition, problems } = readWorkflow(text, file)
  const wrong = problems.find((one) => one.level === "error")
  if (!definition || wrong) throw new Error(wrong?.message ?? "It cannot be read")
  return { source: { type: "workflow", definition }, cwd: folder }
}

function replyTo(gate: GateRow, done: readonly string[]): GateReply {
  const [path, question] = gate.path.split("?uncertain")
  if (question !== undefined) {
    const acted = done.some((one) => one === path || one.startsWith(`${path}|`))
    if (acted && path === "broke") return { type: "respond", response: { did: "fail" } }
    return { type: "respond", response: acted ? { did: "done", output: "{}" } : { did: "again" } }
  }
  return gate.request["type"] === "input"
    ? { type: "respond", response: { n: 7 } }
    : { type: "approve", approved: true, by: "ann" }
}

if (import.meta.main) {
  const [folder, ending, point, nth] = process.argv.slice(2)
  if (!folder) throw new TypeError("Usage: crash-workflow.ts <folder> whole|failing [<checkpoint> <n>]")
  const text = ending === "failing" ? MAIN.replace("finally:\n", () => `${FAILING}finally:\n`) : MAIN
  await main(folder, text, point, Number(nth ?? 1))
}
