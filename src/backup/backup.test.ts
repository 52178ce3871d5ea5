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
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { after, test } from "node:test"
import { gunzipSync, gzipSync } from "node:zlib"
import { claimHome } from "../config/gateway-file.ts"
import { SCHEMA } from "../store/migrations/index.ts"
import { type CreateOptions, createBackup } from "./create.ts"
import { staysInside } from "./manifest.ts"
import { restoreBackup } from "./restore.ts"
import { finishRestore, type RestorePoint, restorePending } from "./restore-journal.ts"
import { listBackups, pruneBackups } from "./shelf.ts"
import { createInThread } from "./thread.ts"
import { readManifest, verifyBackup } from "./verify.ts"

const room = mkdtempSync(join(tmpdir(), "pincer-backup-"))
after(() => rmSync(room, { recursive: true, force: true }))
const NOW = Date.UTC(2026, 10, 21, 9, 8, 7)
const CONFIG =
  '// mine\n{ "providers": { "openai": { "apiKey": "sk-0123456789abcdef0123" } }, "log": { "level": "warn" } }\n'

function writeDatabase(home: string, word: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(home, `pincer.db${suffix}`), { force: true })
  const db = new DatabaseSync(join(home, "pincer.db"))
  db.exec(`PRAGMA journal_mode=WAL; CREATE TABLE t (x TEXT); PRAGMA user_version=${SCHEMA}`)
  db.prepare("INSERT INTO t VALUES (?)").run(word)
  db.close()
}

function wordIn(home: string): string {
  const db = new DatabaseSync(join(home, "pincer.db"), { readOnly: true })
  try {
    return String(db.prepare("SELECT x FROM t").get()?.["x"])
  } finally {
    db.close()
  }
}

/** A home with all kinds of things in it. */
function makeHome(): string {
  const home = mkdtempSync(join(room, "home-"))
  writeDatabase(home, "old")
  const files: Record<string, string> = {
    "pincer.json": CONFIG,
    "gateway.token": "tttt",
    "audit.key": "kkkk",
    "gateway.json": "{}",
    "logs/gateway.log": "line\n",
    "workspace/notes/读我.md": "你好",
    "workspace/run.sh": "#!/bin/sh\n",
    "workflows/daily.yaml": "name: daily\n",
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(home, path, ".."), { recursive: true })
    writeFileSync(join(home, path), text, { mode: 0o600 })
  }
  chmodSync(join(home, "workspace/run.sh"), 0o700)
  mkdirSync(join(home, "workspace/empty"))
  symlinkSync("notes/读我.md", join(home, "workspace/link"))
  symlinkSync("/etc/passwd", join(home, "workspace/out"))
  return home
}

function options(home: string, more: Partial<CreateOptions> = {}): CreateOptions {
  return {
    home,
    config: join(home, "pincer.json"),
    folder: join(home, "backups"),
    secrets: true,
    workspace: true,
    pincer: "0.0.1",
    now: NOW,
    ...more,
  }
}

/** A tar whose entry of this name has another one of the same length; the sum of its head is put right. */
function renamed(tar: Buffer, from: string, to: string): Buffer {
  const head = tar.lastIndexOf(from)
  tar.write(to, head, "latin1")
  tar.fill(" ", head + 148, head + 156)
  const sum = tar.subarray(head, head + 512).reduce((total, byte) => total + byte, 0)
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, head + 148, "latin1")
  return tar
}

const scratch = () => join(mkdtempSync(join(room, "scratch-")), "x")
/** What stands in a home, without what restores leave aside. */
function contentOf(home: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(home.length + 1)
    if (/^(before-restore|backups|logs|restore|gateway\.(json|lock)|pincer\.db)/.test(path)) continue
    if (entry.isFile()) found[path] = readFileSync(join(home, path), "utf8")
  }
  return { ...found, database: wordIn(home) }
}

