import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { after, test } from "node:test"
import { Database } from "./database.ts"
import { migrate, SCHEMA } from "./migrations/index.ts"
import { copyBeforeSchemaChange, examineCopy, type SchemaPoint, schemaCopies, snapshotDatabase } from "./snapshot.ts"

const room = mkdtempSync(join(tmpdir(), "pincer-snapshot-"))
after(() => rmSync(room, { recursive: true, force: true }))
let made = 0
const folder = () => mkdtempSync(join(room, `${++made}-`))

/** A database of an older schema with something in it. */
function oldDatabase(path: string, list: readonly string[] = ["CREATE TABLE t (x TEXT)"]): void {
  const db = new DatabaseSync(path)
  db.exec("PRAGMA journal_mode=WAL")
  migrate(db, { list })
  db.prepare("INSERT INTO t VALUES (?)").run("kept")
  db.close()
}

test("a snapshot holds what was committed, while a writer goes on writing", async () => {
  const at = folder()
  const db = new DatabaseSync(join(at, "live.db"), { timeout: 5000 })
  db.exec("PRAGMA journal_mode=WAL; CREATE TABLE pair (n INTEGER); PRAGMA user_version=3")
  const write = () => db.exec("BEGIN; INSERT INTO pair VALUES (1); INSERT INTO pair VALUES (2); COMMIT")
  for (let i = 0; i < 500; i++) write()
  const taken = snapshotDatabase(join(at, "live.db"), join(at, "copy.db"))
  for (let i = 0; i < 200; i++) write()
  const facts = await taken
  assert.deepEqual([facts.flaws, facts.schema, facts.dangling], [[], 3, 0])
  const copy = new DatabaseSync(join(at, "copy.db"), { readOnly: true })
  const { n } = copy.prepare("SELECT count(*) AS n FROM pair").get() as { n: number }
  assert.ok(n >= 1000 && n % 2 === 0, `${n} rows: a transaction is in it whole or not at all`)
  copy.close()
  db.close()
  assert.equal(statSync(join(at, "copy.db")).mode & 0o777, 0o600)
  assert.deepEqual(
    readdirSync(at).filter((name) => name.startsWith("copy")),
    ["copy.db"],
  )
})

test("of a damaged database no snapshot is left, and it is said what is damaged", async () => {
  const at = folder()
  oldDatabase(join(at, "bad.db"))
  const bytes = readFileSync(join(at, "bad.db"))
  bytes.fill(0x5a, 4096)
  writeFileSync(join(at, "bad.db"), bytes)
  assert.notDeepEqual(examineCopy(join(at, "bad.db")).flaws, [])
  await assert.rejects(snapshotDatabase(join(at, "bad.db"), join(at, "copy.db")), /Cannot copy the database bad\.db/)
  assert.deepEqual(
    readdirSync(at).filter((name) => name.startsWith("copy")),
    [],
  )
  writeFileSync(join(at, "text.db"), "no database at all, but long enough to be looked at")
  assert.match(examineCopy(join(at, "text.db")).flaws[0] ?? "", /not a database/)
})

test("damage that copies well is found in the copy, which is not kept", async () => {
  const at = folder()
  const path = join(at, "sly.db")
  const db = new DatabaseSync(path)
  db.exec("CREATE TABLE t (x TEXT); CREATE INDEX i ON t (x); INSERT INTO t VALUES ('needle'); PRAGMA user_version=1")
  db.close()
  const bytes = readFileSync(path)
  // The index says another word than the row.
  bytes.write("N", bytes.lastIndexOf("needle"))
  writeFileSync(path, bytes)
  await assert.rejects(snapshotDatabase(path, join(at, "copy.db")), /missing from index/)
  const again = new DatabaseSync(path)
  const copies = { folder: join(at, "copies"), keep: 1, now: 0 }
  assert.throws(() => copyBeforeSchemaChange(again, path, 1, copies), /missing from index|Cannot copy/)
  again.close()
  assert.deepEqual([existsSync(join(at, "copy.db")), schemaCopies(copies.folder)], [false, []])
})

test("a disk without room: the snapshot is refused, nothing is left, the original is as it was", async (t) => {
  const at = folder()
  const small = join(at, "small")
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return t.skip("NOT TESTED: only root on Linux can mount a small disk")
  spawnSync("mkdir", [small])
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", small])
  if (mounted.status !== 0) return t.skip("NOT TESTED: a small disk cannot be mounted here")
  try {
    const db = new DatabaseSync(join(at, "big.db"))
    db.exec("PRAGMA journal_mode=WAL; CREATE TABLE t (x BLOB); PRAGMA user_version=1")
    for (let i = 0; i < 100; i++) db.exec("INSERT INTO t VALUES (randomblob(4000))")
    await assert.rejects(snapshotDatabase(join(at, "big.db"), join(small, "copy.db")), /full|I\/O|disk/i)
    assert.deepEqual(readdirSync(small), [])
    const copies = { folder: small, keep: 3, now: 0 }
    const change = () =>
      migrate(db, {
        list: ["", "CREATE TABLE u (x)"],
        copy: (schema) => copyBeforeSchemaChange(db, "big.db", schema, copies),
      })
    assert.throws(change, /Cannot copy the database big\.db .*make room/)
    assert.deepEqual(db.prepare("PRAGMA user_version").get()?.["user_version"], 1)
    assert.deepEqual(readdirSync(small), [])
    db.close()
  } finally {
    spawnSync("umount", [small])
  }
})

