// The process that runs a local model, for real, with an engine that is none: through the wire that other services are asked on.
import assert from "node:assert/strict"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { fakeEngine, fakeLlamaServer } from "../../test/fakes/local-engine.ts"
import { doneOf, failureIn, hear, requestOf } from "../../test/fakes/provider-room.ts"
import { type StillClock, stillClock } from "../../test/fakes/still-clock.ts"
import { tinyModel } from "../../test/fakes/tiny-model.ts"
import { silentLogger } from "../base/log.ts"
import { signalGroup, startProgram } from "../base/process.ts"
import { processBirth } from "../base/process-birth.ts"
import { callsOf, textOf } from "../protocol/message.ts"
import { openProvider } from "../providers/index.ts"
import type { ModelRequest, Provider } from "../providers/provider.ts"
import type { ModelEngine } from "./engine.ts"
import { LocalRunner } from "./runner.ts"
import { type LocalModel, listModels } from "./shelf.ts"

interface Room {
  runner: LocalRunner
  provider: Provider
  clock: StillClock
  engine: { now: ModelEngine | undefined }
  model(name: string): LocalModel
}

const ALIVE = new AbortController().signal

async function room(t: TestContext, names: string[] = ["small"]): Promise<Room> {
  const folder = mkdtempSync(join(tmpdir(), "pincer-runner-"))
  for (const name of names) writeFileSync(join(folder, `${name}.gguf`), tinyModel())
  const models = await listModels([{ name: "pincer", folder, depth: 0 }])
  const model = (name: string) => models.find((one) => one.name === name) ?? assert.fail(name)
  const engine: Room["engine"] = { now: { type: "node-llama-cpp", path: fakeEngine(folder), version: "1" } }
  const clock = stillClock()
  const runner = new LocalRunner({
    settings: () => ({ threads: 1, contextSize: 4_096, idleMs: 60_000, loadMs: 30_000 }),
    engine: () => engine.now,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    clock,
    log: silentLogger,
  })
  t.after(async () => {
    await runner.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const provider = openProvider({
    ...{ id: "local", wire: "openai-chat", baseUrl: "http://127.0.0.1/v1", apiKey: () => undefined, headers: {} },
    ...{ models: [], connectTimeoutMs: 20_000, stallMs: 20_000, quirks: { keyless: true } },
    startedBy: { start: (name, signal) => runner.lease(model(name), signal), models: async () => [] },
  })
  return { runner, provider, clock, engine, model }
}

const saying = (text: string, more: object = {}) => ({
  model: "small",
  messages: [{ id: "m", role: "user" as const, content: [{ type: "text" as const, text }], at: 0 }],
  ...more,
})
const READ = {
  name: "read",
  description: "Reads",
  inputSchema: {
    type: "object",
    properties: { path: { type: "string" }, line: { type: "integer" } },
    required: ["path"],
  },
}

test("an answer is like that of a service on the net: words, thoughts and what it cost, and the process stays for the next one", async (t) => {
  const { provider, runner } = await room(t)
  const done = doneOf(await hear(provider, saying("你好 there")))
  assert.equal(textOf(done.content), "you said 你好 there")
  assert.ok(done.content.some((part) => part.type === "thinking" && part.text === "hm"))
  assert.ok(done.usage.inputTokens >= 10 && done.usage.outputTokens > 3)
  const { pid } = runner.loaded!
  await hear(provider, saying("again"))
  assert.equal(runner.loaded?.pid, pid)
})

test("a call is handed on and not made; its result comes back in the next request", async (t) => {
  const { provider } = await room(t)
  const asked = saying('call read {"path":"/x","line":null}', { tools: [READ] })
  const { content, stop } = doneOf(await hear(provider, asked))
  const [call] = callsOf(content)
  assert.equal(stop, "tool_calls")
  // What need not be given and was not is not there.
  assert.deepEqual([call?.name, call?.args], ["read", { path: "/x" }])
  const answered = [
    ...asked.messages,
    { id: "a", role: "assistant" as const, content, at: 0 },
    {
      ...{ id: "r", role: "tool" as const, at: 0 },
      content: [
        { type: "tool.result" as const, callId: call!.callId, content: [{ type: "text" as const, text: "42" }] },
      ],
    },
  ] as ModelRequest["messages"]
  assert.equal(textOf(doneOf(await hear(provider, { ...asked, messages: answered })).content), "the result was 42")
})

test("a call that has to be made is written in the form of its schema", async (t) => {
  const { provider } = await room(t)
  const asked = saying("whatever", { tools: [READ], sampling: { toolChoice: { name: "read" } } })
  const { content } = doneOf(await hear(provider, asked))
  assert.deepEqual(
    callsOf(content).map(({ name, args }) => [name, args]),
    [["read", { path: "/给我" }]],
  )
  assert.equal(textOf(content), "")
})

test("a conversation that does not fit is refused as too long, so that it is made shorter", async (t) => {
  const { provider } = await room(t)
  const failure = failureIn(await hear(provider, saying("word ".repeat(5_000))))
  assert.equal(failure.kind, "context_length")
})

test("who stops is heard at once, and the model is free for the next", async (t) => {
  const { provider } = await room(t)
  const stop = new AbortController()
  for await (const event of provider.stream(requestOf(saying("forever")), stop.signal)) {
    if (event.type === "text.delta") stop.abort()
    if (event.type === "failed") assert.equal(event.failure.kind, "aborted")
  }
  assert.equal(textOf(doneOf(await hear(provider, saying("next"))).content), "you said next")
})

test("one request at a time; a few wait, more are refused, and one that gives up leaves the line", async (t) => {
  const { provider, runner, model } = await room(t)
  const first = await runner.lease(model("small"), ALIVE)
  const line: string[] = []
  const waiting = Array.from({ length: 7 }, (_, i) =>
    runner.lease(model("small"), ALIVE).then((lease) => {
      line.push(`${i}`)
      lease.release()
    }),
  )
  const impatient = new AbortController()
  const gone = runner.lease(model("small"), impatient.signal)
  const failure = failureIn(await hear(provider, saying("one too many")))
  assert.deepEqual([failure.kind, failure.retryable], ["overloaded", true])
  assert.match(failure.message, /busy/)
  impatient.abort(new Error("enough"))
  await assert.rejects(gone, /enough/)
  first.release()
  first.release()
  await Promise.all(waiting)
  assert.deepEqual(line, ["0", "1", "2", "3", "4", "5", "6"])
})

test("a process that falls over says why, is started anew, and is left alone when it goes on falling", async (t) => {
  const { provider, clock, runner } = await room(t)
  const failure = failureIn(await hear(provider, saying("crash")))
  assert.equal(failure.kind, "server")
  assert.match(failure.message, /local\/small ended \(SIGKILL\): the engine fell over/)
  assert.deepEqual(failure.received, [{ type: "text", text: "half" }])
  assert.equal(textOf(doneOf(await hear(provider, saying("well?"))).content), "you said well?")
  // It had been well: counting begins anew.
  failureIn(await hear(provider, saying("crash")))
  failureIn(await hear(provider, saying("crash")))
  const early = failureIn(await hear(provider, saying("well?")))
  assert.match(early.message, /fell over 2 times: it is tried again in 2 s/)
  assert.equal(early.retryAfterMs, 2_000)
  assert.equal(runner.loaded, undefined)
  clock.jump(2_000)
  doneOf(await hear(provider, saying("well?")))
})

test("what cannot be loaded is said with the engine's reason, also when the engine takes the process with it", async (t) => {
  const { provider, clock } = await room(t, ["unloadable", "heavy"])
  assert.match(failureIn(await hear(provider, saying("x", { model: "unloadable" }))).message, /no such tensor/)
  clock.jump(60_000)
  assert.match(failureIn(await hear(provider, saying("x", { model: "heavy" }))).message, /local\/heavy .*SIGABRT/)
})

test("a model that does not load in time is given up", async (t) => {
  const { runner, model, clock } = await room(t, ["endless"])
  let refusal: unknown
  const lease = runner.lease(model("endless"), ALIVE).catch((error: unknown) => {
    refusal = error
  })
  while (refusal === undefined) await clock.advance(30_000)
  await lease
  assert.match(String(refusal), /was not loaded within 30 s/)
})

test("nobody asking for a while, another model, and the end of the gateway end the process", async (t) => {
  const { provider, clock, runner } = await room(t, ["small", "other"])
  const pidOf = () => runner.loaded?.pid ?? assert.fail("nothing is loaded")
  await hear(provider, saying("hello"))
  const small = pidOf()
  await hear(provider, saying("hello", { model: "other" }))
  const other = pidOf()
  assert.equal(processBirth(small), undefined)
  await clock.advance(60_000)
  await gone(other)
  await hear(provider, saying("hello"))
  const last = pidOf()
  await runner.close()
  assert.equal(processBirth(last), undefined)
  assert.match(failureIn(await hear(provider, saying("hello"))).message, /stopping/)
})

test("without an engine the way to one is said", async (t) => {
  const { provider, engine } = await room(t)
  engine.now = undefined
  const failure = failureIn(await hear(provider, saying("hello")))
  assert.match(failure.message, /pincer models engine install/)
  assert.equal(failure.retryable, false)
})

test("nobody without the secret is answered, and the secret is in no argument and no environment", async (t) => {
  const { runner, model } = await room(t)
  const lease = await runner.lease(model("small"), ALIVE)
  for (const authorization of ["", "Bearer x", `Bearer ${lease.secret}x`]) {
    const headers = authorization === "" ? {} : { authorization }
    const response = await fetch(`${lease.baseUrl}/models`, { headers })
    await response.body?.cancel()
    assert.equal(response.status, 401)
  }
  if (process.platform === "linux")
    for (const what of ["cmdline", "environ"])
      assert.ok(!readFileSync(`/proc/${runner.loaded!.pid}/${what}`, "latin1").includes(lease.secret))
  lease.release()
})

test("a llama-server of the machine does as well, and its key file is gone once it answers", async (t) => {
  const { provider, engine, runner } = await room(t)
  const folder = mkdtempSync(join(tmpdir(), "pincer-llama-server-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  engine.now = { type: "llama-server", path: fakeLlamaServer(folder) }
  assert.equal(textOf(doneOf(await hear(provider, saying("hello"))).content), "from small")
  const { pid } = runner.loaded!
  if (process.platform === "linux") {
    const place = realpathSync(`/proc/${pid}/cwd`)
    assert.deepEqual(readdirSync(place), [])
  }
  await runner.close()
  assert.equal(processBirth(pid), undefined)
})

async function gone(pid: number): Promise<void> {
  while (processBirth(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5))
}

test("a process whose owner is gone ends, with everything it started", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-owner-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, "small.gguf"), tinyModel())
  const file = join(import.meta.dirname, "child", "local-entry.ts")
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder }
  const child = await startProgram(process.execPath, [file], { cwd: folder, env })
  const order = {
    ...{ engine: { type: "llama-server", path: fakeLlamaServer(folder) }, secret: "s", threads: 1, contextSize: 1_024 },
    ...{ model: { name: "small", path: join(folder, "small.gguf"), bytes: 1 }, folder },
  }
  const exited = once(child, "exit")
  child.stdin.write(`${JSON.stringify(order)}\n`)
  await once(child.stdout, "data")
  assert.ok(signalGroup(child.pid!, 0))
  // What the kernel does for an owner that is killed.
  child.stdin.destroy()
  await exited
  while (signalGroup(child.pid!, 0)) await new Promise((resolve) => setTimeout(resolve, 5))
})
