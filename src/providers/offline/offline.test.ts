import assert from "node:assert/strict"
import { test } from "node:test"
import { callsOf, type Message, type Part, type ToolCallPart, textOf } from "../../protocol/message.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import { OFFLINE_MODEL, offline } from "./index.ts"

const AT = Date.UTC(2026, 0, 5, 14, 3)
const TOOLS = ["Bash", "Read", "Write", "Edit", "Glob", "Grep", "LS", "WebFetch", "WebSearch"]

function message(role: Message["role"], content: Part[]): Message {
  return {
    id: "m",
    role,
    content,
    at: AT,
    ...(role === "assistant" ? { provider: "offline", model: OFFLINE_MODEL } : {}),
  }
}

const user = (text: string) => message("user", [{ type: "text", text }])

function requestOf(messages: Message[], fields: Partial<ModelRequest> = {}): ModelRequest {
  const tools = TOOLS.map((name) => ({ name, description: name, inputSchema: {} }))
  return { model: OFFLINE_MODEL, messages, tools, sampling: {}, cwd: "/home/ada/project", ...fields }
}

async function collect(request: ModelRequest, signal = new AbortController().signal): Promise<ModelEvent[]> {
  const events: ModelEvent[] = []
  for await (const event of offline({ id: "offline" }).stream(request, signal)) events.push(event)
  return events
}

function doneOf(events: ModelEvent[]): Extract<ModelEvent, { type: "done" }> {
  const last = events.at(-1)
  assert.equal(last?.type, "done", JSON.stringify(last))
  return last
}

type Run = (call: ToolCallPart) => { text: string; isError?: boolean }

/** Plays the agent: runs calls and asks again until the model rests. */
async function converse(
  text: string,
  run: Run,
  fields: Partial<ModelRequest> = {},
): Promise<{ batches: string[][]; answer: string }> {
  const messages = [user(text)]
  const batches: string[][] = []
  for (;;) {
    const done = doneOf(await collect(requestOf(messages, fields)))
    messages.push(message("assistant", done.content))
    const calls = callsOf(done.content)
    if (calls.length === 0) return { batches, answer: textOf(done.content) }
    assert.equal(done.stop, "tool_calls")
    batches.push(calls.map((call) => `${call.name} ${JSON.stringify(call.args)}`))
    messages.push(
      message(
        "tool",
        calls.map((call) => {
          const { text: output, isError = false } = run(call)
          return {
            type: "tool.result",
            callId: call.callId,
            name: call.name,
            content: [{ type: "text", text: output }],
            isError,
          }
        }),
      ),
    )
  }
}

test("stream() calls the tool, then shows its result and says that no language model is configured", async () => {
  const { batches, answer } = await converse("read package.json", () => ({ text: '{"name": "x"}' }))
  assert.deepEqual(batches, [['Read {"path":"package.json"}']])
  assert.match(answer, /`package\.json`:\n\n```\n\{"name": "x"\}\n```/)
  assert.match(answer, /No language model is configured/)
  const zh = await converse("列出 src 里的文件", () => ({ text: "a.ts" }))
  assert.match(zh.answer, /`src`的文件：\n\n```\na\.ts\n```|`src` 的文件：\n\n```\na\.ts\n```/)
  assert.match(zh.answer, /没有配置语言模型/)
})

test("stream() reads side by side, but takes steps with an effect one by one and in order", async () => {
  const text = 'list the files here, read a.txt, run `npm test`, write "x" to b.txt and read b.txt'
  const { batches, answer } = await converse(text, (call) => ({ text: `${call.name} result` }))
  assert.deepEqual(
    batches.map((batch) => batch.map((call) => call.split(" ")[0])),
    [["LS", "Read"], ["Bash"], ["Write"], ["Read"]],
  )
  assert.deepEqual(
    [...answer.matchAll(/(\w+) result/g)].map((found) => found[1]),
    ["LS", "Read", "Bash", "Write", "Read"],
  )
})

test("stream() says plainly that a step was denied and leaves out what should follow it", async () => {
  const denied = "Denied: Bash runs a command on this machine, and nobody who could approve it is connected."
  const { batches, answer } = await converse("run `make` and then read out.txt", () => ({
    text: denied,
    isError: true,
  }))
  assert.equal(batches.length, 1)
  assert.ok(answer.includes(`Bash \`make\` did not succeed: ${denied}`), answer)
  assert.match(answer, /The step after that was not taken/)
  const reads = await converse("read a.txt and b.txt", (call) => ({
    text: "gone",
    isError: call.args?.path === "a.txt",
  }))
  assert.match(reads.answer, /Read `a\.txt` did not succeed: gone[\s\S]*`b\.txt`:/)
})

test("stream() calls only tools that are offered, and none when told so", async () => {
  const none = await converse("run `ls`", () => assert.fail(), { tools: [] })
  assert.match(none.answer, /needs the tool Bash, which is not available here/)
  const forbidden = await converse("读取 a.txt", () => assert.fail(), { sampling: { toolChoice: "none" } })
  assert.match(forbidden.answer, /需要工具 Read/)
})

