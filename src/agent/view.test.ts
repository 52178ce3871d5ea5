// What watchers are shown of our own calls: kinds and places before, diffs and terminals after, plans, how full the window is.
import assert from "node:assert/strict"
import { once } from "node:events"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { z } from "zod"
import { callTools, openAgentRoom, type RoomOptions, say, USAGE } from "../../test/fakes/agent-room.ts"
import { openRedactor } from "../base/redact.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Usage } from "../protocol/message.ts"
import type { PermissionMode } from "../protocol/permission.ts"
import { tools } from "../tools/index.ts"
import type { Tool } from "../tools/tool.ts"

const SECRET = "hunter2-hunter2-hunter2"

interface Call {
  name: string
  args: Record<string, unknown>
}
type Of<T extends RecordedEvent["type"]> = Extract<RecordedEvent, { type: T }>

/** A room whose model makes these calls, one after another, then rests; its files lie in `work`. */
async function openRoom(t: TestContext, calls: Call[], more: Partial<RoomOptions> = {}) {
  let next = 0
  const room = await openAgentRoom({
    tools: [...tools],
    script: async function* (_request, signal) {
      const call = calls[next++]
      yield* call ? callTools(call) : say("Done.", signal)
    },
    ...more,
  })
  t.after(() => room.close())
  room.ports.redactor = openRedactor({ secrets: [SECRET] })
  const work = join(room.home, "work")
  mkdirSync(work)
  const go = async (mode: PermissionMode = "approve-all") => {
    const request = room.request("go", { cwd: work, permissions: { mode } })
    await room.lanes.submit(request)
    return room.lanes.wait(request.turnId)
  }
  const of = <T extends RecordedEvent["type"]>(type: T) =>
    room.events.map(({ event }) => event).filter((event): event is Of<T> => event.type === type)
  return { room, work, go, of }
}

test("a call says its kind and places before it runs; a read where it begins", async (t) => {
  const { go, of, work } = await openRoom(t, [
    { name: "Read", args: { path: "a.txt", offset: 3 } },
    { name: "Read", args: { path: "a.txt" } },
    { name: "Grep", args: { pattern: "x" } },
    { name: "TodoWrite", args: { todos: [] } },
  ])
  const path = join(work, "a.txt")
  writeFileSync(path, "1\n2\n3\n4\n")
  await go()
  assert.deepEqual(
    of("tool.started").map(({ view }) => view),
    [
      { kind: "read", locations: [{ path, line: 3 }] },
      { kind: "read", locations: [{ path }] },
      { kind: "search", locations: [{ path: work }] },
      { kind: "think" },
    ],
  )
  // Nothing to show but the text of the result, which the event has.
  assert.ok(of("tool.ended").every(({ view }) => view === undefined))
})

test("a changed file is shown as it was and as it is, at the line that changed; secrets are not", async (t) => {
  const { go, of, work } = await openRoom(t, [
    { name: "Write", args: { path: "new.txt", content: `key ${SECRET}\n` } },
    { name: "Edit", args: { path: "a.txt", oldText: "two", newText: `2 ${SECRET}` } },
    { name: "Edit", args: { path: "a.txt", oldText: "nowhere", newText: "x" } },
  ])
  writeFileSync(join(work, "a.txt"), "one\ntwo\n")
  await go()
  const [made, changed, failed] = of("tool.ended")
  const [diff] = made!.view!.content!
  assert.ok(diff!.type === "diff" && diff!.oldText === null)
  assert.deepEqual(changed!.view!.locations, [{ path: join(work, "a.txt"), line: 2 }])
  assert.ok(failed!.isError && failed!.view === undefined)
  assert.ok(!JSON.stringify([of("tool.started"), of("tool.ended")]).includes(SECRET))
})

