import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { stillClock } from "../../test/fakes/still-clock.ts"
import { silentLogger } from "../base/log.ts"
import { configSchema } from "../config/schema.ts"
import type { AuditEntry } from "../protocol/audit.ts"
import { openStore } from "../store/open.ts"
import { Desk } from "./approvals.ts"
import { Elevations, type ElevationWish } from "./elevation.ts"

const KEY = "agent:main:work"
const HOUR = 3_600_000

const wish = (fields: Partial<ElevationWish> = {}): ElevationWish => ({
  sessionKey: KEY,
  agentId: "main",
  level: "ask",
  wisher: { door: "control", clientId: "cli" },
  who: "cli",
  mayGrant: true,
  ...fields,
})

async function open(t: TestContext, config: object = {}, made: { home?: string } = {}) {
  const home = made.home ?? mkdtempSync(join(tmpdir(), "pincer-elevated-"))
  const clock = stillClock()
  const books = openStore({ path: join(home, "pincer.db"), durability: "normal" }, clock, silentLogger)
  const desk = new Desk(books.approvals, clock, silentLogger)
  const audited: AuditEntry[] = []
  const append = (entry: AuditEntry) => void audited.push(entry)
  const audit = { append, record: async (entry: AuditEntry) => append(entry) }
  desk.audit = audit
  const settings = configSchema.parse(config)
  const ports = { table: books.elevations, desk, settings, approvalTimeoutMs: 60_000, clock, log: silentLogger, audit }
  const elevations = new Elevations(ports)
  await desk.start()
  await elevations.start()
  await books.sessions.ensure(KEY, "main")
  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    elevations.close()
    desk.close()
    await books.close()
  }
  t.after(async () => {
    await close()
    rmSync(home, { recursive: true, force: true })
  })
  const told = () => audited.filter((one) => one.type === "elevated").map((one) => one.summary)
  return { home, clock, books, desk, elevations, audited, told, close }
}

test("elevated mode ends by itself at its time, not before, and its end is audited", async (t) => {
  const { clock, elevations, told } = await open(t)
  const changes: (string | undefined)[] = []
  elevations.onChanged = (_, elevation) => changes.push(elevation?.level)
  const answer = await elevations.set(wish({ level: "full", durationMs: 10_000 }))
  assert.equal(answer.type, "granted")
  await clock.advance(9_999)
  assert.equal((await elevations.of(KEY))?.level, "full")
  await clock.advance(1)
  assert.equal(await elevations.of(KEY), undefined)
  assert.deepEqual(changes, ["full", undefined])
  assert.match(told()[0]!, /^Elevated mode "full" until 2023-/)
  assert.match(told()[1]!, /ended: its time was over/)
  assert.equal(told().length, 2)
})

test("elevated mode lasts at most maxMs, and a longer wish names the key", async (t) => {
  const { clock, elevations } = await open(t, { agents: { entries: { main: { elevated: { maxMs: 5_000 } } } } })
  await assert.rejects(elevations.set(wish({ durationMs: HOUR })), /agents\.entries\.main\.elevated\.maxMs/)
  await elevations.set(wish())
  await clock.advance(5_000)
  assert.equal(await elevations.of(KEY), undefined)
})

test("a gateway that was down when the time ran out does not come back elevated", async (t) => {
  const first = await open(t)
  await first.elevations.set(wish({ durationMs: 10_000 }))
  await first.close()
  const second = await open(t, {}, { home: first.home })
  assert.equal((await second.elevations.of(KEY))?.level, "ask", "still within its time")
  await second.close()
  const third = await open(t, {}, { home: first.home })
  third.clock.jump(10_000)
  assert.equal(await third.elevations.of(KEY), undefined, "also before its timer has run")
  assert.equal((await third.elevations.all()).size, 0)
  await third.clock.advance(0)
  assert.match(third.told().join("\n"), /its time was over/)
})

