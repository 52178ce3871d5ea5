// pincer gateway call, probe, status, start, stop and restart as people and scripts type them: against a real gateway, and where there is none.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, describe, type TestContext, test } from "node:test"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

interface Ran {
  code: number | null
  out: string
  err: string
}

async function pincer(
  root: string,
  args: string[],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: root,
    env: { PATH: process.env["PATH"] ?? "", HOME: root, ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  })
  const said = { out: "", err: "" }
  child.stdout?.on("data", (chunk) => {
    said.out += chunk
  })
  child.stderr?.on("data", (chunk) => {
    said.err += chunk
  })
  child.stdin?.end(options.input)
  const [code] = await once(child, "close")
  return { code, ...said }
}

function makeRoot(t?: TestContext): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer-gateway-")))
  t?.after(async () => {
    if (existsSync(join(root, ".pincer"))) await pincer(root, ["gateway", "stop", "--force"])
    rmSync(root, { recursive: true, force: true })
  })
  return root
}

/** A home in `root` whose configuration says so. */
function makeHome(root: string, gateway: Record<string, unknown>): string {
  const home = join(root, ".pincer")
  mkdirSync(home, { mode: 0o700 })
  const config = { gateway: { port: 0, ...gateway }, models: { discover: false } }
  writeFileSync(join(home, "pincer.json"), JSON.stringify(config), { mode: 0o600 })
  return home
}

/** A port at which something listens that is no gateway. */
async function heldPort(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.end("220 mail\r\n"))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

