// Questions of our own agents to their user: who is asked, what an answer is, what a crash leaves of them.
import assert from "node:assert/strict"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { type AgentRoom, callTools, openAgentRoom, type RoomOptions, say } from "../../test/fakes/agent-room.ts"
import { PincerError } from "../base/errors.ts"
import type { Approval } from "../protocol/approval.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import { askUser } from "../tools/ask-user.ts"
import type { Tool } from "../tools/tool.ts"

const ARGS = {
  questions: [
    { question: "Which branch?", options: [{ label: "main" }, { label: "dev", description: "the unstable one" }] },
    { question: "Why?", header: "Reason" },
  ],
}

async function openRoom(more: Partial<RoomOptions> = {}, ask?: (question: UserQuestion) => Promise<UserAnswer>) {
  const offered: string[][] = []
  const room = await openAgentRoom({
    tools: [askUser as unknown as Tool],
    script: async function* (request) {
      offered.push(request.tools.map(({ name }) => name))
      const asked = request.messages.at(-1)?.role === "user"
      yield* asked ? callTools({ name: "AskUser", args: ARGS }) : say("Done.")
    },
    ...more,
  })
  if (ask) room.ports.lent = async ({ lender }) => (lender === "l-1" ? { tools: [], ask } : undefined)
  return { room, offered }
}

async function begin(room: AgentRoom, lender?: string): Promise<string> {
  const request = room.request("go", lender === undefined ? {} : { lender })
  await room.lanes.submit(request)
  return request.turnId
}

async function told(room: AgentRoom, turnId: string): Promise<string> {
  await room.lanes.wait(turnId)
  for (const { event } of room.events) {
    if (event.type !== "message.added" || event.message.turnId !== turnId) continue
    const part = event.message.content.find((one) => one.type === "tool.result")
    if (part) return part.content.map((one) => (one.type === "text" ? one.text : "")).join("\n")
  }
  return assert.fail("the call has no result")
}

async function askedAtDesk(room: AgentRoom, turnId: string): Promise<Approval> {
  const { event } = await room.seen("approval.requested", turnId)
  assert.ok(event.type === "approval.requested")
  return event.approval
}

test("the turn's client is asked with a form, and the model hears what was answered", async () => {
  const asked: UserQuestion[] = []
  const { room, offered } = await openRoom({}, async (question) => {
    asked.push(question)
    return { type: "accepted", content: { answer1: "dev", answer2: "it is new" } }
  })
  try {
    const words = await told(room, await begin(room, "l-1"))
    assert.equal(words, "Which branch?\n→ dev\n\nWhy?\n→ it is new")
    assert.deepEqual(offered[0], ["AskUser"])
    const [form] = asked
    assert.ok(form?.type === "form")
    assert.equal(form.message, "2 questions for you")
    assert.deepEqual(form.schema["required"], ["answer1", "answer2"])
    assert.deepEqual(Object.values(form.schema["properties"] as object), [
      {
        type: "string",
        title: "Which branch?",
        description: "Which branch?\ndev: the unstable one",
        enum: ["main", "dev"],
      },
      { type: "string", title: "Reason", description: "Why?", minLength: 1, maxLength: 10_000 },
    ])
    assert.ok(!room.events.some(({ event }) => event.type === "approval.requested"))
  } finally {
    await room.close()
  }
})

test("declined and put off are told plainly, and an answer that does not fit is none", async () => {
  const answers: [UserAnswer, RegExp][] = [
    [{ type: "declined" }, /The user declined to answer/],
    [{ type: "canceled" }, /did not answer: the question was put off/],
    [{ type: "accepted", content: { answer1: "other", answer2: "x" } }, /is no answer to the question/],
    [{ type: "accepted", content: {} }, /put off/],
  ]
  for (const [answer, words] of answers) {
    const { room } = await openRoom({}, async () => answer)
    try {
      assert.match(await told(room, await begin(room, "l-1")), words)
    } finally {
      await room.close()
    }
  }
})