test("a backup holds everything that is kept, lists it with its hash, and is read back whole", async () => {
  const home = makeHome()
  // Gigabytes that can be had again.
  for (const folder of ["models", "engine", "engine.new"]) {
    mkdirSync(join(home, folder))
    writeFileSync(join(home, folder, "large"), "x")
  }
  const { manifest, path, verified } = await createBackup(options(home))
  assert.equal(path, join(home, "backups", "pincer-backup-20261121-090807.tar.gz"))
  assert.equal(verified.ok, true)
  assert.deepEqual(manifest.files.map((file) => file.path).sort(), [
    "audit.key",
    "gateway.token",
    "pincer.db",
    "pincer.json",
    "workflows/daily.yaml",
    "workspace/notes/读我.md",
    "workspace/run.sh",
  ])
  assert.deepEqual(manifest.links, [{ path: "workspace/link", target: "notes/读我.md" }])
  assert.deepEqual(manifest.left, [{ path: "workspace/out", reason: "a link that leads elsewhere" }])
  assert.deepEqual(manifest.folders, ["workspace/empty"])
  assert.equal(manifest.schema, SCHEMA)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(home, "backups")), ["pincer-backup-20261121-090807.tar.gz"])
  assert.deepEqual((await readManifest(path))?.files, manifest.files)
  const again = await createBackup(options(home))
  assert.match(again.path, /-090807-2\.tar\.gz$/)
})

test("without secrets: no token, no key, a masked configuration", async () => {
  const home = makeHome()
  const { manifest, path } = await createBackup(options(home, { secrets: false, workspace: false }))
  assert.deepEqual(manifest.files.map((file) => file.path).sort(), ["pincer.db", "pincer.json", "workflows/daily.yaml"])
  const bytes = gunzipSync(readFileSync(path)).toString("latin1")
  for (const secret of ["sk-0123456789abcdef0123", "tttt\0", "kkkk\0"]) assert.ok(!bytes.includes(secret), secret)
  assert.match(bytes, /\/\/ mine/)
})

test("a restore gives back all of it, keeps what was there aside, and can itself be undone", async () => {
  const home = makeHome()
  const before = contentOf(home)
  const { path } = await createBackup(options(home))
  writeDatabase(home, "new")
  writeFileSync(join(home, "gateway.token"), "another")
  writeFileSync(join(home, "later.json"), "made later")
  rmSync(join(home, "workspace"), { recursive: true })
  const changed = contentOf(home)
  const { aside, missing } = await restoreBackup({ from: path, home, config: join(home, "pincer.json"), now: NOW })
  assert.deepEqual(contentOf(home), before)
  assert.deepEqual(missing, [])
  assert.equal(statSync(join(home, "workspace/run.sh")).mode & 0o777, 0o700)
  assert.equal(readFileSync(join(home, "workspace/link"), "utf8"), "你好")
  assert.deepEqual(readdirSync(join(home, "workspace/empty")), [])
  assert.equal(readFileSync(join(aside, "later.json"), "utf8"), "made later")
  assert.equal(existsSync(join(home, "restore.json")), false)
  assert.deepEqual(
    readdirSync(home).filter((name) => name.startsWith("restore-")),
    [],
  )
  await restoreBackup({ from: aside, home, config: join(home, "pincer.json"), now: NOW + 1000 })
  const { "later.json": later, database, "gateway.token": token } = contentOf(home)
  assert.deepEqual([later, database, token], ["made later", "new", "another"])
  assert.equal(database, changed["database"])
})

test("a restore without secrets keeps those of the home, and says which are missing in a new one", async () => {
  const home = makeHome()
  const { path } = await createBackup(options(home, { secrets: false, workspace: false }))
  writeDatabase(home, "new")
  writeFileSync(join(home, "workspace/mine"), "stays")
  const here = await restoreBackup({ from: path, home, config: join(home, "pincer.json"), now: NOW })
  assert.deepEqual(here.missing, [])
  assert.equal(readFileSync(join(home, "pincer.json"), "utf8"), CONFIG)
  assert.deepEqual([contentOf(home)["gateway.token"], wordIn(home)], ["tttt", "old"])
  assert.equal(readFileSync(join(home, "workspace/mine"), "utf8"), "stays")
  const other = join(room, "elsewhere")
  const there = await restoreBackup({ from: path, home: other, config: join(other, "pincer.json"), now: NOW })
  assert.deepEqual(there.missing, ["providers.openai.apiKey"])
  const text = readFileSync(join(other, "pincer.json"), "utf8")
  assert.match(text, /\/\/ mine[\s\S]*"level": "warn"/)
  assert.doesNotMatch(text, /redacted/)
  assert.equal(wordIn(other), "old")
})

