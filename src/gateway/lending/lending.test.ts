import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import { GRACE_MS, type LendingClient, Lendings, type LentServers, type ServersWish, type Wish } from "./lending.ts"

interface Asked {
  id: string
  lender: string
  sessionKey: string
  turnId?: string
  what: string
  params: Record<string, unknown>
}

function client(connId: string, rights: Partial<LendingClient["caller"]> = {}) {
  const controller = new AbortController()
  const asked: Asked[] = []
  const withdrawn: string[] = []
  const holder: LendingClient = {
    connId,
    caller: { role: "operator", scopes: ["operator.write"], signal: controller.signal, ...rights },
    emit(event, payload) {
      if (event === "client.asked") asked.push(JSON.parse(payload) as Asked)
      else withdrawn.push((JSON.parse(payload) as { id: string }).id)
    },
  }
  return { holder, asked, withdrawn, hangUp: () => controller.abort() }
}

const LENDER = "11111111-1111-4111-8111-111111111111"
const KEY = "agent:main:a"

function open(t: TestContext, openServers?: (wish: ServersWish) => Promise<LentServers>) {
  const clock = stillClock()
  const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer-lent-")))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const lendings = new Lendings({
    clock,
    log: silentLogger,
    openServers: (_servers, wish) =>
      openServers?.(wish) ?? Promise.resolve({ tools: [], problems: [], close: async () => undefined }),
  })
  const wish = (more: Partial<Wish> = {}): Wish => ({
    lender: LENDER,
    sessionKey: KEY,
    cwd: root,
    roots: [],
    editor: { readText: true, writeText: true, terminal: true },
    questions: { form: true, url: false },
    mcpServers: [],
    ...more,
  })
  const editor = async (sessionKey = KEY) => (await lendings.lent({ lender: LENDER, sessionKey, turnId: "t" }))?.editor
  return { clock, root, lendings, wish, editor }
}

const refusal =
  (code: string, text = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof PincerError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, text)
    return true
  }
const signal = () => new AbortController().signal

test("what is lent to one session is given to no other, and to nobody under another id", async (t) => {
  const { editor, lendings, wish } = open(t)
  const a = client("a")
  await lendings.lend(wish(), a.holder)
  assert.ok(await editor())
  assert.equal(await editor("agent:main:b"), undefined)
  assert.equal(await lendings.lent({ lender: "other", sessionKey: KEY }), undefined)
  assert.equal(await lendings.lent({ sessionKey: KEY }), undefined)
  assert.equal(lendings.holds(LENDER, KEY, "a"), true)
  assert.equal(lendings.holds(LENDER, KEY, "b"), false)
  assert.equal(lendings.holds(LENDER, "agent:main:b", "a"), false)
})

test("only what is lent is there", async (t) => {
  const { editor, lendings, wish } = open(t)
  const a = client("a")
  await lendings.lend(wish({ editor: { readText: true, writeText: false, terminal: false } }), a.holder)
  const lent = await editor()
  assert.deepEqual([!!lent?.readText, !!lent?.writeText, !!lent?.openTerminal], [true, false, false])
  await lendings.lend(wish({ editor: { readText: false, writeText: false, terminal: false } }), a.holder)
  assert.equal(await editor(), undefined)
})

test("the client is asked in its own spelling of paths, and never of anything outside of its roots", async (t) => {
  const { lendings, root, wish, editor } = open(t)
  const [real, link] = [join(root, "real"), join(root, "link")]
  mkdirSync(real)
  symlinkSync(real, link)
  const a = client("a")
  await lendings.lend(wish({ cwd: link }), a.holder)
  const lent = await editor()
  assert.deepEqual(lent?.roots, [real])
  const read = lent!.readText!(join(real, "x.txt"), signal())
  assert.deepEqual(a.asked[0]?.params, { path: join(link, "x.txt") })
  assert.equal(a.asked[0]?.turnId, "t")
  lendings.answer(a.asked[0]!.id, { result: { text: "unsaved" } }, "a")
  assert.equal(await read, "unsaved")
  await assert.rejects(lent!.readText!(join(root, "y.txt"), signal()), refusal("PERMISSION_DENIED"))
  await assert.rejects(lent!.readText!(`${real}-beside/y.txt`, signal()), refusal("PERMISSION_DENIED"))
  assert.equal(a.asked.length, 1)
})

test("an answer counts once, from the asked connection, in the shape that was asked for", async (t) => {
  const { lendings, root, wish, editor } = open(t)
  const a = client("a")
  await lendings.lend(wish(), a.holder)
  const lent = (await editor())!
  const first = lent.readText!(join(root, "1"), signal())
  const { id } = a.asked[0]!
  assert.throws(() => lendings.answer(id, { result: { text: "x" } }, "b"), refusal("PERMISSION_DENIED"))
  assert.throws(() => lendings.answer("nothing", { result: {} }, "a"), refusal("NOT_FOUND"))
  lendings.answer(id, { result: { text: "x" } }, "a")
  assert.equal(await first, "x")
  assert.throws(() => lendings.answer(id, { result: { text: "y" } }, "a"), refusal("NOT_FOUND"))
  const second = lent.readText!(join(root, "2"), signal())
  assert.throws(() => lendings.answer(a.asked[1]!.id, { result: { text: 5 } }, "a"), refusal("INVALID_PARAMS"))
  await assert.rejects(second, refusal("INTERNAL_ERROR", /makes no sense/))
  const third = lent.readText!(join(root, "3"), signal())
  lendings.answer(a.asked[2]!.id, { error: { message: "no such file", code: "NOT_FOUND" } }, "a")
  await assert.rejects(third, refusal("NOT_FOUND", /no such file/))
})

