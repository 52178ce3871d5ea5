import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { loadConfig } from "../../config/load.ts"
import { pathsIn } from "../../config/paths.ts"
import { openStore } from "../../store/open.ts"
import type { Diagnosis, DoctorRoom, GatewayLook } from "./check.ts"
import { checks, chosen, diagnose, examine } from "./examine.ts"
import { plansOf, repair, repairs, shownPlan, undoRepair } from "./repair.ts"

const base = mkdtempSync(join(tmpdir(), "pincer-doctor-"))
after(() => rmSync(base, { recursive: true, force: true }))
let made = 0

function makeHome(config?: unknown): string {
  const home = join(base, `home-${++made}`)
  mkdirSync(home, { mode: 0o700 })
  if (config !== undefined)
    writeFileSync(join(home, "pincer.json"), typeof config === "string" ? config : JSON.stringify(config), {
      mode: 0o600,
    })
  return home
}

function roomOf(home: string, more: Partial<DoctorRoom> = {}): DoctorRoom {
  const env = { PINCER_HOME: home, PATH: process.env["PATH"] ?? "", ...more.env }
  const config = () => {
    try {
      return { loaded: loadConfig({ env }) }
    } catch (error) {
      return { refused: error instanceof PincerError ? error.message : String(error) }
    }
  }
  return {
    env,
    paths: { home, config: join(home, "pincer.json"), configNamed: false, ...pathsIn(home) },
    version: "1.0.0",
    clock: systemClock,
    config: config(),
    running: undefined,
    inside: false,
    reach: async () => ({ state: "none" }),
    ...more,
  }
}

async function look(room: DoctorRoom, ...only: string[]): Promise<Diagnosis[]> {
  const found: Diagnosis[] = []
  // The sandbox is tried for real, which takes its time: only where it is asked for.
  const choice = only.length > 0 ? { only } : { skip: ["sandbox.available"] }
  for await (const one of examine(room, choice)) found.push(one)
  return found
}

const one = async (room: DoctorRoom, id: string) => (await look(room, id))[0]!

function answering(answers: Record<string, unknown>): () => Promise<GatewayLook> {
  const ask = async (method: string) => {
    if (!(method in answers)) throw new PincerError("METHOD_NOT_FOUND", `unknown method: ${method}`)
    return answers[method] as Record<string, unknown>
  }
  return async () => ({ state: "answers", name: "ws://x", tookMs: 3, ask })
}

test("ids are unique, and docs/doctor.md tells of each check and of no other", () => {
  const ids = checks.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  const told = [...readFileSync("docs/doctor.md", "utf8").matchAll(/^\| `([\w.]+)` \|/gm)].map((match) => match[1]!)
  assert.deepEqual(told.sort(), ids.sort())
})

test("checks are chosen by id, by family, or for safety; a name that is not there is refused", () => {
  const ids = (choice: Parameters<typeof chosen>[0]) => chosen(choice).map(({ id }) => id)
  assert.deepEqual(ids({ only: ["token", "clock"] }), ["token.file", "token.strength", "clock"])
  assert.ok(!ids({ skip: ["exposure"] }).some((id) => id.startsWith("exposure")))
  assert.ok(ids({ security: true }).includes("exposure.bind") && !ids({ security: true }).includes("clock"))
  assert.throws(() => chosen({ only: ["tokens"] }), /There is no check "tokens"/)
  assert.throws(() => chosen({ skip: ["x"] }), /There is no check "x"/)
})

