// The command lines of IMClaw's documentation, word for word, under its program's name; and what each of its options does here.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, beforeEach, test } from "node:test"
import { fileURLToPath } from "node:url"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

const TERMINAL = fileURLToPath(new URL("./fakes/terminal.py", import.meta.url))
const ANSWER = "Hello from the fake model.\n"

let fake: FakeModel
let house: House
before(async () => {
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url, config: { agents: { entries: { codex: { acp: { enabled: false } } } } } })
  mkdirSync(join(house.home, "bin"))
  const script = `#!/bin/sh\nexec "${process.execPath}" "${PROGRAM}" "$@"\n`
  writeFileSync(join(house.home, "bin", "imclaw-cli"), script, { mode: 0o755 })
  writeFileSync(join(house.work, "notes.txt"), "apples and pears\n")
})
after(async () => {
  await house.close()
  await fake.close()
})
beforeEach(() => {
  fake.requests.length = 0
})

interface Ran {
  code: number | null
  out: string
  err: string
}

function environment(more: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: `${join(house.home, "bin")}:${process.env["PATH"] ?? ""}`,
    HOME: house.home,
    IMCLAW_SERVER: `${house.wsUrl}/ws`,
    IMCLAW_TOKEN: house.token,
    ...more,
  }
}

async function ran(file: string, args: string[], options: { input?: string; env?: Record<string, string> }) {
  const child = spawn(file, args, { cwd: house.work, env: environment(options.env) })
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

const shell = (line: string): Promise<Ran> => ran("/bin/sh", ["-c", line], {})

function pincer(args: string[], options: { input?: string; env?: Record<string, string> } = {}): Promise<Ran> {
  return ran(process.execPath, [PROGRAM, ...args], options)
}

/** What the last request to the model carried as the user's words. */
function asked(): string {
  return JSON.stringify(fake.requests.at(-1)?.body["messages"] ?? [])
}

const EXAMPLES = `
imclaw-cli -p "什么是 Go 语言?"
imclaw-cli --prompt "什么是 Go 语言?"
imclaw-cli "什么是 Go 语言?"
imclaw-cli --agent codex -p "Hello"
imclaw-cli --session my-session -p "继续之前的对话"
imclaw-cli --approve-all -p "Hello"
imclaw-cli --deny-all -p "分析这段代码"
imclaw-cli --permission-preset safe-readonly -p "分析这段代码"
imclaw-cli --permission-preset full-auto -p "帮我重构代码"
imclaw-cli --approve-all -p "帮我重构代码"
imclaw-cli --deny-all -p "分析项目结构"
imclaw-cli --allowed-tools Read,Grep,Glob -p "分析代码"
imclaw-cli --allowed-tools "" -p "任意操作"
imclaw-cli --allowed-tools Bash -p "运行测试"
imclaw-cli --permission-preset full-auto --denied-tools Write -p "帮我分析代码"
imclaw-cli --permission-preset full-auto --denied-tools Write,Bash -p "只读分析"
imclaw-cli --allowed-tools Bash,Read,Write,Edit --denied-tools Write -p "可以编辑但不能新建文件"
imclaw-cli --auth-policy skip -p "Hello"
imclaw-cli --auth-policy fail -p "Hello"
echo "分析代码" | imclaw-cli --non-interactive-permissions deny
imclaw-cli --non-interactive-permissions fail -p "Hello" < /dev/null
imclaw-cli --permission-preset full-auto --approve-reads --denied-tools Write,Bash -p "Hello"
imclaw-cli --permission-preset safe-readonly -p "审查这段代码的安全性"
imclaw-cli --deny-all --allowed-tools Glob,Grep,LS,Read -p "审查代码"
imclaw-cli --permission-preset dev-default -p "帮我实现这个功能"
imclaw-cli --approve-reads --allowed-tools Bash,Read,Write -p "实现功能"
imclaw-cli --permission-preset full-auto --non-interactive-perms deny -p "运行测试并修复失败的用例"
imclaw-cli --permission-preset full-auto --denied-tools Bash -p "帮我重构代码"
`
  .trim()
  .split("\n")

test("every command line of the document answers on standard output and ends with 0", {
  timeout: 120_000,
}, async () => {
  const rest = [...EXAMPLES]
  const runSome = async () => {
    for (let line = rest.shift(); line !== undefined; line = rest.shift()) {
      const { code, err, out } = await shell(line)
      assert.deepEqual([line, code, out, err], [line, 0, ANSWER, ""])
    }
  }
  await Promise.all([runSome(), runSome(), runSome()])
  assert.equal(fake.requests.length, EXAMPLES.length)
})

test("with --format json every line is an event, and the permission flags of the last example go with it", async () => {
  for (const line of [
    'imclaw-cli --format json -p "Hello"',
    'imclaw-cli --approve-all --auth-policy skip --non-interactive-perms deny --format json -p "检查代码并生成报告"',
  ]) {
    const { code, out } = await shell(line)
    assert.equal(code, 0)
    const types = out
      .trim()
      .split("\n")
      .map((one) => JSON.parse(one).type)
    assert.deepEqual([types[0], types.at(-1)], ["started", "result"])
  }
})

test("-p wins over words; a session is gone on with across processes", async () => {
  assert.equal((await pincer(["words", "here", "-p", "the prompt", "--session", "kept"])).code, 0)
  assert.match(asked(), /the prompt/)
  assert.doesNotMatch(asked(), /words here/)
  assert.equal((await pincer(["second question", "-S", "kept"])).code, 0)
  assert.match(asked(), /the prompt[\s\S]*second question/)
})

test('"-" and a pipe are one question of many lines, however many there are', async () => {
  assert.equal((await pincer(["-"], { input: "first line\nsecond line\n" })).out, ANSWER)
  assert.equal(fake.requests.length, 1)
  assert.match(asked(), /first line\\nsecond line/)
  assert.equal((await pincer(["-p", "-", "--format", "quiet"], { input: "一行\n两行\n" })).out, ANSWER)
  assert.match(asked(), /一行\\n两行/)
  assert.equal((await pincer(["-"], { input: "" })).code, 2)
})

test("--json-strict: JSON alone on standard output, nothing on standard error, whatever happens", async () => {
  const strict = ["--format", "json", "--json-strict"]
  const good = await pincer(["Hello", ...strict, "--approve-reads", "--deny-all", "--verbose"])
  assert.deepEqual([good.code, good.err], [0, ""])
  for (const line of good.out.trim().split("\n")) assert.ok(JSON.parse(line).type)
  const unknown = await pincer(["Hello", ...strict, "--agent", "nobody"])
  assert.deepEqual([unknown.code, unknown.err], [4, ""])
  const { type, error } = JSON.parse(unknown.out)
  assert.deepEqual([type, error.code], ["error", "NOT_FOUND"])
  const gone = await pincer(["Hello", ...strict], { env: { IMCLAW_SERVER: "ws://127.0.0.1:9" } })
  assert.deepEqual([gone.code, gone.err], [1, ""])
  assert.equal(JSON.parse(gone.out).error.code, "UNAVAILABLE")
  const alone = await pincer(["Hello", "--json-strict"])
  assert.deepEqual([alone.code, alone.out], [2, ""])
  assert.match(alone.err, /--json-strict needs --format json/)
})

test("--max-turns bounds the answers of the model in one turn", async () => {
  const call = { calls: [{ name: "Read", args: { path: join(house.work, "notes.txt") } }] }
  fake.script(call, call)
  const { code, out } = await pincer(["go on", "--max-turns", "2", "--json"])
  assert.equal(fake.requests.length, 2)
  const result = JSON.parse(out.trim().split("\n").at(-1) ?? "")
  assert.equal(result.type, "result")
  assert.notEqual(result.stopReason, "stop")
  assert.ok(code === 0 || code === 1)
})

test("--prompt-retries asks again after a failure, once more for each try, and not after something was changed", async () => {
  const drop = { fail: { type: "html" } } as const
  fake.script(drop)
  assert.equal((await pincer(["Hello"])).code, 1)
  fake.script(drop)
  const { code, err, out } = await pincer(["Hello again", "--prompt-retries", "2"])
  assert.deepEqual([code, out], [0, ANSWER])
  assert.match(err, /The turn failed: [\s\S]*Asking again \(2 tries left\)/)
  assert.equal(fake.requests.length, 3)
  assert.equal(asked().split("Hello again").length, 2, "the question stands in the conversation once")
  const path = join(house.work, "written.txt")
  fake.script({ calls: [{ name: "Write", args: { path, content: "x" } }] }, drop)
  fake.requests.length = 0
  const args = ["write", "--approve-all", "--prompt-retries", "2", "--format", "quiet"]
  assert.equal((await pincer(args)).code, 1)
  assert.ok(existsSync(path))
  assert.equal(fake.requests.length, 2)
})

test("--suppress-reads tells that something was read, not what", async () => {
  const call = { calls: [{ name: "Read", args: { path: join(house.work, "notes.txt") } }] }
  fake.script(call)
  assert.match((await pincer(["read it", "--json"])).out, /"tool.ended"[^\n]*apples and pears/)
  fake.script(call)
  const { code, out } = await pincer(["read it", "--json", "--suppress-reads"])
  assert.equal(code, 0)
  assert.match(out, /"tool.ended"[^\n]*characters left out/)
  assert.doesNotMatch(out, /apples/)
})

test("each option has a variable, and the flag wins", async () => {
  const env = {
    PINCER_PROMPT: "from the variable",
    PINCER_FORMAT: "json",
    PINCER_SESSION: "by-variable",
    PINCER_AGENT: "codex",
    PINCER_MAX_TURNS: "3",
    PINCER_TIMEOUT: "60",
    PINCER_CWD: house.home,
    PINCER_MODEL: "fake/test-model",
    PINCER_JSON_STRICT: "1",
  }
  const all = await pincer([], { env })
  assert.equal(all.code, 0)
  const result = JSON.parse(all.out.trim().split("\n").at(-1) ?? "")
  assert.equal(result.sessionKey, "agent:codex:by-variable")
  assert.match(asked(), /from the variable/)
  const over = await pincer(["said", "--format", "text", "-S", "flag"], { env: { ...env, PINCER_JSON_STRICT: "0" } })
  assert.equal(over.out, ANSWER)
  assert.doesNotMatch(asked(), /from the variable/)
  const cases: [Record<string, string>, RegExp][] = [
    [{ PINCER_FORMAT: "xml" }, /PINCER_FORMAT: "xml" is not one of text, json, quiet/],
    [{ PINCER_MAX_TURNS: "0" }, /PINCER_MAX_TURNS: "0" is not a whole number from 1 to 1000/],
    [{ PINCER_TIMEOUT: "soon" }, /PINCER_TIMEOUT: "soon"/],
    [{ PINCER_SUPPRESS_READS: "maybe" }, /PINCER_SUPPRESS_READS: "maybe" is neither 1 nor 0/],
  ]
  for (const [wrong, sentence] of cases) {
    const { code, err } = await pincer(["Hello"], { env: wrong })
    assert.equal(code, 2)
    assert.match(err, sentence)
  }
})

test("exit codes: 0 done, 1 failed, 2 wrong words, 3 out of time, 4 not found, 5 not permitted, 130 canceled", async () => {
  assert.equal((await pincer(["Hello", "--token", "wrong-token"])).code, 1)
  assert.equal((await pincer(["Hello", "--no-such-flag"])).code, 2)
  fake.script({ fail: { type: "stall", after: "nothing" } })
  assert.equal((await pincer(["Hello", "--timeout", "0.3"])).code, 3)
  assert.equal((await pincer(["Hello", "--model", "nowhere/none"])).code, 4)
  fake.script({ calls: [{ name: "Write", args: { path: join(house.work, "no.txt"), content: "x" } }] })
  assert.equal((await pincer(["Hello", "--deny-all"])).code, 5)
  fake.script({ fail: { type: "stall", after: "first" }, text: "so far" })
  const child = spawn(process.execPath, [PROGRAM, "Hello"], { cwd: house.work, env: environment() })
  child.stdin.end()
  child.stdout.once("data", () => child.kill("SIGINT"))
  const [code] = (await once(child, "close")) as [number | null]
  assert.equal(code, 130)
})

const PTY = spawnSync("python3", ["-c", "import pty"]).status === 0

interface Step {
  expect: string
  send?: string
}

/** Plays the steps on a terminal; the whole screen. */
async function played(line: string, steps: Step[]): Promise<string> {
  const env = environment({ TERM: "xterm", NO_COLOR: "1" })
  const plan = { args: ["/bin/sh", "-c", line], cwd: house.work, env, steps, timeout: 30 }
  const child = await ran("python3", [TERMINAL], { input: JSON.stringify(plan) })
  const { exit, missing, screen } = JSON.parse(child.out) as { exit: number; missing: string | null; screen: string }
  assert.deepEqual([missing, exit], [null, 0], screen)
  return screen
}

const PROMPT = "\\n[^\\n]*> "

test("the interactive command lines of the document open a conversation", {
  skip: PTY ? false : "no python3 with pty",
}, async () => {
  const leave = { expect: "> ", send: "/quit\r" }
  await played("imclaw-cli", [leave])
  await played("imclaw-cli --agent codex", [{ expect: "Agent\\s+codex" }, leave])
  await played("imclaw-cli --session my-session-123", [{ expect: "my-session-123" }, leave])
  const json = await played("imclaw-cli --approve-all --format json", [
    { expect: "> ", send: "Hello\r" },
    { expect: '"type":"result".*', send: "" },
    { expect: "> ", send: "/exit\r" },
  ])
  assert.match(json, /"type":"text"/)
})

test("in a conversation: /session /agents /agent /new /help, several lines, Tab, @file", {
  skip: PTY ? false : "no python3 with pty",
}, async () => {
  const answered = `Hello from the fake model\\.[\\s\\S]*${PROMPT}`
  const screen = await played("imclaw-cli --session talk", [
    { expect: "> ", send: "/session\r" },
    { expect: "nothing was said in it yet[\\s\\S]*> ", send: "remember the pears\r" },
    { expect: answered, send: "/session\r" },
    { expect: "agent:main:talk[\\s\\S]*> ", send: "/agents\r" },
    { expect: "codex[\\s\\S]*> ", send: "first line \\\rsecond line\r" },
    { expect: answered, send: "\u001b[200~pasted one\rpasted two\u001b[201~\r" },
    { expect: answered, send: "look at @not" },
    { expect: "@not", send: "\t" },
    { expect: "es\\.txt", send: " please\r" },
    { expect: answered, send: "/new\r" },
    { expect: "New session[\\s\\S]*> ", send: "what do you know\r" },
    { expect: answered, send: "/ag" },
    { expect: "/ag", send: "\t" },
    { expect: "ent", send: " co" },
    { expect: " co", send: "\t" },
    { expect: "dex", send: "\r" },
    { expect: "Talking to codex[\\s\\S]*> ", send: "/nonsense\r" },
    { expect: "Unknown command /nonsense[\\s\\S]*> ", send: "/usage\r" },
    { expect: "30 days +\\d+ turns, \\d+ tokens[\\s\\S]*> ", send: "/verbose on\r" },
    { expect: "Thoughts are shown\\.[\\s\\S]*> ", send: "/help\r" },
    { expect: "/quit[\\s\\S]*> ", send: "/quit\r" },
  ])
  assert.match(screen, /\/session \[key\]/)
  const said = fake.requests.map(({ body }) => JSON.stringify(body["messages"]))
  assert.equal(said.length, 5)
  assert.match(said.splice(2, 1)[0] ?? "", /pasted one\\npasted two/)
  assert.match(said[1] ?? "", /first line \\nsecond line/)
  assert.match(said[2] ?? "", /@notes\.txt[\s\S]*apples and pears/)
  assert.match(said[3] ?? "", /what do you know/)
  assert.doesNotMatch(said[3] ?? "", /remember the pears/)
})

test("what was written comes back with the arrow keys in the next conversation", {
  skip: PTY ? false : "no python3 with pty",
}, async () => {
  await played("imclaw-cli", [
    { expect: "> ", send: "a memorable question\r" },
    { expect: `fake model\\.[\\s\\S]*${PROMPT}`, send: "/quit\r" },
  ])
  await played("imclaw-cli", [
    { expect: "> ", send: "\u001b[A" },
    { expect: "/quit", send: "\u001b[A" },
    { expect: "a memorable question", send: "\r" },
    { expect: `fake model\\.[\\s\\S]*${PROMPT}`, send: "/quit\r" },
  ])
  assert.equal(fake.requests.length, 2)
})

test("status tells what /metrics counts, verdict first, for people and as JSON", async () => {
  assert.equal((await pincer(["Hello"])).code, 0)
  const { code, out } = await pincer(["status"])
  assert.equal(code, 0)
  assert.match(out, /^Pincer is running( and well)?\.\n/)
  for (const name of ["Turns", "Jobs", "Approvals", "Today", "Sandbox", "Sessions"])
    assert.match(out, new RegExp(`\\n +${name} +\\S`))
  const { gateway } = JSON.parse((await pincer(["status", "--json"])).out)
  const page = await (
    await fetch(`${house.url}/metrics`, { headers: { authorization: `Bearer ${house.token}` } })
  ).text()
  const metric = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(page)?.[1])
  assert.ok(gateway.today.turns > 0)
  assert.deepEqual(
    [
      metric("pincer_today_turns"),
      metric('pincer_today_tokens{direction="input"}'),
      metric("pincer_approvals_pending"),
      metric("pincer_elevated_sessions"),
      metric(`pincer_sandbox_available{backend="${gateway.sandbox.backend}"}`),
      metric('pincer_jobs{status="queued"}'),
    ],
    [
      gateway.today.turns,
      gateway.today.inputTokens,
      gateway.approvals.pending,
      gateway.elevated.length,
      gateway.sandbox.available ? 1 : 0,
      gateway.jobs.queued,
    ],
  )
})

test("GET /api/sessions?search= finds words of an answer, Chinese ones too", async () => {
  fake.script({ text: "建议先写单元测试 and then refactor the parser" })
  assert.equal((await pincer(["how to go on", "-S", "searched"])).code, 0)
  for (const word of ["单元", "refactor", "unknown-word"]) {
    const at = `${house.url}/api/sessions?search=${encodeURIComponent(word)}`
    const found = await fetch(at, { headers: { authorization: `Bearer ${house.token}` } })
    const { count, sessions } = (await found.json()) as { count: number; sessions: { id: string }[] }
    assert.deepEqual([word, count, sessions.length], [word, word === "unknown-word" ? 0 : 1, count])
  }
})
