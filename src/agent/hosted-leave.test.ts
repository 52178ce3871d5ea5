// What an external agent may do: leave, files, terminals, questions, and what it does without asking.
import assert from "node:assert/strict"
import { mkdirSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { type HostedTestRoom, openHostedRoom, type Play } from "../../test/fakes/hosted-room.ts"
import type { ApprovalDecision } from "../protocol/approval.ts"
import type { ToolView } from "../protocol/tool-view.ts"
import type { HostedLeave, HostedTurn } from "./harness.ts"
import type { Rights } from "./rights.ts"

const RUN: ToolView = { kind: "execute", title: "run it", rawInput: { command: "touch made" } }
const SANDBOX: Partial<Rights> = {
  sandbox: async () => ({
    ...{ available: true, profile: "workspace", workspace: "read-write", network: false, detail: "test" },
  }),
  confine: async (_where, program) => ({ ...program, close: async () => undefined }),
}

function leave(turn: HostedTurn, view: ToolView, callId = "c"): Promise<HostedLeave> {
  return turn.leave({ callId, view, offersAlways: true })
}

/** The leave that one call gets, once somebody answered as told. */
async function leaveFor(
  view: ToolView,
  answer: ApprovalDecision | undefined,
  options: Partial<Parameters<typeof openHostedRoom>[0]> = {},
): Promise<{ got: HostedLeave; room: HostedTestRoom }> {
  let got: HostedLeave = { type: "canceled" }
  const play: Play = async (turn) => {
    got = await leave(turn, view)
  }
  const room = await openHostedRoom({ ...options, play })
  const running = room.turn()
  if (answer) await room.desk.resolve((await room.asked()).id, answer, "tester")
  await running
  return { got, room }
}

async function audited(room: HostedTestRoom) {
  const lines = await room.ports.books.audit.list({ limit: 100 })
  return lines.map(({ type, tool, verdict, outcome }) => [type, tool, verdict ?? outcome])
}

test("reading in the workspace needs no question; a command outside the sandbox does", async () => {
  const read = await leaveFor({ kind: "read", rawInput: { path: "a.txt" } }, undefined)
  assert.deepEqual(read.got, { type: "allowed", always: false })
  // The agent never said that it was done.
  assert.deepEqual(await audited(read.room), [
    ["decision", "Read", "allow"],
    ["effect", "Read", "canceled"],
  ])
  await read.room.close()
  const run = await leaveFor(RUN, "allow-once", { rights: SANDBOX })
  assert.deepEqual(run.got, { type: "allowed", always: false })
  const { approval } = run.room.heard("approval.requested")[0]!
  assert.deepEqual([approval.tool, approval.summary, approval.rule], ["Bash", "touch made", "hosted.unconfined"])
  assert.deepEqual(approval.placement, { type: "host", because: "agent" })
  assert.deepEqual(approval.argv, [["touch", "made"]])
  assert.equal(run.room.heard("approval.resolved").length, 1)
  await run.room.close()
})

test("approving everything is not leave for commands outside the sandbox", async () => {
  let seen: HostedLeave | undefined
  const all = await openHostedRoom({
    rights: SANDBOX,
    canAsk: false,
    async play(turn) {
      seen = await leave(turn, RUN)
    },
  })
  await all.turn({ permissions: { mode: "approve-all" } })
  assert.equal(seen?.type, "denied")
  await all.close()
})

test("the commands of a confined agent stay in its sandbox and pass; what nobody knows asks all the same", async () => {
  const run = await leaveFor(RUN, undefined, { rights: SANDBOX, hosted: { confined: true } })
  assert.equal(run.got.type, "allowed")
  await run.room.close()
  const unclear = await leaveFor({ title: "Something" }, "deny", { rights: SANDBOX, hosted: { confined: true } })
  assert.equal(unclear.got.type, "denied")
  await unclear.room.close()
})

test("a read that holds a command asks, also where reads and commands pass", async () => {
  const view: ToolView = { kind: "read", rawInput: { path: "a.txt", command: "rm -rf x" } }
  const { got, room } = await leaveFor(view, "deny", { rights: SANDBOX, hosted: { confined: true } })
  assert.equal(got.type, "denied")
  const [request] = room.heard("approval.requested")
  assert.match(request?.approval.reason ?? "", /its agent calls it "read", and it holds a command/)
  await room.close()
})

test("a denied tool is denied whatever the agent calls it, and the reason reaches the agent", async () => {
  let got: HostedLeave | undefined
  const room = await openHostedRoom({
    async play(turn) {
      got = await leave(turn, { ...RUN, kind: "other", title: "harmless" })
    },
  })
  await room.turn({ permissions: { deniedTools: ["Bash"] } })
  assert.match(got?.type === "denied" ? got.reason : "", /Bash is among the denied tools/)
  await room.close()
})

test("a call that was refused and given up is on record as denied, in our words; one that was made is not", async () => {
  for (const [status, denied] of [
    ["failed", true],
    ["completed", undefined],
  ] as const) {
    const room = await openHostedRoom({
      async play(turn) {
        await leave(turn, RUN)
        const content: ToolView["content"] = [{ type: "content", part: { type: "text", text: "gave up" } }]
        await turn.hear({ type: "tool", callId: "c", view: { status, content } })
      },
    })
    const running = room.turn()
    await room.desk.resolve((await room.asked()).id, "deny", "tester")
    await running
    const [ended] = room.heard("tool.ended")
    assert.equal((ended?.details as { denied?: boolean } | undefined)?.denied, denied)
    assert.match(ended?.text ?? "", denied ? /The user denied this call/ : /gave up/)
    await room.close()
  }
})

test("a denial by a human carries its reason; the turn shows as waiting meanwhile", async () => {
  let got: HostedLeave | undefined
  const room = await openHostedRoom({
    async play(turn) {
      got = await leave(turn, RUN)
    },
  })
  const running = room.turn()
  const { id, sessionKey, turnId } = await room.asked()
  assert.equal(room.lanes.active(sessionKey)[0]?.status, "waiting")
  assert.equal((await room.ports.books.turns.get(turnId))?.status, "waiting")
  assert.deepEqual(room.lanes.counts(), { running: 0, queued: 0, waiting: 1 })
  await room.desk.resolve(id, "deny", "tester", { reason: "not today" })
  assert.equal((await running).status, "completed")
  assert.match(got?.type === "denied" ? got.reason : "", /Their reason: not today/)
  await room.close()
})

test("allowed for the session: the same call passes, another one asks", async () => {
  const got: HostedLeave[] = []
  const room = await openHostedRoom({
    async play(turn) {
      got.push(await leave(turn, RUN, "one"))
      got.push(await leave(turn, RUN, "two"))
      got.push(await leave(turn, { ...RUN, rawInput: { command: "touch other" } }, "three"))
    },
  })
  const running = room.turn()
  await room.desk.resolve((await room.asked()).id, "allow-session", "tester")
  while (room.heard("approval.requested").length < 2) await new Promise((resolve) => setImmediate(resolve))
  const second = room.heard("approval.requested")[1]!.approval
  assert.equal(second.summary, "touch other")
  await room.desk.resolve(second.id, "deny", "tester")
  await running
  assert.deepEqual(
    got.map(({ type }) => type),
    ["allowed", "allowed", "denied"],
  )
  await room.close()
})

test("allowed for the session does not reach other calls of which nothing is known", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      await leave(turn, { kind: "execute", title: "npm test" }, "one")
      await leave(turn, { kind: "execute", title: "rm -rf /" }, "two")
    },
  })
  const running = room.turn()
  await room.desk.resolve((await room.asked()).id, "allow-session", "tester")
  while (room.heard("approval.requested").length < 2) await new Promise((resolve) => setImmediate(resolve))
  await room.desk.resolve(room.heard("approval.requested")[1]!.approval.id, "deny", "tester")
  await running
  await room.close()
})