test("looking changes nothing: an absent home stays absent, one with a database keeps every byte and name", async () => {
  const absent = join(base, "absent")
  // Whether the usual port is taken is not for this test to say.
  const problems = (found: readonly Diagnosis[]) =>
    found.filter(({ id, verdict }) => verdict === "problem" && id !== "port.available")
  const first = await look(roomOf(absent))
  assert.equal(existsSync(absent), false)
  assert.deepEqual(problems(first), [])
  const home = makeHome({ log: { level: "info" } })
  const store = openStore({ path: join(home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  await store.close()
  const picture = () =>
    readdirSync(home).map((name) => [
      name,
      statSync(join(home, name)).mode,
      readFileSync(join(home, name)).toString("base64"),
    ])
  const before = picture()
  const found = await look(roomOf(home))
  assert.deepEqual(picture(), before)
  assert.deepEqual(problems(found), [])
})

test("a home that is a file, whose parent cannot be written, that is synced, that others see", async () => {
  const file = join(base, "file")
  writeFileSync(file, "")
  assert.match((await one(roomOf(file), "home.permissions")).text, /is not a folder/)
  const shut = join(base, "shut")
  mkdirSync(shut, { mode: 0o500 })
  // Root may write everywhere.
  if (process.getuid?.() !== 0)
    assert.match((await one(roomOf(join(shut, "home")), "home.permissions")).text, /shut cannot be written/)
  assert.equal((await one(roomOf("/home/u/Dropbox/.pincer"), "home.synced")).verdict, "problem")
  assert.equal((await one(roomOf("/home/u/dropbox-notes/.pincer"), "home.synced")).verdict, "ok")
  const home = makeHome()
  chmodSync(home, 0o750)
  const seen = await one(roomOf(home), "home.permissions")
  assert.deepEqual([seen.verdict, seen.repair], ["warning", [{ type: "mode", path: home, from: 0o750, to: 0o700 }]])
  for (const found of await look(roomOf(file))) assert.ok(found.text !== "", found.id)
})

test("a broken configuration is a problem with its place, and what depends on it is skipped, not guessed", async () => {
  const room = roomOf(makeHome('{ "gateway": { "port": "many" } }'))
  const valid = await one(room, "config.valid")
  assert.deepEqual([valid.verdict, valid.repair], ["problem", undefined])
  assert.match(valid.text, /line 1, column \d+: .*gateway\.port/)
  for (const found of await look(room, "exposure", "policy", "token.strength", "port"))
    assert.equal(found.verdict, "skipped", found.id)
})

test("keys with a slip are put right with their comments; anything else beside them is left to a person", async () => {
  const text = '{\n  // mine\n  "gatway": { "prot": 1, },\n}\n'
  const found = await one(roomOf(makeHome(text)), "config.valid")
  assert.deepEqual(
    found.repair?.map((change) => change.type === "write" && change.after),
    ['{\n  // mine\n  "gateway": { "port": 1, },\n}\n'],
  )
  for (const other of ['{ "gatway": { "prot": "x" } }', '{ "gatway": {}, "gateway": {} }', '{ "zzzzzz": 1 }', "{"])
    assert.equal((await one(roomOf(makeHome(other)), "config.valid")).repair, undefined, other)
})

test("tokens: files that others read, links, short and repeated ones, references that lead nowhere", async () => {
  const home = makeHome({
    gateway: { auth: { token: "short" } },
    providers: { a: { apiKey: { env: "NOT_SET" } }, b: { apiKey: { file: "key" } } },
  })
  writeFileSync(join(home, "gateway.token"), "x", { mode: 0o644 })
  writeFileSync(join(home, "key"), "k", { mode: 0o644 })
  writeFileSync(join(home, "audit.key"), "k", { mode: 0o640 })
  const room = roomOf(home)
  const file = await one(room, "token.file")
  assert.deepEqual([file.verdict, file.repair?.length], ["problem", 1])
  assert.match((await one(room, "token.strength")).text, /5 characters: it can be guessed/)
  const references = (await one(room, "secrets.references")).text
  assert.match(references, /NOT_SET is not set/)
  assert.match(references, /can read key: chmod 600 key/)
  assert.deepEqual(
    (await one(room, "secrets.files")).repair?.map(({ path }) => path),
    [join(home, "audit.key")],
  )
  rmSync(join(home, "gateway.token"))
  symlinkSync("key", join(home, "gateway.token"))
  assert.match((await one(room, "token.file")).text, /is a link/)
  const env = { PINCER_GATEWAY_TOKEN: "a".repeat(40) }
  assert.equal((await one(roomOf(home, { env: { ...room.env, ...env } }), "token.strength")).verdict, "warning")
  const whole = await look(room)
  assert.doesNotMatch(JSON.stringify(whole.filter(({ id }) => id !== "config.valid")), /"short"/)
})

test("a database that is damaged or no database; one whose log a crash left is looked at in a copy", async () => {
  const home = makeHome()
  writeFileSync(join(home, "pincer.db"), Buffer.alloc(5000, 65))
  const bad = await one(roomOf(home), "database.readable")
  assert.equal(bad.verdict, "problem")
  assert.match(`${bad.text} ${bad.fix}`, /not a database.*pincer backup restore latest/)
  assert.equal((await one(roomOf(home), "work.stuck")).verdict, "skipped")
  const other = makeHome()
  const crashed = `
    const { openStore } = await import(${JSON.stringify(join(import.meta.dirname, "../../store/open.ts"))})
    const { systemClock } = await import(${JSON.stringify(join(import.meta.dirname, "../../base/clock.ts"))})
    const { DatabaseSync } = await import("node:sqlite")
    const path = process.argv[1]
    openStore({ path, durability: "normal" }, systemClock, { error() {} })
    const db = new DatabaseSync(path)
    db.exec("INSERT INTO steps VALUES ('t','k',1,'once','intended',NULL,1)")
    db.exec("INSERT INTO turns (id,session_key,session_id,agent_id,status,request,accepted_at) VALUES ('t','s','i','main','running','{}',1)")
    process.kill(process.pid, "SIGKILL")`
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", crashed, join(other, "pincer.db")], {
    encoding: "utf8",
  })
  assert.equal(ran.signal, "SIGKILL", ran.stderr)
  const names = readdirSync(other).sort()
  assert.ok(statSync(join(other, "pincer.db-wal")).size > 0)
  const [readable, uncertain, stuck] = await look(roomOf(other), "database.readable", "work.uncertain", "work.stuck")
  assert.match(readable?.text ?? "", /is sound/)
  assert.match(`${uncertain?.verdict} ${uncertain?.text}`, /^warning 1 act that began has no outcome/)
  assert.match(`${stuck?.verdict} ${stuck?.text}`, /^warning 1 turn has not ended/)
  assert.deepEqual(readdirSync(other).sort(), names)
})

test("a port that is taken is said with who has it; a gateway that answers is asked, one that does not is said", async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => server.once("listening", resolve))
  const { port } = server.address() as AddressInfo
  const home = makeHome({ gateway: { port } })
  const portHolder = async () => ({ kind: "program", process: { pid: 7, name: "nginx" } })
  const taken = await one(roomOf(home, { portHolder }), "port.available")
  server.close()
  assert.match(taken.text, /is taken by nginx \(pid 7\)/)
  const status = {
    version: "0.9.0",
    startedAt: 0,
    uptimeMs: 0,
    model: { provider: "x", model: "m", why: "chosen" },
    sandbox: { available: false, detail: "no bwrap", install: "apt install bubblewrap" },
  }
  const agents = {
    agents: [{ id: "codex", runsOn: "acp", configured: true, installed: false, install: "npm i -g codex" }],
  }
  const probe = { available: false, error: "401" }
  const mcp = { servers: [{ name: "files", enabled: true, state: "failed" }] }
  const cron = { jobs: [{ name: "nightly", enabled: true, state: { lastStatus: "error" } }] }
  const reach = answering({
    status,
    "agents.list": agents,
    "models.probe": probe,
    "mcp.status": mcp,
    "cron.list": cron,
    "autonomy.get": { enabled: false, schedules: { active: 2 } },
    "device.pair.list": { pending: [{}] },
  })
  const found = await look(
    roomOf(home, { reach }),
    "gateway",
    "clock",
    "model",
    "sandbox.available",
    "agents",
    "mcp",
    "schedules",
    "autonomy",
    "devices",
  )
  assert.deepEqual(
    found.map(({ id, verdict, fix }) => [id, verdict, fix]),
    [
      ["gateway.lastStart", "ok", undefined],
      ["gateway.reachable", "ok", undefined],
      ["gateway.version", "warning", "pincer gateway restart"],
      ["clock", "problem", "set the clock of the machine that is wrong"],
      ["model.configured", "ok", undefined],
      ["model.reachable", "problem", "pincer models list"],
      ["sandbox.available", "warning", "apt install bubblewrap"],
      ["agents.installed", "problem", "npm i -g codex"],
      ["mcp.servers", "problem", "pincer mcp status"],
      ["schedules.failing", "warning", "pincer cron list"],
      ["autonomy", "warning", "pincer gateway autonomy on"],
      ["devices.pending", "warning", "pincer device list"],
    ],
  )
  const silent = async (): Promise<GatewayLook> => ({ state: "silent", why: "wrong token", fix: "give another" })
  const [reached, version] = await look(roomOf(home, { reach: silent }), "gateway.reachable", "gateway.version")
  assert.deepEqual([reached?.verdict, reached?.text, version?.verdict], ["problem", "wrong token", "skipped"])
})

