import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { hostRoom, runs } from "../../../test/fakes/acp-agent-room.ts"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { fakeProgram } from "../../../test/fakes/stripped.ts"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { MARK } from "./environment.ts"
import type { KnownAgent } from "./known-agent.ts"
import { markedProcesses } from "./marked.ts"

const quick = (quirks: KnownAgent["quirks"], flags: readonly string[] = []): KnownAgent => ({
  ...{ name: "quick", title: "Quick", install: "nothing" },
  command: [process.execPath, fakeProgram("acp-agent"), ...flags],
  quirks,
})

const gone = async (pid: number) => {
  while (runs(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
}

test("one process serves the sessions of one agent, and two of them at once", async () => {
  await using room = hostRoom()
  const one = room.start("pid;hang", { session: "one" })
  const two = room.start("pid;say  two", { session: "two" })
  await two.end
  await one.until((event) => event.type === "text")
  const pid = Number(one.text())
  assert.equal(two.text(), `${pid} two`)
  const [warm, ...more] = room.host.warm()
  assert.deepEqual(more, [])
  assert.deepEqual([warm!.pid, warm!.sessions, warm!.turns, warm!.idleSince], [pid, 2, 1, null])
  assert.equal(warm!.facts.version, "1.2.3")
  one.abort()
  assert.equal((await one.end).stop, "aborted")
  assert.equal(two.events.filter((event) => event.type === "text").length, 2, "nothing of one is heard by the other")
})

test("another command, another environment and another folder in the sandbox are other processes", async () => {
  const places: unknown[] = []
  await using room = hostRoom({
    launch: async (program, place) => {
      places.push(place)
      return { ...program, close: async () => undefined }
    },
  })
  const pid = async (options: object) => Number((await room.run("pid", options)).heard.text())
  const pids = [
    await pid({ session: "1" }),
    await pid({ session: "2", agent: { env: () => ({ A: "1" }) } }),
    await pid({ session: "3", flags: ["--rich"] }),
    await pid({ session: "4", agent: { confined: true } }),
    await pid({ session: "5", agent: { confined: true }, cwd: "/tmp" }),
  ]
  assert.equal(new Set(pids).size, 5)
  assert.equal(await pid({ session: "6", cwd: "/tmp" }), pids[0])
  assert.deepEqual(places.slice(3), [
    { agentId: "fake", confined: true, cwd: room.folder },
    { agentId: "fake", confined: true, cwd: "/tmp" },
  ])
  assert.equal(room.host.warm().length, 5)
})

test("an agent gets a small environment, and nothing of the gateway's own", async () => {
  const env = { PATH: process.env["PATH"], HOME: "/home/x", PINCER_TOKEN: "t", OPENAI_API_KEY: "k", NODE_OPTIONS: "" }
  await using room = hostRoom({ env })
  const options = { agent: { env: () => ({ OWN: "mine", LANG: "de" }) } }
  const { heard } = await room.run("allenv", options)
  const names = ["HOME", "LANG", "OPENCLAW_SHELL", "OWN", "PATH", MARK, "PINCER_SHELL", "TERM"].sort()
  assert.deepEqual(JSON.parse(heard.text()), names)
  const values = await room.run("env PINCER_SHELL OPENCLAW_SHELL HOME LANG PINCER_TOKEN", options)
  assert.equal(values.heard.text(), '["acp","acp","/home/x","de",null]')
})

test("what is known of an agent helps to start it; what the configuration says wins", async () => {
  const known = quick({ clientName: "zed", env: { A: "known", B: "known" }, rootEnv: { R: "root" } })
  await using room = hostRoom({ known: () => known, root: true })
  const agent = { known: "quick", env: () => ({ B: "own" }) }
  const profile = { hosted: { ...room.profile({ agent }).hosted! } }
  delete profile.hosted.command
  const { heard } = await room.run("env A B R", { profile })
  assert.equal(heard.text(), '["known","own","root"]')
  assert.equal((room.sent("initialize")[0]!["clientInfo"] as { name: string }).name, "zed")
})

test("an agent that nobody uses is ended; with 0 it is kept for ever", async () => {
  const clock = { ...stillClock(), now: systemClock.now }
  await using room = hostRoom({ clock })
  const ended = await room.run("pid", { agent: { idleMs: 1_000 } })
  const kept = await room.run("pid", { session: "two", agent: { idleMs: 0, env: () => ({ A: "1" }) } })
  await clock.advance(999)
  assert.equal(room.host.warm().length, 2)
  await clock.advance(1)
  assert.deepEqual(
    room.host.warm().map((one) => one.pid),
    [Number(kept.heard.text())],
  )
  await gone(Number(ended.heard.text()))
  const again = await room.run("pid", { agent: { idleMs: 1_000 } })
  assert.notEqual(again.heard.text(), ended.heard.text())
})

test("an agent that does not answer initialize is ended with all that it started", async () => {
  const flags = ["--hang-at=initialize", "--ignore-term", "--ignore-eof", "--stderr=warming up"]
  await using room = hostRoom({ known: () => quick({ startMs: 700 }, [...flags, `--child=${child}`]) })
  const child = join(room.folder, "child")
  const profile = { hosted: { ...room.profile({ agent: { known: "quick" } }).hosted! } }
  delete profile.hosted.command
  const { end } = await room.run("say x", { profile })
  assert.equal(end.error?.code, "TIMEOUT")
  assert.match(end.error?.message ?? "", /Quick \(.*acp-agent.*did not answer within 0\.7 s.*warming up/)
  await gone(Number(readFileSync(child, "utf8")))
})

test("what cannot be started, ends at once, or answers nonsense is one clear sentence", async () => {
  await using room = hostRoom()
  const failure = async (options: object) => (await room.run("say x", { session: "x", ...options })).end.error
  const missing = await failure({ agent: { command: ["/no/such/agent"] } })
  assert.match(missing?.message ?? "", /Cannot start \/no\/such\/agent/)
  assert.match((await failure({ flags: ["--exit=5", "--stderr=no config"] }))?.message ?? "", /exit code 5.*no config/)
  assert.match((await failure({ flags: ["--answer=7"] }))?.message ?? "", /speaks version 7 of ACP.*1 and 2/)
  assert.match((await failure({ flags: ["--die-at=session/new"] }))?.message ?? "", /exit code 4.*out of cheese/)
  assert.equal(room.host.warm().length, 0)
})

test("an agent that keeps falling over is started ever more slowly, and forgiven when it does well", async () => {
  const pauses: number[] = []
  const clock = {
    ...systemClock,
    after: (ms: number, fn: () => void) => {
      if (ms !== 15_000 && ms !== 30_000 && ms >= 100 && ms !== 250 && ms !== 1_000 && ms !== 3_000) pauses.push(ms)
      return systemClock.after(ms === 15_000 || ms === 30_000 ? ms : Math.min(ms, 20), fn)
    },
    now: () => 1_000,
  }
  await using room = hostRoom({ clock })
  for (let i = 0; i < 4; i++) await room.run("die", { session: `s${i}` })
  assert.deepEqual(pauses, [200, 400, 800])
  assert.equal((await room.run("say x", { session: "good" })).end.stop, "end_turn")
  pauses.length = 0
  await room.run("die", { session: "bad" })
  await room.run("say x", { session: "good" })
  assert.deepEqual(pauses, [200])
})

test("an agent that does not stop when it is told to is ended; the other sessions of it are told why", async () => {
  const clock = { ...systemClock, after: (ms: number, fn: () => void) => systemClock.after(ms === 5_000 ? 50 : ms, fn) }
  await using room = hostRoom({ clock })
  const flags = ["--deaf-to-cancel", "--ignore-term", "--ignore-eof"]
  const one = room.start("say a;hang", { flags })
  const two = room.start("say b;hang", { flags, session: "two" })
  await one.until((event) => event.type === "text")
  await two.until((event) => event.type === "text")
  one.abort()
  assert.deepEqual(await one.end, { stop: "aborted" })
  const end = await two.end
  assert.equal(end.stop, "error")
  assert.match(end.error?.message ?? "", /did not stop when it was told to/)
})

test("open questions and requests for leave are answered with cancelled when the turn is stopped", async () => {
  await using room = hostRoom()
  const never = () => new Promise<never>(() => undefined)
  const heard = room.start("askhang", { turn: { leave: never } })
  while (!room.frames.some((one) => one.includes("request_permission"))) await new Promise((r) => setTimeout(r, 5))
  heard.abort()
  assert.equal((await heard.end).stop, "aborted")
  assert.ok(room.frames.some((one) => one.startsWith("out") && one.includes('"outcome":"cancelled"')))
})

for (const [where, script] of [
  ["initialize", "say x"],
  ["session/new", "say x"],
  ["session/set_config_option", "say x"],
  ["session/prompt", "say x"],
] as const)
  test(`a turn that is stopped while ${where} is not answered ends once`, async () => {
    const clock = {
      ...systemClock,
      after: (ms: number, fn: () => void) => systemClock.after(ms === 5_000 ? 50 : ms, fn),
    }
    await using room = hostRoom({ clock })
    const heard = room.start(script, { flags: [`--hang-at=${where}`], request: { model: "large" } })
    while (!room.frames.some((one) => one.startsWith("out") && one.includes(where)))
      await new Promise((resolve) => setTimeout(resolve, 5))
    heard.abort()
    assert.equal((await heard.end).stop, "aborted")
  })

test("a turn that was stopped before it began starts nothing", async () => {
  await using room = hostRoom()
  const heard = room.start("say x", { turn: { signal: AbortSignal.abort() } })
  assert.deepEqual(await heard.end, { stop: "aborted" })
  assert.equal(room.sent("session/prompt").length, 0)
})

test("nothing that an agent writes to its output stops the turn", async () => {
  await using room = hostRoom()
  const { end, heard } = await room.run("garbage;array;odd;split;say  ok;toolask c9;updatefirst u9")
  assert.equal(end.stop, "end_turn")
  assert.match(heard.text(), /日本語🙂.*ok.*\[yes\]/s)
  assert.ok(heard.events.some((one) => one.type === "tool" && one.callId === "u9"))
})

test("long lines come through, and one beyond the limit is refused without harm", async () => {
  await using room = hostRoom()
  const { heard } = await room.run("bigline 10")
  assert.equal(heard.text().length, 10 * 1024 * 1024)
  const { end, heard: next } = await room.run("bigline 65;say after")
  assert.equal(end.stop, "end_turn")
  assert.equal(next.text(), "after")
})

test("an id that is used twice is refused the second time", async () => {
  await using room = hostRoom()
  let answer = (_text: string): void => undefined
  const heard = room.start("dup;say end", {
    turn: { readText: () => new Promise((resolve) => void (answer = resolve)) },
  })
  while (!room.frames.some((one) => one.includes("is in use"))) await new Promise((resolve) => setTimeout(resolve, 5))
  answer("late")
  assert.equal((await heard.end).stop, "end_turn")
})

test("an agent that talks faster than it is kept is made to wait, and nothing is lost", async () => {
  await using room = hostRoom()
  const kept = Promise.withResolvers<void>()
  const words: string[] = []
  const heard = room.start("chunks 20000", {
    turn: {
      hear(event) {
        if (event.type !== "text") return undefined
        words.push(event.text)
        return kept.promise
      },
    },
  })
  for (let i = 0; i < 500 && words.length < 20_000; i++) await new Promise((resolve) => setTimeout(resolve, 1))
  const before = words.length
  kept.resolve()
  assert.equal((await heard.end).stop, "end_turn")
  assert.equal(words.length, 20_000)
  assert.ok(before < 20_000, "it was not read while nothing was kept")
})

test("closing ends every agent, and what it started, also in a group of its own", async () => {
  const room = hostRoom()
  const files = ["near", "far"].map((name) => join(room.folder, name))
  const flags = ["--ignore-eof", "--ignore-term"]
  const one = await room.run("pid", { flags: [...flags, `--child=${files[0]}`] })
  const two = await room.run("pid", { session: "two", flags: [`--far-child=${files[1]}`] })
  const running = room.start("say x;hang", { session: "three" })
  await running.until((event) => event.type === "text")
  const pids = [one.heard.text(), two.heard.text(), ...files.map((file) => readFileSync(file, "utf8"))].map(Number)
  await room[Symbol.asyncDispose]()
  assert.match((await running.end).error?.message ?? "", /Pincer is stopping/)
  for (const pid of pids) await gone(pid)
  const late = await room.run("say x")
  assert.equal(late.end.error?.code, "UNAVAILABLE")
})

test("what an earlier gateway left running is ended by the next one, and nobody else", async () => {
  let written: string | undefined
  const leftovers = { read: async () => written, write: async (text: string) => void (written = text) }
  const room = hostRoom({ leftovers })
  const file = join(room.folder, "child")
  await room.run("say x", { flags: [`--child=${file}`] })
  const child = Number(readFileSync(file, "utf8"))
  const [entry] = (JSON.parse(written!) as { processes: { pid: number; born: string; mark: string }[] }).processes
  assert.ok(entry && entry.born !== "" && (await markedProcesses(entry.mark)).includes(child))
  // As after kill -9: the agent goes by itself, its child stays; and the number of another process stands in the list, too.
  const other = spawn(process.execPath, ["-e", "setInterval(()=>{},1000)"], { detached: true, stdio: "ignore" })
  const stranger = { pid: other.pid!, born: "another birth", mark: "another mark" }
  const left = JSON.stringify({ processes: [entry, stranger] })
  await using next = hostRoom({ leftovers: { read: async () => left, write: async () => undefined } })
  await next.run("say x")
  await gone(child)
  await gone(entry.pid)
  assert.ok(runs(other.pid!) && other.exitCode === null && other.signalCode === null)
  other.kill("SIGKILL")
  await room[Symbol.asyncDispose]()
})

test("logging in: with a credential, with one in the environment, without", async () => {
  await using room = hostRoom()
  const credential = (id: string) => (id === "key" ? "sesame" : undefined)
  const by = await room.run("say in", { flags: ["--auth=key"], agent: { credential } })
  assert.equal(by.heard.text(), "in")
  assert.deepEqual(room.sent("authenticate"), [{ methodId: "key" }])
  const inEnv = { flags: ["--auth=key", "--auth-env=FAKE_KEY"], agent: { credential }, session: "env" }
  assert.equal((await room.run("say in", inEnv)).heard.text(), "in")
  const skip = await room.run("say in", { flags: ["--auth=key"], session: "skip", agent: { env: () => ({ A: "1" }) } })
  assert.equal(skip.end.error?.code, "AUTH_REQUIRED")
  assert.match(skip.end.error?.message ?? "", /"key" \(A key\).*agents\.entries\.fake\.acp\.credentials/)
  assert.deepEqual(skip.heard.notices(), ["login_wanted"])
  const fail = await room.run("say in", {
    ...{ flags: ["--auth=key"], session: "fail", agent: { env: () => ({ A: "1" }) } },
    turn: { authPolicy: "fail" },
  })
  assert.equal(fail.end.error?.code, "AUTH_REQUIRED")
  assert.deepEqual(fail.heard.notices(), [])
  const refused = await room.run("say in", {
    flags: ["--auth=key", "--auth-refused"],
    agent: { credential },
    session: "no",
  })
  assert.match(refused.end.error?.message ?? "", /did not accept the credential for "key".*wrong key/)
})

test("a trial says what an agent can do, or how to log in", async () => {
  await using room = hostRoom()
  const report = await room.host.probe(room.profile({ flags: ["--load", "--rich", "--close"] }), room.folder)
  assert.equal(report.facts.title, "Fake agent")
  assert.equal(report.facts.abilities.load, true)
  assert.equal(report.session.type === "ready" && report.session.facts.options?.length, 3)
  const login = await room.host.probe(room.profile({ flags: ["--auth=key"] }), room.folder)
  assert.match(login.session.type === "login" ? login.session.message : "", /log in/)
  await assert.rejects(room.host.probe(room.profile({ flags: ["--exit=3"] }), room.folder), PincerError)
})
