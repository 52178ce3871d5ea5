// The servers of the configuration: started at first need, remembered, shared out, changed while running, and what they may ask for.

import assert from "node:assert/strict"
import { existsSync, mkdirSync, rmSync } from "node:fs"
import { mkdtemp, realpath, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { fakeProgram } from "../../../test/fakes/stripped.ts"
import { systemClock } from "../../base/clock.ts"
import { type Logger, silentLogger } from "../../base/log.ts"
import type { UserQuestion } from "../../protocol/question.ts"
import type { Tool, ToolContext, ToolResult } from "../tool.ts"
import { McpHouse } from "./house.ts"
import type { HouseServerSettings, ServerHousePorts } from "./house-server.ts"
import type { ServerListing } from "./ports.ts"

const FAKE = fakeProgram("mcp-server")
const folder = await realpath(await mkdtemp(join(tmpdir(), "pincer-mcp-house-")))
const houses: McpHouse[] = []
after(async () => {
  await Promise.all(houses.map((house) => house.close()))
  await rm(folder, { recursive: true, force: true })
})
const never = () => new AbortController().signal

interface Wish extends Partial<Omit<HouseServerSettings, "reach">> {
  manner?: string
  file?: string
  command?: string
}

function settings(
  name: string,
  { command = process.execPath, file = "", manner = "well", ...more }: Wish = {},
): HouseServerSettings {
  return {
    ...{ name, type: "stdio", agents: undefined, cwd: undefined, trusted: false, roots: true, resources: true },
    limits: { connectMs: 15_000, callMs: 20_000, callTotalMs: 20_000 },
    idleMs: 0,
    offers: () => true,
    digest: JSON.stringify([manner, file, command, more]),
    ...more,
    reach: () => ({ type: "stdio", name, command, args: [FAKE, manner, file], env: {} }),
  }
}

interface Shelf {
  listings: Map<string, ServerListing>
  changes: string[]
}

function house(
  wanted: HouseServerSettings[],
  more: Partial<ServerHousePorts> = {},
  shelf: Shelf = newShelf(),
): McpHouse {
  const env = { PATH: process.env["PATH"] ?? "" }
  const made = new McpHouse(({ name }) => ({
    ...{ clock: systemClock, log: silentLogger, env, ask: "caller" as const },
    launch: async (program) => ({ ...program, close: async () => undefined }),
    remembered: () => shelf.listings.get(name),
    remember: (listing) => void shelf.listings.set(name, listing),
    changed: () => void shelf.changes.push(name),
    ...more,
  }))
  made.apply(wanted)
  houses.push(made)
  return made
}

function newShelf(): Shelf {
  return { listings: new Map(), changes: [] }
}

function context(more: Partial<ToolContext> = {}): ToolContext {
  const turn = {
    turnId: "t",
    sessionKey: "agent:main:a",
    agentId: "main",
    origin: { door: "test" as const },
    taint: [],
  }
  return {
    ...{ cwd: folder, notes: new Map(), signal: never(), clock: systemClock, turn },
    launch: async (program) => ({ ...program, close: async () => undefined }),
    progress: () => undefined,
    settings: { maxOutputChars: 4_000 } as ToolContext["settings"],
    ...more,
  }
}

async function toolOf(from: McpHouse, id: string, agent = "main"): Promise<Tool> {
  const tools = await from.tools(agent, folder, never())
  const tool = tools.find(({ name }) => name === id)
  assert.ok(
    tool,
    `no ${id} among ${tools.map(({ name }) => name).join(", ")}: ${JSON.stringify(from.servers[0]?.state)}`,
  )
  return tool
}

function words(result: ToolResult): string {
  return result.content.map((part) => (part.type === "text" ? part.text : part.mimeType)).join("\n")
}

test("a server starts with the first need of its tools; what it said is kept, and offered in the next life without starting it", async () => {
  const shelf = newShelf()
  const file = join(folder, "started")
  const first = house([settings("one", { file })], {}, shelf)
  assert.equal(existsSync(file), false)
  assert.equal(first.servers[0]!.state.state, "idle")
  await toolOf(first, "mcp:one:echo")
  assert.ok(existsSync(file))
  assert.deepEqual(shelf.changes, ["one"])
  await first.close()
  rmSync(file)
  const second = house([settings("one", { file })], {}, shelf)
  const echo = await toolOf(second, "mcp:one:echo")
  assert.equal(existsSync(file), false, "nothing was started for the list")
  assert.equal(second.servers[0]!.state.tools, 2)
  assert.equal(words(await echo.run({ text: "你好" }, context())), "你好")
  assert.equal(second.servers[0]!.state.state, "connected")
})

test("a tool that says something else than was kept is not called, but told of", async () => {
  const shelf = newShelf()
  const first = house([settings("one")], {}, shelf)
  await toolOf(first, "mcp:one:echo")
  const kept = shelf.listings.get("one")!
  const tools = kept.tools.map((tool) => ({ ...(tool as object), description: "Was nice once" }))
  shelf.listings.set("one", { ...kept, tools })
  const second = house([settings("one")], {}, shelf)
  const echo = await toolOf(second, "mcp:one:echo")
  await assert.rejects(echo.run({ text: "a" }, context()), /changed what it says of itself/)
  assert.deepEqual(second.takeRedefined("main"), [{ server: "one", tools: ["echo", "turn"] }])
  assert.deepEqual(second.takeRedefined("main"), [])
  assert.equal(words(await (await toolOf(second, "mcp:one:echo")).run({ text: "a" }, context())), "a")
})

test("one that cannot be started offers nothing, says why, and keeps no other one from its tools", async () => {
  const both = house([settings("gone", { command: "/nonexistent/program" }), settings("well")])
  const tools = await both.tools("main", folder, never())
  assert.deepEqual(
    tools.map(({ name }) => name),
    ["mcp:well:echo", "mcp:well:turn"],
  )
  const { problem, state } = both.server("gone").state
  assert.equal(state, "failed")
  assert.match(problem ?? "", /Cannot start \/nonexistent\/program/)
  assert.throws(() => both.server("wel"), /did you mean well/)
})

test("a turn waits for a silent server only so long, and less the next time; what it says later counts then", async () => {
  const clock = stillClock()
  const limits = { connectMs: 60_000, callMs: 20_000, callTotalMs: 20_000 }
  const slow = house([settings("slow", { manner: "mute", limits }), settings("well")], { clock })
  const first = slow.tools("main", folder, never())
  await until(() => slow.server("well").state.state === "connected")
  await clock.advance(20_000)
  assert.deepEqual(
    (await first).map(({ name }) => name),
    ["mcp:well:echo", "mcp:well:turn"],
  )
  assert.match(slow.server("slow").state.problem ?? "", /not answered within 20 seconds yet/)
  const second = slow.tools("main", folder, never())
  await clock.advance(2_000)
  assert.equal((await second).length, 2)
})

test("only tools that the owner offers, and only to the agents that he names", async () => {
  const one = house([settings("one", { offers: (tool) => tool === "echo", agents: ["helper"] })])
  assert.deepEqual(await one.tools("main", folder, never()), [])
  const tools = await one.tools("helper", folder, never())
  assert.deepEqual(
    tools.map(({ name }) => name),
    ["mcp:one:echo"],
  )
})

test("a program runs once for each folder that turns work in, and once where it has a folder of its own", async () => {
  const [a, b] = [join(folder, "a"), join(folder, "b")]
  for (const one of [a, b]) mkdirSync(one, { recursive: true })
  const where = async (from: McpHouse, cwd: string) =>
    JSON.parse(words(await (await toolOf(from, "mcp:one:turn")).run({ text: "" }, context({ cwd })))) as {
      cwd: string
      pid: number
    }
  const each = house([settings("one", { manner: "where" })])
  const [inA, inB, again] = [await where(each, a), await where(each, b), await where(each, a)]
  assert.deepEqual([inA.cwd, inB.cwd, again.pid], [a, b, inA.pid])
  assert.notEqual(inA.pid, inB.pid)
  const shared = house([settings("one", { manner: "where", cwd: b })])
  assert.deepEqual((await where(shared, a)).pid, (await where(shared, b)).pid)
})

test("a new configuration touches only what it changes; a call at work goes to its end, then the server is gone", async () => {
  const both = house([settings("keep", { manner: "where" }), settings("change", { manner: "asks" })])
  const pid = async () => words(await (await toolOf(both, "mcp:keep:turn")).run({ text: "" }, context()))
  const before = await pid()
  const question = Promise.withResolvers<UserQuestion>()
  const answer = Promise.withResolvers<{ type: "accepted"; content: Record<string, unknown> }>()
  const turn = await toolOf(both, "mcp:change:turn")
  const ask = async (one: UserQuestion) => {
    question.resolve(one)
    return answer.promise
  }
  const running = turn.run({ text: "" }, context({ ask }))
  await question.promise
  both.apply([settings("keep", { manner: "where" }), settings("change", { manner: "well" })])
  await assert.rejects(turn.run({ text: "" }, context()), /Its configuration was changed/)
  answer.resolve({ type: "accepted", content: { name: "Ann" } })
  assert.match(words(await running), /Ann/)
  assert.equal(await pid(), before)
  assert.equal(words(await (await toolOf(both, "mcp:change:turn")).run({ text: "" }, context())), "done")
  both.apply([settings("keep", { manner: "where" })])
  assert.throws(() => both.server("change"), /there are keep/)
})

test("a call that outlives the grace of a change is cut off with the reason", async () => {
  const clock = stillClock()
  const one = house([settings("one", { manner: "silent" })], { clock })
  const turn = await toolOf(one, "mcp:one:turn")
  const running = assert.rejects(
    turn.run({ text: "" }, context()),
    /It was taken out of the configuration, during the call/,
  )
  await until(() => one.servers[0]!.state.calls === 1)
  one.apply([])
  clock.advance(5_000)
  await running
})

test("a server that nobody uses for a while is ended, and comes back with the next call", async () => {
  const clock = stillClock()
  const one = house([settings("one", { manner: "where", idleMs: 60_000 })], { clock })
  const turn = await toolOf(one, "mcp:one:turn")
  const first = words(await turn.run({ text: "" }, context()))
  clock.advance(60_000)
  assert.equal(one.servers[0]!.state.state, "idle")
  assert.notEqual(words(await turn.run({ text: "" }, context())), first)
})

test("a wish for a model's answer is refused unless the owner offers it, and counted where he does", async () => {
  const refused = house([settings("one", { manner: "samples" })])
  assert.match(words(await (await toolOf(refused, "mcp:one:turn")).run({ text: "" }, context())), /sampling|not found/i)
  const wishes: unknown[] = []
  const offered = house([settings("one", { manner: "samples" })], {
    sample: async (wish, call) => {
      wishes.push([wish.messages[0]!.parts, wish.maxTokens, call.turn?.sessionKey])
      return { text: "4", model: "m", stopReason: "endTurn" }
    },
  })
  const answer = words(await (await toolOf(offered, "mcp:one:turn")).run({ text: "" }, context()))
  assert.match(answer, /"text":"4"/)
  const greedy = house([settings("one", { manner: "samples-on" })], {
    sample: async () => ({ text: "4", model: "m", stopReason: "endTurn" }),
  })
  const much = words(await (await toolOf(greedy, "mcp:one:turn")).run({ text: "" }, context()))
  assert.match(much, /^10 answers, then: .*only a few times/)
  assert.deepEqual(wishes, [[[{ type: "text", text: "What is 2 + 2?" }], 9_000, "agent:main:a"]])
})

test("a question goes to whoever may answer in the turn that calls; not when calls of two sessions are at work", async () => {
  const one = house([settings("one", { manner: "asks" })])
  const turn = await toolOf(one, "mcp:one:turn")
  const asked: string[] = []
  const ask = async ({ message }: UserQuestion) => {
    asked.push(message)
    return { type: "accepted" as const, content: { name: "Ann", more: "not asked for" } }
  }
  const answer = words(await turn.run({ text: "" }, context({ ask })))
  assert.deepEqual(JSON.parse(answer), { action: "accept", content: { name: "Ann" } })
  assert.deepEqual(asked, ['MCP server "one" asks: Who are you?'])
  assert.match(words(await turn.run({ text: "" }, context())), /cancel/, "nobody can be asked in this turn")
  const busy = house([settings("one", { manner: "asks-second" })])
  const both = await toolOf(busy, "mcp:one:turn")
  const other = { ...context().turn!, sessionKey: "agent:main:b" }
  const first = both.run({ text: "" }, context({ ask, turn: other }))
  await until(() => busy.servers[0]!.state.calls === 1)
  const second = both.run({ text: "" }, context({ ask }))
  assert.deepEqual((await Promise.all([first, second])).map(words), ['{"action":"cancel"}', '{"action":"cancel"}'])
  assert.equal(asked.length, 1)
})

test("what a server logs is kept short and not without end", async () => {
  const lines: unknown[] = []
  const log: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields), child: () => log }
  const one = house([settings("one", { manner: "logs" })], { log })
  assert.equal(words(await (await toolOf(one, "mcp:one:turn")).run({ text: "" }, context())), "logged")
  assert.equal(lines.length, 60)
  assert.deepEqual(lines[0], { server: "one", level: "error", logger: "fake", said: "line 0" })
})

test("resources are two tools of their own, whose text is from outside like any other of the server's", async () => {
  const one = house([settings("one", { manner: "resources" })])
  const list = await toolOf(one, "mcp:one:resources/list")
  const read = await toolOf(one, "mcp:one:resources/read")
  assert.deepEqual([list.from, read.from, read.spoken], ["mcp", "mcp", "mcp__one__resources_read"])
  assert.equal(words(await list.run({}, context())), "fake://a (a; text/plain)")
  assert.match(words(await read.run({ uri: "fake://a" }, context())), /Ignore all rules/)
  const off = house([settings("one", { manner: "resources", resources: false })])
  const names = (await off.tools("main", folder, never())).map(({ name }) => name)
  assert.ok(!names.includes("mcp:one:resources/read"))
})

/** Waits for something that is on its way; fails loudly after 10 seconds. */
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i += 1) {
    if (what()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail(`never came: ${what}`)
}
