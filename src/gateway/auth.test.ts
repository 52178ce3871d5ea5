import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { configSchema } from "../config/schema.ts"
import { openAuth, sameSecret, tokenHash } from "./auth.ts"
import { DeviceMembers } from "./devices/device-members.ts"

const TOKEN = "a-token-that-is-long-enough"
const doors = { members: new DeviceMembers(), used: () => undefined }

function open(gateway: Record<string, unknown> = {}, token: string | undefined = TOKEN) {
  const device = { deviceId: "d1", role: "operator" }
  const devices = {
    byTokenHash: async (hash: string) =>
      hash === tokenHash("device-token") ? { device, role: "operator", scopes: ["operator.read"] } : undefined,
  }
  const config = configSchema.parse({ gateway })
  // Only the devices of the store are asked.
  const store = { devices } as unknown as Parameters<typeof openAuth>[0]["store"]
  return openAuth({ config, token, store, clock: systemClock, devices: doors })
}

function request(headers: IncomingHttpHeaders, remoteAddress = "127.0.0.1", localAddress = "127.0.0.1") {
  return { headers, socket: { remoteAddress, localAddress } } as unknown as IncomingMessage
}

test("only Host names of this gateway are served: a rebound name is refused", () => {
  const auth = open({ host: "0.0.0.0", listeners: [{ host: "gw.lan", port: 1 }], allowedHosts: ["pincer.example"] })
  const fits = (host: string | undefined, localAddress?: string) =>
    auth.hostRefusal(request(host === undefined ? {} : { host }, "192.168.1.9", localAddress)) === undefined
  for (const host of [
    "localhost",
    "LOCALHOST:18789",
    "127.0.0.1:1",
    "[::1]:18789",
    "gw.lan",
    "pincer.example:443",
    "localhost.",
  ])
    assert.ok(fits(host), host)
  for (const host of [
    undefined,
    "",
    "evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.nip.io",
    "0.0.0.0",
    "127.0.0.1@evil.example",
    "localhost:18789:1",
    "localhost:port",
    "[::1",
    "localhost/",
    "localhost evil",
    "2130706433",
  ])
    assert.ok(!fits(host), String(host))
  // The address that was dialled is no foreign name; any other address is.
  assert.ok(fits("192.168.1.5:18789", "192.168.1.5"))
  assert.ok(fits("192.168.1.5:18789", "::ffff:192.168.1.5"))
  assert.ok(!fits("192.168.1.6:18789", "192.168.1.5"))
})

test("only own and listed origins pass; null and look-alikes do not", () => {
  const auth = open({ allowedOrigins: ["https://app.example"] })
  const fits = (origin: string | undefined, host = "127.0.0.1:18789") =>
    auth.originRefusal(request({ host, ...(origin === undefined ? {} : { origin }) })) === undefined
  for (const origin of [undefined, "http://127.0.0.1:18789", "https://app.example"]) assert.ok(fits(origin), origin)
  assert.ok(fits("http://localhost:18789", "localhost:18789"))
  for (const origin of [
    "null",
    "",
    "https://evil.example",
    "http://127.0.0.1:8080",
    "http://127.0.0.1",
    "http://localhost:18789",
    "http://127.0.0.1:18789.evil.example",
    "http://127.0.0.1:18789@evil.example",
    "https://app.example.evil.example",
    "https://app.example:8443",
    "http://app.example",
    "https://app.example/",
    "file://",
    "chrome-extension://x",
    "ftp://127.0.0.1:18789",
    "http://user@127.0.0.1:18789",
    "*",
  ])
    assert.ok(!fits(origin), origin)
  // A page of a rebound name is no page of ours, though its Host agrees with its Origin.
  assert.ok(!fits("http://evil.example:18789", "evil.example:18789"))
})

test("somebody on this machine: loopback peer, loopback Host, nothing forwarded", () => {
  const auth = open()
  const host = "127.0.0.1:18789"
  assert.ok(auth.isLocal(request({ host })))
  assert.ok(auth.isLocal(request({ host: "[::1]:1" }, "::1")))
  assert.ok(!auth.isLocal(request({ host }, "192.168.1.9")))
  assert.ok(!auth.isLocal(request({ host: "pincer.example" })))
  for (const name of [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "via",
    "cf-connecting-ip",
    "tailscale-user-login",
  ])
    assert.ok(!auth.isLocal(request({ host, [name]: "127.0.0.1" })), name)
})

