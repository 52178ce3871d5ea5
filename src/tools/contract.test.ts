// What holds for every tool of the list, now and later.
import assert from "node:assert/strict"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { sceneOf } from "../../test/fakes/scene.ts"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { webServer } from "../../test/fakes/web-server.ts"
import { PincerError } from "../base/errors.ts"
import { jsonSchema } from "../base/schema.ts"
import { decide } from "../policy/decide.ts"
import { tools } from "./index.ts"
import type { Tool } from "./tool.ts"

/** Arguments with which each tool does something, and with which it gives more than 1,000 characters where it can. */
const examples: Record<string, Record<string, unknown>> = {
  Bash: { command: "seq 1 5000" },
  Read: { path: "long.txt" },
  Write: { path: "w.txt", content: "line\n".repeat(2_000) },
  Edit: { path: "edit.txt", oldText: "old", newText: "new\n".repeat(2_000) },
  MultiEdit: { path: "edit.txt", edits: [{ oldText: "new", newText: "n", replaceAll: true }] },
  Glob: { pattern: "*" },
  Grep: { pattern: "line" },
  LS: { path: "." },
  WebFetch: { url: "http://127.0.0.1:1/" },
  WebSearch: { query: "x" },
  AskUser: { questions: [{ question: "Which?", options: [{ label: "a" }, { label: "b" }] }] },
  TodoWrite: { todos: [{ text: "a", status: "pending" }] },
  NotebookEdit: { path: "n.ipynb", cell: 0, source: "x\n".repeat(2_000) },
}

const CLASSES: Record<string, string> = {
  ...{ Bash: "exec", Read: "read", Write: "write", Edit: "write", MultiEdit: "write", Glob: "search" },
  ...{
    Grep: "search",
    LS: "read",
    WebFetch: "network",
    WebSearch: "network",
    TodoWrite: "control",
    AskUser: "control",
    NotebookEdit: "write",
  },
}

async function furnished(t: Parameters<typeof toolRoom>[0]) {
  const server = await webServer(t, (request, response) => {
    if (request.url === "/slow") return
    const hit = { title: "t".repeat(500), url: "https://x.example/", description: "d".repeat(500) }
    if (request.url?.startsWith("/res/")) response.end(JSON.stringify({ web: { results: Array(20).fill(hit) } }))
    else response.writeHead(200, { "content-type": "text/plain" }).end("text ".repeat(5_000))
  })
  const room = await toolRoom(t, {
    maxOutputChars: 1_000,
    fetch: { timeoutMs: 5_000, maxBytes: 100_000, allowHosts: [server.host] },
    search: { service: "brave", apiKey: () => "k", baseUrl: server.url },
  })
  await room.put("long.txt", "some line of text\n".repeat(5_000))
  await room.put("edit.txt", "old")
  await room.put(
    "n.ipynb",
    JSON.stringify({ cells: [{ cell_type: "code", source: "" }], nbformat: 4, nbformat_minor: 4 }),
  )
  for (let i = 0; i < 100; i++) await room.put(`file-with-a-long-name-${i}`, "")
  const own: typeof examples = { ...examples, WebFetch: { url: `${server.url}/` } }
  return { ...room, server, examples: own }
}

test("the list has the canonical names, each with its class", () => {
  assert.deepEqual(Object.fromEntries(tools.map((tool) => [tool.name, tool.class])), CLASSES)
  for (const tool of tools)
    if (tool.class === "read" || tool.class === "search") assert.equal(tool.effect, "read", tool.name)
  assert.equal(tools.find((tool) => tool.name === "Bash")?.effect, "once")
})

test("names and aliases are unique, whatever their case", () => {
  const names = tools.flatMap((tool) => [tool.name, ...tool.aliases])
  assert.equal(new Set(names).size, names.length)
  const owner = new Map<string, string>()
  for (const tool of tools)
    for (const name of [tool.name, ...tool.aliases]) {
      assert.match(name, /^[A-Za-z][A-Za-z_]{0,63}$/)
      assert.equal(owner.get(name.toLowerCase()) ?? tool.name, tool.name, name)
      owner.set(name.toLowerCase(), tool.name)
    }
})

