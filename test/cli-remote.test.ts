// The command line and a gateway behind TLS, as it stands on another machine: everything works as with the local one, and what is wrong
// with a certificate is one line.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, connect, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, type TestContext, test } from "node:test"
import { createServer } from "node:tls"
import { fileURLToPath } from "node:url"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

const TERMINAL = fileURLToPath(new URL("./fakes/terminal.py", import.meta.url))
const MISSING = "NOT TESTED: openssl is not there, so no certificate could be made"

let dir: string
let fake: FakeModel
let house: House
let front: { port: number; close(): Promise<void> } | undefined

/** A key and a certificate that signs itself; false without openssl. */
function certify(name: string, more: string[]): boolean {
  const made = spawnSync("openssl", [
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=pincer-test".split(" "),
    ...["-keyout", join(dir, `${name}.key`), "-out", join(dir, `${name}.pem`), ...more],
  ])
  return made.status === 0
}

/** TLS in front of a plain port. */
async function startFront(certificate: string, target: string): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const files = {
    key: readFileSync(join(dir, `${certificate}.key`)),
    cert: readFileSync(join(dir, `${certificate}.pem`)),
  }
  const server: Server = createServer(files, (near) => {
    const far = connect(Number(new URL(target).port), "127.0.0.1")
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
    }
    near.pipe(far).pipe(near)
    near.on("close", () => far.destroy())
    far.on("close", () => near.destroy())
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "pincer-tls-"))
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url })
  writeFileSync(join(dir, "token"), `${house.token}\n`, { mode: 0o600 })
  if (certify("good", ["-days", "2", "-addext", "subjectAltName=DNS:localhost"]))
    front = await startFront("good", house.url)
})
after(async () => {
  await front?.close()
  await house.close()
  await fake.close()
  rmSync(dir, { recursive: true, force: true })
})

interface Ran {
  code: number | null
  out: string
  err: string
}