test("an approval that nobody answers expires, and its turn goes on", async () => {
  const { got, room } = await leaveFor(RUN, undefined, { settings: { approvalTimeoutMs: 5 } })
  assert.match(got.type === "denied" ? got.reason : "", /Nobody answered/)
  assert.equal(room.heard("approval.resolved")[0]?.approval.decision, "expired")
  await room.close()
})

test("a turn that is canceled while it waits withdraws what it asked", async () => {
  let got: HostedLeave | undefined
  const room = await openHostedRoom({
    async play(turn) {
      got = await leave(turn, RUN)
    },
  })
  const running = room.turn()
  const { id, turnId } = await room.asked()
  await room.lanes.cancel({ turnId })
  assert.equal((await running).status, "canceled")
  assert.deepEqual(got, { type: "canceled" })
  assert.equal((await room.desk.get(id))?.decision, "canceled")
  await assert.rejects(room.desk.resolve(id, "allow-once", "tester"), /already resolved/)
  await room.close()
})

test("waiting for a human is not counted as the turn's time", async () => {
  const room = await openHostedRoom({
    limits: { maxTimeMs: 60_000 },
    async play(turn) {
      await leave(turn, RUN)
    },
  })
  const timers = new Set<number>()
  const { clock } = room.ports
  room.ports.clock = {
    ...clock,
    after(ms, fn) {
      timers.add(ms)
      const cancel = clock.after(ms, fn)
      return () => {
        timers.delete(ms)
        cancel()
      }
    },
  }
  const running = room.turn()
  const { id } = await room.asked()
  assert.equal(timers.has(60_000), false)
  await room.desk.resolve(id, "deny", "tester")
  await running
  await room.close()
})

test("with nobody to ask: refused, or the turn ends, as the turn says", async () => {
  const deny = await leaveFor(RUN, undefined, { canAsk: false })
  assert.match(deny.got.type === "denied" ? deny.got.reason : "", /nobody who could approve it/)
  await deny.room.close()
  const room = await openHostedRoom({
    canAsk: false,
    async play(turn) {
      await leave(turn, RUN)
      assert.equal(turn.signal.aborted, true)
    },
  })
  const { outcome } = await room.turn({ permissions: { nonInteractive: "fail" } })
  assert.deepEqual([outcome?.status, outcome?.error?.code], ["failed", "PERMISSION_DENIED"])
  await room.close()
})

