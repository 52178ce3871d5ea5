import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { callTools, openAgentRoom, type RoomOptions, say } from "../../test/fakes/agent-room.ts"
import type { CommandFacts } from "../policy/command.ts"
import type { Approval, RuleOffer } from "../protocol/approval.ts"
import type { AuditEntry } from "../protocol/audit.ts"
import { type AskedCall, type Asking, fingerprintOf, standingOf } from "./approvals.ts"

const act = (text: string) => callTools({ name: "Act", args: { text } })

async function open(t: TestContext, options: Partial<RoomOptions> = {}) {
  const room = await openAgentRoom({
    canAsk: true,
    script: ({ messages }) => (messages.at(-1)?.role === "tool" ? say("Done") : act("rm x")),
    ...options,
  })
  t.after(() => room.close())
  const audited: AuditEntry[] = []
  const append = (entry: AuditEntry) => void audited.push(entry)
  room.desk.audit = { append, record: async (entry) => append(entry) }
  const asked = async (turnId: string): Promise<Approval> => {
    const { event } = await room.seen("approval.requested", turnId)
    assert.ok(event.type === "approval.requested")
    return event.approval
  }
  const result = async (turnId: string) => {
    const { event } = await room.seen("tool.ended", turnId)
    assert.ok(event.type === "tool.ended")
    return event
  }
  return { ...room, room, audited, asked, result }
}

test("allow-once lets one call run, and the same call asks again", async (t) => {
  const { acts, asked, desk, lanes, room } = await open(t)
  await lanes.submit(room.request("go", { turnId: "t1" }))
  await desk.resolve((await asked("t1")).id, "allow-once", "ann")
  await lanes.wait("t1")
  await lanes.submit(room.request("go", { turnId: "t2" }))
  await desk.resolve((await asked("t2")).id, "deny", "ann")
  await lanes.wait("t2")
  assert.deepEqual(acts, ["rm x"])
})

test("allow-session lets exactly this call run again in this session, not in another, and not after a reset", async (t) => {
  const { acts, asked, desk, lanes, ports, room } = await open(t)
  await lanes.submit(room.request("go", { turnId: "t1" }))
  const { id, sessionKey } = await asked("t1")
  await desk.resolve(id, "allow-session", "ann")
  await lanes.wait("t1")
  await lanes.submit(room.request("go", { turnId: "t2" }))
  assert.equal((await lanes.wait("t2"))?.status, "completed")
  assert.deepEqual(acts, ["rm x", "rm x"])
  assert.equal((await desk.rules({ scope: "session", sessionKey })).length, 1)
  await lanes.submit(room.request("go", { turnId: "t3", sessionKey: "agent:main:other" }))
  await desk.resolve((await asked("t3")).id, "deny", "ann")
  await ports.books.sessions.reset(sessionKey)
  await lanes.submit(room.request("go", { turnId: "t4" }))
  await desk.resolve((await asked("t4")).id, "deny", "ann")
  await lanes.wait("t4")
  assert.equal(acts.length, 2)
})

test("allow-always is refused without an offer, and the approval stays open", async (t) => {
  const { asked, desk, lanes, room } = await open(t)
  await lanes.submit(room.request("go", { turnId: "t1" }))
  const { id } = await asked("t1")
  await assert.rejects(desk.resolve(id, "allow-always", "ann"), { code: "INVALID_PARAMS", message: /offers no rule/ })
  assert.equal((await desk.get(id))?.decision, null)
  assert.deepEqual(await desk.rules(), [])
  await desk.resolve(id, "deny", "ann")
  await lanes.wait("t1")
})

const offer: RuleOffer = {
  text: "Act: rm *, for agent main",
  tool: "Act",
  agentId: "main",
  match: { command: [["/bin/rm", "*"]] },
}

const loose = (fields: Partial<Asking> = {}): Asking => ({
  kind: "workflow",
  sessionKey: "agent:main:main",
  agentId: "main",
  tool: "Act",
  args: {},
  summary: "go on",
  reason: "asked",
  timeoutMs: 60_000,
  ...fields,
})

