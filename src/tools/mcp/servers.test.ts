// MCP servers as tools: the reference server of the protocol over each transport, and servers that do not keep to it.

import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { fakeProgram } from "../../../test/fakes/stripped.ts"
import { type Clock, systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { signalGroup } from "../../base/process.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { UserQuestion } from "../../protocol/question.ts"
import type { Tool, ToolContext, ToolResult } from "../tool.ts"
import type { McpPorts } from "./ports.ts"
import { type McpServers, openMcpServers } from "./servers.ts"

const root = join(import.meta.dirname, "../../..")
const FAKE = fakeProgram("mcp-server")
const REFERENCE = join(root, "node_modules/@modelcontextprotocol/server-everything/dist/index.js")
const folder = await mkdtemp(join(tmpdir(), "pincer-mcp-"))
const opened: McpServers[] = []
const programs: ChildProcess[] = []
after(async () => {
  await Promise.all(opened.map((one) => one.close()))
  for (const program of programs) program.kill("SIGKILL")
  await rm(folder, { recursive: true, force: true })
})

function ports(more: Partial<McpPorts> = {}): McpPorts {
  const env = { PATH: process.env["PATH"] ?? "" }
  return { clock: systemClock, log: silentLogger, cwd: folder, env, roots: [folder], ...more }
}

function fake(manner: string, file = "", name = manner): McpServer {
  return { type: "stdio", name, command: process.execPath, args: [FAKE, manner, file], env: {} }
}

async function open(servers: McpServer[], more: Partial<McpPorts> = {}): Promise<McpServers> {
  const made = await openMcpServers(servers, ports(more))
  opened.push(made)
  return made
}

function context(more: Partial<ToolContext> = {}): ToolContext {
  const settings = { maxOutputChars: 4_000 } as ToolContext["settings"]
  return {
    cwd: folder,
    notes: new Map(),
    signal: new AbortController().signal,
    clock: systemClock,
    launch: async (program) => ({ ...program, close: async () => undefined }),
    progress: () => undefined,
    settings,
    ...more,
  }
}

function named(servers: McpServers, name: string): Tool {
  const tool = servers.tools.find((one) => one.spoken === name)
  assert.ok(
    tool,
    `no ${name} among ${servers.tools.map((one) => one.name).join(", ")}; ${JSON.stringify(servers.problems)}`,
  )
  return tool
}

function words(result: ToolResult): string {
  return result.content.map((part) => (part.type === "text" ? part.text : `[${part.mimeType}]`)).join("\n")
}

/** Waits for something that is on its way; fails loudly after 10 seconds. */
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i += 1) {
    if (what()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail(`never came: ${what}`)
}

function refusal(pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof PincerError, String(error))
    assert.match(error.message, pattern)
    return true
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  assert.ok(address !== null && typeof address === "object")
  return address.port
}

async function startReference(transport: string, port: number): Promise<ChildProcess> {
  const env = { PATH: process.env["PATH"] ?? "", PORT: String(port) }
  const program = spawn(process.execPath, [REFERENCE, transport], { env, stdio: ["ignore", "pipe", "pipe"] })
  programs.push(program)
  let said = ""
  for (const stream of [program.stdout!, program.stderr!]) stream.on("data", (chunk) => (said += chunk))
  await until(() => said.includes(String(port)))
  return program
}

async function walk(server: McpServer): Promise<void> {
  const asked: UserQuestion[] = []
  const servers = await open([server], {
    ask: async (question) => {
      asked.push(question)
      return { type: "accepted", content: { name: "Ann", check: true } }
    },
  })
  assert.deepEqual(servers.problems, [])
  const echo = named(servers, "mcp__every_thing__echo")
  assert.equal(echo.name, "mcp:every_thing:echo")
  assert.equal(echo.class, "network")
  assert.equal(echo.effect, "once")
  assert.equal(echo.from, "mcp")
  assert.equal(echo.inputSchema?.["type"], "object")
  assert.equal(words(await echo.run({ message: "你好" }, context())), "Echo: 你好")
  const image = await named(servers, "mcp__every_thing__get-tiny-image").run({}, context())
  assert.match(words(image), /\[image\/png\]/)
  const steps: string[] = []
  const long = named(servers, "mcp__every_thing__trigger-long-running-operation")
  const done = await long.run({ duration: 0.2, steps: 2 }, context({ progress: (step) => steps.push(step) }))
  assert.match(words(done), /completed/i)
  assert.ok(steps.length > 0 && steps.every((step) => / of 2/.test(step)), steps.join())
  const structured = await named(servers, "mcp__every_thing__get-structured-content").run(
    { location: "Chicago" },
    context(),
  )
  assert.ok(structured.details?.["structured"])
  const answer = await named(servers, "mcp__every_thing__trigger-elicitation-request").run({}, context())
  assert.match(words(answer), /Ann/)
  assert.match(asked[0]?.message ?? "", /^MCP server "every thing" asks: /)
  const roots = await named(servers, "mcp__every_thing__get-roots-list").run({}, context())
  assert.match(words(roots), new RegExp(folder))
  assert.ok(!servers.tools.some((tool) => tool.name.includes("sampling")), "sampling is not offered to servers")
  await servers.close()
}

