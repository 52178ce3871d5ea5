// Tools that a client lends: only in the turns that name it, judged like every tool that others brought, gone when it is.
import assert from "node:assert/strict"
import { test } from "node:test"
import { z } from "zod"
import { callTools, openAgentRoom, type RoomOptions, say } from "../../test/fakes/agent-room.ts"
import { PincerError } from "../base/errors.ts"
import type { ToolResultPart } from "../protocol/message.ts"
import type { Permissions } from "../protocol/permission.ts"
import type { Editor } from "../tools/editor.ts"
import { type Tool, textResult } from "../tools/tool.ts"
import type { Lent } from "./lent.ts"

const NAME = "mcp__files__sum"

async function openRoom(more: Partial<RoomOptions> = {}) {
  const ran: unknown[] = []
  const offered: string[][] = []
  const tool: Tool = {
    name: NAME,
    aliases: [],
    class: "network",
    from: "mcp",
    effect: "once",
    description: "Adds.",
    inputSchema: { type: "object", properties: { a: { type: "number" } } },
    args: z.record(z.string(), z.unknown()),
    title: () => "sum",
    touch: async () => ({ reads: [], writes: [], hosts: [] }),
    async run(args) {
      ran.push(args)
      return textResult("five")
    },
  }
  const lenders = new Map<string, Lent>([["l-1", { tools: [tool] }]])
  const room = await openAgentRoom({
    script: async function* (request) {
      offered.push(request.tools.map(({ name }) => name))
      const asked = request.messages.at(-1)?.role === "user"
      yield* asked ? callTools({ name: NAME, args: { a: 2 } }) : say("Done.")
    },
    ...more,
  })
  room.ports.lent = async ({ lender }) => (lender === undefined ? undefined : lenders.get(lender))
  const run = async (fields: { lender?: string; permissions?: Permissions } = {}) => {
    const request = room.request("go", fields)
    await room.lanes.submit(request)
    return request.turnId
  }
  const result = (turnId: string): ToolResultPart => {
    for (const { event, turnId: of } of room.events) {
      if (of !== turnId || event.type !== "message.added") continue
      const part = event.message.content.find((one) => one.type === "tool.result")
      if (part) return part
    }
    return assert.fail("no call of this turn has a result")
  }
  const words = (turnId: string) => JSON.stringify(result(turnId).content)
  return { room, ran, offered, lenders, run, result, words, tool }
}

test("a lent tool is offered to the turn that names its lender, with the schema that came with it, and to no other", async () => {
  let schema: unknown
  const { room, ran, offered, run, words } = await openRoom({
    script: async function* (request) {
      schema ??= request.tools.find(({ name }) => name === NAME)?.inputSchema
      offered.push(request.tools.map(({ name }) => name))
      const asked = request.messages.at(-1)?.role === "user"
      yield* asked ? callTools({ name: NAME, args: { a: 2 } }) : say("Done.")
    },
  })
  try {
    const lent = await run({ lender: "l-1", permissions: { mode: "approve-all" } })
    await room.lanes.wait(lent)
    assert.deepEqual(ran, [{ a: 2 }])
    assert.match(words(lent), /five/)
    assert.deepEqual(schema, { type: "object", properties: { a: { type: "number" } } })
    assert.equal(offered[0]?.filter((name) => name === NAME).length, 1)
    offered.length = 0
    for (const lender of [undefined, "l-2"]) {
      const turnId = await run({ ...(lender === undefined ? {} : { lender }), permissions: { mode: "approve-all" } })
      await room.lanes.wait(turnId)
      assert.match(words(turnId), /There is no tool/)
    }
    assert.ok(offered.every((names) => !names.includes(NAME)))
    assert.equal(ran.length, 1)
  } finally {
    await room.close()
  }
})

test("denied tools, lists and modes hold for lent tools under both of their names", async () => {
  const { room, ran, result, run, words } = await openRoom()
  try {
    const refused: Permissions[] = [
      { mode: "approve-all", deniedTools: [NAME] },
      { mode: "approve-all", deniedTools: ["mcp:files:*"] },
      { mode: "approve-all", allowedTools: ["Read"] },
      { preset: "full-auto" },
      { mode: "deny-all" },
      // Nobody is there to ask.
      { mode: "approve-reads" },
    ]
    for (const permissions of refused) {
      const turnId = await run({ lender: "l-1", permissions })
      await room.lanes.wait(turnId)
      assert.equal(result(turnId).isError, true, JSON.stringify(permissions))
      assert.match(words(turnId), /Denied/)
    }
    assert.deepEqual(ran, [])
    const allowed = await run({ lender: "l-1", permissions: { mode: "approve-all", allowedTools: ["mcp:files:sum"] } })
    await room.lanes.wait(allowed)
    assert.equal(ran.length, 1)
  } finally {
    await room.close()
  }
})

test("with approve-reads a human is asked; once allowed it runs in the body that comes after", async () => {
  const { room, ran, run, words } = await openRoom({ canAsk: true })
  try {
    const turnId = await run({ lender: "l-1" })
    const { event } = await room.seen("approval.requested", turnId)
    assert.ok(event.type === "approval.requested")
    assert.equal(event.approval.tool, NAME)
    assert.deepEqual(ran, [])
    await room.desk.resolve(event.approval.id, "allow-once", "ann")
    await room.lanes.wait(turnId)
    assert.match(words(turnId), /five/)
    assert.equal(ran.length, 1)
  } finally {
    await room.close()
  }
})