test("a check that never ends, or fails itself, is a finding", async () => {
  const room = roomOf(makeHome())
  const check = { id: "x", category: "machine" as const, about: "" }
  const slow = await diagnose({ ...check, run: () => new Promise(() => undefined) }, room, 10)
  assert.match(`${slow.verdict} ${slow.text}`, /^warning This did not end within 0\.01 s/)
  const broken = await diagnose({ ...check, run: () => assert.fail("oh") }, room)
  assert.match(`${broken.verdict} ${broken.text}`, /^warning This could not be looked at: oh/)
})

test("what is open to strangers is found before a gateway starts", async () => {
  const verdicts = async (config: unknown, ...ids: string[]) =>
    (await look(roomOf(makeHome(config)), ...ids)).map(({ verdict }) => verdict)
  const open = { gateway: { host: "0.0.0.0", auth: { mode: "none", allowInsecure: true } } }
  assert.deepEqual(await verdicts(open, "exposure.bind", "exposure.auth"), ["problem", "warning"])
  assert.deepEqual(await verdicts({ gateway: { host: "192.0.2.1" } }, "exposure.bind"), ["warning"])
  assert.deepEqual(
    await verdicts(
      { gateway: { allowedOrigins: ["*"], allowedHosts: ["*"], trustedProxies: ["0.0.0.0/0"] } },
      "exposure.origins",
      "exposure.hosts",
      "exposure.proxies",
    ),
    ["problem", "problem", "problem"],
  )
  assert.deepEqual(await verdicts({ gateway: { allowedOrigins: ["http://a.example"] } }, "exposure.origins"), [
    "warning",
  ])
  assert.deepEqual(await verdicts({ gateway: { auth: { rateLimit: { lockoutMs: 0 } } } }, "exposure.guessing"), [
    "warning",
  ])
  const everything = { agents: { defaults: { permissions: { mode: "approve-all" } } } }
  assert.deepEqual(await verdicts(everything, "policy.modes"), ["warning"])
  assert.deepEqual(await verdicts({ ...everything, gateway: { host: "0.0.0.0" } }, "policy.modes"), ["problem"])
  assert.deepEqual(await verdicts({ tools: { fetch: { allowHosts: ["169.254.169.254"] } } }, "policy.fetch"), [
    "problem",
  ])
  assert.deepEqual(await verdicts({ tools: { elevated: { allowFrom: { tele: ["*"] } } } }, "policy.elevated"), [
    "warning",
  ])
  assert.deepEqual(await verdicts({ sandbox: { profiles: { wide: { write: ["/etc"] } } } }, "sandbox.profiles"), [
    "warning",
  ])
  const plain = {
    providers: { far: { baseUrl: "http://models.example/v1" }, near: { baseUrl: "http://127.0.0.1:1/v1" } },
  }
  assert.deepEqual(await verdicts(plain, "exposure.services"), ["warning"])
  assert.ok((await verdicts({}, "exposure", "policy", "sandbox.profiles")).every((verdict) => verdict === "ok"))
})