test("the reference server over stdio: tools, pictures, progress, structured content, questions, roots", async () => {
  await walk({ type: "stdio", name: "every thing", command: process.execPath, args: [REFERENCE, "stdio"], env: {} })
})

test("the reference server over Streamable HTTP", async () => {
  const port = await freePort()
  await startReference("streamableHttp", port)
  await walk({ type: "http", name: "every thing", url: `http://127.0.0.1:${port}/mcp`, headers: {} })
})

test("the reference server over HTTP with SSE, also when it was named as Streamable HTTP", async () => {
  const port = await freePort()
  await startReference("sse", port)
  await walk({ type: "sse", name: "every thing", url: `http://127.0.0.1:${port}/sse`, headers: {} })
  await walk({ type: "http", name: "every thing", url: `http://127.0.0.1:${port}/sse`, headers: {} })
})

test("a web server that was started anew is called through a new session", async () => {
  const port = await freePort()
  const first = await startReference("streamableHttp", port)
  const servers = await open([{ type: "http", name: "web", url: `http://127.0.0.1:${port}/mcp`, headers: {} }])
  const echo = named(servers, "mcp__web__echo")
  first.kill("SIGKILL")
  await once(first, "close")
  await assert.rejects(echo.run({ message: "a" }, context()), refusal(/^MCP server "web": /))
  await startReference("streamableHttp", port)
  assert.equal(words(await echo.run({ message: "b" }, context())), "Echo: b")
})

test("a web server that ends during a call is an answer to it", async () => {
  const port = await freePort()
  const program = await startReference("streamableHttp", port)
  const servers = await open([{ type: "http", name: "web", url: `http://127.0.0.1:${port}/mcp`, headers: {} }])
  const long = named(servers, "mcp__web__trigger-long-running-operation")
  const begun = Promise.withResolvers<void>()
  const running = long.run({ duration: 60, steps: 600 }, context({ progress: () => begun.resolve() }))
  await begun.promise
  program.kill("SIGKILL")
  await assert.rejects(running, refusal(/"web".*connection ended.*may or may not/))
})

test("what cannot be reached or started is a problem of its own and none of the others", async () => {
  const port = await freePort()
  const servers = await open([
    { type: "http", name: "gone", url: `http://127.0.0.1:${port}/mcp`, headers: {} },
    { type: "http", name: "odd", url: "file:///etc/passwd", headers: {} },
    { type: "stdio", name: "missing", command: "/nowhere/at-all", args: [], env: {} },
    fake("well"),
  ])
  assert.deepEqual(servers.problems.map(({ server }) => server).sort(), ["gone", "missing", "odd"])
  assert.match(JSON.stringify(servers.problems), /ECONNREFUSED/)
  assert.match(JSON.stringify(servers.problems), /Cannot start \/nowhere\/at-all/)
  assert.equal(words(await named(servers, "mcp__well__echo").run({ text: "a" }, context())), "a")
})

test("a server that does not answer is given up after 15 seconds, and nothing of it stays", async () => {
  const clock = stillClock()
  const file = join(folder, "mute")
  const opening = open([fake("mute", file)], { clock })
  await until(() => existsSync(file) && readFileSync(file, "utf8").endsWith("}"))
  await clock.advance(15_000)
  const { problems, tools } = await opening
  assert.deepEqual(tools, [])
  assert.match(problems[0]!.message, /no answer within 15 seconds/)
  assert.ok(!runs(JSON.parse(readFileSync(file, "utf8")).pid))
})

/** The system's clock, which counts what still waits for it. */
function countingClock() {
  const waiting = new Set<object>()
  const clock: Clock = {
    now: systemClock.now,
    after(ms, run) {
      const one = {}
      waiting.add(one)
      const cancel = systemClock.after(ms, () => {
        waiting.delete(one)
        run()
      })
      return () => {
        waiting.delete(one)
        cancel()
      }
    },
    sleep(ms, signal) {
      const one = {}
      waiting.add(one)
      return systemClock.sleep(ms, signal).finally(() => waiting.delete(one))
    },
  }
  return { clock, waiting }
}

