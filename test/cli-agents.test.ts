// pincer agents and pincer acp client|setup as a person runs them: a gateway of the house, fake agents in temporary folders.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { fileURLToPath } from "node:url"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

const AGENT = fileURLToPath(new URL("./fakes/acp-agent.mjs", import.meta.url))

let house: House
let bin: string
before(async () => {
  const files = await prepare()
  bin = files.bin
  house = files.house
})
after(() => house.close())

/** A gateway whose PATH holds a Gemini CLI and nothing else. */
async function prepare(): Promise<{ house: House; bin: string }> {
  const { makeHome } = await import("./house.ts")
  const { home } = makeHome({ config: { agents: { entries: { own: { acp: { command: ["node", AGENT] } } } } } })
  const folder = join(home, "bin")
  mkdirSync(folder)
  writeFileSync(join(folder, "gemini"), "#!/bin/sh\nexit 1\n")
  chmodSync(join(folder, "gemini"), 0o755)
  return { house: await startHouse({ home, env: { PATH: folder } }), bin: folder }
}

interface Ran {
  code: number | null
  out: string
  err: string
}

async function pincer(
  args: string[],
  options: { env?: Record<string, string>; input?: string; cwd?: string } = {},
): Promise<Ran> {
  const env = {
    PATH: bin,
    HOME: house.home,
    PINCER_HOME: house.home,
    PINCER_GATEWAY_TOKEN: house.token,
    ...options.env,
  }
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: options.cwd ?? house.work, env })
  child.stdin.on("error", () => undefined)
  child.stdin.end(options.input)
  const said = { out: "", err: "" }
  child.stdout.on("data", (chunk) => {
    said.out += chunk
  })
  child.stderr.on("data", (chunk) => {
    said.err += chunk
  })
  const [code] = (await once(child, "close")) as [number | null]
  return { code, ...said }
}

const rowsOf = (ran: Ran) => JSON.parse(ran.out) as { id: string; [more: string]: unknown }[]

test("agents list shows what is configured and what is installed; --all also what is missing, with the line that installs it", async () => {
  const usual = rowsOf(await pincer(["agents", "list", "--json"]))
  assert.deepEqual(
    usual.map((row) => row.id),
    ["main", "own", "gemini"],
  )
  const gemini = usual.find((row) => row.id === "gemini")
  assert.deepEqual(gemini?.["command"], [join(bin, "gemini"), "--acp"])
  assert.deepEqual([gemini?.["runsOn"], gemini?.["configured"], gemini?.["installed"]], ["acp", false, true])
  const all = rowsOf(await pincer(["agents", "list", "--all", "--json"]))
  const codex = all.find((row) => row.id === "codex")
  assert.deepEqual([codex?.["installed"], codex?.["install"]], [false, "npm install -g @agentclientprotocol/codex-acp"])
  assert.match((await pincer(["agents", "list"])).out, /^gemini\tGemini CLI\tinstalled\t.*gemini --acp$/m)
})

test("agents show says what an agent is, and an unknown one is answered with names that are spelled like it", async () => {
  const { code, out } = await pincer(["agents", "show", "codex"])
  assert.equal(code, 0)
  assert.match(out, /missing, not in the configuration/)
  assert.match(out, /npm install -g @agentclientprotocol\/codex-acp/)
  const wrong = await pincer(["agents", "show", "codx"])
  assert.equal(wrong.code, 4)
  assert.match(wrong.err, /Unknown agent "codx": did you mean codex\?/)
  assert.match((await pincer(["ask", "x", "--agent", "gemni"])).err, /did you mean gemini\?/)
})

test("GET /api/agents and agents.list keep the shape that their clients know", async () => {
  const headers = { authorization: `Bearer ${house.token}` }
  const answer = (await (await fetch(`${house.url}/api/agents`, { headers })).json()) as {
    agents: string[]
    count: number
  }
  assert.deepEqual(answer, { agents: ["main", "own", "gemini"], count: 3 })
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "agents.list" })
  const json = { ...headers, "content-type": "application/json" }
  const rpc = await fetch(`${house.url}/rpc`, { method: "POST", headers: json, body })
  const { result } = (await rpc.json()) as { result: { agents: string[]; supported: string[] } }
  assert.deepEqual(result.agents, ["main", "own", "gemini"])
  assert.deepEqual(result.supported, result.agents)
})