test("a sealed backup opens with its passphrase only, and a changed byte is found", async () => {
  const home = makeHome()
  const passphrase = "correct horse 电池"
  const { path } = await createBackup(options(home, { passphrase }))
  assert.match(path, /\.sealed$/)
  const bytes = readFileSync(path)
  for (const word of ["tttt", "pincer-backup.json", "gateway.token"]) assert.equal(bytes.indexOf(word), -1, word)
  await assert.rejects(verifyBackup(path, { scratch: scratch() }), /is sealed: give its passphrase/)
  await assert.rejects(verifyBackup(path, { passphrase: "wrong horse", scratch: scratch() }), /passphrase is wrong/)
  const places = [
    bytes.indexOf(10) + 40,
    Math.floor(bytes.length / 2),
    bytes.length - 3,
    bytes.indexOf('"pincer"') + 11,
  ]
  for (const at of places) {
    const changed = Buffer.from(bytes)
    changed[at] = changed[at]! ^ 1
    writeFileSync(`${path}.changed`, changed)
    await assert.rejects(
      verifyBackup(`${path}.changed`, { passphrase, scratch: scratch() }),
      /cannot be opened/,
      `byte ${at} of ${bytes.length}`,
    )
  }
  await assert.rejects(createBackup(options(home, { passphrase: "short" })), /shorter than 8/)
})

test("damage is found: a byte, a cut, a file too many, a link, a path that leads out", async () => {
  const home = makeHome()
  const { path } = await createBackup(options(home))
  const tar = gunzipSync(readFileSync(path))
  const said = async (bytes: Buffer) => {
    writeFileSync(join(room, "bad.tar.gz"), bytes)
    const { ok, problems } = await verifyBackup(join(room, "bad.tar.gz"), { scratch: scratch() })
    assert.equal(ok, false)
    return problems.join("; ")
  }
  const changed = Buffer.from(tar)
  changed[changed.indexOf("tttt")] = 0x75
  assert.match(await said(gzipSync(changed)), /gateway\.token is not as it was/)
  await assert.rejects(
    restoreBackup({ from: join(room, "bad.tar.gz"), home, config: join(home, "pincer.json"), now: NOW }),
    /is not restored: gateway\.token is not as it was/,
  )
  assert.deepEqual([contentOf(home)["gateway.token"], restorePending(home)], ["tttt", false])
  assert.match(await said(readFileSync(path).subarray(0, 900)), /not a whole backup/)
  assert.match(await said(gzipSync(tar.subarray(0, 4096))), /missing|not a whole/)
  assert.match(await said(Buffer.from("hello")), /not a gzip file/)
  const { packTar } = await import("modern-tar/fs")
  const pack = async (entries: Parameters<typeof packTar>[0]) =>
    gzipSync(Buffer.concat(await packTar(entries).toArray()))
  const text = tar.subarray(512, tar.indexOf(0, 512)).toString()
  const manifest = { type: "content" as const, content: text, target: "pincer-backup.json" }
  const evil = { type: "content" as const, content: "x" }
  assert.match(await said(await pack([manifest, { ...evil, target: "home/evil" }])), /evil is not in the manifest/)
  assert.match(await said(await pack([manifest, { ...evil, target: "other/evil" }])), /which no backup holds/)
  const climbs = renamed(
    gunzipSync(await pack([manifest, { ...evil, target: "home/a/b/evil" }])),
    "home/a/b/evil",
    "home/../../il",
  )
  assert.match(await said(gzipSync(climbs)), /not a whole backup/)
  const out = text.replace('"path": "gateway.token"', '"path": "../../gateway.token"')
  assert.match(await said(await pack([{ ...manifest, content: out }])), /leads out of the home/)
  assert.match(
    await said(await pack([{ ...manifest, content: text.replace('"version": 1', '"version": 2') }])),
    /newer/,
  )
  await assert.rejects(
    restoreBackup({ from: join(room, "bad.tar.gz"), home, config: join(home, "pincer.json"), now: NOW }),
    /newer Pincer/,
  )
  assert.deepEqual([wordIn(home), restorePending(home)], ["old", false])
  assert.deepEqual(
    [staysInside("a/b", "../c"), staysInside("a/b", "c"), staysInside("a/b/c", "../../x"), staysInside("a", "b")],
    [false, true, false, true],
  )
})

