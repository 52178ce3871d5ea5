import assert from "node:assert/strict"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { checkUpdate, compareVersions, type UpdateRoom } from "./update-check.ts"

const home = mkdtempSync(join(tmpdir(), "pincer-update-"))
after(() => rmSync(home, { recursive: true, force: true }))

/** A registry that answers as told, and counts. */
async function withRegistry(answer: RequestListener, work: (room: UpdateRoom, asked: string[]) => Promise<void>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? "")
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let now = 1_000_000
  const settings = { check: true, registry, timeoutMs: 200, cacheMs: 60_000 }
  const room = { settings, home, version: "1.2.3", now: () => ++now }
  try {
    await work(room, asked)
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(join(home, "update-check.json"), { force: true })
  }
}

const says =
  (body: string, status = 200): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(body)
  }

test("a newer version is told with what to type, and asked for once while the answer counts", async () => {
  await withRegistry(says('{"version":"1.10.0"}'), async (room, asked) => {
    const first = await checkUpdate(room)
    const { currentVersion, latestVersion, updateAvailable, command } = first
    assert.deepEqual([currentVersion, latestVersion, updateAvailable], ["1.2.3", "1.10.0", true])
    assert.equal(command, "npm install -g pincer@1.10.0")
    assert.deepEqual(await checkUpdate(room), first)
    assert.deepEqual(asked, ["/pincer/latest"])
    await checkUpdate(room, { fresh: true })
    await checkUpdate({ ...room, now: () => 9_000_000 })
    assert.equal(asked.length, 3)
    const same = await checkUpdate({ ...room, version: "1.10.0" })
    assert.deepEqual([same.updateAvailable, same.command, same.note], [false, null, "Pincer 1.10.0 is the newest"])
  })
})

test("with update.check off nobody is asked", async () => {
  await withRegistry(says('{"version":"9.9.9"}'), async (room, asked) => {
    const answer = await checkUpdate({ ...room, settings: { ...room.settings, check: false } }, { fresh: true })
    assert.deepEqual([answer.latestVersion, answer.updateAvailable, asked.length], [null, false, 0])
    assert.match(answer.note, /update\.check is false/)
    assert.equal(existsSync(join(home, "update-check.json")), false)
  })
})

test("a registry that is slow, dead or lying is a sentence, and what was known stays known", async () => {
  const bad: [RequestListener, RegExp][] = [
    [() => undefined, /does not answer within 200 ms/],
    [says("{}", 503), /answers with HTTP 503/],
    [says("not json"), /something that is no version/],
    [says('{"version":"1.0.0; rm -rf ~"}'), /something that is no version/],
    [says(`{"version":"${"9".repeat(2_000_000)}"}`), /too large/],
    // Led elsewhere, even where a version stands.
    [
      (request, response) =>
        request.url === "/elsewhere"
          ? says('{"version":"9.9.9"}')(request, response)
          : response.writeHead(302, { location: "/elsewhere" }).end(),
      /cannot be reached/,
    ],
    [(request) => request.socket.destroy(), /cannot be reached/],
  ]
  for (const [answer, note] of bad)
    await withRegistry(answer, async (room) => {
      const found = await checkUpdate(room)
      assert.match(found.note, note)
      assert.deepEqual([found.latestVersion, found.updateAvailable, found.command], [null, false, null])
    })
  let up = true
  const moody: RequestListener = (request, response) =>
    says(up ? '{"version":"2.0.0"}' : "{}", up ? 200 : 500)(request, response)
  await withRegistry(moody, async (room) => {
    await checkUpdate(room)
    up = false
    const later = await checkUpdate(room, { fresh: true })
    assert.deepEqual([later.latestVersion, later.updateAvailable], ["2.0.0", true])
    assert.match(later.note, /HTTP 500/)
    const elsewhere = { ...room.settings, registry: `${room.settings.registry}/other` }
    assert.equal((await checkUpdate({ ...room, settings: elsewhere })).latestVersion, null)
  })
})

test("versions are compared as semantic versioning says", () => {
  const order = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
  ]
  for (let i = 0; i < order.length; i++)
    for (let j = 0; j < order.length; j++)
      assert.equal(Math.sign(compareVersions(order[i]!, order[j]!)), Math.sign(i - j), `${order[i]} and ${order[j]}`)
  assert.deepEqual([compareVersions("1.0.0+a", "1.0.0+b"), compareVersions("x", "1.0.0")], [0, 0])
})
