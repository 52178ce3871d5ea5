import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { gzipSync } from "node:zlib"
import {
  followLog,
  matchesLog,
  parseLogLine,
  pruneLogs,
  putAsideLogs,
  readLog,
  searchLog,
} from "../../base/log-file.ts"
import type { TurnEnvelope, TurnEvent } from "../../protocol/event.ts"
import { LogFile } from "./log-file.ts"
import { openLog } from "./logging.ts"
import { turnLog } from "./turn-log.ts"

const room = mkdtempSync(join(tmpdir(), "pincer-log-"))
after(() => rmSync(room, { recursive: true, force: true }))
let made = 0
const fresh = () => join(room, String(++made), "gateway.log")
const SETTINGS = { level: "info", maxBytes: 10_000, maxFiles: 2, maxDays: 30, compress: false } as const
const NAME = /^gateway\.log\.\d{8}-\d{6}(-\d+)?(\.gz)?$/

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; !done(); i++) {
    assert.ok(i < 2_000, "it did not come to pass")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test("a log that is too large is put aside under its time, and no more files stay than were asked for", async () => {
  for (const compress of [false, true]) {
    const path = fresh()
    const { log, close } = openLog({ ...SETTINGS, path, compress })
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 12; i++) log.info({ filler: "x".repeat(1_000), round }, "A line")
      await until(() => readdirSync(join(path, "..")).length > Math.min(round, 1))
    }
    await close()
    await until(() => putAsideLogs(path).length <= 2)
    const names = readdirSync(join(path, "..")).filter((name) => name !== "gateway.log")
    assert.ok(names.length > 0 && names.length <= 2, names.join())
    for (const name of names) assert.match(name, NAME)
    assert.equal(
      names.every((name) => name.endsWith(".gz")),
      compress,
    )
    const found = searchLog(path, { grep: "a LINE" }, 1_000, 1_000_000).lines
    assert.equal(parseLogLine(found.at(-1) ?? "")?.["round"], 4)
  }
})

test("put-aside files go when they are too old, whatever their number", () => {
  const path = fresh()
  mkdirSync(join(path, ".."), { recursive: true })
  const now = Date.UTC(2026, 10, 21)
  const files = { "gateway.log.20261120-000000": 1, "gateway.log.20261001-000000.gz": 51, "gateway.log.3": 60 }
  for (const [name, days] of Object.entries({ ...files, "gateway.log": 90, "gateway.log.mine": 90 })) {
    writeFileSync(join(path, "..", name), "x")
    utimesSync(join(path, "..", name), 0, now / 1000 - days * 86_400)
  }
  assert.equal(pruneLogs(path, { maxFiles: 10, maxDays: 0 }, now), 0)
  assert.equal(pruneLogs(path, { maxFiles: 10, maxDays: 55 }, now), 1)
  assert.equal(pruneLogs(path, { maxFiles: 1, maxDays: 0 }, now), 1)
  assert.deepEqual(readdirSync(join(path, "..")).sort(), [
    "gateway.log",
    "gateway.log.20261120-000000",
    "gateway.log.mine",
  ])
})

