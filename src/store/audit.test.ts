import assert from "node:assert/strict"
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type TestContext, test } from "node:test"
import { type Clock, systemClock } from "../base/clock.ts"
import { canonicalJson } from "../base/json.ts"
import { silentLogger } from "../base/log.ts"
import { openRedactor } from "../base/redact.ts"
import type { AuditEntry, AuditVerification } from "../protocol/audit.ts"
import { exportEnd, exportHead, exportLine, hashOf } from "./audit-chain.ts"
import { ExportWalk, openAuditFile } from "./audit-file.ts"
import { openStore } from "./open.ts"

const START = Date.UTC(2026, 0, 1)

function entry(n: number, fields: Partial<AuditEntry> = {}): AuditEntry {
  return {
    type: "decision",
    at: START + n * 1_000,
    who: "cli",
    door: "control",
    agentId: "main",
    sessionKey: n % 2 === 0 ? "agent:main:even" : "agent:main:odd",
    turnId: `turn-${n}`,
    callId: `call-${n}`,
    tool: n % 3 === 0 ? "Write" : "Bash",
    summary: `Step ${n}`,
    argsDigest: "00",
    verdict: "allow",
    ...fields,
  }
}

interface Place {
  home: string
  db: string
  open(clock?: Clock): ReturnType<typeof openStore>
  /** The database as an attacker has it: another connection, no triggers. */
  tamper(sql: (db: DatabaseSync) => void): void
  verify(): Promise<AuditVerification>
}