test("before the schema changes a checked copy is made; a new database needs none", () => {
  const at = folder()
  const copies = { folder: join(at, "copies"), keep: 3, now: Date.UTC(2026, 10, 21, 13, 5, 9) }
  new Database({ path: join(at, "new.db"), durability: "normal", copies }).close()
  assert.equal(existsSync(copies.folder), false)
  // A database from before the newest migration.
  const old = new DatabaseSync(join(at, "new.db"))
  old.exec(`PRAGMA user_version=${SCHEMA}`)
  old.close()
  new Database({ path: join(at, "new.db"), durability: "normal", copies }).close()
  assert.equal(existsSync(copies.folder), false)
})

test("as many copies are kept as was asked for, the newest", () => {
  const at = folder()
  oldDatabase(join(at, "old.db"))
  const db = new DatabaseSync(join(at, "old.db"))
  for (let hour = 0; hour < 5; hour++)
    copyBeforeSchemaChange(db, "old.db", hour < 3 ? 9 : 10, {
      folder: join(at, "copies"),
      keep: 2,
      now: Date.UTC(2026, 0, 1, hour),
    })
  db.close()
  assert.deepEqual(schemaCopies(join(at, "copies")), [
    join(at, "copies", "pincer-schema-10-20260101-040000.db"),
    join(at, "copies", "pincer-schema-10-20260101-030000.db"),
  ])
  assert.deepEqual(examineCopy(schemaCopies(join(at, "copies"))[0]!).flaws, [])
})

test("a migration that fails changes nothing and names the copy", () => {
  const at = folder()
  oldDatabase(join(at, "old.db"))
  const db = new DatabaseSync(join(at, "old.db"))
  const copies = { folder: join(at, "copies"), keep: 3, now: 0 }
  const change = () =>
    migrate(db, {
      list: ["CREATE TABLE t (x TEXT)", "CREATE TABLE half (x)", "CREATE TABLE t (again)"],
      copy: (schema) => copyBeforeSchemaChange(db, "old.db", schema, copies),
    })
  const [copy] = [join(copies.folder, "pincer-schema-1-19700101-000000.db")]
  assert.throws(change, new RegExp(`from schema 1 to 3: .*already exists. Nothing was changed; a copy .* ${copy}`))
  assert.equal(db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name='half'").get()?.["n"], 0)
  assert.equal(db.prepare("PRAGMA user_version").get()?.["user_version"], 1)
  assert.deepEqual(examineCopy(copy!).flaws, [])
  db.close()
})

const CHANGES = ["CREATE TABLE t (x TEXT)", "ALTER TABLE t ADD COLUMN y TEXT", "CREATE TABLE u (x)"]
const KILLED = `
import { DatabaseSync } from "node:sqlite"
const [store, path, folder, at] = process.argv.slice(1)
const { migrate } = await import(store + "/migrations/index.ts")
const { copyBeforeSchemaChange } = await import(store + "/snapshot.ts")
const db = new DatabaseSync(path)
const reached = (point) => { if (point === at) process.kill(process.pid, "SIGKILL") }
migrate(db, {
  list: ${JSON.stringify(CHANGES)},
  copy: (schema) => copyBeforeSchemaChange(db, path, schema, { folder, keep: 3, now: 0, reached }),
  reached,
})
`

test("killed at each step of a migration: the old schema or the new one, never half, and the next start goes through", () => {
  const points: SchemaPoint[] = ["copying", "drafted", "copied", "begun", "changed", "committed"]
  for (const point of points) {
    const at = folder()
    const path = join(at, "old.db")
    oldDatabase(path)
    const args = ["--input-type=module", "-e", KILLED, import.meta.dirname, path, join(at, "copies")]
    const killed = spawnSync(process.execPath, [...args, point], { encoding: "utf8" })
    assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stderr}`)
    const db = new DatabaseSync(path)
    const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"])
    const columns = db.prepare("PRAGMA table_info(t)").all().length
    assert.deepEqual([version, columns], point === "committed" ? [3, 2] : [1, 1], point)
    db.close()
    for (const copy of schemaCopies(join(at, "copies"))) assert.deepEqual(examineCopy(copy).flaws, [], point)
    const again = new DatabaseSync(path)
    const copy = (schema: number) =>
      copyBeforeSchemaChange(again, path, schema, { folder: join(at, "copies"), keep: 3, now: 1_000 })
    migrate(again, { list: CHANGES, copy })
    again.close()
    assert.deepEqual([examineCopy(path).schema, examineCopy(path).flaws], [3, []], point)
    assert.ok(!readdirSync(join(at, "copies")).some((name) => name.includes("partial")), point)
    assert.ok(schemaCopies(join(at, "copies")).length > 0, point)
  }
})