test("a server that is missing or ends at once leaves no timer that would keep the gateway from ending", async () => {
  const { clock, waiting } = countingClock()
  const missing: McpServer = { type: "stdio", name: "missing", command: "/nonexistent/server", args: [], env: {} }
  const ends: McpServer = { type: "stdio", name: "ends", command: process.execPath, args: ["-e", "1"], env: {} }
  const servers = await open([missing, ends, fake("well")], { clock })
  assert.equal(servers.problems.length, 2)
  assert.equal(waiting.size, 0)
  await servers.close()
  assert.equal(waiting.size, 0)
})

test("servers get the environment that they are given and nothing else, and are told the roots", async () => {
  const file = join(folder, "greeting")
  await open([fake("well", file)])
  const { params } = JSON.parse(readFileSync(file, "utf8"))
  assert.deepEqual(params.capabilities, { roots: { listChanged: false } })
  const dump = `require("fs").writeFileSync(${JSON.stringify(join(folder, "env"))}, JSON.stringify(process.env))`
  await open([{ type: "stdio", name: "env", command: process.execPath, args: ["-e", dump], env: { TOKEN: "t" } }], {
    env: { PATH: "/usr/bin", BASE: "b" },
  })
  assert.deepEqual(JSON.parse(readFileSync(join(folder, "env"), "utf8")), { PATH: "/usr/bin", BASE: "b", TOKEN: "t" })
})

test("arguments are checked against the server's own schema before anybody is asked", async () => {
  const servers = await open([fake("well")])
  const { args } = named(servers, "mcp__well__echo")
  assert.ok(args.safeParse({ text: "a" }).success)
  for (const wrong of [{}, { text: 1 }, { text: "a", more: 1 }, "a"]) assert.ok(!args.safeParse(wrong).success)
})

test("tools that are listed twice or badly are left out and named; names fit every model service", async () => {
  const servers = await open([fake("odd-tools", "", "my server!")])
  const names = servers.tools.map((tool) => tool.spoken ?? "")
  assert.equal(new Set(names).size, names.length)
  for (const name of names) assert.match(name, /^mcp__my_server__[a-zA-Z0-9_-]+$/)
  for (const name of names) assert.ok(name.length <= 64, name)
  assert.equal(names.length, 4)
  assert.equal(servers.problems.length, 6)
})

test("what a server says of itself makes nothing wider, and text that cannot be seen is taken out", async () => {
  const [tool] = (await open([fake("lying")])).tools
  assert.equal(tool?.class, "network")
  assert.equal(tool.effect, "once")
  assert.doesNotMatch(tool.description, /[\u202e\u0007\u{e0041}]/u)
  assert.ok(tool.description.length < 1_200)
  assert.match(tool.description, /^\[MCP server "lying"\]/)
})

test("a server that dies during a call answers with its end, is brought back by the next call, then only after a while", async () => {
  const clock = stillClock()
  const file = join(folder, "dies")
  const servers = await open([fake("dies", file)], { clock })
  const [echo, turn] = [named(servers, "mcp__dies__echo"), named(servers, "mcp__dies__turn")]
  await assert.rejects(turn.run({ text: "" }, context()), refusal(/"dies".*exit code 3.*out of cheese.*may or may not/))
  assert.equal(words(await echo.run({ text: "again" }, context())), "again")
  await assert.rejects(turn.run({ text: "" }, context()), refusal(/exit code 3/))
  await assert.rejects(echo.run({ text: "a" }, context()), refusal(/tried again in 2 seconds/))
  clock.jump(2_000)
  const all = await Promise.all(["a", "b", "c"].map((text) => echo.run({ text }, context())))
  assert.deepEqual(all.map(words), ["a", "b", "c"])
})

test("a line of 20 MB ends the connection and not the gateway", async () => {
  const servers = await open([fake("long-line")])
  await assert.rejects(
    named(servers, "mcp__long-line__turn").run({ text: "" }, context()),
    refusal(/a line of \d+ bytes/),
  )
  assert.equal(words(await named(servers, "mcp__long-line__echo").run({ text: "a" }, context())), "a")
})

test("noise on stderr and stdout is passed over", async () => {
  const servers = await open([fake("noisy")])
  assert.deepEqual(servers.problems, [])
  assert.equal(words(await named(servers, "mcp__noisy__echo").run({ text: "a" }, context())), "a")
})

test("a canceled call returns at once and the server is told", async () => {
  const file = join(folder, "silent")
  const servers = await open([fake("silent", file)])
  const stop = new AbortController()
  const running = named(servers, "mcp__silent__turn").run({ text: "" }, context({ signal: stop.signal }))
  const refused = assert.rejects(running)
  await named(servers, "mcp__silent__echo").run({ text: "after" }, context())
  stop.abort("stop")
  await refused
  await until(() => existsSync(file) && readFileSync(file, "utf8") === "canceled")
})

