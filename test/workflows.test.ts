// Workflows in a whole gateway: steps are judged, confined and written down; gates are answered through any door; runs outlive the process.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { fileURLToPath } from "node:url"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { ALL_SCOPES, type Scope } from "../src/protocol/frame.ts"
import type { Envelope } from "../src/protocol/workflow.ts"
import { startFakeModel } from "./fakes/model-service.ts"
import { giveAway } from "./fakes/sandbox-room.ts"

import { type House, makeHome, NO_SANDBOX, startHouse, TEST_TOKEN } from "./house.ts"

const CRASHING = fileURLToPath(new URL("./fakes/crashing-gateway.ts", import.meta.url))

type Json = Record<string, unknown>

async function open(t: TestContext, options: Parameters<typeof startHouse>[0] = {}): Promise<House> {
  const house = await startHouse(options)
  t.after(() => house.close())
  return house
}

async function client(
  t: TestContext,
  house: House,
  scopes: readonly Scope[] = ALL_SCOPES,
  caps: string[] = [],
): Promise<GatewayClient> {
  const one = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
    scopes: [...scopes],
    caps,
  })
  t.after(() => one.close())
  return one
}

interface Ran {
  runId: string
  envelope: Envelope
  printed: string
  warnings: string[]
}

async function run(someone: GatewayClient, house: House, yaml: string, more: Json = {}): Promise<Ran> {
  return someone.request<Ran>("workflow.run", { definition: yaml, cwd: house.work, ...more })
}

const failure = ({ envelope }: Ran) => (envelope.ok ? `ok: ${JSON.stringify(envelope)}` : envelope.error.message)

async function hasSandbox(house: House): Promise<boolean> {
  return (await house.parts.sandbox.report()).available
}

async function auditOf(someone: GatewayClient, runId: string): Promise<Json[]> {
  const { records } = await someone.request<{ records: Json[] }>("audit.list", { limit: 100 })
  return records.filter((line) => line["turnId"] === runId)
}

test("a step runs in the sandbox: the workspace is its world, and the audit tells of it", async (t) => {
  const house = await open(t)
  if (!(await hasSandbox(house))) return t.skip("NOT TESTED: there is no sandbox on this machine")
  giveAway(house.work)
  const owner = await client(t, house)
  const outside = join(house.home, "outside.txt")
  const ran = await run(
    owner,
    house,
    `steps:
  - {id: in, run: "echo inside > in.txt && cat in.txt"}
  - {id: out, run: "echo outside > ${outside}", on_error: continue}
  - {id: last, argv: [printf, "%s", "a b"]}
`,
  )
  assert.ok(ran.envelope.ok, failure(ran))
  assert.deepEqual(ran.envelope.output, ["a b"])
  assert.equal(readFileSync(join(house.work, "in.txt"), "utf8"), "inside\n")
  assert.equal(existsSync(outside), false)
  assert.deepEqual(
    ran.envelope.steps?.map(({ path, status }) => `${path} ${status}`),
    ["in completed", "out failed", "last completed"],
  )
  const lines = await auditOf(owner, ran.runId)
  const told = lines
    .filter((line) => line["callId"] === "in")
    .map((line) => [line["type"], line["verdict"] ?? line["outcome"]])
  assert.deepEqual(told, [
    ["decision", "allow"],
    ["effect", "done"],
  ])
  assert.ok(lines.every((line) => line["door"] === "workflow"))
})

test("a denied command fails and names the rule; on_error decides what then", async (t) => {
  const house = await open(t, { config: { policy: { deny: ["Bash"] } } })
  const owner = await client(t, house)
  const ran = await run(owner, house, `steps:\n  - {id: a, run: "echo never > never.txt"}\n`)
  assert.match(failure(ran), /Denied by tools\.deny \(policy\.deny\[0\]\)/)
  assert.equal(existsSync(join(house.work, "never.txt")), false)
})

const GATE = `name: with a gate
steps:
  - {id: first, pipeline: "exec --json echo [1,2]", effect: read}
  - {id: gate, approval: {prompt: "Send both?"}, stdin: $first.json}
  - {id: last, pipeline: "pick a | json", stdin: $gate.json}
`