for (const tool of tools) {
  test(`${tool.name} has an object schema that says what each argument is and refuses unknown ones`, () => {
    const schema = jsonSchema(tool.args)
    assert.equal(schema["type"], "object")
    assert.equal(schema["additionalProperties"], false)
    assert.ok(tool.description.length >= 40 && tool.description.length <= 500, `${tool.description.length}`)
    assert.match(tool.description, /^[A-Z].*\.$/s)
    assert.equal(tool.args.safeParse({ ...examples[tool.name], surprise: 1 }).success, false)
    assert.equal(tool.args.safeParse(examples[tool.name]).success, true)
    assert.equal(tool.args.safeParse([]).success, false)
  })

  test(`${tool.name} has a title of one line, however long its arguments are`, () => {
    const nasty = `${"a\nb\u2028".repeat(5_000)}.ipynb`
    const args = JSON.parse(JSON.stringify(examples[tool.name]), (key, value) =>
      ["command", "path", "pattern", "query", "url", "text", "question"].includes(key) ? nasty : value,
    )
    const title = tool.title(args)
    assert.ok(title.length > 0 && title.length <= 300, `${title.length}`)
    assert.doesNotMatch(title, /[\n\r\u2028]/)
  })

  test(`${tool.name} stays within its output and its details within a few KB`, async (t) => {
    const room = await furnished(t)
    if (tool.name === "MultiEdit") await room.put("edit.txt", "new\n".repeat(2_000))
    const answer = { type: "accepted", content: { answer1: "a" } } as const
    const result = await room.call(tool, room.examples[tool.name]!, { answer })
    assert.equal(result.isError, false, textIn(result))
    const limit = tool.class === "write" ? 6_000 : 1_200
    assert.ok(textIn(result).length <= limit, `${textIn(result).length} characters`)
    assert.ok(JSON.stringify(result.details ?? {}).length < 10_000)
  })

  test(`${tool.name} that was canceled before does nothing`, async (t) => {
    const room = await furnished(t)
    const before = await snapshot(room.cwd)
    const result = await run(room.call(tool, room.examples[tool.name]!, { signal: AbortSignal.abort() }))
    assert.ok(result instanceof Error || result.isError)
    assert.deepEqual(await snapshot(room.cwd), before)
    assert.deepEqual([...room.context.notes], [])
    assert.deepEqual(room.server.asked, [])
  })
}

for (const [name, args] of [
  ["Bash", { command: "sleep 30" }],
  ["Grep", { pattern: "^(a+)+$" }],
  ["WebFetch", { url: "/slow" }],
] as const)
  test(`${name} stops in the middle when it is canceled`, async (t) => {
    const room = await furnished(t)
    await room.put("evil", `${"a".repeat(60)}!`)
    const controller = new AbortController()
    const own = "url" in args ? { url: room.server.url + args.url } : args
    const running = run(room.call(toolNamed(name), own, { signal: controller.signal }))
    setImmediate(() => setTimeout(() => controller.abort(), 10))
    const result = await running
    assert.ok(result instanceof Error ? result.name === "AbortError" : result.isError)
  })

test("what touches anything but the workspace needs leave", async (t) => {
  const { cwd } = await toolRoom(t)
  for (const tool of tools) {
    const touch = await tool.touch(tool.args.parse(examples[tool.name]), cwd)
    const call = { tool: tool.name, class: tool.class, reads: touch.reads, writes: touch.writes, hosts: touch.hosts }
    const sandbox = { ...sceneOf().sandbox, available: false }
    const decision = decide(sceneOf({ call, workspace: cwd, home: "/nowhere", sandbox, canAsk: true }))
    const free = ["read", "search", "control"].includes(tool.class)
    assert.equal(decision.verdict, free ? "allow" : "ask", tool.name)
  }
  for (const [name, path] of [
    ["Read", "../outside/x"],
    ["LS", "/"],
    ["Glob", ".."],
    ["Grep", "/etc"],
  ] as const) {
    const tool = toolNamed(name)
    const touch = await tool.touch(tool.args.parse(fitted(tool, path)), cwd)
    const call = { tool: name, class: tool.class, reads: touch.reads, writes: touch.writes, hosts: touch.hosts }
    const sandbox = { ...sceneOf().sandbox, available: false }
    const decision = decide(sceneOf({ call, workspace: cwd, home: "/nowhere", sandbox, canAsk: false }))
    assert.equal(decision.verdict, "deny", name)
  }
})

function fitted(tool: Tool, path: string): Record<string, unknown> {
  return tool.name === "Glob" || tool.name === "Grep" ? { path, pattern: "x" } : { path }
}

async function snapshot(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).sort()
  return Promise.all(names.map(async (name) => `${name} ${(await stat(join(folder, name))).mtimeMs}`))
}

function toolNamed(name: string): Tool {
  const tool = tools.find((one) => one.name === name)
  assert.ok(tool)
  return tool
}

/** A refusal is an outcome here. */
async function run<T>(running: Promise<T>): Promise<T | Error> {
  try {
    return await running
  } catch (error) {
    assert.ok(error instanceof PincerError || (error instanceof Error && error.name === "AbortError"), String(error))
    return error
  }
}