test("a call that is cut off with its turn is shown as canceled, one that fails is not", async (t) => {
  let stopping: Promise<unknown> | undefined
  const wait: Tool = {
    ...{
      name: "Wait",
      aliases: [],
      class: "control",
      effect: "once",
      description: "Waits.",
      args: z.record(z.string(), z.unknown()),
    },
    title: () => "wait",
    touch: async () => ({ reads: [], writes: [], hosts: [] }),
    async run(_args, { signal, turn }) {
      const stopped = once(signal, "abort")
      stopping = room.lanes.cancel({ turnId: turn!.turnId })
      await stopped
      signal.throwIfAborted()
      return assert.fail("the turn goes on")
    },
  }
  const { go, of, room } = await openRoom(
    t,
    [
      { name: "Read", args: { path: "nowhere.txt" } },
      { name: "Wait", args: {} },
    ],
    { tools: [...tools, wait] },
  )
  assert.equal((await go())?.status, "canceled")
  await stopping
  const [failed, canceled] = of("tool.ended")
  assert.deepEqual([failed!.isError, failed!.view], [true, undefined])
  assert.deepEqual([canceled!.isError, canceled!.view], [true, { status: "canceled" }])
})

test("who is asked for leave is shown the call's kind and places", async (t) => {
  const args = { path: "a.txt", content: "x" }
  const { go, of, room, work } = await openRoom(t, [{ name: "Write", args }], { canAsk: true })
  const ended = go("approve-reads")
  const { event } = await room.seen("approval.requested")
  assert.ok(event.type === "approval.requested")
  const { approval } = event
  assert.deepEqual(approval.view, { kind: "edit", locations: [{ path: join(work, "a.txt") }] })
  assert.deepEqual(approval.args, args)
  await room.desk.resolve(approval.id, "deny", "test")
  await ended
  assert.equal(of("tool.ended").length, 1)
})

test("a plan is written down in one commit with the end of the call that made it, without its secrets", async (t) => {
  const { go, of, room } = await openRoom(t, [
    { name: "TodoWrite", args: { todos: [{ text: `use ${SECRET}`, status: "pending" }] } },
    { name: "TodoWrite", args: { todos: [] } },
  ])
  await go()
  const [first, second] = of("plan.updated")
  assert.equal(first!.planId, "main")
  const [entry] = first!.plan!.entries
  assert.deepEqual([entry!.priority, entry!.status], ["medium", "pending"])
  assert.ok(entry!.content.startsWith("use ") && !entry!.content.includes(SECRET))
  assert.deepEqual(second!.plan, { planId: "main", entries: [] })
  const recorded = room.events.filter(({ seq }) => seq !== null)
  const at = recorded.findIndex(({ event }) => event.type === "plan.updated")
  assert.deepEqual(
    recorded.slice(at - 2, at + 1).map(({ event }) => event.type),
    ["tool.ended", "message.added", "plan.updated"],
  )
})

test("each answer of a model says how full the window is, and what the session has cost up to then", async (t) => {
  const { go, of, room } = await openRoom(t, [{ name: "Grep", args: { pattern: "x" } }])
  const { catalogue } = room.ports
  const measures = () =>
    of("context.measured").map(({ costUsd, usedTokens, windowTokens }) => [usedTokens, windowTokens, costUsd])
  await go()
  const used = USAGE.inputTokens + USAGE.outputTokens
  assert.deepEqual(measures(), [
    [used, null, 0.01],
    [used, null, 0.02],
  ])
  const info = { id: "scripted", contextWindow: 8_000 }
  room.ports.catalogue = { ...catalogue, info: () => info as ReturnType<typeof catalogue.info> }
  await go()
  const [tokens, window, cost] = measures().at(-1)!
  assert.deepEqual([tokens, window], [used, 8_000])
  assert.ok(Math.abs(Number(cost) - 0.03) < 1e-9)
})

test("what nobody has a price for costs nothing known", async (t) => {
  const usage: Usage = { ...USAGE, costUsd: null }
  const { go, of } = await openRoom(t, [], {
    script: async function* () {
      yield { type: "done", stop: "stop", content: [{ type: "text", text: "Done." }], usage }
    },
  })
  await go()
  assert.deepEqual(
    of("context.measured").map(({ costUsd }) => costUsd),
    [null],
  )
})