test("a slow answer is too late after 30 seconds; a process and a person are waited for until the turn ends", async (t) => {
  const { clock, lendings, root, wish, editor } = open(t)
  const a = client("a")
  await lendings.lend(wish(), a.holder)
  const lent = (await editor())!
  const opening = lent.openTerminal!({ command: "make", args: [], env: {}, cwd: root, outputByteLimit: 100 }, signal())
  lendings.answer(a.asked[0]!.id, { result: { terminalId: "t1" } }, "a")
  const terminal = await opening
  const turn = new AbortController()
  const exited = terminal.exited(turn.signal)
  const write = lent.writeText!(join(root, "w"), "text", signal())
  const { ask } = (await lendings.lent({ lender: LENDER, sessionKey: KEY }))!
  const question = { type: "form", message: "Which?", schema: {} } as const
  const answer = ask!(question, turn.signal)
  const outcomes = Promise.allSettled([write, exited, answer])
  await clock.advance(29_999)
  assert.deepEqual(a.withdrawn, [])
  await clock.advance(1)
  assert.deepEqual(a.withdrawn, [a.asked[2]!.id])
  assert.throws(() => lendings.answer(a.asked[2]!.id, { result: {} }, "a"), refusal("NOT_FOUND"))
  await clock.advance(3_600_000)
  lendings.answer(a.asked[3]!.id, { result: { answer: { type: "declined" } } }, "a")
  turn.abort()
  const [late, stopped, declined] = await outcomes
  assert.equal(late?.status === "rejected" && (late.reason as PincerError).code, "TIMEOUT")
  assert.equal(stopped?.status === "rejected" && (stopped.reason as PincerError).code, "ABORTED")
  assert.deepEqual(declined?.status === "fulfilled" && declined.value, { type: "declined" })
  assert.equal(a.withdrawn.length, 2)
})

test("a question of a kind that the client does not show is refused", async (t) => {
  const { lendings, wish } = open(t)
  const a = client("a")
  await lendings.lend(wish(), a.holder)
  const { ask } = (await lendings.lent({ lender: LENDER, sessionKey: KEY }))!
  const page: UserQuestion = { type: "url", message: "Log in", url: "https://example.com", elicitationId: "e" }
  await assert.rejects(ask!(page, signal()), refusal("NOT_IMPLEMENTED"))
  assert.equal(a.asked.length, 0)
})

test("a client that is asked too much at once is asked no more until it answers", async (t) => {
  const { lendings, root, wish, editor } = open(t)
  const a = client("a")
  await lendings.lend(wish(), a.holder)
  const lent = (await editor())!
  const reads = Array.from({ length: 100 }, (_, i) => lent.readText!(join(root, `${i}`), signal()))
  await assert.rejects(lent.readText!(join(root, "more"), signal()), refusal("RATE_LIMITED"))
  lendings.answer(a.asked[0]!.id, { result: { text: "" } }, "a")
  await reads[0]
  const one = lent.readText!(join(root, "more"), signal())
  a.hangUp()
  for (const read of [...reads.slice(1), one]) await assert.rejects(read, refusal("UNAVAILABLE"))
})

test("a lost connection fails what was asked of it, but not what waits; the same client may come back within 30 seconds", async (t) => {
  const { clock, lendings, root, wish, editor } = open(t)
  const a = client("a", { deviceId: "d" })
  await lendings.lend(wish(), a.holder)
  const lent = (await editor())!
  const write = lent.writeText!(join(root, "w"), "text", signal())
  const { ask } = (await lendings.lent({ lender: LENDER, sessionKey: KEY }))!
  const asking = ask!({ type: "form", message: "Which?", schema: {} }, signal())
  a.hangUp()
  await assert.rejects(write, refusal("UNAVAILABLE"))
  const away = (await editor())!
  assert.equal(away.readText, undefined, "the disk is read meanwhile")
  await assert.rejects(away.writeText!(join(root, "w"), "x", signal()), refusal("UNAVAILABLE"))
  await assert.rejects(
    away.openTerminal!({ command: "x", args: [], env: {}, cwd: root, outputByteLimit: 1 }, signal()),
    refusal("UNAVAILABLE"),
  )
  assert.equal(lendings.holds(LENDER, KEY, "a"), false)
  await clock.advance(GRACE_MS - 1)
  const thief = client("x", { deviceId: "other" })
  await assert.rejects(lendings.lend(wish(), thief.holder), refusal("PERMISSION_DENIED"))
  const lesser = client("y", { deviceId: "d", scopes: ["operator.read"] })
  await assert.rejects(lendings.lend(wish(), lesser.holder), refusal("PERMISSION_DENIED"))
  const b = client("b", { deviceId: "d" })
  await lendings.lend(wish(), b.holder)
  await clock.advance(GRACE_MS)
  assert.deepEqual(
    b.asked.map(({ id, what }) => [id, what]),
    [[a.asked[1]!.id, "question"]],
    "asked again, under the same id",
  )
  assert.throws(() => lendings.answer(a.asked[1]!.id, { result: {} }, "a"), refusal("PERMISSION_DENIED"))
  lendings.answer(b.asked[0]!.id, { result: { answer: { type: "accepted", content: { x: 1 } } } }, "b")
  assert.deepEqual(await asking, { type: "accepted", content: { x: 1 } } satisfies UserAnswer)
  assert.ok((await editor())?.readText)
})