test("where only the offline model could answer, status and doctor name the agent that is installed", async () => {
  const line = /Gemini CLI is installed and can answer: pincer ask --agent gemini/
  assert.match((await pincer(["status"])).out, line)
  assert.match((await pincer(["doctor"])).out, line)
})

test("agents add writes an entry between what stands there, shows it without secrets, and remove takes it out again", async () => {
  const home = join(house.home, "second")
  mkdirSync(home)
  const config = join(home, "pincer.json")
  const text = '{\n  // mine\n  "gateway": { "port": 0 },\n}\n'
  writeFileSync(config, text)
  const env = { PINCER_HOME: home }
  const added = await pincer(
    ["agents", "add", "work", "--agent", "gemini", "--env", "A=1", "--env", "GEMINI_API_KEY"],
    { env },
  )
  assert.equal(added.code, 0, added.err)
  assert.match(added.out, /agents\.entries\.work/)
  const written = readFileSync(config, "utf8")
  assert.match(written, /\/\/ mine/)
  assert.match(written, /"agent": "gemini"/)
  assert.match(written, /"GEMINI_API_KEY": \{\s*"env": "GEMINI_API_KEY"\s*\}/)
  const secret = await pincer(["agents", "add", "two", "--command", "x --y", "--env", "MY_TOKEN=abc123secretvalue"], {
    env,
  })
  assert.doesNotMatch(secret.out, /abc123/)
  assert.match((await pincer(["agents", "add", "codex"], { env })).out, /Codex is not installed yet: npm install/)
  assert.match((await pincer(["agents", "add", "mind", "--model", "ollama/qwen3"], { env })).out, /ollama\/qwen3/)
  const cases: [string[], RegExp][] = [
    [["add", "work", "--agent", "gemini"], /has an agent "work" already/],
    [["add", "Bad Name", "--agent", "gemini"], /is no agent id/],
    [["add", "x", "--agent", "gemni"], /no known agent "gemni": did you mean gemini\?/],
    [["add", "codx"], /did you mean codex\?/],
    [["add", "x", "--agent", "gemini", "--command", "y"], /either --agent or --command/],
    [["add", "x", "--model", "m", "--confined"], /are for external agents/],
    [["add", "x", "--command", "a 'b"], /not closed/],
    [["remove", "qwen"], /known without one.*acp\.enabled false/],
    [["remove", "nobody"], /has no agent "nobody"/],
  ]
  for (const [args, sentence] of cases) {
    const ran = await pincer(["agents", ...args], { env })
    assert.notEqual(ran.code, 0, args.join(" "))
    assert.match(ran.err, sentence)
  }
  for (const name of ["work", "two", "codex", "mind"])
    assert.equal((await pincer(["agents", "remove", name], { env })).code, 0, name)
  assert.doesNotMatch(readFileSync(config, "utf8"), /gemini|ollama/)
  assert.match(readFileSync(config, "utf8"), /\/\/ mine/)
})

test("an agent that lies only in the node_modules of the folder is written down with its command", async () => {
  const home = join(house.home, "third")
  mkdirSync(home)
  const folder = join(house.work, "node_modules/@agentclientprotocol/codex-acp")
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "c", version: "1.0.0", bin: { "codex-acp": "main.js" } }),
  )
  writeFileSync(join(folder, "main.js"), "")
  const { out } = await pincer(["agents", "add", "codex", "--json"], { env: { PINCER_HOME: home } })
  rmSync(join(house.work, "node_modules"), { recursive: true })
  const { entry, note } = JSON.parse(out) as { entry: { acp: { command: string[] } }; note: string }
  assert.deepEqual(entry.acp.command, [process.execPath, join(folder, "main.js")])
  assert.match(note, /found in .*node_modules only/)
})