function eventOf(someone: GatewayClient, name: string, wanted: (payload: Json) => boolean): Promise<Json> {
  return new Promise((resolve) => {
    someone.on(name, ({ payload }) => {
      if (wanted(payload as Json)) resolve(payload as Json)
    })
  })
}

test("a gate stands at the approval desk; the first answer counts, whatever door it comes through", async (t) => {
  const house = await open(t)
  const owner = await client(t, house, ALL_SCOPES, ["approvals"])
  const yaml = 'steps:\n  - {id: gate, approval: {prompt: "Send both?", items: [1, 2]}}\n'
  const asked = eventOf(owner, "exec.approval.requested", ({ kind }) => kind === "workflow")
  const waiting = await run(owner, house, yaml)
  assert.ok(waiting.envelope.ok && waiting.envelope.requiresApproval, failure(waiting))
  assert.equal(waiting.envelope.status, "needs_approval")
  const row = await asked
  assert.equal(row["summary"], "Send both?")
  assert.deepEqual((row["args"] as Json)["items"], [1, 2])
  const { gates } = await owner.request<{ gates: Json[] }>("workflow.pending", {})
  assert.equal(gates[0]?.["resumeToken"], waiting.envelope.requiresApproval.resumeToken)

  await owner.request("workflow.watch", { runId: waiting.runId })
  const done = eventOf(owner, "workflow.done", ({ runId }) => runId === waiting.runId)
  await owner.request("exec.approval.resolve", { id: row["id"], decision: "allow-once" })
  assert.equal((await done)["status"], "completed")
  await assert.rejects(
    owner.request("workflow.resume", { token: waiting.envelope.requiresApproval.resumeToken, approve: true }),
    /answered before/,
  )

  const other = await run(owner, house, yaml)
  assert.ok(other.envelope.ok && other.envelope.requiresApproval)
  const { approvalId } = other.envelope.requiresApproval
  const went = await owner.request<Ran>("workflow.resume", { id: approvalId, approve: true })
  assert.ok(went.envelope.ok && went.envelope.status === "ok", failure(went))
  const left = await owner.request<Json[]>("exec.approval.list", {})
  assert.deepEqual(left, [])
  await assert.rejects(
    owner.request("exec.approval.resolve", { id: `gate-${approvalId}`, decision: "deny" }),
    /resolved/,
  )
})

test("who may approve a gate is checked at the desk, too, and a wrong answer leaves it as it was", async (t) => {
  const house = await open(t)
  const owner = await client(t, house)
  const guest = await client(t, house, ["operator.read", "operator.write"])
  const yaml = `steps:
  - {id: gate, approval: {prompt: "Really?", required_approver: ann}}
  - {id: ask, input: {prompt: "How many?", responseSchema: {type: integer}}}
`
  const waiting = await run(owner, house, yaml)
  assert.ok(waiting.envelope.ok && waiting.envelope.requiresApproval, failure(waiting))
  const { approvalId, resumeToken } = waiting.envelope.requiresApproval
  await assert.rejects(
    owner.request("exec.approval.resolve", { id: `gate-${approvalId}`, decision: "allow-once" }),
    /Only ann may approve/,
  )
  await assert.rejects(guest.request("workflow.resume", { token: resumeToken, approve: true }), /operator\.approvals/)
  const approver = await client(t, house, ["operator.read", "operator.write", "operator.approvals"])
  await assert.rejects(
    approver.request("workflow.resume", { token: resumeToken, approve: true, by: "ann" }),
    /operator\.admin/,
  )
  const next = await owner.request<Ran>("workflow.resume", { token: resumeToken, approve: true, by: "ann" })
  assert.ok(next.envelope.ok && next.envelope.requiresInput, failure(next))
  const id = `gate-${next.envelope.requiresInput.approvalId}`
  await assert.rejects(
    owner.request("exec.approval.resolve", { id, decision: "allow-once", answer: { response: "many" } }),
    /does not fit/,
  )
  await owner.request("workflow.watch", { runId: next.runId })
  const done = eventOf(owner, "workflow.done", () => true)
  await owner.request("exec.approval.resolve", { id, decision: "allow-once", answer: { response: 3 } })
  assert.equal((await done)["status"], "completed")
  const shown = await owner.request<Json>("workflow.show", { runId: next.runId })
  assert.deepEqual(shown["output"], [3])
})

