import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"

async function open(t: TestContext): Promise<MethodRoom> {
  const opened = await openMethodRoom({ script: () => say("Hello") })
  t.after(() => opened.close())
  return opened
}

interface Any {
  [key: string]: Any
}
const refusal = (code: string) => (error: unknown) => error instanceof PincerError && error.code === code

test("a program outside asks, waits, and hears the one decision that counts; a repeat waits for the same", async (t) => {
  const { accepted, call, parts } = await open(t)
  const shown = new Promise<void>((resolve) => {
    parts.hub.onAll(({ event }) => event.type === "approval.requested" && resolve())
  })
  const params = { id: "appr-1", command: "ls -la", cwd: "/tmp", host: "node-1", timeoutMs: 60_000 }
  const first = call("exec.approval.request", { ...params, twoPhase: true })
  const again = call("exec.approval.request", params)
  await shown
  const [waiting] = (await call("exec.approval.list")) as Any[]
  const { command, cwd } = waiting!["request"]!
  assert.deepEqual([waiting!["kind"], command, cwd], ["exec", "ls -la", "/tmp"])
  assert.equal((accepted[0] as Any)["status"], "accepted")
  const decided = (await call("approval.resolve", { id: "appr-1", kind: "exec", decision: "allow-once" })) as Any
  assert.equal(decided["applied"], true)
  for (const answer of [await first, await again]) assert.equal((answer as Any)["decision"], "allow-once")
  assert.equal(((await call("exec.approval.waitDecision", { id: "appr-1" })) as Any)["decision"], "allow-once")
  const late = (await call("approval.resolve", { id: "appr-1", decision: "deny" })) as Any
  assert.deepEqual([late["applied"], late["approval"]!["decision"]], [false, "allow-once"])
  await assert.rejects(call("approval.resolve", { id: "none", decision: "deny" }), refusal("NOT_FOUND"))
  await assert.rejects(call("exec.approval.waitDecision", { id: "none" }), refusal("NOT_FOUND"))
})

test("nobody who waits is kept longer than it wants", async (t) => {
  const { call, py } = await open(t)
  const made = (await py("exec.create", { command: "make", args: ["all"], workingDir: "/tmp" })) as Any
  const id = made["request"]!["id"]
  assert.equal(made["request"]!["summary"], "make all")
  assert.equal(((await call("exec.approval.waitDecision", { id, timeoutMs: 1 })) as Any)["decision"], null)
  const gone = new AbortController()
  const left = call("exec.approval.waitDecision", { id }, { signal: gone.signal })
  gone.abort()
  assert.equal(((await left) as Any)["decision"], null)
})

test("what was decided is listed newest first, in pages", async (t) => {
  const { call } = await open(t)
  for (const id of ["a", "b", "c"]) {
    await call("exec.create", { id, command: id })
    await call("exec.deny", { id })
  }
  const page = (await call("approval.history", { limit: 2 })) as Any
  const rest = (await call("approval.history", { limit: 2, cursor: page["nextCursor"] })) as Any
  const idsOf = (one: Any) => Object.values(one["items"]!).map((item) => item["id"])
  assert.deepEqual([...idsOf(page), ...idsOf(rest)].sort(), ["a", "b", "c"])
  assert.equal(rest["nextCursor"], undefined)
  assert.deepEqual(idsOf((await call("approval.history", { kind: "plugin" })) as Any), [])
  assert.equal(idsOf((await call("approval.history", { kind: "exec" })) as Any).length, 3)
  await assert.rejects(call("approval.history", { cursor: "x" }), refusal("INVALID_PARAMS"))
  assert.deepEqual(await call("plugin.approval.list"), [])
  assert.deepEqual(await call("exec.approval.grants.list"), { grants: [] })
  assert.deepEqual(await call("exec.approval.grants.revoke", { grantId: "x" }), { outcome: "not-found" })
})

test("questions are asked, listed, answered in every form that clients send, declined, and checked against their choices", async (t) => {
  const { call } = await open(t)
  const questions = [
    {
      id: "colour",
      header: "Colour",
      question: "Which colour?",
      options: [{ label: "Red" }, { label: "蓝", value: "blue" }],
    },
    { id: "sizes", question: "Which sizes?", options: ["S", "M"], multiSelect: true },
  ]
  const { id } = (await call("question.request", { questions, sessionKey: "s" })) as Any
  const { questions: listed } = (await call("question.list")) as { questions: Any[] }
  assert.equal(listed[0]!["questions"]![0]!["options"]![1]!["value"], "blue")
  const waiting = call("question.waitAnswer", { id })
  await assert.rejects(
    call("question.resolve", { id, answers: { colour: "green", sizes: ["S"] } }),
    refusal("INVALID_PARAMS"),
  )
  const answered = await call("question.resolve", { id, answers: { colour: { answers: ["blue"] }, sizes: "M" } })
  assert.deepEqual(answered, { status: "answered", answers: { answers: { colour: ["blue"], sizes: ["M"] } } })
  const { question } = (await call("question.get", { id })) as Any
  assert.equal(question!["questions"]![1]!["questionId"], "sizes")
  assert.deepEqual(await waiting, answered)
  await assert.rejects(call("question.resolve", { id, cancel: true }), refusal("CONFLICT"))
  const other = (await call("question.request", { questions: [{ questionId: "why", question: "Why?" }] })) as Any
  assert.deepEqual(await call("question.waitAnswer", { id: other["id"], timeoutMs: 0 }), { status: "pending" })
  assert.deepEqual(await call("question.resolve", { id: other["id"], cancel: true }), { status: "cancelled" })
  assert.deepEqual(await call("question.list"), { questions: [] })
  await call("exec.create", { id: "no-question", command: "x" })
  await assert.rejects(call("question.get", { id: "no-question" }), refusal("NOT_FOUND"))
})

test("exec.approvals shows rules as the original's file, takes some out and adds programs, and nothing else", async (t) => {
  const { call } = await open(t)
  const first = (await call("exec.approvals.get")) as Any
  assert.deepEqual(first["file"]!["defaults"], { security: "allowlist", ask: "on-miss", askFallback: "deny" })
  const withGit = (allowlist: unknown[]) => ({ version: 1, agents: { main: { allowlist } } })
  const set = (file: unknown, baseHash: unknown) => call("exec.approvals.set", { file, baseHash })
  const second = (await set(withGit([{ pattern: "/usr/bin/git" }]), first["hash"])) as Any
  const [entry] = Object.values(second["file"]!["agents"]!["main"]!["allowlist"]!)
  assert.deepEqual([entry!["pattern"], entry!["argPattern"]], ["/usr/bin/git", "*"])
  const { rules } = (await call("approvals.rules.list")) as { rules: Any[] }
  assert.equal(rules[0]!["text"], "Bash: /usr/bin/git *, for agent main")
  await assert.rejects(set(withGit([]), first["hash"]), refusal("CONFLICT"))
  await assert.rejects(set(withGit([]), undefined), refusal("INVALID_PARAMS"))
  for (const pattern of ["git", "/usr/bin/*", "/bin/sh -c"])
    await assert.rejects(set(withGit([{ pattern }]), second["hash"]), refusal("INVALID_PARAMS"), pattern)
  await assert.rejects(set({ version: 1, defaults: { security: "full" } }, second["hash"]), refusal("INVALID_PARAMS"))
  const same = (await set(second["file"], second["hash"])) as Any
  assert.equal(same["hash"], second["hash"], "the same again changes nothing")
  const none = (await set(withGit([]), second["hash"])) as Any
  assert.equal(none["hash"], first["hash"])
})
