// Measures the list of sessions and the search in it with 10,000 sessions of ten messages each, and what it costs to make the words of a
// message findable. Part of bench/run.ts; alone: node bench/sessions.ts [--quick].
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "../src/base/clock.ts"
import { silentLogger } from "../src/base/log.ts"
import type { RecordedEvent } from "../src/protocol/event.ts"
import { type Books, openStore } from "../src/store/open.ts"
import type { Note } from "./jobs.ts"
import { median } from "./load.ts"

const MESSAGES = 10
const ROUNDS = 20

const WORDS =
  "the agent reads a file and writes tests for sandbox gateway queue approval 帮我 分析 项目 结构 重构 代码 运行 测试".split(
    " ",
  )

/** Always the same words, in an order that looks like none. */
function sentence(seed: number, length: number): string {
  let state = seed * 2_654_435_761
  let out = ""
  for (let i = 0; i < length; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    out += `${WORDS[state % WORDS.length]} `
  }
  return out
}

function message(n: number, m: number): RecordedEvent {
  const text = m === 3 && n % 1_000 === 7 ? `needle${n} 独一无二` : sentence(n * MESSAGES + m, 40)
  const role = m % 2 === 0 ? "user" : "assistant"
  return { type: "message.added", message: { id: `m${n}-${m}`, role, content: [{ type: "text", text }], at: 1 } }
}

/** Microseconds to record each message. */
async function fill(books: Books, sessions: number): Promise<number> {
  const began = performance.now()
  for (let n = 0; n < sessions; n += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => {
        const entries = Array.from({ length: MESSAGES }, (_, m) => ({ turnId: "t", at: n, event: message(n + i, m) }))
        return books.transcript.restore(`agent:main:s${n + i}`, "main", entries, {})
      }),
    )
  }
  return ((performance.now() - began) * 1_000) / (sessions * MESSAGES)
}

type Filter = Parameters<Books["sessions"]["list"]>[0]

const LOOKS: readonly [what: string, goalMs: number, filter: Filter][] = [
  ["list", 20, {}],
  ["search for a rare word", 50, { search: "needle7" }],
  ["search for a rare Chinese word", 50, { search: "独一无二" }],
  ["search for two Chinese characters that are everywhere", 50, { search: "分析" }],
  ["search for a word that is everywhere", 50, { search: "sandbox" }],
  ["search for two words that are everywhere", 50, { search: "gateway approval" }],
  ["search for what is nowhere", 50, { search: "xylophone" }],
]

async function look(books: Books, filter: Filter): Promise<string> {
  const times: number[] = []
  let total = 0
  for (let i = 0; i < ROUNDS; i++) {
    const began = performance.now()
    total = (await books.sessions.list({ limit: 50, ...filter })).total
    times.push(performance.now() - began)
  }
  times.sort((a, b) => a - b)
  return `${median(times).toFixed(1)} ms (at most ${times.at(-1)!.toFixed(1)} ms), ${total} found`
}

/** All figures of sessions, on a store of their own in this process. */
export async function benchSessions(quick: boolean, note: Note): Promise<void> {
  const sessions = quick ? 2_000 : 10_000
  const dir = mkdtempSync(join(tmpdir(), "pincer-bench-sessions-"))
  const books = openStore({ path: join(dir, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  try {
    const each = await fill(books, sessions)
    note(
      `record and index a message of 40 words, ${sessions * MESSAGES} of them`,
      "–",
      `${each.toFixed(0)} µs each`,
      "–",
    )
    for (const [what, goalMs, filter] of LOOKS)
      note(`first page (50) of ${sessions} sessions: ${what}, median`, `≤ ${goalMs} ms`, await look(books, filter), "–")
  } finally {
    await books.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.main)
  await benchSessions(process.argv.includes("--quick"), (what, goal, measured) =>
    process.stdout.write(`${what}: ${measured}  (goal ${goal})\n`),
  )