/** A home with an open token, a slip in the configuration and a draft from yesterday. */
function sickHome(): { home: string; draft: string } {
  const home = makeHome('{ "gateway": { "prot": 5 }, "providers": { "a": { "apiKey": "sk-0123456789abcdef0123" } } }')
  writeFileSync(join(home, "gateway.token"), "tok", { mode: 0o644 })
  chmodSync(join(home, "pincer.json"), 0o640)
  const draft = join(home, "pincer.json.next")
  writeFileSync(draft, "half")
  utimesSync(draft, 0, Date.now() / 1000 - 90_000)
  return { home, draft }
}

test("a repair shows what it does without secrets, keeps what was, passes its checks, and is taken back", async () => {
  const { home, draft } = sickHome()
  const ids = ["home", "config", "token"]
  const plans = plansOf(await look(roomOf(home), ...ids))
  assert.deepEqual(
    plans.map(({ id }) => id),
    ["home.leftovers", "config.valid", "config.permissions", "token.file"],
  )
  const shown = plans.flatMap(shownPlan).join("\n")
  assert.match(shown, /-\{ "gateway": \{ "prot": 5[\s\S]*\+\{ "gateway": \{ "port": 5[\s\S]*-mode 0644\n\+mode 0600/)
  assert.doesNotMatch(shown, /sk-0123456789/)
  const place = { home, version: "1.0.0", now: Date.UTC(2026, 10, 21) }
  const { id } = repair(plans, place)
  assert.deepEqual(plansOf(await look(roomOf(home), ...ids)), [])
  assert.equal(existsSync(draft), false)
  assert.deepEqual(
    [statSync(join(home, "gateway.token")).mode & 0o777, statSync(join(home, "doctor")).mode & 0o777],
    [0o600, 0o700],
  )
  const { left } = undoRepair(home, undefined, 5)
  assert.deepEqual(left, [])
  assert.equal(readFileSync(draft, "utf8"), "half")
  assert.match(readFileSync(join(home, "pincer.json"), "utf8"), /"prot": 5/)
  assert.deepEqual(
    ["pincer.json", "gateway.token"].map((name) => statSync(join(home, name)).mode & 0o777),
    [0o640, 0o644],
  )
  assert.deepEqual(
    repairs(home).map((one) => [one.id, one.undoneAt]),
    [[id, 5]],
  )
  assert.throws(() => undoRepair(home, undefined, 6), /no repair that could be taken back/)
  assert.throws(() => undoRepair(home, id, 6), /was taken back already/)
  assert.throws(() => undoRepair(home, "x", 6), /There is no repair "x"/)
})

test("what somebody changed since is not put back over, and what changed before a repair stops it", async () => {
  const { home } = sickHome()
  const plans = plansOf(await look(roomOf(home), "config", "token"))
  const place = { home, version: "1.0.0", now: 0 }
  chmodSync(join(home, "gateway.token"), 0o666)
  assert.throws(() => repair(plans, place), /gateway\.token is not as it was looked at/)
  assert.match(readFileSync(join(home, "pincer.json"), "utf8"), /"prot": 5/, "the changes before it were taken back")
  chmodSync(join(home, "gateway.token"), 0o644)
  repair(plans, place)
  writeFileSync(join(home, "pincer.json"), '{ "gateway": { "port": 6 } }')
  const { left } = undoRepair(home, undefined, 1)
  assert.deepEqual(left, [`${join(home, "pincer.json")} was changed since`])
  assert.match(readFileSync(join(home, "pincer.json"), "utf8"), /"port": 6/)
})

test("a repair that was killed after any step can be taken back as a whole", async () => {
  const killed = `
    const [room, home, plans, at, nth] = process.argv.slice(1)
    const { repair } = await import(room + "/repair.ts")
    let left = Number(nth)
    const reached = (point) => { if (point === at && --left === 0) process.kill(process.pid, "SIGKILL") }
    repair(JSON.parse(plans), { home, version: "1", now: 0, reached })`
  for (const [point, nth] of [
    ["kept", 1],
    ["kept", 3],
    ["changed", 4],
  ] as const) {
    const { home, draft } = sickHome()
    const plans = plansOf(await look(roomOf(home), "home", "config", "token"))
    const args = [import.meta.dirname, home, JSON.stringify(plans), point, String(nth)]
    const ran = spawnSync(process.execPath, ["--input-type=module", "-e", killed, ...args], { encoding: "utf8" })
    assert.equal(ran.signal, "SIGKILL", ran.stderr)
    assert.deepEqual(undoRepair(home, undefined, 1).left, [], `${point} ${nth}`)
    assert.equal(readFileSync(draft, "utf8"), "half")
    assert.match(readFileSync(join(home, "pincer.json"), "utf8"), /"prot": 5/)
    assert.equal(statSync(join(home, "gateway.token")).mode & 0o777, 0o644)
  }
})