test("stream() says what it is, what it can do and how to add a model when it does not understand", async () => {
  const { answer } = await converse("What is the meaning of life?", () => assert.fail())
  for (const expected of [
    /No language model is configured/,
    /list the files in src/,
    /ANTHROPIC_API_KEY/,
    /Ollama/,
    /pincer doctor/,
  ])
    assert.match(answer, expected)
  const zh = await converse("人生的意义是什么？", () => assert.fail())
  for (const expected of [/还没有配置语言模型/, /列出 src 里的文件/, /OPENAI_API_KEY/])
    assert.match(zh.answer, expected)
  const half = await converse("Run `rm x`. But wait until noon.", () => assert.fail())
  assert.match(half.answer, /understood only part of that, not “But wait until noon”, so I did nothing/)
})

test("stream() shows the footer once in a conversation", async () => {
  const before = [user("hello"), message("assistant", [{ type: "text", text: "Hello!" }]), user("read a.txt")]
  const call: Part = { type: "tool.call", callId: "c", name: "Read", args: { path: "a.txt" } }
  const result: Part = {
    type: "tool.result",
    callId: "c",
    name: "Read",
    content: [{ type: "text", text: "A" }],
    isError: false,
  }
  const done = doneOf(await collect(requestOf([...before, message("assistant", [call]), message("tool", [result])])))
  assert.doesNotMatch(textOf(done.content), /No language model/)
})

test("stream() follows the user's last own words, not a notice written to the model", async () => {
  const notice: Message = { ...user("The gateway was restarted."), synthetic: true }
  const done = doneOf(await collect(requestOf([user("read a.txt"), notice])))
  assert.equal(callsOf(done.content)[0]?.name, "Read")
})

test("stream() answers from the message's own time and the session's directory", async () => {
  assert.match((await converse("what time is it?", () => assert.fail())).answer, /January 2026/)
  assert.match((await converse("今天几号？", () => assert.fail())).answer, /2026年1月/)
  assert.match((await converse("where am I?", () => assert.fail())).answer, /`\/home\/ada\/project`/)
})

test("stream() sends small deltas that make up the answer, never cutting a character, the same each time", async () => {
  const request = requestOf([user('say "🦀🦀🦀🦀🦀🦀🦀🦀🦀 蟹"')])
  const [first, second] = [await collect(request), await collect(request)]
  assert.deepEqual(first, second)
  const deltas = first.flatMap((event) => (event.type === "text.delta" ? [event.text] : []))
  assert.ok(deltas.length > 1 && deltas.every((delta) => delta.length <= 13 && delta.isWellFormed()))
  assert.equal(deltas.join(""), textOf(doneOf(first).content))
  const { usage } = doneOf(first)
  assert.equal(usage.estimated, true)
  assert.equal(usage.costUsd, 0)
  assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0)
})

test("stream() stops between two deltas when it is aborted and keeps what was said", async () => {
  const abort = new AbortController()
  const events: ModelEvent[] = []
  for await (const event of offline({ id: "offline" }).stream(requestOf([user("help")]), abort.signal)) {
    events.push(event)
    if (events.length === 3) abort.abort()
  }
  const last = events.at(-1)
  assert.ok(last?.type === "failed" && events.length === 4)
  assert.equal(last.failure.kind, "aborted")
  assert.equal(textOf(last.failure.received).length, 36)
  const timer = new AbortController()
  setImmediate(() => timer.abort())
  assert.equal(
    (await collect(requestOf([user("help")]), timer.signal)).at(-1)?.type,
    "failed",
    "an abort from outside is heard",
  )
})

test("stream() honours the output limit and stop sequences", async () => {
  const short = doneOf(await collect(requestOf([user("help")], { sampling: { maxOutputTokens: 10 } })))
  assert.equal(short.stop, "length")
  assert.ok(textOf(short.content).length <= 40 && textOf(short.content).length > 20)
  const cut = doneOf(await collect(requestOf([user('say "one two three"')], { sampling: { stop: [" two"] } })))
  assert.deepEqual([textOf(cut.content), cut.stop], ["one", "stop"])
})

test("stream() refuses another model id, and says that it cannot see pictures", async () => {
  const other = (await collect(requestOf([user("hi")], { model: "gpt" }))).at(-1)
  assert.ok(
    other?.type === "failed" && other.failure.kind === "not_found" && /"gpt".*only "rules"/.test(other.failure.message),
  )
  const image = await collect(requestOf([message("user", [{ type: "image", mimeType: "image/png", data: "" }])]))
  assert.match(textOf(doneOf(image).content), /only read text/)
})

test("an answer fences a result that holds fences, and says how much it left out", async () => {
  const { answer } = await converse("read a.md", () => ({ text: `\`\`\`js\n1\n\`\`\`\n${"x".repeat(10_000)}` }))
  assert.match(answer, /````\n```js\n1\n```\nx+\n````/)
  assert.match(answer, /\(\d+ more characters\)/)
})

test("listModels() offers the one model", async () => {
  const [info, ...rest] = await offline({ id: "off" }).listModels(new AbortController().signal)
  assert.deepEqual([info?.id, info?.provider, info?.tools, rest.length], ["rules", "off", true, 0])
})
