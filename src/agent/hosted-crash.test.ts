// kill -9 in the middle of an external agent's turn: nothing is repeated silently, nothing that waited can still be allowed, and what was
// recorded stays.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { openHostedRoom, type Play, stopped } from "../../test/fakes/hosted-room.ts"
import { textOf } from "../protocol/message.ts"
import type { HostedTurn } from "./harness.ts"

const PROGRAM = new URL("../../test/fakes/crashing-hosted.ts", import.meta.url).pathname

async function crashAt(point: string, nth: number, recovery = ""): Promise<string> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-hosted-crash-")))
  const env = { ...process.env, RECOVERY: recovery }
  const child = spawn(process.execPath, [PROGRAM, home, point, String(nth)], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  })
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>()
  child.once("exit", (_code, signal) => resolve(signal))
  assert.equal(await promise, "SIGKILL", `${point} ${nth} was never passed`)
  return home
}

async function afterwards(home: string, play: Play) {
  const room = await openHostedRoom({ home, play })
  await room.lanes.start()
  const record = (await room.lanes.wait("the-turn"))!
  return { room, record }
}

const POINTS: [string, number][] = [
  ["model.streaming", 1],
  ["model.streaming", 2],
  ["approval.asked", 1],
  ["approval.answered", 1],
  ["approval.asked", 2],
  ["call.intended", 1],
  ["call.acted", 1],
  ["call.recorded", 1],
  ["turn.answered", 1],
]

for (const [point, nth] of POINTS)
  test(`killed at ${point} ${nth}: the turn ends once as interrupted, its agent is not run again`, async () => {
    const home = await crashAt(point, nth)
    const { room, record } = await afterwards(home, async () => assert.fail("it was run again"))
    assert.deepEqual([record.status, record.outcome?.stop], ["failed", "interrupted"])
    assert.equal(readFileSync(join(home, "runs"), "utf8"), "run\n")
    const events = (await room.log()).map(({ event }) => event)
    assert.equal(events.filter(({ type }) => type === "turn.ended").length, 1)
    assert.deepEqual(await room.ports.books.approvals.pending(), [])
    const began = events.flatMap((event) => (event.type === "tool.started" ? [event.callId] : []))
    const ended = events.flatMap((event) => (event.type === "tool.ended" ? [event.callId] : []))
    assert.deepEqual(ended.toSorted(), began.toSorted())
    const asked = events.filter(({ type }) => type === "approval.requested").length
    const answered = events.filter(({ type }) => type === "approval.resolved").length
    // One that was answered in the very moment of the crash has its answer in the store only.
    assert.ok(asked - answered <= (point === "approval.answered" ? 1 : 0))
    await room.close()
    rmSync(home, { recursive: true, force: true })
  })

test("killed while an approval waits: it is withdrawn, and allowing it later runs nothing", async () => {
  const home = await crashAt("approval.asked", 1)
  const { room } = await afterwards(home, async () => assert.fail("it was run again"))
  const [{ id, decision } = { id: "", decision: null }] = room
    .heard("approval.resolved")
    .map(({ approval }) => approval)
  assert.equal(decision, "canceled")
  await assert.rejects(room.desk.resolve(id, "allow-once", "tester"), /already resolved/)
  assert.equal(existsSync(join(home, "acts")), false)
  const messages = await room.ports.books.transcript.messages(room.request("").sessionKey)
  assert.match(messages.map(({ content }) => textOf(content)).join("|"), /I begin\. .*Now I ask\./)
  await room.close()
  rmSync(home, { recursive: true, force: true })
})

test("with recovery resume it goes on with a prompt that says so, and what it asked before is withdrawn", async () => {
  const home = await crashAt("approval.asked", 1, "resume")
  let seen: Pick<HostedTurn, "messages" | "request"> | undefined
  const { room, record } = await afterwards(home, async (turn) => {
    seen = turn
    await turn.hear({ type: "text", of: "answer", text: "Finished." })
  })
  assert.deepEqual([record.status, record.attempt], ["completed", 2])
  assert.match(textOf(seen?.request.input ?? []), /Pincer was restarted.*go$/)
  assert.equal(seen?.messages.at(-1)?.synthetic, true)
  assert.equal(room.heard("approval.resolved")[0]?.approval.decision, "canceled")
  const kinds = (await room.log()).map(({ event }) => event.type)
  assert.ok(kinds.indexOf("approval.resolved") < kinds.lastIndexOf("message.added"))
  await room.close()
  rmSync(home, { recursive: true, force: true })
})

test("a shutdown ends a hosted turn as interrupted, with what was said; a queued one runs in the next life", async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-hosted-stop-")))
  const room = await openHostedRoom({
    home,
    async play(turn) {
      await turn.hear({ type: "text", of: "answer", text: "so far" })
      await stopped(turn)
      return { stop: "aborted" }
    },
  })
  await room.lanes.submit(room.request("go", { cwd: room.work, turnId: "one" }))
  await room.lanes.submit(room.request("go", { cwd: room.work, turnId: "the-turn" }))
  await room.seen("text.delta")
  await room.close()
  const next = await afterwards(home, async (turn) => {
    await turn.hear({ type: "text", of: "answer", text: "here" })
  })
  const first = await next.room.ports.books.turns.get("one")
  assert.deepEqual([first?.outcome?.stop, first?.outcome?.text], ["interrupted", "so far"])
  assert.deepEqual([next.record.status, next.record.outcome?.text], ["completed", "here"])
  await next.room.close()
  rmSync(home, { recursive: true, force: true })
})

test("a shutdown with recovery resume leaves the turn for the next life, and nothing that waits", async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-hosted-stop-")))
  const room = await openHostedRoom({
    home,
    async play(turn) {
      await turn.leave({ callId: "c", view: { kind: "execute", rawInput: { command: "id" } }, offersAlways: false })
    },
  })
  await room.lanes.submit(room.request("go", { cwd: room.work, turnId: "the-turn", recovery: "resume" }))
  const { id } = await room.asked()
  await room.lanes.drain(0)
  assert.equal((await room.ports.books.turns.get("the-turn"))?.status, "interrupted")
  assert.equal((await room.desk.get(id))?.decision, "canceled")
  await room.close()
  const { record, room: after } = await afterwards(home, async () => undefined)
  assert.equal(record.status, "completed")
  await after.close()
  rmSync(home, { recursive: true, force: true })
})