test("--agent-command goes with the default agent only, and is refused with --agent", async () => {
  const both = await pincer(["ask", "x", "--agent-command", `node ${AGENT}`, "--agent", "main"])
  assert.match(both.err, /either --agent or --agent-command/)
  const other = await pincer(["ask", "x", "--agent-command", `node ${AGENT}`, "--session", "agent:gemini:main"])
  assert.match(other.err, /runs in sessions of "main", not of "gemini"/)
})

const client = (input: string, args: string[] = [], env: Record<string, string> = {}) =>
  pincer(["acp", "client", "--server", process.execPath, "--server-args", AGENT, ...args], { input, env })

test("acp client shows text, thoughts, plans, tools and what it does not know, and nothing that could steer the terminal", async () => {
  const { code, err, out } = await client("everything\nworld\nquit\nnever said\n")
  assert.equal(code, 0, err)
  assert.match(out, /^fake 1, session s1/)
  assert.match(out, /\[commands\] \/new/)
  assert.match(
    out,
    /hm\n\[plan\] \[x\] one\n\[plan\] \[ \] two\n\[tool\] read: x \(in_progress\)\n\[tool update\] c1: completed/,
  )
  assert.match(out, /\[something_new\]/)
  assert.match(out, /Hello world\n\[end_turn\]/)
  assert.doesNotMatch(out, /\u001b|never said/)
})

test("acp client marks its child, keeps the keys of another server, and passes its words on", async () => {
  const { out } = await client("environment\n", ["--x", "-v"], { OPENAI_API_KEY: "k" })
  assert.match(out, /\{"shell":"acp-client","key":"k","args":\["--x","-v"\]\}/)
})

test("acp client allows a scoped read and a search; everything else is refused where nobody can be asked", async () => {
  symlinkSync("/etc", join(house.work, "outside"))
  const calls = [
    [{ title: "read: notes.txt" }, "yes"],
    [{ title: "read: outside/passwd" }, "no"],
    [{ title: "read: ../x" }, "no"],
    [{ _meta: { toolName: "search" } }, "yes"],
    [{ _meta: { toolName: "search" }, title: "bash: ls" }, "no"],
    [{ kind: "read", title: "Look" }, "no"],
  ] as const
  const { out } = await client(calls.map(([call]) => `call ${JSON.stringify(call)}`).join("\n"))
  const chosen = [...out.matchAll(/chosen (\w+)/g)].map((match) => match[1])
  assert.deepEqual(
    chosen,
    calls.map(([, answer]) => answer),
  )
})

test("acp client passes on the exit code of an agent that ends, and says when there is none", async () => {
  assert.equal((await client("die\n")).code, 7)
  const none = await pincer(["acp", "client", "--server", "/nonexistent/agent"])
  assert.equal(none.code, 1)
  assert.match(none.err, /Cannot start \/nonexistent\/agent/)
  assert.match((await pincer(["acp", "client", "--cwd", "/nonexistent"])).err, /--cwd: \/nonexistent is not there/)
})

test("acp setup prints JSON alone on standard output, and writes only when it may", async () => {
  const printed = await pincer(["acp", "setup", "jetbrains", "--session", "agent:main:x"])
  const { agent_servers: servers } = JSON.parse(printed.out) as { agent_servers: { Pincer: { args: string[] } } }
  assert.deepEqual(servers.Pincer.args.slice(-3), ["acp", "--session", "agent:main:x"])
  const file = join(house.home, ".jetbrains/acp.json")
  const asked = await pincer(["acp", "setup", "jetbrains", "--write"])
  assert.match(asked.err, /add --yes/)
  assert.throws(() => readFileSync(file))
  assert.equal((await pincer(["acp", "setup", "jetbrains", "--write", "--yes"])).code, 0)
  assert.match(readFileSync(file, "utf8"), /"Pincer"/)
  assert.match((await pincer(["acp", "setup", "emacs", "--write", "--yes"])).err, /is a program/)
  assert.match((await pincer(["acp", "setup", "zed", "--token", "secret"])).err, /--token-file instead/)
  assert.match((await pincer(["acp", "setup", "jetbrain"])).err, /did you mean jetbrains\?/)
})
