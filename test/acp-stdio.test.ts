// `pincer acp` as editors start it: a process on pipes. Nothing but protocol on its standard output, whatever comes in; credentials as they
// were given and no others; a gateway that dies in the middle of a prompt.
import assert from "node:assert/strict"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { startFakeModel } from "./fakes/model-service.ts"
import { type House, makeHome, startHouse, TEST_TOKEN } from "./house.ts"
import { PROGRAM } from "./program.ts"

interface Agent {
  child: ChildProcessWithoutNullStreams
  messages: Record<string, unknown>[]
  stderr(): string
  write(text: string | Buffer): void
  ask(method: string, params: unknown): Promise<Record<string, unknown>>
  until(test: (message: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  exit: Promise<number | null>
}

function startAgent(t: TestContext, args: string[], env: Record<string, string> = {}): Agent {
  const child = spawn(process.execPath, [PROGRAM, "acp", ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...env },
  })
  const exit = once(child, "exit").then(([code]) => code as number | null)
  t.after(async () => {
    child.kill("SIGKILL")
    await exit
  })
  const messages: Record<string, unknown>[] = []
  const waiting = new Set<() => void>()
  let rest = ""
  let said = ""
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    rest += chunk
    const lines = rest.split("\n")
    rest = lines.pop()!
    // Throws on anything that is no protocol.
    for (const line of lines) messages.push(JSON.parse(line) as Record<string, unknown>)
    for (const look of waiting) look()
  })
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk
  })
  let id = 0
  const until: Agent["until"] = (wanted) =>
    new Promise((resolve) => {
      const look = () => {
        const found = messages.find(wanted)
        if (!found) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  const write = (text: string | Buffer) => void child.stdin.write(text)
  return {
    child,
    messages,
    stderr: () => said,
    write,
    exit,
    until,
    ask(method, params) {
      const own = id++
      write(`${JSON.stringify({ jsonrpc: "2.0", id: own, method, params })}\n`)
      return until((message) => message["id"] === own && message["method"] === undefined)
    },
  }
}

async function openHouse(
  t: TestContext,
): Promise<{ house: House; args: string[]; fake: Awaited<ReturnType<typeof startFakeModel>> }> {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  const file = join(house.home, "shown.token")
  writeFileSync(file, `${house.token}\n`, { mode: 0o600 })
  return { house, fake, args: ["--url", house.wsUrl, "--token-file", file] }
}

const initialize = (agent: Agent) => agent.ask("initialize", { protocolVersion: 1, clientCapabilities: {} })

test("hostile input: the connection survives, and each mistake is answered as JSON-RPC says", async (t) => {
  const { house, args } = await openHouse(t)
  const agent = startAgent(t, args)
  agent.write("garbage\n[]\n[1,2]\n\n\r\n7\n")
  agent.write('{"jsonrpc":"2.0","id":77,"result":{}}\n{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}\n')
  agent.write(`{"jsonrpc":"2.0","method":"nonsense"}\n{"jsonrpc":"2.0","id":"u","method":"nonsense"}\n`)
  agent.write(`"${"x".repeat(10 * 1024 * 1024)}"\n`)
  agent.write(`{"jsonrpc":"2.0","id":"deep","method":"x","params":${"[".repeat(100_000)}${"]".repeat(100_000)}}\n`)
  const split = Buffer.from('{"jsonrpc":"2.0","id":"多","method":"字节"}\n')
  for (const byte of split) agent.write(Buffer.of(byte))
  await initialize(agent)
  const made = await agent.ask("session/new", { cwd: house.work, mcpServers: [] })
  const { sessionId } = made["result"] as { sessionId: string }
  const said = await agent.ask("session/prompt", { sessionId, prompt: [{ type: "text", text: "hi" }] })
  assert.equal((said["result"] as { stopReason: string }).stopReason, "end_turn")
  const codes = agent.messages.filter((one) => "error" in one).map((one) => (one["error"] as { code: number }).code)
  assert.deepEqual(codes, [-32700, -32600, -32600, -32600, -32601, -32600, -32700, -32601])
  assert.equal(agent.messages.filter((one) => one["id"] === "多").length, 1)
})

test("an id that is in use is refused, and the first request is still answered", async (t) => {
  const { house, fake, args } = await openHouse(t)
  const gate = Promise.withResolvers<void>()
  fake.script({ text: "Hello there.", gate: gate.promise })
  const agent = startAgent(t, args)
  await initialize(agent)
  const { sessionId } = (await agent.ask("session/new", { cwd: house.work, mcpServers: [] }))["result"] as {
    sessionId: string
  }
  const prompt = JSON.stringify({
    jsonrpc: "2.0",
    id: "twice",
    method: "session/prompt",
    params: { sessionId, prompt: [{ type: "text", text: "hi" }] },
  })
  agent.write(`${prompt}\n${prompt}\n`)
  await agent.until((one) => one["id"] === "twice" && "error" in one)
  gate.resolve()
  await agent.until((one) => one["id"] === "twice" && "result" in one)
})

test("the end of standard input, SIGINT and SIGTERM end it with 0, and its turn with it", async (t) => {
  const { house, fake, args } = await openHouse(t)
  for (const end of ["eof", "SIGINT", "SIGTERM"] as const) {
    const agent = startAgent(t, args)
    await initialize(agent)
    const { sessionId } = (await agent.ask("session/new", { cwd: house.work, mcpServers: [] }))["result"] as {
      sessionId: string
    }
    fake.script({ text: "Never ends.", gate: new Promise(() => undefined) })
    void agent.ask("session/prompt", { sessionId, prompt: [{ type: "text", text: "hi" }] })
    await agent.until((one) => JSON.stringify(one).includes("agent_message_chunk"))
    if (end === "eof") agent.child.stdin.end()
    else agent.child.kill(end)
    assert.equal(await agent.exit, 0, end)
    assert.equal(house.parts.lanes.active(sessionId).length, 0, end)
  }
})

test("secret files are regular files of at most 16 KiB, and one secret is given one way", async (t) => {
  const { house, args } = await openHouse(t)
  const [, url, , file] = args as [string, string, string, string]
  const link = join(house.home, "link.token")
  symlinkSync(file, link)
  const large = join(house.home, "large.token")
  writeFileSync(large, "x".repeat(17_000))
  const cases: [string[], RegExp][] = [
    [["--token-file", link], /symbolic link/],
    [["--token-file", large], /larger than 16384/],
    [["--token-file", house.work], /not a regular file/],
    [["--password-file", join(house.home, "none")], /not there/],
    [["--token", "a", "--token-file", file], /not both/],
    [["--provenance", "much"], /off, meta or meta\+receipt/],
    [["--frobnicate"], /Unknown option "--frobnicate"/],
  ]
  for (const [more, words] of cases) {
    const agent = startAgent(t, ["--url", url, ...more])
    assert.notEqual(await agent.exit, 0, more.join(" "))
    assert.match(agent.stderr(), words)
    assert.deepEqual(agent.messages, [])
  }
})

test("an address that was given gets no credentials of this machine", async (t) => {
  const { house } = await openHouse(t)
  const agent = startAgent(t, ["--url", house.wsUrl], { PINCER_HOME: house.home, PINCER_GATEWAY_TOKEN: TEST_TOKEN })
  assert.notEqual(await agent.exit, 0)
  assert.match(agent.stderr(), /token/i)
})

test("gateway.remote of the configuration is where it goes; an address that was given gets nothing of it", async (t) => {
  const { house } = await openHouse(t)
  const { home } = makeHome({ config: { gateway: { remote: { url: house.wsUrl, token: TEST_TOKEN } } } })
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const agent = startAgent(t, [], { PINCER_HOME: home })
  assert.ok("result" in (await initialize(agent)))
  const made = await agent.ask("session/new", { cwd: house.work, mcpServers: [] })
  assert.ok("result" in made, JSON.stringify(made))
  const stranger = startAgent(t, ["--url", house.wsUrl], { PINCER_HOME: home })
  void initialize(stranger)
  assert.notEqual(await stranger.exit, 0)
  assert.match(stranger.stderr(), /token/)
})

test("a password counts like the token, and a secret among the arguments is warned of", async (t) => {
  const { house } = await openHouse(t)
  const agent = startAgent(t, ["--url", house.wsUrl, "--password", house.token])
  await initialize(agent)
  const made = await agent.ask("session/new", { cwd: house.work, mcpServers: [] })
  assert.ok("result" in made)
  assert.match(agent.stderr(), /--password can be seen in lists of processes/)
})

test("no gateway at the address: a plain sentence and an exit code", async (t) => {
  const agent = startAgent(t, ["--url", "ws://127.0.0.1:9"])
  assert.notEqual(await agent.exit, 0)
  assert.match(agent.stderr(), /No gateway answers at ws:\/\/127\.0\.0\.1:9/)
})

test("sessions by flag: a key, a label that must exist, existence required, a reset", async (t) => {
  const { house, args } = await openHouse(t)
  const bySession = startAgent(t, [...args, "--session", "work"])
  await initialize(bySession)
  const made = (await bySession.ask("session/new", { cwd: house.work, mcpServers: [] }))["result"] as {
    sessionId: string
  }
  assert.equal(made.sessionId, "agent:main:work")
  await bySession.ask("session/prompt", { sessionId: made.sessionId, prompt: [{ type: "text", text: "hi" }] })
  const meta = await bySession.ask("session/new", { cwd: house.work, mcpServers: [], _meta: { session: "other" } })
  assert.equal((meta["result"] as { sessionId: string }).sessionId, "agent:main:other")
  const none = await bySession.ask("session/new", { cwd: house.work, mcpServers: [], _meta: { label: "no such" } })
  assert.match((none["error"] as { message: string }).message, /no such/)
  const absent = startAgent(t, [...args, "--session", "absent", "--require-existing"])
  await initialize(absent)
  const refused = await absent.ask("session/new", { cwd: house.work, mcpServers: [] })
  assert.match((refused["error"] as { message: string }).message, /absent/)
  const reset = startAgent(t, [...args, "--session", "work", "--reset-session"])
  await initialize(reset)
  await reset.ask("session/new", { cwd: house.work, mcpServers: [] })
  assert.equal((await house.parts.store.transcript.messages("agent:main:work")).length, 0)
})

test("kill -9 of the gateway in the middle of a prompt: it goes on, nothing is told twice", async (t) => {
  const fake = await startFakeModel()
  const { home, work } = makeHome({ fake: fake.url })
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: TEST_TOKEN }
  let pid = 0
  const gatewayPid = async (agent: Agent, sessionId: string) => {
    const { readFileSync } = await import("node:fs")
    assert.ok(agent && sessionId)
    return (JSON.parse(readFileSync(join(home, "gateway.json"), "utf8")) as { pid: number }).pid
  }
  t.after(async () => {
    if (pid !== 0) process.kill(pid, "SIGKILL")
    await fake.close()
  })
  const agent = startAgent(t, ["--home", home], env)
  await initialize(agent)
  const { sessionId } = (await agent.ask("session/new", { cwd: work, mcpServers: [] }))["result"] as {
    sessionId: string
  }
  pid = await gatewayPid(agent, sessionId)
  const gate = Promise.withResolvers<void>()
  fake.script(
    { text: "First half.", gateAt: (delta) => (delta === 2 ? gate.promise : undefined) },
    { text: " Second half." },
  )
  const answered = agent.ask("session/prompt", { sessionId, prompt: [{ type: "text", text: "hi" }] })
  await agent.until((one) => JSON.stringify(one).includes("agent_message_chunk"))
  process.kill(pid, "SIGKILL")
  const answer = await answered
  pid = await gatewayPid(agent, sessionId)
  gate.resolve()
  assert.equal((answer["result"] as { stopReason: string } | undefined)?.stopReason, "end_turn", JSON.stringify(answer))
  const text = agent.messages
    .map((one) => (one["params"] as { update?: { sessionUpdate: string; content: { text: string } } })?.update)
    .map((update) => (update?.sessionUpdate === "agent_message_chunk" ? update.content.text : ""))
    .join("")
  assert.match(text, /^First.* Second half\.$/)
  assert.equal(text.split("First").length, 2)
})