test("a disk that is full costs lines, not the gateway: the file is opened again and says how many", async (t) => {
  const small = join(room, "small")
  mkdirSync(small)
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return t.skip("NOT TESTED: only root on Linux can mount a small disk")
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", small]).status !== 0)
    return t.skip("NOT TESTED: a small disk cannot be mounted here")
  try {
    const said: string[] = []
    const path = join(small, "gateway.log")
    const settings = { path, maxBytes: 1_000_000, maxFiles: 1, maxDays: 0, compress: false, retryMs: 20 }
    writeFileSync(join(small, "filler"), Buffer.alloc(12_000))
    const file = new LogFile({ ...settings, terminal: (line) => said.push(line) })
    for (let i = 0; i < 100; i++) file.write(`${"y".repeat(500)}\n`)
    await until(() => said.length > 0)
    assert.match(said[0] ?? "", /cannot be written: ENOSPC/)
    file.write("lost\n")
    rmSync(join(small, "filler"))
    rmSync(path)
    await until(() => {
      file.write("again\n")
      return readLog(path, undefined, 100_000).lines.some((line) => line === "again")
    })
    assert.match(readLog(path, undefined, 100_000).lines.join("\n"), /"lost":\d+,"msg":"Lines were lost/)
    await file.close()
  } finally {
    spawnSync("umount", [small])
  }
})

const line = (fields: Record<string, unknown>) =>
  JSON.stringify({ level: 30, time: "2026-11-21T09:00:00.000Z", ...fields })

test("lines are found by level, session, agent, time and words, Chinese too", () => {
  const about = line({ sessionKey: "agent:main:tele:7", agentId: "main", msg: "会话结束", level: 40 })
  const yes = [
    { level: "warn" },
    { session: "agent:main:tele:7" },
    { session: "7" },
    { agent: "main" },
    { grep: "会话" },
  ]
  const no = [{ level: "error" }, { session: "8" }, { session: "ele:7" }, { agent: "mai" }, { grep: "没有" }]
  for (const filter of yes) assert.equal(matchesLog(about, filter), true, JSON.stringify(filter))
  for (const filter of no) assert.equal(matchesLog(about, filter), false, JSON.stringify(filter))
  const nine = Date.UTC(2026, 10, 21, 9)
  assert.deepEqual([matchesLog(about, { since: nine }), matchesLog(about, { since: nine + 1 })], [true, false])
  assert.deepEqual(
    [matchesLog("Segmentation fault", {}), matchesLog("Segmentation fault", { session: "7" })],
    [true, false],
  )
})

test("a search goes back into put-aside files, packed ones too, and a reader follows across a change of files", () => {
  const path = fresh()
  mkdirSync(join(path, ".."), { recursive: true })
  const write = (name: string, from: number, age: number) => {
    const text = [0, 1, 2].map((i) => `${line({ n: from + i })}\n`).join("")
    writeFileSync(join(path, "..", name), name.endsWith(".gz") ? gzipSync(text) : text)
    utimesSync(join(path, "..", name), 0, 1_795_000_000 - age)
  }
  write("gateway.log.20261119-000000.gz", 0, 200)
  write("gateway.log.20261120-000000", 3, 100)
  write("gateway.log", 6, 0)
  const numbers = (lines: string[]) => lines.map((one) => parseLogLine(one)?.["n"])
  const piece = searchLog(path, {}, 8, 1_000_000)
  assert.deepEqual(numbers(piece.lines), [1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(numbers(searchLog(path, {}, 2, 1_000_000).lines), [7, 8])
  writeFileSync(path, `${line({ n: 9 })}\n${line({ n: 10 }).slice(0, 20)}`, { flag: "a" })
  spawnSync("mv", [path, `${path}.20261121-000000`])
  writeFileSync(`${path}.20261121-000000`, `${line({ n: 10 }).slice(20)}\n`, { flag: "a" })
  writeFileSync(path, `${line({ n: 11 })}\n`)
  const next = followLog(path, piece, 1_000_000)
  assert.deepEqual(numbers(next.lines), [9, 10, 11])
  assert.deepEqual(followLog(path, next, 1_000_000).lines, [])
  assert.deepEqual(readLog(join(room, "none.log"), undefined, 10), { lines: [], cursor: 0, inode: 0 })
})

test("each turn is one line with sizes, never with words", () => {
  const lines: { fields: Record<string, unknown>; text: string }[] = []
  const say = (fields: object, text: string) => lines.push({ fields: { ...fields }, text })
  const hear = turnLog({ debug: say, info: say, warn: say, error: say, fatal: say, trace: say } as never)
  const send = (event: TurnEvent, at = 1_000) =>
    hear({
      sessionKey: "agent:main:tele:7",
      sessionId: "s",
      agentId: "main",
      turnId: "t",
      seq: 1,
      at,
      event,
    } as TurnEnvelope)
  const message = (role: "user" | "assistant", text: string) =>
    ({
      type: "message.added",
      message: { id: "m", role, content: [{ type: "text", text }], at: 0, turnId: "t" },
    }) as TurnEvent
  send({ type: "turn.started", attempt: 1 })
  send(message("user", "secret words"))
  send({ type: "tool.ended", callId: "c", name: "LS", isError: false, text: "12345", durationMs: 1 })
  send(message("assistant", "四个字吧"))
  const usage = { inputTokens: 1, outputTokens: 1 }
  const outcome = { status: "completed", stop: "end_turn", text: "", usage }
  send({ type: "turn.ended", outcome } as unknown as TurnEvent, 3_500)
  assert.deepEqual(lines.at(-1), {
    text: "A turn ended",
    fields: {
      sessionKey: "agent:main:tele:7",
      agentId: "main",
      turnId: "t",
      component: "turn",
      status: "completed",
      durationMs: 2_500,
      channel: "tele",
      message_content_length: 12,
      assistant_content_length: 4,
      output_content_length: 5,
      transcript_length: 2,
    },
  })
  assert.doesNotMatch(JSON.stringify(lines), /secret words|四个字/)
})