test("a tool that was released while its call waited for leave is not there any more; nothing runs", async () => {
  const { room, ran, lenders, result, run, words } = await openRoom({ canAsk: true })
  try {
    const turnId = await run({ lender: "l-1" })
    const { event } = await room.seen("approval.requested", turnId)
    assert.ok(event.type === "approval.requested")
    lenders.clear()
    await room.desk.resolve(event.approval.id, "allow-once", "ann")
    await room.lanes.wait(turnId)
    assert.equal(result(turnId).isError, true)
    assert.match(words(turnId), /There is no tool/)
    assert.deepEqual(ran, [])
  } finally {
    await room.close()
  }
})

test("a tool that calls itself otherwise after it was approved does not run", async () => {
  const { room, ran, lenders, run, tool, words } = await openRoom({ canAsk: true })
  try {
    lenders.set("l-1", { tools: [{ ...tool, fingerprint: "harmless" }] })
    const turnId = await run({ lender: "l-1" })
    const { event } = await room.seen("approval.requested", turnId)
    assert.ok(event.type === "approval.requested")
    lenders.set("l-1", { tools: [{ ...tool, fingerprint: "harmful" }] })
    await room.desk.resolve(event.approval.id, "allow-once", "ann")
    await room.lanes.wait(turnId)
    assert.match(words(turnId), /changed since it was approved/)
    assert.deepEqual(ran, [])
  } finally {
    await room.close()
  }
})

test("a lent tool never stands in front of one of the agent's own", async () => {
  const offered: string[][] = []
  const { room, ran, lenders, run, tool } = await openRoom({
    script: async function* (request) {
      offered.push(request.tools.map(({ name }) => name))
      const asked = request.messages.at(-1)?.role === "user"
      yield* asked ? callTools({ name: "Look", args: { text: "x" } }) : say("Done.")
    },
  })
  try {
    lenders.set("l-1", { tools: [{ ...tool, name: "Look" }] })
    const turnId = await run({ lender: "l-1", permissions: { mode: "approve-all" } })
    await room.lanes.wait(turnId)
    assert.deepEqual(ran, [])
    assert.equal(offered[0]?.filter((name) => name === "Look").length, 1)
  } finally {
    await room.close()
  }
})

test("tools that were redefined after they were offered are told of in the next turn, once, before the model is asked", async () => {
  const { room, lenders, run, tool } = await openRoom({
    script: async function* () {
      yield* say("Done.")
    },
  })
  try {
    let waiting = [{ server: "files", tools: ["sum", "wipe"] }]
    const takeRedefined = () => {
      const taken = waiting
      waiting = []
      return taken
    }
    lenders.set("l-1", { tools: [tool], takeRedefined })
    const turnId = await run({ lender: "l-1" })
    await room.lanes.wait(turnId)
    await room.lanes.wait(await run({ lender: "l-1" }))
    const notices = room.events.filter(({ event }) => event.type === "notice.posted")
    assert.equal(notices.length, 1)
    const [{ event, turnId: of } = assert.fail()] = notices
    assert.ok(event.type === "notice.posted")
    assert.deepEqual([of, event.level, event.code], [turnId, "warning", "mcp-tools-changed"])
    assert.match(event.text, /"files" changed .*: sum, wipe\. /)
    const types = room.events.filter((one) => one.turnId === turnId).map((one) => one.event.type)
    assert.ok(types.indexOf("notice.posted") < types.indexOf("text.delta"), types.join())
  } finally {
    await room.close()
  }
})

test("the user's terminals are there for calls on the host, and for none in the sandbox", async () => {
  const given: boolean[] = []
  const tool: Tool = {
    name: "Act",
    aliases: [],
    class: "exec",
    effect: "once",
    description: "Acts.",
    args: z.object({}),
    title: () => "act",
    touch: async () => ({ reads: [], writes: [], hosts: [], command: "act" }),
    async run(_args, { editor }) {
      assert.ok(editor?.readText)
      given.push(editor.openTerminal !== undefined)
      return textResult("done")
    },
  }
  const editor: Editor = {
    roots: ["/"],
    readText: async () => "",
    openTerminal: () => Promise.reject(new PincerError("UNAVAILABLE", "not in this test")),
  }
  for (const available of [true, false]) {
    const { lenders, room, run } = await openRoom({
      tools: [tool],
      canAsk: true,
      script: async function* (request) {
        yield* request.messages.at(-1)?.role === "user" ? callTools({ name: "Act", args: {} }) : say("Done.")
      },
      rights: {
        sandbox: async () => ({
          available,
          profile: "workspace",
          workspace: "read-write",
          network: false,
          detail: available ? "" : "no sandbox in this test",
        }),
      },
    })
    try {
      lenders.set("l-1", { tools: [], editor })
      const turnId = await run({ lender: "l-1" })
      if (!available) {
        const { event } = await Promise.race([room.seen("approval.requested", turnId), room.seen("turn.ended", turnId)])
        assert.ok(event.type === "approval.requested", JSON.stringify(room.events))
        await room.desk.resolve(event.approval.id, "allow-once", "ann")
      }
      await room.lanes.wait(turnId)
    } finally {
      await room.close()
    }
  }
  assert.deepEqual(given, [false, true])
})
