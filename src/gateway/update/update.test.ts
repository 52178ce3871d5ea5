import assert from "node:assert/strict"
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { type TestContext, test } from "node:test"
import { makeNpmPrefix, type NpmPrefix, startRegistry } from "../../../test/fakes/npm-prefix.ts"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { configSchema } from "../../config/schema.ts"
import { UpdateDesk, type UpdatePorts } from "./desk.ts"
import { ownerOf } from "./owner.ts"
import { UpdateRecord, type UpdateRun } from "./record.ts"

const refusal = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, text)
  return true
}

interface Room {
  npm: NpmPrefix
  home: string
  restarts: string[]
  told: (UpdateRun & { words?: string })[]
  ports: UpdatePorts
  desk: UpdateDesk
  /** The program that comes after this one. */
  next(version: string): UpdateDesk
}

async function open(t: TestContext, given: Partial<UpdatePorts> = {}): Promise<Room> {
  const npm = makeNpmPrefix()
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-update-home-")))
  const registry = await startRegistry("1.2.0")
  t.after(() => {
    registry.close()
    npm.remove()
    rmSync(home, { recursive: true, force: true })
  })
  const restarts: string[] = []
  const update = configSchema.parse({ update: { registry: registry.url } }).update
  const ports: UpdatePorts = {
    ...{ home, version: "1.0.0", node: process.execPath, log: silentLogger, program: npm.program },
    env: { PATH: process.env["PATH"] ?? "", HOME: home, SECRET_KEY: "s", npm_config_token: "t" },
    settings: () => update,
    restart: (why) => restarts.push(why),
    clock: { ...systemClock, sleep: async () => undefined },
    ...given,
  }
  const told: Room["told"] = []
  const desk = new UpdateDesk(ports)
  desk.onChanged = (run) => told.push(run)
  return { npm, home, restarts, told, ports, desk, next: (version) => new UpdateDesk({ ...ports, version }) }
}

const steps = ({ steps }: UpdateRun) => steps.map(({ exitCode, name }) => `${name} ${exitCode}`)

test("an update is put in its place by the prefix's own npm, verified, written down, and then restarted into", async (t) => {
  const { desk, next, npm, restarts, told } = await open(t)
  const run = await desk.run({ sessionKey: "main", note: "done" })
  assert.deepEqual([run.state, run.from, run.target, run.version], ["restarting", "1.0.0", "1.2.0", "1.2.0"])
  assert.deepEqual(steps(run), ["install 0", "verify 0"])
  const [{ args, keys } = { args: [], keys: [""] }] = npm.calls()
  assert.deepEqual(args.slice(0, 4), ["install", "--global", "--prefix", npm.prefix])
  assert.ok(args.includes("--ignore-scripts") && args.at(-1) === "pincer@1.2.0", args.join(" "))
  assert.deepEqual(keys, [], "no secrets of ours are npm's")
  await systemClock.sleep(0)
  assert.match(restarts.join(), /updated from 1\.0\.0 to 1\.2\.0/)
  assert.deepEqual([...new Set(told.map(({ state }) => state))], ["running", "restarting"])
  assert.ok(told.some(({ words }) => words?.startsWith("install")))
  const settled: UpdateRun[] = []
  const after = next("1.2.0")
  after.onSettled = async (one) => {
    settled.push(one)
  }
  await after.settle()
  await after.settle()
  assert.deepEqual(
    settled.map(({ note, state }) => [state, note]),
    [["done", "done"]],
    "told once",
  )
  assert.equal((await after.runs())[0]?.state, "done")
})

test("an older program that comes up again, and a gateway that died on the way, are failures that are told", async (t) => {
  const { desk, home, next } = await open(t)
  const run = await desk.run({})
  await next("1.0.0").settle()
  assert.match((await desk.runs())[0]?.reason ?? "", /1\.0\.0 was started, not 1\.2\.0/)
  await new UpdateRecord(home).put({ ...run, id: "cut off", state: "running" })
  await next("1.0.0").settle()
  const [last] = await desk.runs()
  assert.deepEqual([last?.id, last?.state], ["cut off", "failed"])
  writeFileSync(join(home, "update-runs.json"), "{ no json")
  await next("1.0.0").settle()
  assert.deepEqual(await desk.runs(), [])
})

test("what npm refuses changes nothing; a program that does not work is put back", async (t) => {
  const { desk, npm, restarts } = await open(t)
  npm.does("fail")
  const refused = await desk.run({ version: "1.1.0" })
  assert.deepEqual([refused.state, refused.version], ["failed", "1.0.0"])
  assert.match(refused.reason ?? "", /404 No such version/)
  assert.deepEqual(steps(refused), ["install 1", "verify old 0"])
  npm.does("sick")
  const sick = await desk.run({ version: "1.1.0" })
  assert.deepEqual(steps(sick), ["install 0", "verify 0", "put back 0", "verify old 0"])
  assert.deepEqual([sick.state, sick.version], ["failed", "1.0.0"])
  assert.match(sick.reason ?? "", /says "0\.0\.0", not 1\.1\.0; version 1\.0\.0 is in its place again/)
  npm.does("half")
  const half = await desk.run({ version: "1.1.0" })
  assert.deepEqual([half.state, half.version], ["failed", "1.0.0"])
  assert.match(half.reason ?? "", /in its place again/)
  npm.does("wrong")
  assert.match((await desk.run({ version: "1.1.0" })).reason ?? "", /putting 1\.0\.0 back failed/)
  assert.deepEqual(restarts, [])
})