describe("a gateway that is named", () => {
  const root = makeRoot()
  let fake: FakeModel
  let house: House
  let flags: string[]
  before(async () => {
    fake = await startFakeModel()
    house = await startHouse({ fake: fake.url })
    writeFileSync(join(root, "token"), `${house.token}\n`, { mode: 0o600 })
    flags = ["--url", house.wsUrl, "--token-file", join(root, "token")]
  })
  after(async () => {
    await house.close()
    await fake.close()
    rmSync(root, { recursive: true, force: true })
  })
  const gateway = (args: string[], options?: Parameters<typeof pincer>[2]) =>
    pincer(root, ["gateway", ...args], options)

  test("call prints the answer as JSON; params come as text, from a file or from standard input", async () => {
    const health = await gateway(["call", "health", ...flags])
    assert.equal(health.code, 0, health.err)
    assert.equal(JSON.parse(health.out).ok, true)
    const params = '{ "limit": 1, "search": "没有" }'
    writeFileSync(join(root, "params.json"), params)
    for (const [given, input] of [[params], ["@params.json"], ["-", params]]) {
      const list = await gateway(["call", "sessions.list", "--params", given ?? "", ...flags], { input })
      assert.equal(list.code, 0, list.err)
      assert.deepEqual(JSON.parse(list.out).sessions, [])
    }
  })

  test("call names the method that was meant", async () => {
    const near = await gateway(["call", "sesions.list", ...flags])
    assert.deepEqual(
      [near.code, /unknown method: sesions\.list: did you mean sessions\.list\?/.test(near.err)],
      [2, true],
    )
    assert.match((await gateway(["call", "zzzzzzzz", ...flags])).err, /docs\/protocol\.md lists them all/)
  })

  test("call waits for the second answer when told to, and prints everything on the way with --stream", async () => {
    fake.script({ text: "第一 second" }, { text: "third" })
    const params = (key: string) => JSON.stringify({ message: "hi", sessionKey: key, idempotencyKey: key })
    const final = await gateway(["call", "agent", "--expect-final", "--params", params("one"), ...flags])
    assert.equal(final.code, 0, final.err)
    const answer = JSON.parse(final.out)
    assert.equal(answer.status, "ok")
    assert.equal(answer.result.payloads[0].text, "第一 second")
    const stream = await gateway(["call", "agent", "--stream", "--params", params("two"), ...flags])
    const lines = stream.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.equal(lines.at(-1).type, "answer")
    assert.equal(lines.at(-1).payload.result.payloads[0].text, "third")
    assert.ok(lines.some((line) => line.type === "accepted" && line.payload.status === "accepted"))
    assert.ok(lines.some((line) => line.type === "event" && line.event === "agent"))
  })

  test("call refuses with a sentence and the exit code of the error table", async () => {
    const cases: [string[], number, RegExp][] = [
      [["call", "no.such.method", ...flags], 2, /no\.such\.method/],
      [["call", "health", "--params", "[1]", ...flags], 2, /not a JSON object/],
      [["call", "health", "--params", "{a", ...flags], 2, /is not JSON/],
      [["call", "health", "--params", "@nowhere", ...flags], 4, /nowhere cannot be read/],
      [["call", "health", "--timeout", "soon", ...flags], 2, /not a length of time/],
      [["call", "health", "--url", house.wsUrl, "--token", "wrong"], 1, /token/],
      [["call", "health", "--url", "ws://127.0.0.1:1"], 1, /No gateway answers at ws:\/\/127\.0\.0\.1:1/],
      [["call", "health", "--password", "x", ...flags], 2, /either --password or a token/],
      [["call", "health", "--url", house.wsUrl, "--server", "ws://other"], 2, /either --url or --server/],
      [["call", "health", "--wrong", ...flags], 2, /unknown option/i],
      [["call"], 2, /method/],
      [["statsu"], 2, /did you mean "pincer gateway status"/],
      [["nothing-like-it"], 2, /pincer gateway --help/],
      [["status", "--timeout", "0"], 2, /not a length of time/],
    ]
    for (const [args, code, words] of cases) {
      const ran = await gateway(args)
      assert.equal(ran.code, code, `${args.join(" ")}: ${ran.err}`)
      assert.match(ran.err, words)
    }
    const json = await gateway(["call", "no.such.method", "--json", ...flags])
    assert.equal(JSON.parse(json.out).error.code, "METHOD_NOT_FOUND")
  })

  test("no token of this machine is shown to a gateway that a flag names", async () => {
    const { code, err } = await gateway(["call", "health", "--url", house.wsUrl], {
      env: { PINCER_GATEWAY_TOKEN: house.token },
    })
    assert.equal(code, 1)
    assert.match(err, /token/)
  })

  test("probe tells reachable from let in, and ends with 0 only when one lets it in", async () => {
    const good = await gateway(["probe", "--json", ...flags])
    assert.equal(good.code, 0, good.err)
    const { probes } = JSON.parse(good.out)
    assert.deepEqual([probes[0].target, probes[0].auth, probes[0].reachable], ["named", "ok", true])
    assert.ok(probes[0].scopes.includes("operator.read"))
    const verdicts: [string[], string, boolean][] = [
      [["--url", house.wsUrl], "needed", true],
      [["--url", house.wsUrl, "--token", "wrong"], "refused", true],
    ]
    for (const [args, auth, reachable] of verdicts) {
      const ran = await gateway(["probe", "--json", ...args])
      assert.equal(ran.code, 1)
      const [probe] = JSON.parse(ran.out).probes
      assert.deepEqual([probe.auth, probe.reachable], [auth, reachable])
    }
    const gone = await gateway(["probe", "--url", "ws://127.0.0.1:1"])
    assert.equal(gone.code, 1)
    assert.match(gone.out, /not reachable/)
    assert.match(gone.err, /fix: /)
  })

  test("status of it says whose it is; --deep asks the model service and for the disk", async () => {
    const deep = await gateway(["status", "--deep", "--json", ...flags])
    assert.equal(deep.code, 0, deep.err)
    const status = JSON.parse(deep.out)
    assert.deepEqual([status.verdict, status.namedBy, status.probe.reachable], ["running", "--server", true])
    assert.equal(status.deep.model.reachable, true)
    assert.ok(status.deep.disk.availableBytes > 0)
    assert.equal(status.service, undefined, "the process of another machine is not known")
    const wrong = await gateway(["status", "--json", "--url", house.wsUrl, "--password", "wrong"])
    assert.equal(wrong.code, 1)
    const told = JSON.parse(wrong.out)
    assert.equal(told.verdict, "unreachable")
    assert.match(told.next, new RegExp(`--server ${house.wsUrl} --token-file`))
  })
})