test("allow-always writes the rule that was shown, once, for its agent; it is listed, counted and removed", async (t) => {
  const { audited, desk, ports } = await open(t)
  for (const by of ["ann", "bob"]) {
    const { id } = await desk.ask({ ...loose(), offer })
    await desk.resolve(id, "allow-always", by)
  }
  const [rule, ...more] = await desk.rules()
  assert.deepEqual(more, [])
  assert.deepEqual([rule?.scope, rule?.text, rule?.createdBy, rule?.uses], ["agent", offer.text, "ann", 0])
  assert.deepEqual(rule?.match, offer.match)
  const { grants } = ports.books
  await grants.used(rule!.id)
  const [used] = await grants.inForce("main", "agent:main:any")
  assert.equal(used?.uses, 1)
  assert.ok(used?.lastUsedAt)
  assert.deepEqual(await grants.inForce("other", "agent:other:main"), [])
  await desk.removeRule(rule!.id, "ann")
  assert.deepEqual(await grants.inForce("main", "agent:main:any"), [])
  await assert.rejects(desk.removeRule(rule!.id, "ann"), { code: "NOT_FOUND" })
  assert.deepEqual(
    audited.map((one) => [one.type, one.verdict, one.who]),
    [
      ["rule", "allow-always", "ann"],
      ["rule", "allow-always", "bob"],
      ["rule", undefined, "ann"],
    ],
  )
})

test("a denial's reason reaches the model; a reason with an allowance is refused", async (t) => {
  const { acts, asked, audited, desk, lanes, result, room } = await open(t)
  await lanes.submit(room.request("go", { turnId: "t1" }))
  const { id } = await asked("t1")
  await assert.rejects(desk.resolve(id, "allow-once", "ann", { reason: "sure" }), { code: "INVALID_PARAMS" })
  await desk.resolve(id, "deny", "ann", { reason: "  that file is mine  " })
  const ended = await result("t1")
  assert.match(ended.text, /denied this call.*that file is mine$/)
  assert.deepEqual(ended.details, { denied: true, reason: "that file is mine" })
  assert.equal((await desk.get(id))?.denyReason, "that file is mine")
  assert.deepEqual(acts, [])
  assert.deepEqual([audited[0]?.verdict, audited[0]?.reason], ["deny", "that file is mine"])
  await lanes.wait("t1")
})

test("of two who answer at once one wins, and the other is told who decided what", async (t) => {
  const { acts, asked, desk, lanes, room } = await open(t)
  await lanes.submit(room.request("go", { turnId: "t1" }))
  const { id } = await asked("t1")
  const answers = await Promise.allSettled([desk.resolve(id, "deny", "ann"), desk.resolve(id, "allow-session", "bob")])
  assert.deepEqual(
    answers.map((one) => one.status),
    ["fulfilled", "rejected"],
  )
  const late = answers[1]
  assert.ok(late?.status === "rejected")
  assert.equal(late.reason.code, "CONFLICT")
  assert.match(late.reason.message, /already resolved: ann decided "deny"/)
  assert.deepEqual(await desk.rules(), [], "what lost grants nothing")
  await lanes.wait("t1")
  assert.deepEqual(acts, [])
})

test("an approval that nobody answers expires with a word to the model, and a late answer hears of it", async (t) => {
  const { asked, desk, lanes, result, room } = await open(t, { settings: { approvalTimeoutMs: 30 } })
  await lanes.submit(room.request("go", { turnId: "t1" }))
  const { id } = await asked("t1")
  const ended = await result("t1")
  assert.match(ended.text, /Nobody answered the approval in time/)
  assert.deepEqual(ended.details, { denied: true, expired: true })
  await assert.rejects(desk.resolve(id, "allow-once", "ann"), { code: "CONFLICT", message: /it expired/ })
  await lanes.wait("t1")
})

test("an approval is withdrawn with its turn: canceled, told, and not to be answered", async (t) => {
  const { acts, asked, desk, lanes, room } = await open(t)
  await lanes.submit(room.request("go", { turnId: "t1" }))
  const { id } = await asked("t1")
  await lanes.cancel({ turnId: "t1" })
  const { event } = await room.seen("approval.resolved", "t1")
  assert.ok(event.type === "approval.resolved")
  assert.equal(event.approval.decision, "canceled")
  assert.deepEqual(await desk.pending(), [])
  await assert.rejects(desk.resolve(id, "allow-once", "ann"), { code: "CONFLICT", message: /it was canceled/ })
  assert.deepEqual(acts, [])
})

test("an approval of another session is not answered for this one, and an id is used once", async (t) => {
  const { desk, ports } = await open(t)
  const approval = await desk.ask(loose({ sessionKey: "agent:main:a" }))
  await assert.rejects(desk.resolve(approval.id, "allow-once", "ann", { sessionKey: "agent:main:b" }), {
    code: "INVALID_PARAMS",
    message: /does not belong to session "agent:main:b"/,
  })
  await assert.rejects(ports.books.approvals.askAside(approval), { code: "CONFLICT", message: /was used before/ })
  await desk.resolve(approval.id, "allow-once", "ann", { sessionKey: "agent:main:a" })
  await assert.rejects(ports.books.approvals.askAside(approval), { code: "CONFLICT" })
})