test("without a sandbox each program is asked about, also when the owner typed the run; a no fails the step", async (t) => {
  const house = await open(t, { config: NO_SANDBOX })
  const owner = await client(t, house, ALL_SCOPES, ["approvals"])
  const yaml = 'steps:\n  - {id: a, run: "echo one > one.txt"}\n'
  const asked = eventOf(owner, "exec.approval.requested", () => true)
  const going = run(owner, house, yaml)
  const row = await asked
  assert.deepEqual(
    [row["kind"], row["summary"], (row["placement"] as Json)["type"]],
    ["workflow", "echo one > one.txt", "host"],
  )
  assert.equal(existsSync(join(house.work, "one.txt")), false)
  await owner.request("exec.approve", { id: row["id"] })
  const ran = await going
  assert.ok(ran.envelope.ok, failure(ran))
  assert.equal(readFileSync(join(house.work, "one.txt"), "utf8"), "one\n")

  const again = eventOf(owner, "exec.approval.requested", ({ id }) => id !== row["id"])
  const refused = run(owner, house, yaml.replaceAll("one", "two"))
  await owner.request("exec.deny", { id: (await again)["id"], reason: "not now" })
  assert.match(failure(await refused), /denied this step \(not now\)/)
  assert.equal(existsSync(join(house.work, "two.txt")), false)
})

test("canceling a run kills what its step started, and withdraws what it asked", async (t) => {
  const house = await open(t, { config: NO_SANDBOX })
  const owner = await client(t, house, ALL_SCOPES, ["approvals"])
  const marker = join(house.work, "pid")
  const yaml = `steps:\n  - {id: a, run: "sleep 300 & echo $! > ${marker}; wait"}\n`
  const asked = eventOf(owner, "exec.approval.requested", () => true)
  const going = run(owner, house, yaml, { runId: "to-cancel" })
  await owner.request("exec.approve", { id: (await asked)["id"] })
  const pid = await until(() => (existsSync(marker) ? readFileSync(marker, "utf8").trim() : "") || undefined)
  const { canceled } = await owner.request<Json>("workflow.cancel", { runId: "to-cancel" })
  assert.equal(canceled, true)
  const ran = await going
  assert.ok(ran.envelope.ok && ran.envelope.status === "cancelled", failure(ran))
  await until(() => (isAlive(Number(pid)) ? undefined : true))

  const second = eventOf(owner, "exec.approval.requested", ({ args }) => (args as Json)["runId"] === "second")
  const waiting = run(owner, house, yaml, { runId: "second" })
  const row = await second
  await owner.request("workflow.cancel", { runId: "second" })
  await waiting
  const one = await owner.request<Json>("exec.approval.get", { id: row["id"] })
  assert.equal(one["status"], "canceled")
})

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))
  } catch {
    return false
  }
}

async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test("an agent's answer is typed: asked again with what is wrong, and what it cost is counted", async (t) => {
  const model = await startFakeModel()
  t.after(() => model.close())
  const house = await open(t, { fake: model.url })
  const owner = await client(t, house)
  model.script({ text: "about forty" }, { text: '```json\n{"n": 42}\n```' })
  const yaml = `steps:
  - id: count
    agent: {message: "How many?", schema: {type: object, properties: {n: {type: integer}}, required: [n]}}
  - {id: last, pipeline: "pick n", stdin: $count.json}
`
  const ran = await run(owner, house, yaml)
  assert.ok(ran.envelope.ok, failure(ran))
  assert.deepEqual(ran.envelope.output, [{ n: 42 }])
  assert.equal(model.requests.length, 2)
  assert.match(JSON.stringify(model.requests[1]?.body), /does not fit the schema: it is no JSON/)
  model.otherwise({ text: "never" })
  const failed = await run(owner, house, yaml)
  assert.match(failure(failed), /does not fit its schema/)
})

