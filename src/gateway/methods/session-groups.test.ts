import assert from "node:assert/strict"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"

async function open(t: TestContext): Promise<MethodRoom> {
  const opened = await openMethodRoom({ script: () => say("Hello there") })
  t.after(() => opened.close())
  return opened
}

const refusal = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  if (text) assert.match(error.message, text)
  return true
}

interface Any {
  [key: string]: Any
}

const names = (answer: unknown) => (answer as { groups: { name: string }[] }).groups.map(({ name }) => name)

test("groups have an order, and what is done to one is done to its sessions", async (t) => {
  const { call, parts } = await open(t)
  const told: string[] = []
  parts.notices.on((notice) => told.push(`${notice.key} ${notice.type === "updated" ? notice.changed : "deleted"}`))
  for (const key of ["a", "b", "c"]) await call("sessions.create", { key, category: key === "c" ? "Other" : "工作" })
  assert.deepEqual(names(await call("sessions.groups.list")), ["Other", "工作"], "named by sessions alone")
  await call("sessions.groups.put", { names: ["工作", "Home", "Other"], sectionOrder: ["pinned", "groups"] })
  const listed = (await call("sessions.groups.list")) as Any
  assert.deepEqual(names(listed), ["工作", "Home", "Other"])
  assert.deepEqual(listed["sectionOrder"], ["pinned", "groups"])
  told.length = 0
  const renamed = (await call("sessions.groups.rename", { name: "工作", to: "Work" })) as Any
  assert.deepEqual([names(renamed), renamed["updatedSessions"]], [["Work", "Home", "Other"], 2])
  assert.deepEqual(told.sort(), ["agent:main:a category", "agent:main:b category"])
  const inWork = (await call("sessions.list", { category: "Work" })) as unknown as {
    sessions: { key: string; category: string }[]
  }
  assert.deepEqual(inWork.sessions.map(({ category, key }) => [key, category]).sort(), [
    ["agent:main:a", "Work"],
    ["agent:main:b", "Work"],
  ])
  const removed = (await call("sessions.groups.delete", { name: "Other" })) as Any
  assert.deepEqual([names(removed), removed["updatedSessions"]], [["Work", "Home"], 1])
  assert.equal(((await call("sessions.groups.put", { names: ["Home"] })) as Any)["updatedSessions"], 2)
  assert.equal(((await call("sessions.list", { category: "Work" })) as Any)["count"], 0)
  await assert.rejects(call("sessions.groups.rename", { name: "None", to: "x" }), refusal("NOT_FOUND", /"None"/))
  await call("sessions.groups.put", { names: ["Home", "Work"] })
  await assert.rejects(call("sessions.groups.rename", { name: "Home", to: "Work" }), refusal("ALREADY_EXISTS"))
  await assert.rejects(call("sessions.groups.put", { names: ["x", "x"] }), refusal("INVALID_PARAMS", /twice/))
  await assert.rejects(call("sessions.groups.delete", { name: "gone" }), refusal("NOT_FOUND"))
})

test("new sessions of a group work in its folder, which only an administrator sets", async (t) => {
  const { call } = await open(t)
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "pincer-group-")))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  await call("sessions.groups.put", { names: ["Work"] })
  const wish = { name: "Work", cwd: folder, worktree: false }
  await assert.rejects(
    call("sessions.groups.update", wish, { scopes: ["operator.write"] }),
    refusal("PERMISSION_DENIED", /operator\.admin/),
  )
  await assert.rejects(
    call("sessions.groups.update", { ...wish, worktree: true }),
    refusal("INVALID_PARAMS", /worktree/),
  )
  await assert.rejects(call("sessions.groups.update", { ...wish, cwd: "rel" }), refusal("INVALID_PARAMS", /absolute/))
  await assert.rejects(call("sessions.groups.update", { ...wish, name: "x" }), refusal("NOT_FOUND"))
  assert.deepEqual(((await call("sessions.groups.update", wish)) as Any)["defaults"], [
    { name: "Work", cwd: folder, worktree: false },
  ])
  const made = (await call("sessions.create", { key: "in", category: "Work" }, { scopes: ["operator.write"] })) as Any
  assert.equal(made["entry"]!["cwd"], folder)
  rmSync(folder, { recursive: true })
  const later = (await call("sessions.create", { key: "later", category: "Work" })) as Any
  assert.equal(later["entry"]!["cwd"], undefined)
  assert.equal(((await call("sessions.create", { key: "in" })) as Any)["entry"]!["category"], "Work")
})

test("sessions.patch marks, puts away, and changes nothing when what was expected is not so", async (t) => {
  const { call } = await open(t)
  const { sessionId } = (await call("sessions.create", { key: "a" })) as Any
  const patch = async (change: Record<string, unknown>) =>
    ((await call("sessions.patch", { key: "a", ...change })) as Any)["entry"]!
  const marked = await patch({
    pinned: true,
    unread: true,
    icon: "🦀",
    statusNote: "waits",
    attention: "flag",
    archived: true,
  })
  assert.deepEqual(
    [marked["pinned"], marked["unread"], marked["icon"], marked["attention"], marked["archived"]],
    [true, true, "🦀", "flag", true],
  )
  const at = marked["markedUnreadAt"]
  await assert.rejects(
    call("sessions.patch", { key: "a", unread: false, expectedMarkedUnreadAt: null }),
    refusal("CONFLICT", /markedUnreadAt/),
  )
  const read = await patch({ unread: false, expectedMarkedUnreadAt: at, icon: null, pinned: false, archived: false })
  assert.deepEqual([read["unread"], read["icon"], read["pinned"], read["archived"]], [false, undefined, false, false])
  assert.equal(read["statusNote"], "waits")
  await call("sessions.reset", { key: "a" })
  await assert.rejects(
    call("sessions.patch", { key: "a", label: "x", expectedSessionId: sessionId }),
    refusal("CONFLICT", /sessionId/),
  )
  assert.equal((await patch({}))["label"], undefined)
})

test("sessions.patchMany changes each for itself and says of each what became of it", async (t) => {
  const { call } = await open(t)
  for (const key of ["a", "b"]) await call("sessions.create", { key })
  const targets = [{ key: "a" }, { key: "none" }, { key: "b", expectedSessionId: "another" }, { key: "agent:x y:z" }]
  const { outcomes } = (await call("sessions.patchMany", { targets, patch: { category: "Work", pinned: true } })) as {
    outcomes: { ok: boolean; key: string; error?: { code: string } }[]
  }
  assert.deepEqual(
    outcomes.map(({ error, key, ok }) => [ok, key, error?.code]),
    [
      [true, "agent:main:a", undefined],
      [false, "none", "NOT_FOUND"],
      [false, "b", "CONFLICT"],
      [false, "agent:x y:z", "INVALID_PARAMS"],
    ],
  )
  const row = async (key: string) => ((await call("sessions.describe", { key })) as Any)["session"]!
  assert.equal((await row("a"))["category"], "Work")
  assert.equal((await row("b"))["category"], undefined)
  assert.equal(((await call("sessions.describe", { key: "none" })) as Any)["exists"], false)
  await assert.rejects(call("sessions.patchMany", { targets, patch: {} }), refusal("INVALID_PARAMS", /changes nothing/))
  await assert.rejects(
    call("sessions.patchMany", { targets, patch: { sendPolicy: "deny" } }, { scopes: ["operator.write"] }),
    refusal("PERMISSION_DENIED"),
  )
})