function place(t: TestContext): Place {
  const home = mkdtempSync(join(tmpdir(), "pincer-audit-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const db = join(home, "pincer.db")
  return {
    home,
    db,
    open: (clock = systemClock) => openStore({ path: db, durability: "normal" }, clock, silentLogger),
    tamper(change) {
      const other = new DatabaseSync(db)
      for (const name of ["no_update", "no_delete", "no_replace"]) other.exec(`DROP TRIGGER IF EXISTS audit_${name}`)
      change(other)
      other.close()
    },
    async verify() {
      const file = openAuditFile(db)
      assert.ok(file)
      try {
        return await file.reads.verify()
      } finally {
        file.close()
      }
    },
  }
}

/** A closed home with so many records. */
async function filled(t: TestContext, count: number): Promise<Place> {
  const where = place(t)
  const store = where.open()
  await Promise.all(Array.from({ length: count }, (_, i) => store.audit.record(entry(i + 1))))
  await store.close()
  return where
}

test("records are numbered without holes and each holds the hash of the one before", async (t) => {
  const store = place(t).open()
  t.after(() => store.close())
  const records = await Promise.all(Array.from({ length: 50 }, (_, i) => store.audit.record(entry(i))))
  for (const [i, record] of records.entries()) {
    assert.equal(record.seq, i + 1)
    assert.equal(record.previous, i === 0 ? "0".repeat(64) : records[i - 1]!.hash)
    const { hash, previous, ...rest } = record
    assert.equal(hash, hashOf(previous, canonicalJson(rest)))
  }
  assert.deepEqual(await store.audit.get(7), records[6])
  assert.equal(await store.audit.get(51), undefined)
  const found = await store.audit.verify()
  assert.deepEqual({ ok: found.ok, records: found.records, seq: found.head.seq }, { ok: true, records: 50, seq: 50 })
})

test("a record of a commit that fails leaves no hole", async (t) => {
  const store = place(t).open()
  t.after(() => store.close())
  const broken = entry(2, { details: { big: 1n as unknown as number } })
  const all = await Promise.allSettled([1, 2, 3].map((n) => store.audit.record(n === 2 ? broken : entry(n))))
  assert.deepEqual(
    all.map((one) => one.status),
    ["fulfilled", "rejected", "fulfilled"],
  )
  assert.deepEqual(
    (await store.audit.list({ limit: 10 })).map(({ seq, turnId }) => [seq, turnId]),
    [
      [1, "turn-1"],
      [2, "turn-3"],
    ],
  )
  assert.equal((await store.audit.verify()).ok, true)
})

test("secrets are taken out of a record before it is written, and long summaries are cut", async (t) => {
  const { db } = place(t)
  const redactor = openRedactor({ secrets: ["hunter2hunter2"] })
  const store = openStore({ path: db, durability: "normal" }, systemClock, silentLogger, redactor)
  const summary = `curl -u me:hunter2hunter2 -H "Authorization: Bearer ghp_0123456789abcdefABCD0123" ${"x".repeat(400)}`
  const record = await store.audit.record(entry(1, { summary, details: { url: "https://h/?token=abcdef123456" } }))
  await store.close()
  assert.equal(record.summary.length, 300)
  const bytes = readFileSync(db).toString("latin1")
  for (const secret of ["hunter2hunter2", "ghp_0123456789", "abcdef123456"]) assert.ok(!bytes.includes(secret), secret)
})

test("our own connection can neither change nor remove nor replace a record", async (t) => {
  const where = await filled(t, 3)
  const db = new DatabaseSync(where.db)
  t.after(() => db.close())
  assert.throws(() => db.exec("UPDATE audit SET data='{}' WHERE seq=2"), /cannot be changed/)
  assert.throws(() => db.exec("DELETE FROM audit WHERE seq=2"), /cannot be removed/)
  assert.throws(
    () => db.exec("INSERT OR REPLACE INTO audit (seq,previous,hash,data) VALUES (2,'','','{}')"),
    /cannot be replaced/,
  )
})

const ATTACKS: readonly [string, (db: DatabaseSync) => void, number, RegExp][] = [
  [
    "one byte changed",
    (db) => db.exec("UPDATE audit SET data=replace(data,'Step 5','Step 6') WHERE seq=5"),
    5,
    /changed/,
  ],
  ["a hash changed", (db) => db.exec("UPDATE audit SET hash=substr(hash,2)||'0' WHERE seq=5"), 5, /changed/],
  ["the first removed", (db) => db.exec("DELETE FROM audit WHERE seq=1"), 1, /Record 1 is missing/],
  ["one in the middle removed", (db) => db.exec("DELETE FROM audit WHERE seq=5"), 5, /Record 5 is missing/],
  ["several removed", (db) => db.exec("DELETE FROM audit WHERE seq IN (4,5,6)"), 4, /Records 4 to 6 are missing/],
  ["the last removed", (db) => db.exec("DELETE FROM audit WHERE seq=9"), 9, /Record 9 was removed from the end/],
  ["the tail cut off", (db) => db.exec("DELETE FROM audit WHERE seq>6"), 7, /Records 7 to 9 were removed/],
  ["all removed", (db) => db.exec("DELETE FROM audit"), 1, /Records 1 to 9 were removed/],
  ["one removed and the rest moved up", closeTheGap, 5, /another number/],
  ["two swapped", swap, 4, /another number/],
  ["two swapped with their numbers", swapNumbers, 4, /does not follow|changed/],
  ["one forged with a fitting hash", forge(5), 6, /does not follow from record 5/],
  ["the last forged with a fitting hash", forge(9), 9, /not the one that was written/],
  ["all written anew from one on", rewriteFrom(5), 9, /not the one that was written/],
  ["one added", insertOne, 5, /does not follow|stands where|another number/],
]

function rows(db: DatabaseSync) {
  return db.prepare("SELECT seq,previous,hash,data FROM audit ORDER BY seq").all() as {
    seq: number
    previous: string
    hash: string
    data: string
  }[]
}

function put(db: DatabaseSync, row: { seq: number; previous: string; hash: string; data: string }): void {
  db.prepare("INSERT OR REPLACE INTO audit (seq,previous,hash,data) VALUES (?,?,?,?)").run(
    row.seq,
    row.previous,
    row.hash,
    row.data,
  )
}

function closeTheGap(db: DatabaseSync): void {
  db.exec("DELETE FROM audit WHERE seq=5")
  for (let seq = 6; seq <= 9; seq++) db.exec(`UPDATE audit SET seq=${seq - 1} WHERE seq=${seq}`)
}

function swap(db: DatabaseSync): void {
  const all = rows(db)
  put(db, { ...all[3]!, data: all[5]!.data })
  put(db, { ...all[5]!, data: all[3]!.data })
}

function swapNumbers(db: DatabaseSync): void {
  const all = rows(db)
  const numbered = (data: string, seq: number) => canonicalJson({ ...JSON.parse(data), seq })
  put(db, { ...all[3]!, data: numbered(all[5]!.data, 4) })
  put(db, { ...all[5]!, data: numbered(all[3]!.data, 6) })
}

function forge(seq: number): (db: DatabaseSync) => void {
  return (db) => {
    const row = rows(db)[seq - 1]!
    const data = row.data.replace("allow", "deny")
    put(db, { ...row, data, hash: hashOf(row.previous, data) })
  }
}

function rewriteFrom(seq: number): (db: DatabaseSync) => void {
  return (db) => {
    let previous = rows(db)[seq - 2]!.hash
    for (const row of rows(db).slice(seq - 1)) {
      const data = row.data.replace("allow", "deny")
      const hash = hashOf(previous, data)
      put(db, { seq: row.seq, previous, hash, data })
      previous = hash
    }
  }
}

function insertOne(db: DatabaseSync): void {
  const all = rows(db)
  for (const row of all.slice(4).reverse()) put(db, { ...row, seq: row.seq + 1 })
  const data = canonicalJson({ ...JSON.parse(all[4]!.data), summary: "Never happened" })
  put(db, { seq: 5, previous: all[3]!.hash, hash: hashOf(all[3]!.hash, data), data })
}

for (const [name, attack, firstBad, reason] of ATTACKS)
  test(`verify() names the first bad record: ${name}`, async (t) => {
    const where = await filled(t, 9)
    assert.equal((await where.verify()).ok, true)
    where.tamper(attack)
    const found = await where.verify()
    assert.equal(found.ok, false)
    if (name === "one added") assert.ok(found.firstBad === 5 || found.firstBad === 6, String(found.firstBad))
    else assert.equal(found.firstBad, firstBad, found.reason)
    assert.match(found.reason ?? "", reason)
    // A gateway that starts over it and goes on does not hide it.
    const store = where.open()
    await store.audit.record(entry(100))
    await store.close()
    assert.equal((await where.verify()).ok, false)
  })

test("verify() notices bytes that were changed in the file itself", async (t) => {
  for (const [found, put] of [
    ["Step 5", "Step 6"],
    ['"summary":"Step 5"', '"summary" "Step 5"'],
  ]) {
    const where = await filled(t, 9)
    const bytes = readFileSync(where.db)
    const at = bytes.indexOf(found!)
    assert.ok(at > 0)
    bytes.write(put!, at)
    writeFileSync(where.db, bytes)
    const { ok, firstBad } = await where.verify()
    assert.deepEqual([ok, firstBad], [false, 5])
  }
})

test("verify() notices an older copy of the whole database, also when the gateway has gone on with it", async (t) => {
  const where = await filled(t, 5)
  const copy = join(where.home, "copy.db")
  copyFileSync(where.db, copy)
  let store = where.open()
  for (let n = 6; n <= 8; n++) await store.audit.record(entry(n))
  await store.close()
  copyFileSync(copy, where.db)
  const found = await where.verify()
  assert.deepEqual([found.ok, found.firstBad], [false, 6])
  store = where.open()
  for (let n = 6; n <= 20; n++) await store.audit.record(entry(n))
  await store.close()
  const later = await where.verify()
  assert.deepEqual([later.ok, later.firstBad], [false, 6])
  assert.match(later.reason ?? "", /removed from the end \(found 20/)
})

test("verify() notices that the anchor or its key was taken away or changed", async (t) => {
  for (const name of ["audit.anchor", "audit.key"]) {
    const where = await filled(t, 3)
    const path = join(where.home, name)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    rmSync(path)
    assert.match((await where.verify()).reason ?? "", /missing/)
    // Writing a new one does not make it good.
    await where.open().close()
    assert.equal((await where.verify()).ok, false, name)
  }
  const where = await filled(t, 3)
  const path = join(where.home, "audit.anchor")
  writeFileSync(path, readFileSync(path, "utf8").replace('"seq":3', '"seq":2'))
  assert.match((await where.verify()).reason ?? "", /signature does not fit/)
})

test("a crash between the commit and the anchor leaves everything in order", async (t) => {
  const where = place(t)
  const still: Clock = { ...systemClock, after: () => () => undefined }
  const store = where.open(still)
  for (let n = 1; n <= 5; n++) await store.audit.record(entry(n))
  // As kill -9 leaves it: no close, the anchor of the time before the first record.
  const crashed = join(where.home, "crashed")
  for (const name of ["pincer.db", "pincer.db-wal", "audit.anchor", "audit.key"])
    if (existsSync(join(where.home, name))) copyFileSync(join(where.home, name), `${crashed}-${name}`)
  await store.close()
  for (const name of ["pincer.db", "pincer.db-wal", "audit.anchor", "audit.key"])
    if (existsSync(`${crashed}-${name}`)) copyFileSync(`${crashed}-${name}`, join(where.home, name))
  assert.match(readFileSync(join(where.home, "audit.anchor"), "utf8"), /"seq":0/)
  const again = where.open()
  assert.equal((await again.audit.verify()).ok, true)
  assert.equal((await again.audit.record(entry(6))).seq, 6)
  await again.close()
  const found = await where.verify()
  assert.deepEqual([found.ok, found.records], [true, 6])
})

test("the anchor follows within a second, and once for many records", async (t) => {
  const where = place(t)
  const timers: (() => void)[] = []
  const clock: Clock = {
    ...systemClock,
    after(_ms, fn) {
      timers.push(fn)
      return () => undefined
    },
  }
  const store = where.open(clock)
  t.after(() => store.close())
  await Promise.all([1, 2, 3].map((n) => store.audit.record(entry(n))))
  await store.audit.record(entry(4))
  assert.equal(timers.length, 1)
  timers[0]!()
  assert.match(readFileSync(join(where.home, "audit.anchor"), "utf8"), /"seq":4/)
})

test("prune() leaves a signed mark from which the rest still verifies, and a record of itself", async (t) => {
  const where = await filled(t, 10)
  const store = where.open()
  assert.deepEqual(await store.audit.prune(START + 6_500, "cli"), { removed: 6, through: 6 })
  assert.deepEqual(await store.audit.prune(START, "cli"), { removed: 0, through: 6 })
  const [first, ...rest] = await store.audit.list({ limit: 100 })
  assert.equal(first?.seq, 7)
  assert.equal(rest.at(-1)?.type, "audit")
  assert.match(rest.at(-1)?.summary ?? "", /Records 1 to 6 were pruned/)
  await store.close()
  const found = await where.verify()
  assert.deepEqual([found.ok, found.prunedThrough, found.records], [true, 6, 5])
  const again = where.open()
  assert.equal((await again.audit.prune(Date.now() + 1_000, "cli")).through, 11)
  assert.equal((await again.audit.record(entry(20))).seq, 13)
  await again.close()
  assert.equal((await where.verify()).ok, true)
})

test("a mark that this home did not sign does not excuse removed records", async (t) => {
  const where = await filled(t, 10)
  where.tamper((db) => {
    const hash = rows(db)[3]!.hash
    db.prepare("INSERT INTO audit_checkpoints VALUES (4,?,0,'me','00')").run(hash)
    db.exec("DELETE FROM audit WHERE seq<=4")
  })
  const found = await where.verify()
  assert.equal(found.ok, false)
  assert.match(found.reason ?? "", /not signed/)
})

test("list() pages by number, from either end, and filters", async (t) => {
  const where = await filled(t, 30)
  const store = where.open()
  t.after(() => store.close())
  const seqs = async (filter: Partial<Parameters<typeof store.audit.list>[0]>) =>
    (await store.audit.list({ limit: 100, ...filter })).map((record) => record.seq)
  assert.deepEqual(await seqs({ after: 10, limit: 3 }), [11, 12, 13])
  assert.deepEqual(await seqs({ newest: true, limit: 2 }), [30, 29])
  assert.deepEqual(await seqs({ newest: true, before: 29, limit: 2 }), [28, 27])
  assert.deepEqual(await seqs({ tool: "Write", sessionKey: "agent:main:odd" }), [3, 9, 15, 21, 27])
  assert.deepEqual(await seqs({ since: START + 5_000, until: START + 8_000 }), [5, 6, 7])
  assert.deepEqual(await seqs({ type: "effect" }), [])
})

test("count() counts calls of a tool since a time, of one session, person or agent", async (t) => {
  const where = await filled(t, 30)
  const store = where.open()
  t.after(() => store.close())
  await store.audit.record(entry(31, { who: "ann", agentId: "work", type: "effect", tool: "Bash" }))
  const since = START
  assert.equal(await store.audit.count({ tool: "Bash", since }), 21)
  assert.equal(await store.audit.count({ tool: "Bash", since, type: "decision" }), 20)
  assert.equal(await store.audit.count({ tool: "Bash", since: START + 28_000 }), 3)
  assert.equal(await store.audit.count({ tool: "Bash", since, sessionKey: "agent:main:even" }), 10)
  assert.equal(await store.audit.count({ tool: "Bash", since, who: "ann" }), 1)
  assert.equal(await store.audit.count({ tool: "Bash", since, agentId: "work" }), 1)
  assert.equal(await store.audit.count({ tool: "Bash", since, atMost: 5 }), 5)
  assert.equal(await store.audit.count({ tool: "Nothing", since }), 0)
})

test("an export verifies without the database and shows every change", async (t) => {
  const where = await filled(t, 9)
  const store = where.open()
  t.after(() => store.close())
  const records = await store.audit.list({ limit: 100 })
  const lines = [
    exportHead({ seq: 0, hash: "0".repeat(64) }, 1),
    ...records.map(exportLine),
    exportEnd({ seq: 9, hash: records.at(-1)!.hash }, 9),
  ]
  const check = (all: readonly string[]) => {
    const walk = new ExportWalk()
    for (const line of all) walk.take(line)
    return walk.result()
  }
  assert.equal(check(lines).ok, true)
  assert.equal(check(lines.map((line) => line.replace("Step 5", "Step 6"))).firstBad, 5)
  assert.equal(check(lines.toSpliced(5, 1)).firstBad, 5)
  assert.equal(check(lines.slice(0, -1)).firstBad, 10)
  assert.equal(check(lines.toSpliced(9, 1)).firstBad, 9)
  assert.equal(check([lines[0]!, lines[2]!, lines[1]!, ...lines.slice(3)]).ok, false)
  assert.throws(() => check(['{"a":1}']), SyntaxError)
})

test("twenty thousand records are verified, and their first page is read, without delay", async (t) => {
  const where = place(t)
  const store = where.open()
  const began = process.cpuUsage()
  for (let round = 0; round < 20; round++)
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => store.audit.record(entry(round * 1_000 + i))))
  const written = process.cpuUsage(began)
  t.diagnostic(`${((written.user + written.system) / 20_000).toFixed(1)} µs of CPU per record`)
  const from = performance.now()
  const found = await store.audit.verify()
  t.diagnostic(`verified in ${Math.round(performance.now() - from)} ms`)
  const page = performance.now()
  await store.audit.list({ newest: true, limit: 100, sessionKey: "agent:main:odd" })
  t.diagnostic(`first page in ${(performance.now() - page).toFixed(1)} ms`)
  const counting = performance.now()
  await store.audit.count({ tool: "Bash", since: 0, who: "nobody" })
  t.diagnostic(`counted in ${(performance.now() - counting).toFixed(1)} ms`)
  await store.close()
  assert.deepEqual([found.ok, found.records], [true, 20_000])
})