test("nobody else may use an id after its client is gone for good", async (t) => {
  const { clock, lendings, root, wish, editor } = open(t)
  const a = client("a", { deviceId: "d" })
  await lendings.lend(wish(), a.holder)
  const lent = (await editor())!
  a.hangUp()
  await clock.advance(GRACE_MS)
  assert.equal(await editor(), undefined)
  await assert.rejects(lent.writeText!(join(root, "x"), "", signal()), refusal("UNAVAILABLE"))
  await assert.rejects(lendings.lend(wish(), client("x").holder), refusal("PERMISSION_DENIED"))
  await lendings.lend(wish(), client("b", { deviceId: "d" }).holder)
  assert.ok(await editor())
})

test("release ends it at once, for the connection that lends only; lending to another session ends the earlier one's editor", async (t) => {
  const { lendings, root, wish, editor } = open(t)
  const a = client("a")
  await lendings.lend(wish(), a.holder)
  assert.equal(lendings.release(LENDER, "b"), false)
  const lent = (await editor())!
  const read = lent.readText!(join(root, "x"), signal())
  await lendings.lend(wish({ sessionKey: "agent:main:b" }), a.holder)
  await assert.rejects(read, refusal("UNAVAILABLE"))
  await assert.rejects(lent.readText!(join(root, "x"), signal()), refusal("UNAVAILABLE"))
  assert.deepEqual(a.withdrawn, [a.asked[0]!.id])
  assert.equal(lendings.release(LENDER, "a"), true)
  assert.equal(lendings.release(LENDER, "a"), false)
  assert.equal(await editor("agent:main:b"), undefined)
})

test("a folder that is not here, a connection that is gone and one lender too many are refused", async (t) => {
  const { lendings, root, wish } = open(t)
  const a = client("a")
  await assert.rejects(lendings.lend(wish({ cwd: join(root, "no") }), a.holder), refusal("INVALID_PARAMS", /no"/))
  await assert.rejects(lendings.lend(wish({ roots: ["relative"] }), a.holder), refusal("INVALID_PARAMS", /relative/))
  for (let i = 0; i < 1_000; i++) await lendings.lend(wish({ lender: `l${i}` }), a.holder)
  await assert.rejects(lendings.lend(wish(), a.holder), refusal("RATE_LIMITED"))
  await lendings.lend(wish({ lender: "l1" }), a.holder)
  const b = client("b")
  b.hangUp()
  await assert.rejects(lendings.lend(wish({ lender: "l1" }), b.holder), refusal("ABORTED"))
})

test("servers are opened once while nothing changes, ask the client, and end with what was lent", async (t) => {
  const opened: ServersWish[] = []
  let closed = 0
  const { clock, lendings, root, wish } = open(t, async (of) => {
    opened.push(of)
    return {
      tools: [],
      problems: [{ server: "s", message: "no" }],
      close: async () => {
        closed += 1
      },
    }
  })
  const server = { type: "http", name: "s", url: "http://x", headers: {} } as const
  const a = client("a")
  const { problems } = await lendings.lend(wish({ mcpServers: [server] }), a.holder)
  assert.deepEqual(problems, [{ server: "s", message: "no" }])
  assert.deepEqual([opened[0]?.cwd, opened[0]?.sessionKey], [root, KEY])
  const asking = opened[0]!.ask!({ type: "form", message: "m", schema: {} }, signal())
  lendings.answer(a.asked[0]!.id, { result: { answer: { type: "declined" } } }, "a")
  assert.deepEqual(await asking, { type: "declined" })
  const shown = opened[0]!.ask!({ type: "url", message: "m", url: "https://x", elicitationId: "" }, signal())
  assert.deepEqual(await shown, { type: "canceled" }, "what the client cannot show is put off")
  a.hangUp()
  await lendings.lend(wish({ mcpServers: [server] }), client("b").holder)
  assert.deepEqual([opened.length, closed], [1, 0])
  const c = client("c")
  await lendings.lend(wish({ mcpServers: [{ ...server, url: "http://y" }] }), c.holder)
  await clock.advance(0)
  assert.deepEqual([opened.length, closed], [2, 1])
  c.hangUp()
  await clock.advance(GRACE_MS)
  assert.equal(closed, 2)
})