test("a npm that hangs is ended at its deadline, and only one update runs at a time", async (t) => {
  const { desk, npm } = await open(t)
  npm.does("hang")
  const first = desk.run({ version: "1.1.0", timeoutMs: 1_000 })
  await new Promise<void>((resolve) => {
    desk.onChanged = () => resolve()
  })
  await assert.rejects(desk.run({}), refusal("UNAVAILABLE", /to 1\.1\.0 runs already/))
  const late = await first
  assert.match(late.reason ?? "", /was not done within 1 s/)
  assert.equal(late.state, "failed")
})

test("the newest is not installed again, an older or unknown one refused, and nobody restarts who cannot", async (t) => {
  const { desk, npm } = await open(t, { version: "1.2.0" })
  assert.deepEqual([(await desk.run({})).state, npm.calls().length], ["skipped", 0])
  await assert.rejects(desk.run({ version: "1.1.0" }), refusal("INVALID_PARAMS", /older than 1\.2\.0/))
  await assert.rejects(desk.run({ version: "../evil" }), refusal("INVALID_PARAMS", /"\.\.\/evil"/))
  const { desk: quiet } = await open(t, {
    settings: () => configSchema.parse({ update: { check: false } }).update,
  })
  await assert.rejects(quiet.run({}), refusal("UNAVAILABLE", /update\.check is false.*name the version/))
  const { desk: embedded } = await open(t, { restart: undefined as never })
  assert.equal((await embedded.run({})).state, "installed")
  assert.equal(embedded.restart("why"), false)
  const { desk: kept, restarts } = await open(t)
  assert.equal((await kept.run({ keepRunning: true })).state, "installed")
  assert.deepEqual(restarts, [])
  const { desk: inside } = await open(t, { program: undefined as never })
  await assert.rejects(inside.run({}), refusal("CONFLICT", /inside another program/))
})

test("only what npm installed for the machine is ours to replace; each other way is told what to type", async (t) => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "pincer-owner-")))
  t.after(() => rmSync(base, { recursive: true, force: true }))
  const put = (folder: string, ...marks: string[]) => {
    const root = join(base, folder)
    mkdirSync(join(root, "bin"), { recursive: true })
    writeFileSync(join(root, "bin", "pincer.js"), "")
    for (const mark of marks) {
      mkdirSync(dirname(join(base, mark)), { recursive: true })
      writeFileSync(join(base, mark), "{}")
    }
    return join(root, "bin", "pincer.js")
  }
  const cases: [program: string, kind: string, command: RegExp][] = [
    [put("checkout", "checkout/.git"), "git", /cd .*checkout && git pull && npm ci && pincer gateway restart/],
    [put("app/node_modules/pincer", "app/package.json"), "project", /cd .*app && npm install pincer@1\.2\.0/],
    [put("pnpm/global/5/.pnpm/pincer@1/node_modules/pincer"), "pnpm", /pnpm add --global/],
    [put(".npm/_npx/1f/node_modules/pincer"), "npx", /npx pincer@1\.2\.0/],
    [put(".bun/install/global/node_modules/pincer"), "bun", /bun add --global/],
    [put("opt/pincer"), "unknown", /npm install --global pincer@1\.2\.0/],
  ]
  for (const [program, kind, command] of cases) {
    assert.equal((await ownerOf(program)).kind, kind)
    const { desk, npm } = await open(t, { program })
    await assert.rejects(desk.run({}), refusal("CONFLICT", command))
    assert.deepEqual(npm.calls(), [])
  }
  const own = put("usr/lib/node_modules/pincer")
  mkdirSync(join(base, "usr", "bin"))
  symlinkSync(own, join(base, "usr", "bin", "pincer"))
  const found = await ownerOf(join(base, "usr", "bin", "pincer"))
  assert.deepEqual([found.kind, found.prefix], ["npm", join(base, "usr")])
})

test("a prefix that this user may not write is refused before npm is asked", async (t) => {
  if (process.getuid?.() === 0) return t.skip("NOT TESTED: root may write everywhere")
  const { desk, npm } = await open(t)
  chmodSync(dirname(npm.root), 0o555)
  t.after(() => chmodSync(dirname(npm.root), 0o755))
  await assert.rejects(desk.run({}), refusal("PERMISSION_DENIED", /sudo npm install --global pincer@1\.2\.0/))
  assert.deepEqual(npm.calls(), [])
})