test("what no turn asked for is shown when asked and when answered, and its server hears only of leave", async (t) => {
  const { desk } = await open(t)
  const shown: string[] = []
  const served: string[] = []
  desk.publish = ({ event, turnId }) => shown.push(`${event.type} ${turnId}`)
  desk.serve(
    "device",
    (approval) => {
      if (approval.args["refuse"]) throw new RangeError("not now")
    },
    (approval) => served.push(approval.summary),
  )
  const kind = "device"
  for (const [summary, decision] of [
    ["one", "allow-once"],
    ["two", "deny"],
  ] as const) {
    const { id } = await desk.ask({ ...loose({ summary }), kind })
    await desk.resolve(id, decision, "ann")
  }
  assert.deepEqual(served, ["one"])
  assert.deepEqual(shown, Array(2).fill(["approval.requested ", "approval.resolved "]).flat())
  const { id } = await desk.ask({ ...loose({ args: { refuse: true } }), kind })
  await assert.rejects(desk.resolve(id, "allow-once", "ann"), RangeError)
  assert.equal((await desk.get(id))?.decision, null, "what its server refuses was not answered")
})

const facts = (change: object = {}): CommandFacts => ({
  text: "sh run.sh",
  segments: [
    {
      argv: ["sh", "run.sh"],
      program: "/bin/sh",
      name: "sh",
      builtin: false,
      cwd: "/w",
      assignments: [],
      redirections: [],
      interprets: null,
      wraps: false,
      scripts: [{ path: "/w/run.sh", sha256: "aa" }],
      paths: ["/w/run.sh"],
      writes: [],
      ...change,
    },
  ],
  unknown: [],
})

const call: AskedCall = {
  tool: "Bash",
  args: { command: "sh run.sh", timeout: 1 },
  cwd: "/w",
  touch: { reads: [], writes: [], hosts: [], command: "sh run.sh" },
  command: facts(),
  placement: { type: "sandbox", profile: "workspace" },
  env: { PATH: "/usr/bin" },
}

test("a fingerprint does not depend on the order of keys", () => {
  const args = { timeout: 1, command: "sh run.sh" }
  assert.equal(fingerprintOf({ ...call, args }), fingerprintOf(call))
})

for (const [what, change] of [
  ["the tool", { tool: "Exec" }],
  ["an argument", { args: { command: "sh run.sh", timeout: 2 } }],
  ["the folder", { cwd: "/v" }],
  ["a path that it writes", { touch: { ...call.touch, writes: ["/w/x"] } }],
  ["a host", { touch: { ...call.touch, hosts: ["a.example"] } }],
  ["a word of its argv", { command: facts({ argv: ["sh", "run.sh", "-x"] }) }],
  ["the binary behind a name", { command: facts({ program: "/w/sh" }) }],
  ["the content of its script", { command: facts({ scripts: [{ path: "/w/run.sh", sha256: "bb" }] }) }],
  ["the environment", { env: { PATH: "/w:/usr/bin" } }],
  ["where it runs", { placement: { type: "host", because: "elevated" } }],
] as [string, Partial<AskedCall>][])
  test(`an approval does not count any more when ${what} has changed`, () => {
    const fingerprint = fingerprintOf(call)
    const approval = { id: "a", turnId: "t", sessionKey: "s", decision: "allow-once" } as Approval
    const now = { sessionKey: "s", turnId: "t", fingerprint: fingerprintOf({ ...call, ...change }) }
    const leave = standingOf({ approval, fingerprint }, now)
    assert.ok(leave.type === "refused")
    assert.match(leave.text, /has changed since it was approved/)
    assert.equal(standingOf({ approval, fingerprint }, { ...now, fingerprint }).type, "allowed")
  })

test("an approval counts only for the turn and the session that asked", () => {
  const approval = { id: "a", turnId: "t", sessionKey: "s", decision: "allow-once" } as Approval
  for (const now of [
    { sessionKey: "s2", turnId: "t" },
    { sessionKey: "s", turnId: "t2" },
  ])
    assert.equal(standingOf({ approval, fingerprint: "f" }, { ...now, fingerprint: "f" }).type, "refused")
})
