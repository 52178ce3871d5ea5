import assert from "node:assert/strict"
import { test } from "node:test"
import { type SseEvent, SseParser } from "./sse.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

/** The events of a stream that comes in pieces of `size` bytes. */
function parse(text: string, size = Number.POSITIVE_INFINITY): SseEvent[] {
  const all = bytes(text)
  const parser = new SseParser()
  const events: SseEvent[] = []
  for (let i = 0; i < all.length; i += size)
    for (const event of parser.push(all.subarray(i, i + size))) events.push(event)
  return [...events, ...parser.end()]
}

const data = (...all: string[]) => all.map((one) => ({ event: "", data: one }))

test("events end with a blank line, whatever ends the lines", () => {
  for (const end of ["\n", "\r\n", "\r"])
    for (const size of [1, 2, 3, 5, 1000])
      assert.deepEqual(
        parse(`event: a${end}data: 1${end}${end}data: 2${end}${end}`, size),
        [
          { event: "a", data: "1" },
          { event: "", data: "2" },
        ],
        JSON.stringify([end, size]),
      )
})

test("line ends may be mixed", () => {
  assert.deepEqual(parse("data: 1\r\n\ndata: 2\r\rdata: 3\n\r\n"), data("1", "2", "3"))
})

test("data lines are joined; one space after the colon does not count; comments and other fields are left out", () => {
  assert.deepEqual(parse(": hi\ndata: a\nid: 7\ndata:b\nretry: 10\ndata:  c\nnonsense\n\n"), data("a\nb\n c"))
  assert.deepEqual(parse("data\n\ndata\ndata\n\ndata:\n\n"), data("", "\n", ""))
  assert.deepEqual(parse(": keep-alive\n\nevent: lonely\n\n\n\n"), [])
  assert.deepEqual(parse("database: x\n\n"), [])
})

test("an event name counts for its own event only", () => {
  assert.deepEqual(parse("event: a\n\ndata: 1\n\n"), data("1"))
})

test("a byte order mark is left out, and characters are never cut in two", () => {
  for (const size of [1, 2, 3, 7]) assert.deepEqual(parse("\ufeffdata: 你好 👩‍🚀\n\n", size), data("你好 👩‍🚀"))
})

test("the last event counts without its blank line, and without the end of its line", () => {
  for (const tail of ["", "\n", "\r\n", "\r", "\n\n"]) assert.deepEqual(parse(`data: x${tail}`, 1), data("x"))
})

test("an event that never ends is refused at the limit, in one line or in many", () => {
  const one = new SseParser(100)
  assert.deepEqual(one.push(bytes(`data: ${"x".repeat(90)}`)), [])
  assert.throws(() => one.push(bytes("y".repeat(10))), RangeError)
  const many = new SseParser(100)
  assert.throws(() => {
    for (let i = 0; i < 30; i++) many.push(bytes("data: 123\n"))
  }, RangeError)
  const fine = new SseParser(100)
  for (let i = 0; i < 30; i++) assert.equal(fine.push(bytes("data: 123\n\n")).length, 1)
})

test("every byte is looked at once: a large event in small pieces, and many small lines in one piece", () => {
  const large = "x".repeat(4_000_000)
  const started = performance.now()
  assert.equal(parse(`data: ${large}\n\n`, 1024)[0]?.data.length, large.length)
  assert.equal(parse("data: 1\n\n".repeat(200_000)).length, 200_000)
  assert.equal(parse("data: 1\r\r".repeat(200_000)).length, 200_000)
  // Looking again at what was seen would take minutes.
  assert.ok(performance.now() - started < 10_000)
})