describe("the gateway of this home", () => {
  test("start and restart keep its flags; another token than the one it was started with is told", async (t) => {
    const root = makeRoot(t)
    const home = makeHome(root, { port: 1 })
    const run = (args: string[], env?: Record<string, string>) => pincer(root, args, { env })
    writeFileSync(join(root, "token"), "a-token-of-its-own-0123456789\n")
    const mine = ["--token-file", join(root, "token")]
    const started = await run([...mine, "gateway", "start", "--port", "0", "--json"])
    assert.equal(started.code, 0, started.err)
    const info = JSON.parse(started.out)
    assert.equal(JSON.parse(readFileSync(join(home, "gateway.json"), "utf8")).startedWith.port, "0")
    assert.doesNotMatch(readFileSync(join(home, "gateway.json"), "utf8"), /a-token-of-its-own/)

    const refused = await run(["gateway", "restart"])
    assert.equal(refused.code, 1)
    assert.match(refused.err, /started with a token that this command does not know/)
    const other = await run(["status", "--json"])
    assert.match(JSON.parse(other.out).problems[0].text, /token/)

    // What could not come up is refused before anything is stopped.
    const nonsense = await run([...mine, "gateway", "restart", "--port", "99999"])
    assert.deepEqual([nonsense.code, /"99999" is not a port/.test(nonsense.err)], [2, true], nonsense.err)
    const taken = await run([...mine, "gateway", "restart", "--port", String(await heldPort(t))])
    assert.match(taken.err, /is taken by .*: the gateway was left as it is/)
    assert.equal(JSON.parse(readFileSync(join(home, "gateway.json"), "utf8")).pid, info.pid)

    // With the configuration's port it could not even start.
    const again = await run([...mine, "gateway", "restart", "--json"])
    assert.equal(again.code, 0, again.err)
    assert.notEqual(JSON.parse(again.out).pid, info.pid)
    assert.equal((await run([...mine, "status"])).code, 0)
    const quick = JSON.parse((await run([...mine, "gateway", "status", "--no-probe", "--json"])).out)
    assert.deepEqual([quick.verdict, quick.probe, quick.service.status], ["running", undefined, "running"])
  })

  test("one that does not end when asked is ended by force", async (t) => {
    const root = makeRoot(t)
    const home = makeHome(root, {})
    const run = (args: string[]) => pincer(root, args)
    const { pid } = JSON.parse((await run(["gateway", "start", "--json"])).out)
    process.kill(pid, "SIGSTOP")
    const patient = await run(["gateway", "stop", "--timeout", "50ms"])
    assert.equal(patient.code, 3)
    assert.match(patient.err, /gateway stop --force/)
    const forced = await run(["gateway", "stop", "--force", "--timeout", "50ms", "--json"])
    assert.deepEqual([forced.code, JSON.parse(forced.out).killed], [0, true])
    const left = await run(["status"])
    assert.match(left.out, new RegExp(`The last one \\(pid ${pid}\\) ended without a word`))
    assert.equal((await run(["gateway", "stop"])).out.trim(), `No gateway runs on ${home}.`)
  })

  test("what keeps it from running is told, and what to type next", async (t) => {
    const port = await heldPort(t)
    const root = makeRoot(t)
    const home = makeHome(root, { port })
    const held = await pincer(root, ["gateway", "status", "--json"])
    assert.equal(held.code, 1)
    const status = JSON.parse(held.out)
    assert.match(status.problems[0].text, new RegExp(`port ${port} on 127.0.0.1 is held by `))
    assert.equal(status.next, `pincer config set gateway.port ${port + 1} && pincer gateway start`)
    if (process.platform === "linux") assert.match(status.problems[0].text, new RegExp(`pid ${process.pid}`))

    const failed = await pincer(root, ["gateway", "start"])
    assert.equal(failed.code, 1)
    assert.match(failed.err, new RegExp(`Port ${port} on 127.0.0.1 is taken`))

    writeFileSync(join(home, "pincer.json"), '{ "gateway": { "prt": 1 } }')
    const broken = await pincer(root, ["status"])
    assert.match(broken.out, /Pincer is not running/)
    assert.match(broken.out, /fix: pincer config check/)
  })
})