test("a silent call ends after five minutes", async () => {
  const clock = stillClock()
  const servers = await open([fake("silent")], { clock })
  const running = named(servers, "mcp__silent__turn").run({ text: "" }, context())
  const refused = assert.rejects(running, refusal(/no answer within 5 minutes/))
  await named(servers, "mcp__silent__echo").run({ text: "after" }, context())
  await clock.advance(5 * 60_000)
  await refused
})

test("a refusal of the server is told in its words, cleaned", async () => {
  const servers = await open([fake("refuses")])
  await assert.rejects(
    named(servers, "mcp__refuses__turn").run({ text: "" }, context()),
    refusal(/"refuses": .*No such thing/),
  )
})

test("a tool that changes what it says of itself is announced, is not called as it was, and is another one from then on", async () => {
  const changed = Promise.withResolvers<void>()
  const servers = await open([fake("changes")], { onToolsChanged: () => changed.resolve() })
  const before = named(servers, "mcp__changes__echo")
  await named(servers, "mcp__changes__turn").run({ text: "" }, context())
  await changed.promise
  assert.match(JSON.stringify(servers.problems), /echo.*changed what it says of itself/)
  await assert.rejects(before.run({ text: "a" }, context()), refusal(/changed what it says of itself/))
  assert.equal(servers.tools.length, 1)
  const now = named(servers, "mcp__changes__echo")
  assert.notEqual(now.fingerprint, before.fingerprint)
  assert.equal(words(await now.run({ text: "a" }, context())), "a")
})

test("a server asks the user only while its tool is at work, and gets only the fields that it asked for", async () => {
  const asked: UserQuestion[] = []
  const servers = await open([fake("asks")], {
    ask: async (question) => {
      asked.push(question)
      return { type: "accepted", content: { name: "Ann", secret: "s" } }
    },
  })
  assert.deepEqual(asked, [])
  const answer = await named(servers, "mcp__asks__turn").run({ text: "" }, context())
  assert.equal(words(answer), JSON.stringify({ action: "accept", content: { name: "Ann" } }))
  assert.equal(asked.length, 1)
})

test("a page that must be visited first is shown to the user, and the call is not repeated by itself", async () => {
  const asked: UserQuestion[] = []
  let type: "accepted" | "declined" = "accepted"
  const servers = await open([fake("wants-visit")], {
    ask: async (question) => {
      asked.push(question)
      return type === "accepted" ? { type, content: {} } : { type }
    },
  })
  const turn = named(servers, "mcp__wants-visit__turn")
  await assert.rejects(turn.run({ text: "" }, context()), refusal(/Call it again once that is done/))
  const message = 'MCP server "wants-visit" asks: Sign in'
  assert.deepEqual(asked, [{ type: "url", message, url: "https://sign.in/x", elicitationId: "e1" }])
  type = "declined"
  await assert.rejects(turn.run({ text: "" }, context()), refusal(/did not visit/))
  const deaf = await open([fake("wants-visit")])
  const alone = named(deaf, "mcp__wants-visit__turn")
  await assert.rejects(alone.run({ text: "" }, context()), refusal(/Sign in first/))
})

test("a question is withdrawn with the call that it belongs to", async () => {
  const stop = new AbortController()
  const withdrawn = Promise.withResolvers<void>()
  const servers = await open([fake("asks")], {
    ask: (_question, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          withdrawn.resolve()
          resolve({ type: "canceled" })
        })
        stop.abort("stop")
      }),
  })
  await assert.rejects(named(servers, "mcp__asks__turn").run({ text: "" }, context({ signal: stop.signal })))
  await withdrawn.promise
})

for (const manner of ["stubborn", "parent"])
  test(`nothing of a server stays when it is closed, nor of what it started (${manner})`, async (t) => {
    const file = join(folder, manner)
    const servers = await open([fake(manner, file)])
    await until(() => existsSync(file) && readFileSync(file, "utf8").includes(" "))
    const [pid, child] = readFileSync(file, "utf8").split(" ").map(Number)
    t.after(() => signalGroup(pid!, "SIGKILL"))
    assert.equal(words(await named(servers, `mcp__${manner}__echo`).run({ text: "a" }, context())), "a")
    await servers.close()
    for (const one of [pid!, child!]) await until(() => !runs(one))
    await assert.rejects(
      named(servers, `mcp__${manner}__echo`).run({ text: "a" }, context()),
      refusal(/not lent any more/),
    )
  })

/** Whether it is there and no zombie. */
function runs(pid: number): boolean {
  if (!signalGroup(pid, 0) && !existsSync(`/proc/${pid}`)) return false
  if (!existsSync(`/proc/${pid}/stat`)) return process.platform !== "linux"
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
  return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z"
}
