import assert from "node:assert/strict"
import { test } from "node:test"
import { PincerError } from "../base/errors.ts"
import type { GatewayClient } from "../protocol/client.ts"
import { Asker } from "./approve.ts"
import type { Key } from "./keys.ts"
import { type Question, questionOf } from "./question.ts"
import { Screen } from "./screen.ts"

/** What a terminal obeys, other than the colours that the screen itself writes. */
const OBEYED = /\x1b(?!\[\d+m)|[\u0000-\u0008\u000b-\u001a\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/

const ROW = {
  id: "q",
  kind: "tool",
  request: { command: "x", cwd: "/work", sessionKey: "agent:main:main", agentId: "main" },
  tool: "Bash",
  summary: "rm -rf build\n\x1b[1A\x1b[2Kls",
  reason: "Bash runs a command",
  argv: null,
  placement: null,
  taint: [],
  offer: null,
  elevated: "off",
  expiresAtMs: 0,
}
const question = (fields: object = {}): Question => questionOf({ ...ROW, ...fields })
const OFFER = { text: "Bash: /bin/rm -rf build, for agent main" }

function asking(refuse = false) {
  const written = { out: "" }
  const write = (text: string) => {
    written.out += text
    return true
  }
  const out = new Screen({ stream: { isTTY: true, columns: 60, write }, env: { NO_COLOR: "1" } })
  const sent: unknown[] = []
  let heard: ((key: Key) => void) | undefined
  const client = {
    request: async (_: string, params: unknown) => {
      sent.push(params)
      if (refuse) throw new PincerError("CONFLICT", 'approval already resolved: ann decided "deny"')
    },
  } as unknown as GatewayClient
  const keys = {
    onKey(listener: (key: Key) => void) {
      heard = listener
      return () => {
        heard = undefined
      }
    },
  }
  const press = (sequence: string, key: Key = {}) => heard?.({ sequence, ...key })
  return { asker: new Asker(client, out, keys), written, sent, press, listens: () => heard !== undefined }
}

test("Asker shows exactly what is asked, takes y, s and n, and nothing else", async () => {
  for (const [key, decision] of [
    ["y", "allow-once"],
    ["s", "allow-session"],
    ["N", "deny"],
  ] as const) {
    const { asker, written, sent, press } = asking()
    asker.ask(question())
    await Promise.resolve()
    for (const other of ["\r", " ", "\x1b", "x", "a"]) press(other)
    press("y", { pasted: true })
    press("y", { ctrl: true })
    press("y", { meta: true })
    assert.deepEqual(sent, [])
    press(key)
    await asker.idle
    assert.deepEqual(sent, [{ id: "q", decision }])
    assert.match(written.out, /rm -rf build\n {4}␛\[1A␛\[2Kls\n {4}in \/work\n/)
    assert.ok(!OBEYED.test(written.out))
    assert.doesNotMatch(written.out, /\[a\]/, "nothing is offered for good")
  }
})

test("Asker shows the rule before it is written, asks once more, and goes back on no", async () => {
  const { asker, written, sent, press } = asking()
  asker.ask(question({ offer: OFFER }))
  await Promise.resolve()
  assert.match(written.out, /\[a\] always/)
  press("a")
  assert.match(written.out, /This rule would be written:\n {4}Bash: \/bin\/rm -rf build, for agent main/)
  press("a")
  press("s")
  assert.deepEqual(sent, [])
  press("n")
  assert.equal(written.out.match(/\[y\] once/g)?.length, 2)
  press("a")
  press("y")
  await asker.idle
  assert.deepEqual(sent, [{ id: "q", decision: "allow-always" }])
})

test("Asker takes a reason with a denial, from keys and pastes, and leaves it on escape", async () => {
  const { asker, sent, press } = asking()
  asker.ask(question())
  await Promise.resolve()
  press("r")
  for (const char of "yes") press(char)
  press("\x1b", { name: "escape" })
  assert.deepEqual(sent, [])
  press("r")
  for (const char of "不要x") press(char)
  press("\x7f", { name: "backspace" })
  press(" now", { pasted: true })
  press("\x1b[A")
  press("\r", { name: "return" })
  await asker.idle
  assert.deepEqual(sent, [{ id: "q", decision: "deny", reason: "不要 now" }])
})

test("Asker shows words with their borders, where it runs, what was read and what is elevated", async () => {
  const { asker, written, press } = asking()
  asker.ask(
    question({
      argv: [["/usr/bin/rm", "-rf", "my build", "a'b"], ["/usr/bin/ls"]],
      placement: { type: "host", because: "elevated" },
      taint: [
        { source: "web", detail: "https://evil.example/x" },
        { source: "mcp", detail: "mcp:mail:read" },
      ],
      elevated: "ask",
    }),
  )
  await Promise.resolve()
  press("n")
  await asker.idle
  assert.match(written.out, /runs \/usr\/bin\/rm -rf 'my build' 'a'\\''b'\n {4}runs \/usr\/bin\/ls\n/)
  assert.match(written.out, /! on this machine, outside the sandbox/)
  assert.match(written.out, /! this conversation has read: https:\/\/evil\.example\/x, mcp mcp:mail:read/)
  assert.match(written.out, /! this session is elevated \(ask\)/)
})

test("Asker says which sandbox holds a call, without a warning", async () => {
  const { asker, written, press } = asking()
  asker.ask(question({ placement: { type: "sandbox", profile: "workspace" } }))
  await Promise.resolve()
  press("n")
  await asker.idle
  assert.match(written.out, /in the sandbox, profile workspace/)
  assert.doesNotMatch(written.out, /! /)
})

test("Asker makes visible what hides or deceives: directions, invisible letters, alphabets that look alike", async () => {
  const { asker, written, press } = asking()
  const word = "l\u200bs \u202egpj.sh\u2069 \u{e0041} s\u0435cret"
  asker.ask(
    question({
      summary: word,
      reason: word,
      tool: word,
      argv: [[word]],
      taint: [{ source: "web", detail: word }],
      request: { ...ROW.request, cwd: `/w/${word}\n/w` },
      offer: { text: word },
    }),
  )
  await Promise.resolve()
  press("a")
  press("n")
  press("n")
  await asker.idle
  assert.ok(!OBEYED.test(written.out), JSON.stringify(written.out))
  assert.ok(!written.out.includes("\u{e0041}"))
  assert.match(written.out, /l\\u\{200b\}s \\u202egpj\.sh\\u2069/)
  assert.match(written.out, /in \/w\/.* ⏎ \/w\n/)
  assert.match(written.out, /letters of different alphabets in one word: s\u0435cret/)
})

test("Asker asks one after the other, and not what was answered elsewhere", async () => {
  const { asker, written, sent, press } = asking()
  asker.ask(question())
  asker.ask(question({ id: "second", summary: "second command" }))
  asker.ask(question({ id: "third", summary: "third command" }))
  await Promise.resolve()
  assert.ok(!written.out.includes("second command"))
  asker.answered("q", "deny")
  asker.answered("second", "allow-once")
  await new Promise((resolve) => setImmediate(resolve))
  press("y")
  await asker.idle
  assert.match(written.out, /\(deny\)/)
  assert.ok(!written.out.includes("second command"))
  assert.deepEqual(sent, [{ id: "third", decision: "allow-once" }])
})

test("Asker listens no more once the question is withdrawn or has expired, and says which", async () => {
  for (const [reason, words] of [
    ["canceled", /\(withdrawn\)/],
    ["expired", /\(nobody answered in time\)/],
  ] as const) {
    const { asker, listens, sent, press, written } = asking()
    asker.ask(question())
    await Promise.resolve()
    press("r")
    asker.answered("q", null, reason)
    await asker.idle
    assert.equal(listens(), false)
    assert.deepEqual(sent, [])
    assert.match(written.out, words)
  }
})

test("Asker says so when the gateway does not take the answer", async () => {
  const { asker, written, press } = asking(true)
  asker.ask(question())
  await Promise.resolve()
  press("y")
  await asker.idle
  assert.match(written.out, /! approval already resolved: ann decided "deny"/)
})

const FORM = {
  type: "form",
  message: "Which one?",
  schema: {
    type: "object",
    properties: {
      name: { type: "string", title: "Name\x1b[2J", description: "whose" },
      count: { type: "integer" },
      size: {
        type: "string",
        oneOf: [
          { const: "s", title: "Small" },
          { const: "l", title: "Large" },
        ],
      },
      tags: { type: "array", items: { type: "string", enum: ["a", "b", "c"] } },
      sure: { type: "boolean", default: true },
    },
    required: ["name", "size"],
  },
}

test("Asker goes through a form field by field, mends slips at once, and sends what was answered", async () => {
  const { asker, written, sent, press } = asking()
  asker.ask(question({ kind: "question", summary: "Which one?", question: FORM }))
  await Promise.resolve()
  const type = (line: string) => {
    for (const char of line) press(char)
    press("\r", { name: "return" })
  }
  type("")
  assert.match(written.out, /an answer is needed here/)
  press("Ann", { pasted: true })
  type("a")
  press("\x7f", { name: "backspace" })
  type("x")
  assert.match(written.out, /a whole number, please/)
  type("3")
  type("5")
  assert.match(written.out, /1\. Small\n {4}2\. Large/)
  type("2")
  type("1, c")
  assert.deepEqual(sent, [])
  type("")
  await asker.idle
  const answer = { name: "Anna", count: 3, size: "l", tags: ["a", "c"], sure: true }
  assert.deepEqual(sent, [{ id: "q", decision: "allow-once", answer }])
  assert.match(written.out, /Your agent asks you/)
  assert.ok(!OBEYED.test(written.out.replaceAll("\r\x1b[K", "")))
})

test("Asker declines a form on escape, and takes a page that was visited", async () => {
  for (const [question_, press_, sent_] of [
    [FORM, ["\x1b", { name: "escape" }], { id: "q", decision: "deny" }],
    [{ type: "url", message: "?", url: "https://example.com" }, ["n", {}], { id: "q", decision: "deny" }],
    [
      { type: "url", message: "?", url: "https://example.com" },
      ["y", {}],
      { id: "q", decision: "allow-once", answer: {} },
    ],
  ] as const) {
    const { asker, sent, press } = asking()
    asker.ask(question({ kind: "question", question: question_ }))
    await Promise.resolve()
    press("y", { pasted: true })
    press(press_[0], press_[1])
    await asker.idle
    assert.deepEqual(sent, [sent_])
  }
})