test("a restore is refused while a gateway has the home, and of a database that a newer Pincer wrote", async () => {
  const home = makeHome()
  const { path } = await createBackup(options(home))
  const claim = claimHome(home)
  const ask = { from: path, home, config: join(home, "pincer.json"), now: NOW }
  await assert.rejects(restoreBackup(ask), /already running/)
  claim.release()
  const newer = join(room, "newer.db")
  const db = new DatabaseSync(newer)
  db.exec(`PRAGMA user_version=${SCHEMA + 1}`)
  db.close()
  await assert.rejects(restoreBackup({ ...ask, from: newer }), /this Pincer knows/)
  await assert.rejects(restoreBackup({ ...ask, from: join(room, "none.tar.gz") }), /does not exist/)
  assert.deepEqual([wordIn(home), existsSync(join(home, "restore.json"))], ["old", false])
})

const KILLED = `
const [room, from, home, at, nth] = process.argv.slice(1)
const { restoreBackup } = await import(room + "/restore.ts")
const { finishRestore } = await import(room + "/restore-journal.ts")
let count = Number(nth)
const reached = (point) => { if (point === at && --count === 0) process.kill(process.pid, "SIGKILL") }
if (from === "finish") await finishRestore(home, { reached })
else await restoreBackup({ from, home, config: home + "/pincer.json", now: 1, reached })
`

function kill(home: string, from: string, point: RestorePoint, nth = 1): NodeJS.Signals | null {
  const args = ["--input-type=module", "-e", KILLED, import.meta.dirname, from, home, point, String(nth)]
  return spawnSync(process.execPath, args, { encoding: "utf8" }).signal
}

test("killed at each step of a restore: all old before it is decided, and all new once it was gone on with", async () => {
  const source = makeHome()
  writeDatabase(source, "restored")
  writeFileSync(join(source, "gateway.token"), "restored")
  const want = contentOf(source)
  const { path } = await createBackup(options(source))
  const points: [RestorePoint, number][] = [
    ["staged", 1],
    ["journalled", 1],
    ["put-aside", 3],
    ["put-in", 4],
    ["moved", 1],
    ["finished", 1],
  ]
  for (const [point, nth] of points) {
    const home = makeHome()
    const old = contentOf(home)
    assert.equal(kill(home, path, point, nth), "SIGKILL", point)
    if (point === "staged") {
      assert.deepEqual([contentOf(home), restorePending(home)], [old, false], point)
      continue
    }
    assert.equal(restorePending(home), point !== "finished", point)
    // The one that goes on is killed as well.
    if (point === "put-aside") assert.equal(kill(home, "finish", "put-in", 2), "SIGKILL", point)
    assert.equal(await finishRestore(home), point !== "finished")
    assert.deepEqual(contentOf(home), want, `${point} ${nth}`)
    const [aside = ""] = readdirSync(join(home, "before-restore"))
    assert.equal(readFileSync(join(home, "before-restore", aside, "gateway.token"), "utf8"), "tttt")
    assert.equal(wordIn(join(home, "before-restore", aside)), "old")
  }
})

