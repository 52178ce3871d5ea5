// The audit through the program and a whole gateway: read, verified, written out and pruned, while a gateway runs and while none does;
// and what kill -9 leaves of it.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import type { AuditEntry } from "../src/protocol/audit.ts"
import { openAuditFile } from "../src/store/audit-file.ts"
import { clawConnect, openRaw } from "./frames.ts"
import { type House, startHouse, TEST_TOKEN } from "./house.ts"
import { PROGRAM } from "./program.ts"

async function pincer(home: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: TEST_TOKEN }
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, cwd: home, stdio: ["ignore", "pipe", "pipe"] })
  let [out, err] = ["", ""]
  child.stdout.on("data", (chunk) => {
    out += chunk
  })
  child.stderr.on("data", (chunk) => {
    err += chunk
  })
  const [code] = await once(child, "close")
  return { code, out, err }
}

const START = Date.UTC(2026, 0, 1)

function entry(n: number): AuditEntry {
  return {
    type: n % 2 === 0 ? "effect" : "decision",
    at: START + n * 3_600_000,
    who: "cli",
    door: "control",
    agentId: "main",
    sessionKey: "agent:main:main",
    turnId: `turn-${n}`,
    callId: `call-${n}`,
    tool: n % 3 === 0 ? "Write" : "Bash",
    summary: `act ${n}`,
    argsDigest: "00",
  }
}

async function filled(count: number): Promise<House> {
  const house = await startHouse()
  const { audit } = house.parts.store
  assert.ok("record" in audit && typeof audit.record === "function")
  for (let n = 1; n <= count; n++) await audit.record(entry(n))
  return house
}

test("pincer audit lists, shows, verifies and writes out, with a gateway and without one", async (t) => {
  const house = await filled(6)
  t.after(() => house.close())
  for (const running of [true, false]) {
    if (!running) await house.stop()
    const list = await pincer(house.home, "audit", "list", "--tool", "Bash", "--since", "2026-01-01T02:00:00Z")
    assert.equal(list.code, 0, list.err)
    assert.deepEqual(
      list.out
        .trim()
        .split("\n")
        .map((line) => line.split("\t").at(-1)),
      ["act 2", "act 4", "act 5"],
    )
    const page = await pincer(house.home, "audit", "list", "-n", "2", "--json")
    assert.deepEqual(
      (JSON.parse(page.out) as { seq: number }[]).map((record) => record.seq),
      [5, 6],
    )
    const shown = await pincer(house.home, "audit", "show", "3", "--json")
    assert.equal((JSON.parse(shown.out) as AuditEntry).summary, "act 3")
    assert.equal((await pincer(house.home, "audit", "show", "77")).code, 4)
    const verified = await pincer(house.home, "audit", "verify")
    assert.equal(verified.code, 0, verified.err)
    assert.match(verified.out, /^6 records, all as they were written/)
    const exported = await pincer(house.home, "audit", "export", "-o", "out.jsonl")
    assert.equal(exported.code, 0, exported.err)
    assert.equal((await pincer(house.home, "audit", "verify", "--file", "out.jsonl")).code, 0)
  }
  const file = join(house.home, "out.jsonl")
  writeFileSync(file, readFileSync(file, "utf8").replace("act 4", "act 5"))
  const forged = await pincer(house.home, "audit", "verify", "--file", "out.jsonl")
  assert.deepEqual([forged.code, /First bad record: 4/.test(forged.err)], [1, true])
})

test("pincer audit verify names the first bad record and ends with exit code 1, with a gateway and without one", async (t) => {
  const house = await filled(6)
  t.after(() => house.close())
  const db = new DatabaseSync(join(house.home, "pincer.db"), { timeout: 5_000 })
  db.exec("DROP TRIGGER audit_no_update; UPDATE audit SET data=replace(data,'act 4','act 0') WHERE seq=4")
  db.close()
  for (const running of [true, false]) {
    if (!running) await house.stop()
    const found = await pincer(house.home, "audit", "verify")
    assert.equal(found.code, 1)
    assert.match(found.err, /tampered with.*First bad record: 4\. Record 4 was changed/)
    const json = await pincer(house.home, "audit", "verify", "--json")
    assert.deepEqual([json.code, (JSON.parse(json.out) as { firstBad: number }).firstBad], [1, 4])
  }
})

test("pincer audit prune removes what is old, says so in the audit, and the rest verifies", async (t) => {
  const house = await filled(6)
  t.after(() => house.close())
  const pruned = await pincer(house.home, "audit", "prune", "--before", "2026-01-01T03:30:00Z")
  assert.equal(pruned.code, 0, pruned.err)
  assert.match(pruned.out, /Removed 3 records, up to 3/)
  assert.equal((await pincer(house.home, "audit", "prune", "--before", "2099-01-01")).code, 2)
  await house.stop()
  const verified = await pincer(house.home, "audit", "verify")
  assert.match(verified.out, /^4 records, all as they were written\. Records up to 3 were pruned/)
  const list = await pincer(house.home, "audit", "list", "--type", "audit")
  assert.match(list.out, /cli.*Records 1 to 3 were pruned/)
})

test("only who may administer reads the audit", async (t) => {
  const house = await filled(1)
  t.after(() => house.close())
  const raw = await openRaw(house.wsUrl)
  t.after(() => raw.socket.close())
  await raw.challenge()
  await raw.ask(
    "connect",
    clawConnect(4, TEST_TOKEN, { scopes: ["operator.read", "operator.write", "operator.approvals"] }),
  )
  for (const [method, params] of [
    ["audit.list", {}],
    ["audit.get", { seq: 1 }],
    ["audit.verify", {}],
    ["audit.prune", { before: 1 }],
  ] as const)
    assert.match((await raw.ask(method, params)).error?.message ?? "", /missing scope: operator\.admin/, method)
})

/** Records without end and says each that is on disk. */
const WRITER = `
import { systemClock } from ${JSON.stringify(new URL("../src/base/clock.ts", import.meta.url).href)}
import { silentLogger } from ${JSON.stringify(new URL("../src/base/log.ts", import.meta.url).href)}
import { openStore } from ${JSON.stringify(new URL("../src/store/open.ts", import.meta.url).href)}
const store = openStore({ path: process.argv[1], durability: "normal" }, systemClock, silentLogger)
const entry = ${JSON.stringify(entry(1))}
for (;;) {
  const record = await store.audit.record({ ...entry, at: Date.now() })
  process.stdout.write(record.seq + "\\n")
}
`

test("kill -9 at any moment leaves every record that was acknowledged, and a chain that verifies", async (t) => {
  const house = await startHouse()
  t.after(() => house.close())
  await house.stop()
  const path = join(house.home, "pincer.db")
  let told = 0
  for (const lines of [1, 40, 700]) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", WRITER, path], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    let text = ""
    child.stdout.on("data", (chunk) => {
      text += chunk
      if (text.split("\n").length > lines) child.kill("SIGKILL")
    })
    await once(child, "close")
    told = Number(text.split("\n").at(-2))
    const file = openAuditFile(path)
    const found = await file?.reads.verify()
    file?.close()
    assert.equal(found?.ok, true, found?.reason)
    assert.ok(found.records >= told, `${found.records} records of ${told}`)
  }
  assert.ok(told > 700)
})