test("elevated mode goes with the reset and with the end of its session", async (t) => {
  const { books, clock, elevations, told } = await open(t)
  await elevations.set(wish({ durationMs: HOUR }))
  await books.sessions.reset(KEY)
  assert.equal(await elevations.of(KEY), undefined, "also when nobody else said so")
  await clock.advance(HOUR)
  assert.match(told().join("\n"), /ended with its session/)
  await elevations.set(wish({ durationMs: HOUR }))
  await books.sessions.delete(KEY)
  await books.sessions.ensure(KEY, "main")
  assert.equal(await elevations.of(KEY), undefined, "a new session of the same name starts without")
  await elevations.set(wish())
  assert.equal(await elevations.end(KEY, "the session was reset", "cli"), true)
  assert.equal(await elevations.end(KEY, "the session was reset", "cli"), false)
})

test("who may not approve asks, and nothing is elevated until an approver says so", async (t) => {
  const { books, clock, desk, elevations, audited } = await open(t)
  const asked = await elevations.set(wish({ mayGrant: false, who: "phone", level: "full", durationMs: 60_000 }))
  assert.equal(asked.type, "asked")
  if (asked.type !== "asked") return
  const { approval } = asked
  assert.equal(approval.kind, "elevated")
  assert.match(approval.summary, /outside the sandbox, for 1 min, without asking/)
  assert.equal(await elevations.of(KEY), undefined)
  const again = await elevations.set(wish({ mayGrant: false, who: "phone", level: "full", durationMs: 60_000 }))
  assert.equal(again.type === "asked" && again.approval.id, approval.id, "the same question is not asked twice")
  await assert.rejects(desk.resolve(approval.id, "allow-always", "owner"), { code: "INVALID_PARAMS" })
  assert.equal(await elevations.of(KEY), undefined)
  await clock.advance(30_000)
  await desk.resolve(approval.id, "allow-once", "owner")
  const elevation = await elevations.of(KEY)
  assert.deepEqual([elevation?.level, elevation?.grantedBy], ["full", "owner"])
  assert.equal(elevation?.expiresAt, clock.now() + 60_000, "its time begins with the answer")
  assert.deepEqual(await books.approvals.pending(), [])
  assert.deepEqual(
    audited.map((one) => [one.type, one.verdict]),
    [
      ["approval", "allow-once"],
      ["elevated", undefined],
    ],
  )
  await clock.advance(60_000)
  assert.equal(await elevations.of(KEY), undefined)
})

test("a session asks one question at a time, and so many sessions at once", async (t) => {
  const { desk, elevations } = await open(t)
  const first = await elevations.set(wish({ mayGrant: false }))
  const second = await elevations.set(wish({ mayGrant: false, level: "full" }))
  assert.ok(first.type === "asked" && second.type === "asked")
  await assert.rejects(desk.resolve(first.approval.id, "allow-once", "owner"), { code: "CONFLICT" })
  assert.equal(await elevations.of(KEY), undefined, "an answer to the old question is not one to the new")
  for (let i = 1; i < 100; i++) await elevations.set(wish({ mayGrant: false, sessionKey: `agent:main:${i}` }))
  const more = elevations.set(wish({ mayGrant: false, sessionKey: "agent:main:more" }))
  await assert.rejects(more, { code: "RATE_LIMITED" })
  assert.equal((await desk.pending()).length, 100)
})

for (const [decision, left] of [
  ["deny", "deny"],
  [undefined, "expired"],
] as const)
  test(`elevated mode that was asked for and ended as ${left} is not granted`, async (t) => {
    const { clock, books, desk, elevations } = await open(t)
    const asked = await elevations.set(wish({ mayGrant: false }))
    assert.ok(asked.type === "asked")
    if (decision) await desk.resolve(asked.approval.id, decision, "owner", { reason: "not today" })
    await clock.advance(60_000)
    assert.equal((await books.approvals.get(asked.approval.id))?.decision, left)
    assert.equal(await elevations.of(KEY), undefined)
    await assert.rejects(desk.resolve(asked.approval.id, "allow-once", "owner"), { code: "CONFLICT" })
    assert.equal(await elevations.of(KEY), undefined)
  })

test("a question for elevated mode survives a restart and is withdrawn with its session", async (t) => {
  const first = await open(t)
  const asked = await first.elevations.set(wish({ mayGrant: false }))
  assert.ok(asked.type === "asked")
  await first.close()
  const second = await open(t, {}, { home: first.home })
  assert.equal((await second.desk.pending()).length, 1)
  await second.desk.withdraw(KEY, "cli")
  assert.equal((await second.desk.get(asked.approval.id))?.decision, "canceled")
  await assert.rejects(second.desk.resolve(asked.approval.id, "allow-once", "owner"), /it was canceled/)
})

