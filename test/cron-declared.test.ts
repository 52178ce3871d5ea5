// Schedules that programs declare again and again, and notes that they keep with them: over a restart, and when several do it at once.
import assert from "node:assert/strict"
import { test } from "node:test"
import { clawConnect, openRaw } from "./frames.ts"
import { startHouse } from "./house.ts"

interface Any {
  [key: string]: Any
}

test("a declared schedule is there once, is changed by its next declaration, and keeps its notes over a restart", async (t) => {
  let house = await startHouse()
  t.after(() => house.close())
  const open = async () => {
    const wire = await openRaw(house.wsUrl)
    t.after(() => wire.socket.terminate())
    await wire.ask("connect", clawConnect(4, house.token))
    return async (method: string, params: Record<string, unknown>) => {
      const answer = await wire.ask(method, params)
      if (!answer.ok) return { refused: `${answer.error?.message}` } as unknown as Any
      return answer.payload as unknown as Any
    }
  }
  let call = await open()
  const wish = { declarationKey: "backup", schedule: "0 9 * * *", message: "save" }
  const [first, second] = await Promise.all([call("cron.add", wish), call("cron.add", wish)])
  assert.equal(first["id"], second["id"])
  assert.equal(first["declarationKey"], "backup")
  assert.equal(second["configRevision"], first["configRevision"], "the same again changes nothing")
  await call("cron.disable", { id: first["id"] })
  const changed = await call("cron.add", { ...wish, message: "save all" })
  assert.deepEqual([changed["id"], changed["message"], changed["enabled"]], [first["id"], "save all", false])
  const id = first["id"]
  assert.deepEqual(await call("cron.scratch.get", { id }), { scratch: null, currentRevision: 0, maxBytes: 65_536 })
  const set = await call("cron.scratch.set", { jobId: id, content: "bis 你好", expectedRevision: 0 })
  assert.deepEqual([set["ok"], set["currentRevision"]], [true, 1])
  const late = await call("cron.scratch.set", { id, content: "lost", expectedRevision: 0 })
  assert.deepEqual(late, { ok: false, reason: "revision-conflict", currentRevision: 1 })
  const long = await call("cron.scratch.set", { id, content: "ä".repeat(40_000) })
  assert.match(String(long["refused"]), /at most 65536 bytes/)
  assert.match(String((await call("cron.scratch.set", { id: "none", content: "x" }))["refused"]), /none/)
  const { home } = house
  await house.stop()
  house = await startHouse({ home })
  call = await open()
  assert.equal((await call("cron.scratch.get", { id }))["scratch"]!["content"], "bis 你好")
  assert.equal((await call("cron.list", { includeDisabled: true }))["total"], 1)
  const gone = await call("cron.scratch.set", { id, content: null })
  assert.deepEqual([gone["scratch"], gone["currentRevision"]], [null, 2])
  await call("cron.remove", { id })
  assert.match(String((await call("cron.scratch.get", { id }))["refused"]), /cron list|Unknown/)
})
