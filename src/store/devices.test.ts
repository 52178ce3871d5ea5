import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type TestContext, test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { silentLogger } from "../base/log.ts"
import { migrate, migrations } from "./migrations/index.ts"
import { openStore } from "./open.ts"

const MINUTE = 60_000

function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "pincer-devices-"))
  const path = join(folder, "pincer.db")
  const time = { now: 1_000_000 }
  const clock = { ...systemClock, now: () => time.now }
  const start = () => openStore({ path, durability: "normal" }, clock, silentLogger)
  const room = {
    books: start(),
    time,
    path,
    async restart() {
      await room.books.close()
      room.books = start()
    },
  }
  t.after(async () => {
    await room.books.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return room
}

const wish = (deviceId: string, scopes: string[] = ["operator.read"], role = "operator") => ({
  deviceId,
  publicKey: `key of ${deviceId}`,
  role,
  scopes,
})
const noCheck = () => undefined

test("approved scopes widen; a token is found by its hash only, and a new one replaces the old", async (t) => {
  const { books, path } = open(t)
  const { devices } = books
  await devices.admit({ ...wish("d"), displayName: "笔记本" }, "operator")
  const device = await devices.admit(wish("d", ["operator.write"]), "operator")
  assert.deepEqual(device.roles, { operator: ["operator.read", "operator.write"] })
  assert.equal(device.displayName, "笔记本", "what it does not say again stays")
  assert.equal(await devices.setToken("d", "operator", "h1", ["operator.read"]), true)
  assert.equal(await devices.setToken("d", "operator", "h2", ["operator.read"]), true)
  assert.equal(await devices.byTokenHash("h1"), undefined)
  assert.deepEqual((await devices.byTokenHash("h2"))?.scopes, ["operator.read"])
  assert.equal(await devices.setToken("d", "node", "h3", []), false, "not approved for this role")
  assert.equal(await devices.setToken("gone", "operator", "h4", []), false)
  const db = new DatabaseSync(path, { readOnly: true })
  t.after(() => db.close())
  assert.deepEqual(Object.keys(db.prepare("SELECT * FROM device_tokens").get() ?? {}).includes("token"), false)
})

test("a revoked token opens nothing, another role's goes on, and a new one may follow", async (t) => {
  const { devices } = open(t).books
  await devices.admit(wish("d"), "operator")
  await devices.admit(wish("d", [], "node"), "operator")
  await devices.setToken("d", "operator", "h1", ["operator.read"])
  await devices.setToken("d", "node", "h2", [])
  assert.equal(typeof (await devices.revokeToken("d", "operator")), "number")
  assert.equal(await devices.revokeToken("d", "operator"), undefined, "it is revoked once")
  assert.equal(await devices.byTokenHash("h1"), undefined)
  assert.equal((await devices.byTokenHash("h2"))?.role, "node")
  await devices.setToken("d", "operator", "h3", ["operator.read"])
  assert.equal((await devices.byTokenHash("h3"))?.device.tokens.find((one) => one.role === "operator")?.revokedAt, null)
})

test("a removed device takes its tokens and wishes along", async (t) => {
  const { devices } = open(t).books
  await devices.admit(wish("d"), "operator")
  await devices.setToken("d", "operator", "h1", [])
  await devices.request(wish("d", ["operator.admin"]), "net")
  assert.equal(await devices.remove("d", noCheck), true)
  assert.equal(await devices.remove("d", noCheck), false)
  assert.equal(await devices.byTokenHash("h1"), undefined)
  assert.deepEqual(await devices.pending(), [])
})

test("narrower scopes cut the token, too", async (t) => {
  const { devices } = open(t).books
  await devices.admit(wish("d", ["operator.read", "operator.write"]), "operator")
  await devices.setToken("d", "operator", "h1", ["operator.read", "operator.write"])
  await devices.setScopes("d", "operator", ["operator.read"], noCheck)
  assert.deepEqual((await devices.byTokenHash("h1"))?.scopes, ["operator.read"])
  assert.equal(await devices.setScopes("d", "node", [], noCheck), undefined)
})

test("the same wish keeps its id; another wish gets a new one, so that nobody approves what he has not seen", async (t) => {
  const { devices } = open(t).books
  const first = await devices.request(wish("d", ["operator.read"]), "net")
  const again = await devices.request(wish("d", ["operator.read"]), "net")
  assert.deepEqual([first.isNew, again.isNew, again.pending.requestId], [true, false, first.pending.requestId])
  const more = await devices.request(wish("d", ["operator.admin"]), "net")
  assert.notEqual(more.pending.requestId, first.pending.requestId)
  assert.equal(await devices.approve(first.pending.requestId, noCheck), undefined)
  assert.deepEqual(
    (await devices.pending()).map((one) => one.scopes),
    [["operator.admin"]],
  )
})

test("a wish lives five minutes, across restarts, and is decided once", async (t) => {
  const room = open(t)
  const { pending } = await room.books.devices.request(wish("d"), "net")
  await room.restart()
  const { devices } = room.books
  assert.equal((await devices.pending()).length, 1)
  const both = await Promise.all([
    devices.approve(pending.requestId, noCheck),
    devices.approve(pending.requestId, noCheck),
  ])
  assert.equal(both.filter((one) => one !== undefined).length, 1)
  const late = await devices.request(wish("late"), "net")
  room.time.now += 5 * MINUTE
  assert.deepEqual(await devices.pending(), [])
  assert.equal(await devices.approve(late.pending.requestId, noCheck), undefined)
  assert.equal(await devices.get("late"), undefined)
})

test("a check that refuses leaves the wish as it was", async (t) => {
  const { devices } = open(t).books
  const { pending } = await devices.request(wish("d"), "net")
  const refuse = () => {
    throw new PincerError("PERMISSION_DENIED", "no")
  }
  await assert.rejects(devices.approve(pending.requestId, refuse), /no/)
  assert.equal((await devices.pendingById(pending.requestId))?.deviceId, "d")
  assert.equal(await devices.get("d"), undefined)
})

test("a flood of wishes fills its own network's places and no more; all places are bounded", async (t) => {
  const room = open(t)
  const { devices } = room.books
  for (let i = 0; i < 10; i++) await devices.request(wish(`a${i}`), "a")
  await assert.rejects(devices.request(wish("a10"), "a"), { code: "RATE_LIMITED" })
  assert.equal((await devices.request(wish("a3"), "a")).isNew, false, "who waits already may knock again")
  for (let n = 1; n < 10; n++) for (let i = 0; i < 10; i++) await devices.request(wish(`${n}-${i}`), `net${n}`)
  await assert.rejects(devices.request(wish("z"), "z"), { code: "RATE_LIMITED" })
  assert.equal((await devices.pending()).length, 100)
  room.time.now += 5 * MINUTE
  assert.equal((await devices.request(wish("z"), "z")).isNew, true)
})

const code = (hash: string, kind: "code" | "setup" = "code") => ({
  kind,
  hash,
  name: null,
  role: "operator",
  scopes: ["operator.read"],
  nonce: "n",
  createdBy: "test",
  ttlMs: MINUTE,
})

test("a code lets one device in once, not after its time, and survives a restart", async (t) => {
  const room = open(t)
  const one = await room.books.deviceCodes.add(code("h"))
  await room.restart()
  const { deviceCodes } = room.books
  assert.deepEqual(await Promise.all([deviceCodes.spend(one.id, "d1"), deviceCodes.spend(one.id, "d2")]), [true, false])
  assert.equal(await deviceCodes.spend(one.id, "d1"), true, "it was not told yet: it may come again")
  await deviceCodes.delivered(one.id)
  assert.equal(await deviceCodes.spend(one.id, "d1"), false)
  const late = await deviceCodes.add(code("h2"))
  room.time.now += MINUTE
  assert.equal(await deviceCodes.spend(late.id, "d1"), false)
  assert.deepEqual(await deviceCodes.open(), [])
})

test("too many misses withdraw a code; used ones stay for those who ask", async (t) => {
  const { deviceCodes } = open(t).books
  const one = await deviceCodes.add(code("h"))
  for (let i = 0; i < 4; i++) await deviceCodes.miss(one.id, 5)
  assert.equal((await deviceCodes.byHash("h"))?.misses, 4)
  await deviceCodes.miss(one.id, 5)
  assert.equal(await deviceCodes.byHash("h"), undefined)
  const used = await deviceCodes.add(code("h3"))
  await deviceCodes.spend(used.id, "d")
  const open1 = await deviceCodes.add(code("h4"))
  assert.equal(await deviceCodes.withdraw({ id: used.id }), 0)
  assert.equal(await deviceCodes.withdraw({ kind: "code" }), 1)
  assert.equal((await deviceCodes.get(used.id))?.deviceId, "d")
  assert.equal(await deviceCodes.get(open1.id), undefined)
})

test("no more than fifty codes are open at once", async (t) => {
  const { deviceCodes } = open(t).books
  for (let i = 0; i < 50; i++) await deviceCodes.add(code(`h${i}`))
  await assert.rejects(deviceCodes.add(code("more")), { code: "RATE_LIMITED" })
})

test("a home of the schema before keeps its devices and their tokens, but for those that were revoked", () => {
  const db = new DatabaseSync(":memory:")
  db.exec("PRAGMA foreign_keys=ON")
  migrate(db, { list: migrations.slice(0, 10) })
  for (const [id, revoked] of [["one", "NULL"] as const, ["two", "7"] as const]) {
    db.exec(
      `INSERT INTO devices VALUES ('${id}','key','name','linux','cli','operator','["operator.read"]',5,6,${revoked})`,
    )
    db.exec(`INSERT INTO device_tokens VALUES ('hash of ${id}','${id}','operator','["operator.read"]',5)`)
  }
  migrate(db)
  const rows = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => Object.values(row))
  assert.deepEqual(rows("SELECT device_id,created_at,last_seen_at,approved_at FROM devices"), [["one", 5, 6, 5]])
  assert.deepEqual(rows("SELECT * FROM device_roles"), [["one", "operator", '["operator.read"]']])
  assert.deepEqual(rows("SELECT hash,device_id,revoked_at FROM device_tokens"), [["hash of one", "one", null]])
  db.exec("DELETE FROM devices")
  assert.deepEqual(rows("SELECT * FROM device_tokens UNION ALL SELECT *,1,1,1,1,1 FROM device_roles"), [])
  db.close()
})