test("what changed while somebody thought about it is not what was allowed", async () => {
  let got: HostedLeave | undefined
  const room = await openHostedRoom({
    async play(turn) {
      got = await leave(turn, { kind: "edit", rawInput: { path: "place/x", content: "x" } })
    },
  })
  mkdirSync(join(room.work, "place"))
  const running = room.turn()
  const { id } = await room.asked()
  rmSync(join(room.work, "place"), { recursive: true })
  symlinkSync("/tmp", join(room.work, "place"))
  await room.desk.resolve(id, "allow-once", "tester")
  await running
  assert.match(got?.type === "denied" ? got.reason : "", /has changed since/)
  await room.close()
})

test("a denied tool that is used without asking ends the turn at once, naming the rule", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      await turn.hear({ type: "tool", callId: "c", view: { ...RUN, status: "in_progress" } })
      assert.equal(turn.signal.aborted, true)
      await turn.hear({ type: "tool", callId: "c", view: { status: "completed" } })
    },
  })
  const { outcome } = await room.turn({ permissions: { deniedTools: ["Bash"] } })
  assert.deepEqual([outcome?.status, outcome?.error?.code], ["failed", "PERMISSION_DENIED"])
  assert.match(outcome?.error?.message ?? "", /touch made.*\(permissions\.denied\)/)
  assert.deepEqual(await audited(room), [["effect", "Bash", "deny"]])
  await room.close()
})

test("a denied call that its agent gives up is no reason to end the turn; one that it makes anyway is", async () => {
  for (const [status, ends] of [
    ["failed", "completed"],
    ["completed", "failed"],
  ] as const) {
    const room = await openHostedRoom({
      async play(turn) {
        await leave(turn, RUN)
        await turn.hear({ type: "tool", callId: "c", view: { status } })
      },
    })
    assert.equal((await room.turn({ permissions: { deniedTools: ["Bash"] } })).status, ends)
    await room.close()
  }
})

test("what would have been asked and was not is written down, and told once", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      for (const callId of ["a", "b"]) {
        await turn.hear({ type: "tool", callId, view: { ...RUN, status: "in_progress" } })
        await turn.hear({ type: "tool", callId, view: { status: "completed" } })
      }
      await turn.hear({
        type: "tool",
        callId: "r",
        view: { kind: "read", rawInput: { path: "a" }, status: "completed" },
      })
    },
  })
  assert.equal((await room.turn()).status, "completed")
  assert.deepEqual(
    room.heard("notice.posted").map(({ code }) => code),
    ["agent-did-unasked"],
  )
  const lines = await room.ports.books.audit.list({ limit: 10 })
  assert.deepEqual(
    lines.map(({ type, tool, details }) => [type, tool, details?.["asked"]]),
    [
      ["effect", "Bash", false],
      ["effect", "Bash", false],
      ["effect", "Read", undefined],
    ],
  )
  // What ran on the machine is text from outside for the rest of the conversation.
  assert.match(JSON.stringify(room.heard("tool.ended")[0]?.details), /"source":"host"/)
  await room.close()
})

test("leave is for what was shown: another command under the same id is one without leave", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      await leave(turn, RUN)
      await turn.hear({ type: "tool", callId: "c", view: { status: "in_progress", rawInput: { command: "rm -rf x" } } })
      await turn.hear({ type: "tool", callId: "c", view: { status: "completed" } })
    },
  })
  const running = room.turn()
  await room.desk.resolve((await room.asked()).id, "allow-once", "tester")
  await running
  assert.equal(room.heard("notice.posted").length, 1)
  await room.close()
})

test("a call with leave is written down as done, without a notice", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      await leave(turn, RUN)
      await turn.hear({ type: "tool", callId: "c", view: { status: "in_progress" } })
      await turn.hear({ type: "tool", callId: "c", view: { status: "completed" } })
    },
  })
  const running = room.turn()
  await room.desk.resolve((await room.asked()).id, "allow-once", "tester")
  await running
  assert.deepEqual(await audited(room), [
    ["decision", "Bash", "ask"],
    ["effect", "Bash", "done"],
  ])
  assert.equal(room.heard("notice.posted").length, 0)
  await room.close()
})

test("several calls wait side by side, and each gets its own answer", async () => {
  const got: string[] = []
  const room = await openHostedRoom({
    async play(turn) {
      const one = leave(turn, { ...RUN, rawInput: { command: "touch one" } }, "one")
      const two = leave(turn, { ...RUN, rawInput: { command: "touch two" } }, "two")
      got.push((await two).type, (await one).type)
    },
  })
  const running = room.turn()
  while (room.heard("approval.requested").length < 2) await new Promise((resolve) => setImmediate(resolve))
  for (const { approval } of room.heard("approval.requested"))
    await room.desk.resolve(approval.id, approval.summary === "touch two" ? "deny" : "allow-once", "tester")
  await running
  assert.deepEqual(got, ["denied", "allowed"])
  await room.close()
})
