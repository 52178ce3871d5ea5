import assert from "node:assert/strict"
import { test } from "node:test"
import { silentLogger } from "../base/log.ts"
import { type Config, configSchema } from "../config/schema.ts"
import { type Announcement, announce, announcementOf } from "./announce.ts"
import type { ConfigTaker, LiveConfig } from "./config/live-config.ts"

const PLACE = { port: 18789, home: "/home/me/.pincer" }

function config(gateway: object, mdns: object): Config {
  return configSchema.parse({ gateway, discovery: { mdns } })
}

test("nothing is announced unless it was asked for, and nothing that only this machine can reach", () => {
  assert.equal(announcementOf(config({ host: "0.0.0.0" }, {}), PLACE), undefined)
  assert.match(String(announcementOf(config({}, { enabled: true }), PLACE)), /loopback only/)
  assert.match(
    String(announcementOf(config({ listeners: [{ host: "::1", port: 1 }] }, { enabled: true }), PLACE)),
    /loopback/,
  )
})

test("what is announced is a name, a port and a hint at the certificate: no path, no token, no user", () => {
  const mdns = { enabled: true, name: "书房", tls: { port: 443, sha256: `${"ab:".repeat(31)}ab` } }
  const secret = "very-secret-token-0123456789"
  const said = announcementOf(config({ auth: { token: secret } }, mdns), PLACE) as Announcement
  assert.equal(said.port, 443)
  assert.deepEqual(Object.keys(said.txt).sort(), ["id", "name", "sha256", "tls", "v"])
  assert.equal(said.txt["sha256"], "ab".repeat(32))
  assert.doesNotMatch(JSON.stringify(said), /secret|home|\.pincer/)
  assert.match(said.name, /^书房 [0-9a-f]{8}$/)
  const long = announcementOf(
    config({ host: "0.0.0.0" }, { enabled: true, name: "长".repeat(60) }),
    PLACE,
  ) as Announcement
  assert.ok(Buffer.byteLength(long.name) <= 63)
})

test("it follows the configuration while it runs, and says goodbye when it stops", async () => {
  let current = config({ host: "0.0.0.0" }, {})
  let taker: ConfigTaker | undefined
  const live: LiveConfig = {
    current: () => current,
    take(given) {
      taker = given
      return () => {
        taker = undefined
      }
    },
  }
  const seen: string[] = []
  let faulty = false
  const stop = announce({
    ...PLACE,
    live,
    log: silentLogger,
    async open() {
      if (faulty) throw new Error("no multicast here")
      return {
        publish: ({ name }) => void seen.push(`+${name.replace(/ .*/, "")}`),
        async close() {
          seen.push("-")
        },
      }
    },
  })
  const set = async (mdns: object) => {
    current = config({ host: "0.0.0.0" }, mdns)
    await taker?.apply(current, [])
  }
  await set({ enabled: true, name: "one" })
  await set({ enabled: true, name: "one" })
  await set({ enabled: true, name: "two" })
  await set({ enabled: false })
  faulty = true
  await set({ enabled: true, name: "three" })
  faulty = false
  await set({ enabled: true, name: "four" })
  await stop()
  assert.deepEqual(seen, ["+one", "-", "+two", "-", "+four", "-"])
  assert.equal(taker, undefined)
})