test("tools of the house are steps, and what is not allowed to the agent is not allowed to its workflow", async (t) => {
  const house = await open(t)
  writeFileSync(join(house.work, "note.txt"), "a note\n")
  const owner = await client(t, house)
  const ran = await run(
    owner,
    house,
    `steps:
  - {id: read, tool: Read, tool_args: {path: note.txt}}
  - {id: write, tool: Write, tool_args: {path: "copy.txt", content: $read.stdout}}
`,
  )
  assert.ok(ran.envelope.ok, failure(ran))
  assert.match(readFileSync(join(house.work, "copy.txt"), "utf8"), /a note/)
  const denied = await run(owner, house, `steps:\n  - {id: w, tool: Write, tool_args: {path: b.txt, content: b}}\n`, {
    permissions: { deniedTools: ["Write"] },
  })
  assert.match(failure(denied), /Denied by permissions\.denied/)
  const unknown = await run(owner, house, `steps:\n  - {id: w, tool: Nothing, tool_args: {}}\n`)
  assert.match(failure(unknown), /There is no tool "Nothing"/)
})

test("a request to a private address is refused unless a person allows it", async (t) => {
  const server = http.createServer((request, response) => {
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify({ method: request.method, key: request.headers["idempotency-key"] ?? null }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const yaml = `steps:\n  - {id: get, http: {url: "http://127.0.0.1:${port}/", method: PUT}, idempotency_key: k1}\n`
  const house = await open(t)
  const refused = await run(await client(t, house), house, yaml)
  assert.match(failure(refused), /private or local address/)
  const open2 = await open(t, { config: { tools: { fetch: { allowHosts: [`127.0.0.1:${port}`] } } } })
  const ran = await run(await client(t, open2), open2, yaml)
  assert.ok(ran.envelope.ok, failure(ran))
  assert.deepEqual(ran.envelope.output, [{ method: "PUT", key: "k1" }])
})

test("an agent runs workflows of its workspace within its own bounds, and answers no approval", async (t) => {
  const model = await startFakeModel()
  t.after(() => model.close())
  const house = await open(t, { fake: model.url })
  const owner = await client(t, house)
  mkdirSync(join(house.work, "workflows"))
  writeFileSync(
    join(house.work, "workflows", "hello.lobster"),
    `name: hello\nargs: {who: {required: true}}\n${GATE.slice(18)}`,
  )
  const call = (args: Json) => ({ calls: [{ name: "Workflow", args }] })
  const turn = async (args: Json): Promise<string> => {
    model.script(call(args), { text: "done" })
    const before = model.requests.length
    await owner.request("chat.send", { sessionKey: "work", message: "go", cwd: house.work, wait: true })
    await until(() => (model.requests.length >= before + 2 ? true : undefined))
    const messages = model.requests.at(-1)?.body["messages"] as { role: string; content: unknown }[]
    return JSON.stringify(messages.filter(({ role }) => role === "tool").at(-1)?.content)
  }
  assert.match(await turn({ action: "list" }), /hello\.lobster \(who\)/)
  assert.match(await turn({ action: "run", file: "/etc/passwd" }), /There is no workflow file/)
  assert.match(
    await turn({ action: "run", pipeline: "template --file /etc/passwd" }),
    /Denied|nobody who could approve/,
  )
  const told = await turn({ action: "run", file: "workflows/hello.lobster", args: { who: "x" } })
  assert.match(told, /needs_approval/)
  assert.match(told, /- gate \(approval\): waiting/)
  const { gates } = await owner.request<{ gates: Json[] }>("workflow.pending", {})
  assert.match(await turn({ action: "resume", answerTo: gates[0]?.["resumeToken"] as string }), /for a person/)
})

const COUNTED = `steps:
  - {id: a, tool: Write, tool_args: {path: a.txt, content: a}}
  - {id: b, pipeline: "state.get nothing", effect: read}
  - {id: c, tool: Write, tool_args: {path: c.txt, content: c}}
`

/** Starts a run in a gateway that kills itself; resolves once it is dead. */
async function crashedRun(home: string, work: string, point: string, nth: number, more: Json = {}): Promise<void> {
  const child = spawn(process.execPath, [CRASHING, home, point, String(nth)], { stdio: ["ignore", "pipe", "inherit"] })
  const gone = once(child, "exit")
  const [line] = (await once(child.stdout, "data")) as [Buffer]
  const { url } = JSON.parse(line.toString("utf8")) as { url: string }
  const one = await connectGateway({
    url: url.replace(/^http/, "ws"),
    token: TEST_TOKEN,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
    scopes: [...ALL_SCOPES],
    reconnect: false,
  })
  const asked = one.request("workflow.run", { definition: COUNTED, cwd: work, runId: "crashed", wait: true, ...more })
  await Promise.allSettled([asked, gone])
  one.close()
}

async function crashRoom(t: TestContext, point: string, nth: number, more: Json = {}): Promise<[House, GatewayClient]> {
  const { home, work } = makeHome({})
  await crashedRun(home, work, point, nth, more)
  const house = await open(t, { home })
  return [house, await client(t, house)]
}

test("a run that kill -9 cut off is listed as interrupted, and goes on after its last finished step", async (t) => {
  // The outcome of one step and the intent of the next are one commit: only a step that may be done again goes on without a question.
  const definition = COUNTED.replace("id: c,", "id: c, idempotency_key: c,")
  const [house, owner] = await crashRoom(t, "step.recorded", 1, { definition })
  const before = await owner.request<{ runs: Json[] }>("workflow.runs", {})
  assert.deepEqual(
    before.runs.map(({ interrupted, status }) => [status, interrupted]),
    [["waiting", true]],
  )
  assert.equal(existsSync(join(house.work, "c.txt")), false)
  writeFileSync(join(house.work, "a.txt"), "kept")
  const ran = await owner.request<Ran>("workflow.resume", { runId: "crashed" })
  assert.ok(ran.envelope.ok && ran.envelope.status === "ok", failure(ran))
  assert.equal(readFileSync(join(house.work, "a.txt"), "utf8"), "kept")
  assert.equal(readFileSync(join(house.work, "c.txt"), "utf8"), "c")
})

test("a step that may have acted is asked about, also by a run that goes on by itself", async (t) => {
  const [, owner] = await crashRoom(t, "step.acted", 1, { recovery: "resume" })
  await owner.request("workflow.watch", { runId: "crashed" })
  const { gates } = await untilGates(owner)
  assert.match(String(gates[0]?.["prompt"]), /may or may not have taken effect/)
  const ran = await owner.request<Ran>("workflow.resume", {
    token: gates[0]?.["resumeToken"],
    response: { did: "done", output: "written" },
  })
  assert.ok(ran.envelope.ok && ran.envelope.status === "ok", failure(ran))
  const events = await owner.request<{ events: Json[] }>("workflow.export", { runId: "crashed" })
  assert.equal(events.events.filter(({ path, type }) => type === "step.started" && path === "a").length, 1)
})

async function untilGates(owner: GatewayClient): Promise<{ gates: Json[] }> {
  for (;;) {
    const found = await owner.request<{ gates: Json[] }>("workflow.pending", {})
    if (found.gates.length > 0) return found
  }
}

test("a gate waits through a restart and is asked for again at the desk", async (t) => {
  const house = await startHouse()
  const owner = await client(t, house)
  const waiting = await run(owner, house, 'steps:\n  - {id: gate, approval: {prompt: "Still there?"}}\n')
  await house.stop()
  const again = await open(t, { home: house.home })
  const later = await client(t, again)
  const rows = await later.request<Json[]>("exec.approval.list", {})
  assert.deepEqual(
    rows.map(({ summary }) => summary),
    ["Still there?"],
  )
  await later.request("workflow.watch", { runId: waiting.runId })
  const done = eventOf(later, "workflow.done", () => true)
  await later.request("exec.deny", { id: rows[0]?.["id"], reason: "no" })
  assert.equal((await done)["status"], "canceled")
  assert.equal((await later.request<Json>("workflow.delete", { runId: waiting.runId }))["deleted"], true)
  await assert.rejects(later.request("workflow.show", { runId: waiting.runId }), /Unknown run/)
})

test("what is too long to keep goes into a file of the run, and goes with it", async (t) => {
  const house = await open(t, { config: NO_SANDBOX })
  const owner = await client(t, house, ALL_SCOPES, ["approvals"])
  const asked = eventOf(owner, "exec.approval.requested", () => true)
  const going = run(owner, house, 'steps:\n  - {id: a, run: "seq 1 5000", max_output: 1000}\n', { runId: "long" })
  await owner.request("exec.approve", { id: (await asked)["id"] })
  const ran = await going
  assert.ok(ran.envelope.ok, failure(ran))
  const folder = join(house.home, "workflow", "outputs", "long")
  const [file] = readdirSync(folder)
  assert.equal(readFileSync(join(folder, file!), "utf8").split("\n").length, 5001)
  assert.equal(statSync(join(folder, file!)).mode & 0o777, 0o600)
  await owner.request("workflow.delete", { runId: "long" })
  assert.equal(existsSync(folder), false)
})

test("watching begins anywhere, and a graph shows where a run stands", async (t) => {
  const house = await open(t)
  const owner = await client(t, house)
  const waiting = await run(
    owner,
    house,
    'steps:\n  - {id: one, pipeline: "state.get x"}\n  - {id: gate, approval: {prompt: p}}\n',
  )
  const seen: Json[] = []
  const here = Promise.withResolvers<void>()
  owner.on("workflow.event", ({ payload }) => {
    seen.push((payload as { event: Json }).event)
    if (seen.at(-1)?.["type"] === "run.waiting") here.resolve()
  })
  await owner.request("workflow.watch", { runId: waiting.runId, after: 1 })
  await here.promise
  assert.deepEqual(
    seen.map(({ seq }) => seq),
    seen.map((_, i) => i + 2),
  )
  const { text } = await owner.request<{ text: string }>("workflow.graph", { runId: waiting.runId, format: "json" })
  assert.match(text, /"waiting"/)
  const { problems } = await owner.request<{ problems: Json[] }>("workflow.check", {
    definition: "steps:\n  - {id: a, pipeline: nothing}\n",
    cwd: house.work,
  })
  assert.equal(problems[0]?.["code"], "unknown-command")
  await assert.rejects(run(owner, house, "steps:\n  - {id: a, pipeline: nothing}\n"), /there is no command "nothing"/)
})

test("a step cannot take a folder beside the workspace for its own", async (t) => {
  const house = await open(t)
  if (!(await hasSandbox(house))) return t.skip("NOT TESTED: there is no sandbox on this machine")
  const owner = await client(t, house)
  const ran = await run(owner, house, 'steps:\n  - {id: a, run: "pwd; ls", cwd: /etc}\n')
  assert.equal(ran.envelope.ok, false, JSON.stringify(ran.envelope))
})

test("who may not approve is asked about, and with nobody to ask it is refused", async (t) => {
  const house = await open(t)
  const guest = await client(t, house, ["operator.read", "operator.write"])
  const yaml = "steps:\n  - {id: w, tool: Write, tool_args: {path: w.txt, content: w}}\n"
  assert.match(failure(await run(guest, house, yaml)), /nobody who could approve it is connected/)
  await assert.rejects(run(guest, house, yaml, { permissions: { mode: "approve-all" } }), /operator\.approvals/)
  const owner = await client(t, house)
  assert.ok((await run(owner, house, yaml)).envelope.ok)
  const broken = await run(owner, house, "steps:\n  - {id: r, tool: Read, tool_args: {path: later.txt}}\n")
  assert.equal(broken.envelope.ok, false)
  const { runId } = broken
  await assert.rejects(guest.request("workflow.retry", { runId }), /operator\.approvals/)
  writeFileSync(join(house.work, "later.txt"), "here")
  assert.ok((await owner.request<Ran>("workflow.retry", { runId })).envelope.ok)
})