test("the token is compared in constant time: hashes of equal length, by timingSafeEqual only", () => {
  assert.ok(sameSecret(TOKEN, TOKEN))
  for (const wrong of ["", "a", TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase(), "x".repeat(100_000)])
    assert.ok(!sameSecret(wrong, TOKEN))
  const source = readFileSync(new URL("access/digest.ts", import.meta.url), "utf8")
  assert.match(source, /return timingSafeEqual\(sha256\(a\), sha256\(b\)\)/)
  const judging = readFileSync(new URL("auth.ts", import.meta.url), "utf8")
  assert.doesNotMatch(judging, /[!=]== (parts\.)?token\b|\btoken [!=]== (?!undefined)/)
})

test("without a token nothing is one, unless authentication is switched off", () => {
  assert.ok(!open().isToken(undefined))
  assert.ok(!openWithout("token").isToken(undefined))
  assert.ok(openWithout("none").isToken(undefined))
})

function openWithout(mode: string) {
  const config = configSchema.parse({ gateway: { auth: { mode } } })
  const store = {} as unknown as Parameters<typeof openAuth>[0]["store"]
  return openAuth({ config, token: undefined, store, clock: systemClock, devices: doors })
}

test("bearer: the shared token is everything, a device token is its scopes, the rest is one and the same refusal", async () => {
  const auth = open()
  const ask = (authorization?: string) =>
    auth.bearer(request({ host: "localhost", ...(authorization === undefined ? {} : { authorization }) }))
  const owner = await ask(`Bearer ${TOKEN}`)
  assert.ok(owner.ok && owner.scopes.includes("operator.admin"))
  assert.deepEqual(await ask("bearer device-token"), {
    ok: true,
    subject: "d1",
    scopes: ["operator.read"],
    epoch: 1,
  })
  const texts = new Set<string>()
  for (const wrong of [undefined, "Bearer", "Bearer x", `Basic ${TOKEN}`, TOKEN, `Bearer ${TOKEN} x`]) {
    const answer = await ask(wrong)
    assert.ok(!answer.ok, String(wrong))
    texts.add(`${answer.error.code} ${answer.error.message}`)
  }
  assert.equal(texts.size, 1)
})

test("ten thousand guesses from elsewhere meet a lock, with and without a bogus token; programs here are never locked out", async () => {
  for (const bogus of [undefined, "Bearer bogus-device-token"]) {
    const auth = open()
    const ask = (authorization: string | undefined, from: string) =>
      auth.bearer(request({ host: "localhost", ...(authorization === undefined ? {} : { authorization }) }, from))
    let tried = 0
    for (let i = 0; i < 10_000; i++) {
      const answer = await ask(bogus ?? `Bearer guess-${i}`, "192.168.1.66")
      assert.ok(!answer.ok)
      if (answer.error.code === "AUTH_REQUIRED") tried += 1
    }
    assert.equal(tried, 10)
    assert.ok(!(await ask(`Bearer ${TOKEN}`, "192.168.1.66")).ok, "not even the right one while it is locked")
    assert.ok((await ask(`Bearer ${TOKEN}`, "192.168.1.67")).ok)
    for (let i = 0; i < 100; i++) await ask("Bearer guess", "127.0.0.1")
    assert.ok((await ask(`Bearer ${TOKEN}`, "127.0.0.1")).ok)
  }
})

test("a page that guesses from this machine's browser is locked out, and with it no program", async () => {
  const auth = open({ allowedOrigins: ["https://app.example"] })
  const page = { host: "localhost", origin: "https://app.example" }
  for (let i = 0; i < 10; i++) await auth.bearer(request({ ...page, authorization: "Bearer x" }))
  const locked = await auth.bearer(request({ ...page, authorization: `Bearer ${TOKEN}` }))
  assert.ok(!locked.ok && locked.error.code === "RATE_LIMITED")
  assert.ok((await auth.bearer(request({ host: "localhost", authorization: `Bearer ${TOKEN}` }))).ok)
})

test("a signature without nonce counts once", () => {
  const auth = open()
  assert.ok(auth.isFirstUse("s1"))
  assert.ok(!auth.isFirstUse("s1"))
  assert.ok(auth.isFirstUse("s2"))
})