async function pincer(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: dir,
    env: { PATH: process.env["PATH"] ?? "", HOME: dir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
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

/** The flags that name the gateway behind TLS; undefined when there is none, and the test skipped. */
function remote(t: TestContext, trust = true): string[] | undefined {
  if (!front) {
    t.skip(MISSING)
    return undefined
  }
  const flags = ["--server", `wss://localhost:${front.port}`, "--token-file", join(dir, "token")]
  return trust ? [...flags, "--ca-file", join(dir, "good.pem")] : flags
}

test("ask, session, job, approvals, audit and status work over wss:// as they do here", async (t) => {
  const flags = remote(t)
  if (!flags) return
  const asked = await pincer(["ask", "from afar", "--session", "far", ...flags])
  assert.deepEqual(asked, { code: 0, out: "Hello from the fake model.\n", err: "" })
  const job = await pincer(["job", "submit", "work from afar", "--watch", ...flags])
  assert.deepEqual([job.code, job.out], [0, "Hello from the fake model.\n"])
  assert.match((await pincer(["session", "list", ...flags])).out, /agent:main:far/)
  assert.match((await pincer(["session", "show", "far", ...flags])).out, /from afar/)
  assert.match((await pincer(["job", "list", ...flags])).out, /completed/)
  assert.equal((await pincer(["approvals", "list", ...flags])).code, 0)
  assert.equal((await pincer(["audit", "list", ...flags])).code, 0)
  const status = JSON.parse((await pincer(["status", "--json", ...flags])).out)
  assert.deepEqual([status.verdict, status.url], ["running", `wss://localhost:${front?.port}`])
})

test("gateway.remote in the configuration is the gateway of every command; starting and stopping stay at home", async (t) => {
  if (!remote(t) || !front) return
  const url = `wss://localhost:${front.port}`
  const pairs = { PINCER_CA_FILE: join(dir, "good.pem"), PINCER_HOME: mkdtempSync(join(dir, "home-")) }
  const set = (name: string, value: string) => pincer(["config", "set", `gateway.remote.${name}`, value], pairs)
  assert.equal((await set("url", url)).code, 0)
  assert.equal((await set("token", JSON.stringify({ file: join(dir, "token") }))).code, 0)
  assert.equal((await pincer(["ask", "from my own"], pairs)).out, "Hello from the fake model.\n")
  const status = await pincer(["status"], pairs)
  assert.ok(status.out.includes(`${url} (gateway.remote.url)`), status.out)
  const doctor = JSON.parse((await pincer(["doctor", "--json"], pairs)).out)
  const reached = doctor.checks.find((check: { id: string }) => check.id === "gateway.reachable")
  assert.ok(reached.text.startsWith(`${url} (gateway.remote.url) answered`), reached.text)
  assert.match((await pincer(["gateway", "stop"], pairs)).out, /No gateway runs on .*home-/)
  assert.equal((await pincer(["status", ...(remote(t) ?? [])])).code, 0, "the far one still runs")
  assert.equal((await set("token", '{"env": "NOT_SET"}')).code, 0)
  const refused = await pincer(["ask", "hi"], { ...pairs, PINCER_GATEWAY_TOKEN: house.token })
  assert.match(refused.err, /gateway\.remote\.token: the environment variable NOT_SET is not set/)
})

const PTY = spawnSync("python3", ["-c", "import pty"]).status === 0

test("a conversation over wss:// works as it does here, its commands too", {
  skip: PTY ? false : "NOT TESTED: no python3 with pty",
}, async (t) => {
  const flags = remote(t)
  if (!flags || !front) return
  const answered = "Hello from the fake model\\.[\\s\\S]*> "
  const steps = [
    { expect: "> ", send: "good morning\r" },
    { expect: answered, send: "and a good evening\r" },
    { expect: answered, send: "/session\r" },
    { expect: "agent:main:afar[\\s\\S]*> ", send: "/context\r" },
    { expect: "messages of yours +2[\\s\\S]*> ", send: "/compact the greetings\r" },
    { expect: "Summarised 2 older messages[\\s\\S]*> ", send: "/context\r" },
    { expect: "2 older messages are in the summary[\\s\\S]*> ", send: "/config get jobs.maxConcurrent\r" },
    { expect: "\\n\\d+[\\s\\S]*> ", send: "/config nowhere.at.all\r" },
    { expect: 'no key "nowhere\\.at\\.all"[\\s\\S]*> ', send: "/status run\r" },
    { expect: "Status +completed[\\s\\S]*Took[\\s\\S]*> ", send: "/status wait latest 5\r" },
    { expect: "Status +completed[\\s\\S]*> ", send: "/status run nothing-like-it\r" },
    { expect: "No turn of this session is[\\s\\S]*> ", send: "/status wait latest 0\r" },
    { expect: "is not understood: write[\\s\\S]*> ", send: "/quit\r" },
  ]
  const env = { PATH: process.env["PATH"] ?? "", HOME: dir, TERM: "xterm", NO_COLOR: "1" }
  const args = [process.execPath, PROGRAM, "chat", "--session", "afar", ...flags]
  const child = spawn("python3", [TERMINAL], { stdio: ["pipe", "pipe", "inherit"] })
  child.stdin.end(JSON.stringify({ args, cwd: dir, env, steps, timeout: 30 }))
  let told = ""
  child.stdout.on("data", (chunk) => {
    told += chunk
  })
  await once(child, "close")
  const { exit, missing, screen } = JSON.parse(told) as { exit: number; missing: string | null; screen: string }
  assert.deepEqual([missing, exit], [null, 0], screen)
})

test("NODE_EXTRA_CA_CERTS and PINCER_CA_FILE are heeded as well as --ca-file", async (t) => {
  const flags = remote(t, false)
  if (!flags) return
  for (const name of ["NODE_EXTRA_CA_CERTS", "PINCER_CA_FILE"])
    assert.equal((await pincer(["session", "list", ...flags], { [name]: join(dir, "good.pem") })).code, 0, name)
})

test("what is wrong with a certificate is one line with the next step, and no token is sent", async (t) => {
  const flags = remote(t, false)
  if (!flags || !front) return
  const { port } = front
  const unknown = await pincer(["ask", "hi", ...flags])
  assert.equal(unknown.code, 1)
  assert.match(
    unknown.err,
    /^pincer: The certificate of localhost:\d+ is signed by nobody this machine knows .*--ca-file <file>\n$/,
  )
  const trusted = [...flags.slice(2), "--ca-file", join(dir, "good.pem")]
  const other = await pincer(["ask", "hi", "--server", `wss://127.0.0.1:${port}`, ...trusted])
  assert.match(other.err, /^pincer: The certificate of 127\.0\.0\.1:\d+ is made out to another name: .*\n$/)
  const plain = await pincer(["ask", "hi", "--server", house.url.replace("http", "wss"), ...trusted])
  assert.match(
    plain.err,
    /^pincer: 127\.0\.0\.1:\d+ does not speak TLS: if it is a gateway without, use ws:\/\/127.*\n$/,
  )
  const nobody = await pincer(["ask", "hi", "--server", "wss://127.0.0.1:9", ...trusted])
  assert.match(nobody.err, /^pincer: No gateway answers at wss:\/\/127\.0\.0\.1:9: .*\n$/)
  const noFile = await pincer(["ask", "hi", ...flags, "--ca-file", join(dir, "gone.pem")])
  assert.deepEqual([noFile.code, /--ca-file: .*gone\.pem cannot be read/.test(noFile.err)], [4, true])
  const noPem = await pincer(["ask", "hi", ...flags, "--ca-file", join(dir, "token")])
  assert.deepEqual([noPem.code, /--ca-file: .*token holds no certificate/.test(noPem.err)], [2, true], noPem.err)
  assert.doesNotMatch(noPem.err, new RegExp(house.token))
})

test("an expired certificate is called expired", async (t) => {
  const [key, request, made] = ["good.key", "old.csr", "old.pem"].map((name) => join(dir, name))
  const wanted = spawnSync("openssl", ["req", "-new", "-key", key!, "-subj", "/CN=localhost", "-out", request!])
  const dated = spawnSync("openssl", ["x509", "-req", "-in", request!, "-signkey", key!, "-days", "-1", "-out", made!])
  if (wanted.status !== 0 || dated.status !== 0) {
    t.skip(`${MISSING} (or it cannot date one back)`)
    return
  }
  copyFileSync(key!, join(dir, "old.key"))
  const old = await startFront("old", house.url)
  t.after(() => old.close())
  const flags = ["--server", `wss://localhost:${old.port}`, "--token", house.token, "--ca-file", join(dir, "old.pem")]
  const { code, err } = await pincer(["ask", "hi", ...flags])
  assert.equal(code, 1)
  assert.match(err, /^pincer: The certificate of localhost:\d+ has expired: .*\n$/)
})