test("a damaged journal is never acted upon", async () => {
  const home = makeHome()
  writeFileSync(join(home, "restore.json"), '{"version":1,"id":"../x","moves":[]}')
  await assert.rejects(finishRestore(home), /is damaged/)
  assert.equal(wordIn(home), "old")
})

test("a disk without room leaves no file behind and the home as it was", async (t) => {
  const home = makeHome()
  const small = join(room, "small")
  mkdirSync(small)
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return t.skip("NOT TESTED: only root on Linux can mount a small disk")
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", small]).status !== 0)
    return t.skip("NOT TESTED: a small disk cannot be mounted here")
  try {
    writeFileSync(join(home, "workspace/big"), Buffer.alloc(400_000, 7))
    await assert.rejects(createBackup(options(home, { folder: small })), /needs about .* MB .*free: make room/)
    assert.deepEqual(readdirSync(small), [])
    const { path } = await createBackup(options(home))
    const fresh = join(small, "home")
    const restore = restoreBackup({ from: path, home: fresh, config: join(fresh, "pincer.json"), now: NOW })
    await assert.rejects(restore, /ENOSPC|not a whole backup/)
    assert.equal(restorePending(fresh), false)
    assert.deepEqual(
      readdirSync(fresh).filter((name) => name.startsWith("restore")),
      [],
    )
  } finally {
    spawnSync("umount", [small])
  }
})

test("what a backup left that was killed is cleared by a later one, what is being made is not", async () => {
  const home = makeHome()
  const folder = join(home, "backups")
  const names = [
    ".pincer-backup-20260101-000000.tar.gz-0192-0123456789ab",
    "pincer-backup-20260101-000000.tar.gz.partial",
  ]
  for (const age of [2, 0])
    for (const name of names) {
      mkdirSync(join(folder, `${name.replace("2026", `202${age}`)}`), { recursive: true })
      utimesSync(join(folder, `${name.replace("2026", `202${age}`)}`), 0, NOW / 1000 - age * 86_400)
    }
  const { path } = await createBackup(options(home))
  assert.deepEqual(
    readdirSync(folder).sort(),
    [...names.map((name) => name.replace("2026", "2020")), path.slice(folder.length + 1)].sort(),
  )
})

test("an empty home has nothing to back up; a home that is not there neither", async () => {
  const home = mkdtempSync(join(room, "empty-"))
  await assert.rejects(createBackup(options(home)), /nothing to back up/)
  await assert.rejects(createBackup(options(join(room, "nowhere"), { folder: join(room, "b") })), /nothing to back up/)
  assert.equal(existsSync(join(room, "nowhere")), false)
})

test("the shelf lists the newest first and prunes what people made, never copies from before a change of schema", async () => {
  const folder = mkdtempSync(join(room, "shelf-"))
  const names = [1, 2, 3].map((day) => `pincer-backup-2026010${day}-000000.tar.gz${day === 2 ? ".sealed" : ""}`)
  for (const name of [...names, "pincer-schema-9-20250101-000000.db", "note.txt"])
    writeFileSync(join(folder, name), "x")
  const rows = await listBackups(folder)
  assert.deepEqual(
    rows.map((row) => [row.path.slice(folder.length + 1), row.sealed, row.automatic]),
    [
      [names[2], false, false],
      [names[1], true, false],
      [names[0], false, false],
      ["pincer-schema-9-20250101-000000.db", false, true],
    ],
  )
  assert.equal((await pruneBackups(folder, 1, true)).length, 2)
  assert.equal((await pruneBackups(folder, 1)).length, 2)
  assert.equal((await listBackups(folder)).length, 2)
  assert.deepEqual(await listBackups(join(folder, "none")), [])
})

test("a thread makes the backup without holding this one, one at a time", async () => {
  const home = makeHome()
  const first = createInThread(options(home))
  await assert.rejects(createInThread(options(home)), /A backup is being made/)
  const { path } = await first
  assert.equal((await verifyBackup(path, { scratch: scratch() })).ok, true)
  await assert.rejects(createInThread(options(mkdtempSync(join(room, "e-")))), { code: "NOT_FOUND" })
})