test("an answer is refused, and counts for nothing, when the gate was shut after it was asked", async (t) => {
  const first = await open(t)
  const asked = await first.elevations.set(wish({ mayGrant: false }))
  assert.ok(asked.type === "asked")
  await first.close()
  const second = await open(t, { tools: { elevated: { enabled: false } } }, { home: first.home })
  await assert.rejects(second.desk.resolve(asked.approval.id, "allow-once", "owner"), /tools\.elevated\.enabled/)
  assert.equal((await second.desk.get(asked.approval.id))?.decision, null)
  assert.equal(await second.elevations.of(KEY), undefined)
})

const telegram = (sender: string) => ({ door: "channel", channel: "telegram", sender })

for (const [name, config, fields, text] of [
  ["switched off", { tools: { elevated: { enabled: false } } }, {}, /tools\.elevated\.enabled is false/],
  [
    "switched off for all agents",
    { agents: { defaults: { elevated: { enabled: false } } } },
    {},
    /agents\.defaults\.elevated\.enabled/,
  ],
  [
    "switched off for the agent",
    { agents: { entries: { main: { elevated: { enabled: false } } } } },
    {},
    /agents\.entries\.main\.elevated\.enabled/,
  ],
  ["no full", { tools: { elevated: { full: false } } }, { level: "full" }, /tools\.elevated\.full is false/],
  ["a channel that is not named", {}, { wisher: telegram("@ann") }, /tools\.elevated\.allowFrom\.telegram/],
  [
    "a sender who is not named",
    { tools: { elevated: { allowFrom: { telegram: ["@bob"] } } } },
    { wisher: telegram("@ann") },
    /@ann on telegram.*tools\.elevated\.allowFrom\.telegram/,
  ],
  [
    "a sender whom the agent leaves out",
    {
      tools: { elevated: { allowFrom: { telegram: ["*"] } } },
      agents: { entries: { main: { elevated: { allowFrom: { telegram: ["@bob"] } } } } },
    },
    { wisher: telegram("@ann") },
    /agents\.entries\.main\.elevated\.allowFrom\.telegram/,
  ],
  [
    "an agent that opens what the global gate shuts",
    {
      tools: { elevated: { enabled: false } },
      agents: { entries: { main: { elevated: { enabled: true } } } },
    },
    {},
    /tools\.elevated\.enabled/,
  ],
  [
    "a door that names others",
    { tools: { elevated: { allowFrom: { control: ["webchat"] } } } },
    {},
    /cli on control.*tools\.elevated\.allowFrom\.control/,
  ],
] as const)
  test(`elevated mode is refused with the gate's name: ${name}`, async (t) => {
    const { elevations, told } = await open(t, config)
    for (const mayGrant of [true, false])
      await assert.rejects(
        elevations.set(wish({ ...fields, mayGrant })),
        (error: Error) => Reflect.get(error, "code") === "PERMISSION_DENIED" && text.test(error.message),
      )
    assert.equal(await elevations.of(KEY), undefined)
    assert.deepEqual(told(), [])
    assert.equal((await elevations.set(wish({ level: "off" }))).type, "off", "off is always to be had")
  })

test("a sender who is named may, and the use of it is audited with who granted it", async (t) => {
  const { elevations, audited } = await open(t, { tools: { elevated: { allowFrom: { telegram: ["@ann"] } } } })
  const answer = await elevations.set(wish({ wisher: telegram("@ann") }))
  assert.ok(answer.type === "granted")
  const entry = { who: "telegram:@ann", door: "channel", agentId: "main", sessionKey: KEY, turnId: "t", callId: "c" }
  const details = { exitCode: 0 }
  await elevations.used(answer.elevation, {
    ...entry,
    tool: "Bash",
    summary: "make",
    argsDigest: "d",
    outcome: "done",
    details,
  })
  const last = audited.at(-1)
  assert.deepEqual([last?.type, last?.summary, last?.details?.["exitCode"]], ["elevated", "make", 0])
  assert.equal(last?.details?.["grantedBy"], "cli")
})
