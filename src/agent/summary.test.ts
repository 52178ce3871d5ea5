import assert from "node:assert/strict"
import { test } from "node:test"
import type { Message, Part } from "../protocol/message.ts"
import { divide, inView, tokensOf, told } from "./summary.ts"

let n = 0
function message(role: Message["role"], text: string, more: Partial<Message> = {}): Message {
  n += 1
  return { id: `m${n}`, role, content: [{ type: "text", text }], at: n, ...more }
}

function exchange(words: string): Message[] {
  return [message("user", words), message("assistant", words)]
}

function summary(through: string, kept?: string): Message {
  const fields = { through, messages: 1, tokens: 1, ...(kept === undefined ? {} : { kept }) }
  return message("user", "so far", { synthetic: true, summary: fields })
}

const ids = (messages: readonly Message[]) => messages.map(({ id }) => id)
/** About so many tokens. */
const long = (tokens: number) => "abcd".repeat(tokens)

test("what a summary stands for is not seen, what came after it is, however late the summary was written", () => {
  const [a, b, c] = [exchange("a"), exchange("b"), exchange("c")]
  assert.deepEqual(inView([...a, ...b]), [...a, ...b])
  const first = summary(a[1]!.id)
  assert.deepEqual(ids(inView([...a, ...b, first, ...c])), ids([first, ...b, ...c]))
  const second = summary(b[1]!.id)
  assert.deepEqual(ids(inView([...a, ...b, first, ...c, second])), ids([second, ...c]), "the newest counts")
  assert.deepEqual(ids(inView([first, ...c])), ids([first, ...c]), "what it stands for is not loaded any more")
})

test("the request of a turn that was summarised in its middle stays in sight", () => {
  const [asked, ...done] = [message("user", "do it"), message("assistant", "1"), message("assistant", "2")]
  const made = summary(done[0]!.id, asked!.id)
  assert.deepEqual(ids(inView([asked!, ...done, made])), ids([made, asked!, done[1]!]))
})

test("the newest exchanges that fit stay whole, the last one in any case", () => {
  const turns = [exchange(long(100)), exchange(long(100)), exchange(long(100))]
  const view = turns.flat()
  assert.deepEqual(ids(divide(view, 250)!.rest), ids(turns[2]!))
  assert.deepEqual(ids(divide(view, 450)!.rest), ids(turns.slice(1).flat()))
  assert.equal(divide(view, 10_000), undefined)
  assert.deepEqual(
    ids(divide(view, 10_000, 3)!.rest),
    ids(turns[2]!),
    "no more messages than that, and from a request on",
  )
  assert.equal(divide([], 10), undefined)
  assert.equal(divide(turns[0]!, 150), undefined, "a lone request has nothing before its answer")
})

test("Chinese counts a token for each character", () => {
  const turns = [exchange("分".repeat(100)), exchange("析".repeat(100))]
  assert.ok(tokensOf(turns.flat()) >= 400)
  assert.deepEqual(ids(divide(turns.flat(), 250)!.rest), ids(turns[1]!))
})

test("an exchange that is too long by itself is divided before an answer, calls and results together", () => {
  const before = exchange("a")
  const asked = message("user", "do it all")
  const rounds = [1, 2, 3].flatMap((round) => {
    const callId = `c${round}`
    const call: Part = { type: "tool.call", callId, name: "Read", args: {} }
    const content = [{ type: "text" as const, text: long(100) }]
    const result: Part = { type: "tool.result", callId, name: "Read", content, isError: false }
    return [message("assistant", "", { content: [call] }), message("tool", "", { content: [result] })]
  })
  const made = divide([...before, asked, ...rounds], 260)!
  assert.equal(made.asked, asked)
  assert.deepEqual(ids(made.rest), ids([asked, ...rounds.slice(2)]))
  assert.deepEqual(ids(made.old), ids([...before, ...rounds.slice(0, 2)]))
})

test("a summary alone is not summarised again", () => {
  const a = exchange(long(300))
  assert.equal(divide([summary("x"), ...a], 100), undefined)
})

test("what is summarised is told with calls and the ends of long results, without thoughts", () => {
  const call: Part = { type: "tool.call", callId: "c", name: "Bash", args: { command: "make" } }
  assert.match(
    told(message("assistant", "", { content: [{ type: "thinking", text: "hm" }, call] })),
    /^## Assistant\n\[calls Bash/,
  )
  const content = [{ type: "text" as const, text: `first ${"x".repeat(9_000)} last` }]
  const result: Part = { type: "tool.result", callId: "c", name: "Bash", content, isError: true }
  const text = told(message("tool", "", { content: [result] }))
  assert.match(text, /\[Bash failed: first x+ … x+ last\]$/)
  assert.ok(text.length < 2_100)
  assert.equal(told(message("assistant", "", { content: [{ type: "thinking", text: "hm" }] })), "")
})
