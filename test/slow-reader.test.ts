// A real client that stops reading in the middle of a run: it misses nothing that matters once it reads again, it costs a bounded
// amount, and nobody else waits for it. And how everybody is let go when the gateway stops.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { startFakeModel } from "./fakes/model-service.ts"
import { clawConnect, type Frame, openRaw, type Raw } from "./frames.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

const LONG = Array.from({ length: 60_000 }, (_, i) => `word ${i} of many`).join(", ")

async function open(t: TestContext) {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  return { fake, house }
}

async function enter(t: TestContext, house: House, params: Record<string, unknown>): Promise<Raw> {
  const wire = await openRaw(house.wsUrl)
  t.after(() => wire.socket.terminate())
  const answer = await wire.ask("connect", params)
  assert.equal(answer.ok, true, JSON.stringify(answer.error))
  return wire
}

const member = (t: TestContext, house: House) =>
  enter(t, house, clawConnect(4, house.token, { caps: ["approvals"], scopes: ["operator.admin"] }))
/** The simple dialect, which hears the other family as well: its increments alone would not fill a socket. */
const simple = (t: TestContext, house: House) =>
  enter(t, house, {
    minProtocol: 1,
    maxProtocol: 3,
    clientName: "app",
    caps: ["events:both"],
    auth: { token: house.token },
  })

const state = (frame: Frame) => (frame.event === "chat" ? String(frame.payload?.["state"]) : undefined)
const endings = (wire: Raw) => wire.frames.filter((frame) => /^(final|aborted|error)$/.test(state(frame) ?? ""))
const joined = (frames: Frame[], field: string) => frames.map((frame) => String(frame.payload?.[field] ?? "")).join("")
const approvals = (wire: Raw) => wire.frames.filter((frame) => frame.event?.startsWith("exec.approval."))

function numbersHaveNoHole(wire: Raw): void {
  const numbers = wire.frames.flatMap((frame) => frame.seq ?? [])
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i + 1),
  )
}

test("who stops reading gets every character, approval and ending once it reads again; others never wait", async (t) => {
  const { fake, house } = await open(t)
  const [slow, quick, sender] = [await member(t, house), await member(t, house), await simple(t, house)]
  // The model goes on when the reader who keeps up has been shown something new, so that there are many beats to miss.
  let seen = 0
  const gateAt = (delta: number) => {
    if (delta % 8 !== 7) return undefined
    const before = seen
    return quick.until((frame) => state(frame) === "delta" && frame.seq! > before).then((frame) => (seen = frame.seq!))
  }
  fake.script(
    { text: LONG, deltaSize: 4_096, gateAt, calls: [{ name: "Bash", args: { command: "echo hi" } }] },
    { text: "It said hi." },
  )
  slow.socket.pause()
  sender.socket.pause()
  const answer = sender.ask("chat.send", { message: "Tell me everything", sessionId: "long" })
  const asked = await quick.until((frame) => frame.event === "exec.approval.requested")
  const began = performance.now()
  assert.equal((await quick.ask("health")).ok, true)
  assert.ok(performance.now() - began < 1_000)
  const id = String(asked.payload!["id"])
  assert.equal((await quick.ask("exec.approval.resolve", { id, decision: "allow-once" })).ok, true)
  await quick.until((frame) => state(frame) === "final")
  assert.equal(approvals(slow).length, 0, "it did not read")

  slow.socket.resume()
  sender.socket.resume()
  const final = await slow.until((frame) => state(frame) === "final")
  const said = `${LONG}\n\nIt said hi.`
  const content = final.payload!["message"]!["content"] as unknown as { text: string }[]
  assert.ok(content[0]!.text === said)
  const { payload } = await answer
  assert.equal(payload?.["completed"], true)
  const done = sender.frames.filter((frame) => /^chat\.(done|error)$/.test(frame.event ?? ""))
  assert.equal(done.length, 1)
  const deltas = sender.frames.filter((frame) => frame.event === "chat.delta")
  assert.ok(joined(deltas, "delta") === said && String(done[0]!.payload!["text"]) === said)
  const shown = quick.frames.filter((frame) => state(frame) === "delta")
  assert.ok(joined(shown, "deltaText") === said)
  assert.equal(endings(slow).length, 1)
  assert.deepEqual(
    approvals(slow).map((frame) => frame.event),
    ["exec.approval.requested", "exec.approval.resolved"],
  )
  for (const wire of [slow, quick, sender]) numbersHaveNoHole(wire)
  const unread = slow.frames.reduce((sum, frame) => sum + JSON.stringify(frame).length, 0)
  assert.ok(shown.length > 20, `${shown.length} beats`)
  assert.ok(unread < 16 * LONG.length, `${unread} characters were kept for it`)
})

test("when the gateway stops everybody is told, and then closed with 1012", async (t) => {
  const { house } = await open(t)
  const wires = [await member(t, house), await simple(t, house)]
  const stranger = await openRaw(house.wsUrl)
  await house.stop()
  for (const wire of wires) {
    assert.deepEqual(await wire.closed, { code: 1012, reason: "service restart" })
    const last = wire.frames.at(-1)!
    assert.equal(last.event, "shutdown")
    assert.ok(Number(last.payload!["restartExpectedMs"]) > 0)
  }
  assert.equal((await stranger.closed).code, 1012)
})
