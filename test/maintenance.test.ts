// Doctor, backups, logs and the look for updates through a whole house, in both dialects.
import assert from "node:assert/strict"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { writeJournal } from "../src/backup/restore-journal.ts"
import { verifyBackup } from "../src/backup/verify.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { type House, makeHome, startHouse } from "./house.ts"

let house: House
let client: GatewayClient
const registry = createServer((_request, response) => response.end('{"version":"99.0.0"}'))

type Answer = Record<string, unknown>
const ask = async (method: string, params: Answer = {}) => (await client.request(method, params)) as Answer

before(async () => {
  await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`
  house = await startHouse({ config: { update: { registry: url }, log: { level: "info" } } })
  client = await connect()
})

after(async () => {
  client.close()
  await house.close()
  registry.close()
})

function connect(scopes?: string[]): Promise<GatewayClient> {
  const info = { id: "cli", version: "1", platform: "linux", mode: "cli" }
  return connectGateway({ url: house.wsUrl, token: house.token, client: info, ...(scopes ? { scopes } : {}) })
}

test("backup.export makes a backup without secrets while turns run, and backup.status lists it", async () => {
  const turn = client.request("agent", { message: "list the files here", idempotencyKey: "turn-one" })
  const made = await ask("backup.export")
  await turn
  assert.deepEqual([typeof made["path"], typeof made["files"], made["secrets"]], ["string", "number", false])
  const path = String(made["path"])
  const { ok, manifest } = await verifyBackup(path, { scratch: join(house.home, "read-back") })
  assert.ok(ok && manifest)
  assert.ok(!manifest.files.some((file) => /token|key$/.test(file.path)), JSON.stringify(manifest.files))
  const { backups, count } = await ask("backup.status")
  assert.deepEqual(
    [count, (backups as Answer[])[0]?.["path"], (backups as Answer[])[0]?.["size"]],
    [1, path, made["size"]],
  )
  const both = await Promise.allSettled([ask("backup.export"), ask("backup.export")])
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"])
})

test("doctor.run has the shape of the document, and a caller without the right gets nothing of all this", async () => {
  const { checks, summary } = await ask("doctor.run", { skip: ["model.reachable"] })
  const rows = checks as Answer[]
  for (const { name, category, severity, message } of rows)
    assert.ok(
      [name, category, message].every((one) => typeof one === "string" && one !== "") &&
        /^(ok|info|warning|error)$/.test(String(severity)),
    )
  const { passed, failed, warnings } = summary as Answer
  assert.equal(
    Number(passed) + Number(failed) + Number(warnings) + rows.filter((row) => row["severity"] === "info").length,
    rows.length,
  )
  const of = (id: string) => rows.find((row) => row["id"] === id)
  for (const id of ["database.readable", "audit.whole", "gateway.reachable", "clock", "mcp.servers"])
    assert.equal(of(id)?.["severity"], "ok", JSON.stringify(of(id)))
  await assert.rejects(ask("doctor.run", { only: ["nothing"] }), /There is no check "nothing"/)
  const reader = await connect(["operator.read"])
  for (const method of ["doctor.run", "backup.export", "update.status"])
    await assert.rejects(reader.request(method, {}), /missing scope: operator\.admin/, method)
  assert.equal(((await reader.request("update.check", {})) as Answer)["latestVersion"], "99.0.0")
  reader.close()
})

test("update.check and update.status tell of a newer version, each in its words", async () => {
  const check = await ask("update.check")
  assert.deepEqual(
    [check["currentVersion"], check["latestVersion"], check["updateAvailable"]],
    [house.parts.version, "99.0.0", true],
  )
  const status = await ask("update.status")
  assert.deepEqual([(status["updateAvailable"] as Answer)["latestVersion"], status["sentinel"]], ["99.0.0", null])
})

test("logs.tail finds the lines of a turn by session, and a cursor goes on where it stopped", async () => {
  await client.request("agent.wait", { runId: "turn-one", timeoutMs: 20_000 })
  const found = await ask("logs.tail", { session: "agent:main:main", grep: "A turn ended" })
  const [line = "{}"] = found["lines"] as string[]
  assert.equal((JSON.parse(line) as Answer)["transcript_length"] !== undefined, true, line)
  assert.equal((await ask("system.logs", { lines: 1, level: "error", session: "nobody" }))["count"], 0)
  const { cursor } = await ask("logs.tail")
  house.parts.log.warn({ n: 7 }, "After the cursor")
  let lines: string[] = []
  for (let i = 0; lines.length === 0 && i < 200; i++) lines = (await ask("logs.tail", { cursor }))["lines"] as string[]
  assert.match(lines.join(), /After the cursor/)
})

test("a gateway finishes a restore that was cut off before it reads anything of the home", async () => {
  const { home } = makeHome({ config: { log: { level: "info" } } })
  const staged = join(home, "restore-x")
  writeFileSync(staged, readFileSync(join(home, "pincer.json"), "utf8").replace('"info"', '"error"'))
  const target = join(home, "pincer.json")
  const moves = [{ staged, target, aside: join(home, "before-restore", "x", "pincer.json") }]
  await writeJournal(home, { version: 1, id: "x", from: "test", at: 0, moves })
  const second = await startHouse({ home })
  assert.equal(second.parts.config.log.level, "error")
  assert.equal(existsSync(join(home, "restore.json")), false)
  await second.close()
})