test("with no client to show a form it becomes a question at the desk; the turn waits and goes on with the answer", async () => {
  const { room } = await openRoom({ canAsk: true })
  try {
    const turnId = await begin(room)
    const approval = await askedAtDesk(room, turnId)
    assert.deepEqual([approval.kind, approval.tool, approval.question?.type], ["question", "AskUser", "form"])
    await assert.rejects(
      room.desk.resolve(approval.id, "allow-once", "ann", { answer: { answer1: "other", answer2: "x" } }),
      /does not fit the question/,
    )
    await room.desk.resolve(approval.id, "allow-once", "ann", { answer: { answer1: "main", answer2: "safe" } })
    assert.match(await told(room, turnId), /→ main\n\nWhy\?\n→ safe/)
  } finally {
    await room.close()
  }
})

test("what is denied at the desk is declined, with the reason that was given", async () => {
  const { room } = await openRoom({ canAsk: true })
  try {
    const turnId = await begin(room)
    await room.desk.resolve((await askedAtDesk(room, turnId)).id, "deny", "ann", { reason: "ask Bob" })
    assert.match(await told(room, turnId), /declined to answer.*Their reason: ask Bob/s)
  } finally {
    await room.close()
  }
})

test("a client that is gone leaves the question to the desk", async () => {
  const { room } = await openRoom({ canAsk: true }, () =>
    Promise.reject(new PincerError("UNAVAILABLE", "The client is not connected now")),
  )
  try {
    const turnId = await begin(room, "l-1")
    const approval = await askedAtDesk(room, turnId)
    await room.desk.resolve(approval.id, "allow-once", "ann", { answer: { answer1: "main", answer2: "y" } })
    assert.match(await told(room, turnId), /→ main/)
  } finally {
    await room.close()
  }
})

test("with nobody to ask it is not offered, and a call all the same is told so", async () => {
  const { room, offered } = await openRoom()
  try {
    assert.match(await told(room, await begin(room)), /Nobody can be asked now/)
    assert.deepEqual(offered[0], [])
  } finally {
    await room.close()
  }
})

test("a turn that is canceled while its client is asked ends; nothing is answered for the user", async () => {
  const asking = Promise.withResolvers<void>()
  const { room } = await openRoom({}, () => {
    asking.resolve()
    return new Promise(() => undefined)
  })
  try {
    const turnId = await begin(room, "l-1")
    await asking.promise
    await room.lanes.cancel({ turnId })
    assert.equal((await room.lanes.wait(turnId))?.outcome?.status, "canceled")
    assert.ok(!JSON.stringify(room.events).includes("→"))
  } finally {
    await room.close()
  }
})

test("after a restart the question at the desk is still the same one, and its answer counts", async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-ask-")))
  try {
    const before = await openRoom({ canAsk: true, home })
    const turnId = await begin(before.room)
    const { id } = await askedAtDesk(before.room, turnId)
    await before.room.close()
    const after = await openRoom({ canAsk: true, home })
    try {
      await after.room.lanes.start()
      assert.deepEqual(
        (await after.room.desk.pending()).map((one) => one.id),
        [id],
      )
      await after.room.desk.resolve(id, "allow-once", "ann", { answer: { answer1: "dev", answer2: "later" } })
      assert.match(await told(after.room, turnId), /→ dev/)
    } finally {
      await after.room.close()
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})

test("a form that a restart cut off is asked again, at the desk when the client is gone", async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-ask-")))
  try {
    const asking = Promise.withResolvers<void>()
    const before = await openRoom({ home }, () => {
      asking.resolve()
      return new Promise(() => undefined)
    })
    const turnId = await begin(before.room, "l-1")
    await asking.promise
    await before.room.close()
    const after = await openRoom({ canAsk: true, home })
    try {
      await after.room.lanes.start()
      const { id } = await askedAtDesk(after.room, turnId)
      await after.room.desk.resolve(id, "allow-once", "ann", { answer: { answer1: "dev", answer2: "again" } })
      assert.match(await told(after.room, turnId), /→ again/)
    } finally {
      await after.room.close()
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})

test("questions have one to four, options that differ, and no others", () => {
  const one = { question: "q" }
  const option = (label: string) => ({ label })
  for (const questions of [
    [],
    [one, one, one, one, one],
    [{ question: " " }],
    [{ question: "q", options: [option("a")] }],
    [{ question: "q", options: [option("a"), option("a")] }],
  ])
    assert.equal(askUser.args.safeParse({ questions }).success, false, JSON.stringify(questions))
})
