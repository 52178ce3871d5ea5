import assert from "node:assert/strict"
import type { IncomingMessage } from "node:http"
import { test } from "node:test"
import { systemClock } from "../../base/clock.ts"
import { configSchema } from "../../config/schema.ts"
import { openAuth } from "../auth.ts"
import { DeviceMembers } from "../devices/device-members.ts"
import { isForwarded, Proxies } from "./forwarded.ts"

const TOKEN = "a-token-that-is-long-enough"

function open(settings: Record<string, unknown> = {}) {
  const gateway = {
    trustedProxies: ["10.0.0.5", "10.1.0.0/16", "fd00::/8", "127.0.0.1"],
    auth: {
      mode: "trusted-proxy",
      trustedProxy: { userHeader: "X-Forwarded-User", requiredHeaders: ["x-forwarded-proto"], ...settings },
    },
  }
  const store = { devices: { byTokenHash: async () => undefined } } as unknown as Parameters<
    typeof openAuth
  >[0]["store"]
  const devices = { members: new DeviceMembers(), used: () => undefined }
  return openAuth({ config: configSchema.parse({ gateway }), token: TOKEN, store, clock: systemClock, devices })
}

/** `headers` as they came, repeated ones twice. */
function request(peer: string, ...headers: [string, string][]): IncomingMessage {
  const joined: Record<string, string> = { host: "localhost" }
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    joined[key] = joined[key] === undefined ? value : `${joined[key]}, ${value}`
  }
  const rawHeaders = headers.flat()
  return {
    headers: joined,
    rawHeaders,
    socket: { remoteAddress: peer, localAddress: "10.0.0.1" },
  } as unknown as IncomingMessage
}

const ANN: [string, string] = ["X-Forwarded-User", "ann@example"]
const PROTO: [string, string] = ["X-Forwarded-Proto", "https"]

async function codeOf(auth: ReturnType<typeof open>, from: IncomingMessage): Promise<unknown> {
  const answer = await auth.bearer(from)
  return answer.ok ? answer.user : (answer.error.details?.["code"] ?? answer.error.code)
}

test("the proxy's user comes in, from the proxy's addresses only", async () => {
  const auth = open()
  assert.equal(await codeOf(auth, request("10.0.0.5", ANN, PROTO)), "ann@example")
  assert.equal(await codeOf(auth, request("::ffff:10.1.2.3", ANN, PROTO)), "ann@example")
  assert.equal(await codeOf(auth, request("fd00::7", ANN, PROTO)), "ann@example")
  for (const peer of ["10.0.0.6", "192.168.1.1", "2001:db8::1", ""])
    assert.equal(await codeOf(auth, request(peer, ANN, PROTO)), "AUTH_TRUSTED_PROXY_UNTRUSTED_SOURCE", peer)
})

test("spoofed, missing, doubled and empty names are refused", async () => {
  const auth = open()
  const from = (...headers: [string, string][]) => codeOf(open(), request("10.0.0.5", ...headers))
  assert.equal(await codeOf(auth, request("10.0.0.5", ANN)), "AUTH_TRUSTED_PROXY_MISSING_HEADER")
  for (const headers of [
    [PROTO],
    [PROTO, ["X-Forwarded-User", ""]],
    [PROTO, ["X-Forwarded-User", "root"], ANN],
    [PROTO, ["X-Forwarded-User", "root, ann@example"]],
    [PROTO, ["X-Forwarded-User", "a".repeat(300)]],
    [PROTO, ["X_Forwarded_User", "root"]],
  ] as [string, string][][])
    assert.equal(await from(...headers), "AUTH_TRUSTED_PROXY_USER_MISSING", JSON.stringify(headers))
})

test("only users who are named, with the rights that are named", async () => {
  const auth = open({ allowUsers: ["ann@example"], scopes: ["operator.read"] })
  const answer = await auth.bearer(request("10.0.0.5", ANN, PROTO))
  const ann = {
    ok: true,
    subject: "owner",
    user: "ann@example",
    scopes: ["operator.read"],
    epoch: 1,
    address: "10.0.0.5",
  }
  assert.deepEqual(answer, ann)
  const bob = request("10.0.0.5", ["X-Forwarded-User", "bob@example"], PROTO)
  assert.equal(await codeOf(auth, bob), "AUTH_TRUSTED_PROXY_USER_NOT_ALLOWED")
})

test("the token opens for this machine's own programs, not through the proxy and not for others", async () => {
  const auth = open()
  const bearer: [string, string] = ["Authorization", `Bearer ${TOKEN}`]
  const own = await auth.bearer(request("127.0.0.1", bearer))
  assert.ok(own.ok && own.user === undefined)
  assert.equal(await codeOf(auth, request("192.168.1.9", bearer)), "AUTH_TRUSTED_PROXY_UNTRUSTED_SOURCE")
  assert.equal(await codeOf(auth, request("10.0.0.5", bearer, PROTO)), "AUTH_TRUSTED_PROXY_USER_MISSING")
})

test("a proxy on this machine is believed only when that was allowed, and its requests are never local", async () => {
  const from = request("127.0.0.1", ANN, PROTO)
  assert.equal(await codeOf(open(), from), "AUTH_TRUSTED_PROXY_LOOPBACK_SOURCE")
  const auth = open({ allowLoopback: true })
  assert.equal(await codeOf(auth, from), "ann@example")
  assert.ok(!auth.isLocal(from))
  assert.ok(!auth.isLocal(request("127.0.0.1", ANN)), "the header alone is a trace")
})

test("an attacker who is no proxy is locked out by his own address, whatever he says it is", async () => {
  const auth = open()
  for (let i = 0; i < 10; i++) await auth.bearer(request("192.0.2.6", ANN, ["X-Forwarded-For", `198.51.100.${i}`]))
  assert.equal(await codeOf(auth, request("192.0.2.6", ANN)), "AUTH_RATE_LIMITED")
  assert.equal(await codeOf(auth, request("10.0.0.5", ANN, PROTO)), "ann@example")
})

test("the client's address is the last hop that is no proxy of ours; what stands before it is its own word", () => {
  const proxies = new Proxies(["10.0.0.5", "10.1.0.0/16"])
  const of = (peer: string, said?: string) =>
    proxies.client(request(peer, ...(said === undefined ? [] : ([["X-Forwarded-For", said]] as [string, string][]))))
  assert.equal(of("192.0.2.1", "1.2.3.4"), "192.0.2.1")
  assert.equal(of("10.0.0.5", "1.2.3.4"), "1.2.3.4")
  assert.equal(of("10.0.0.5", "6.6.6.6, 1.2.3.4, 10.1.9.9"), "1.2.3.4")
  assert.equal(of("10.0.0.5", "nonsense"), "10.0.0.5")
  assert.equal(of("10.0.0.5"), "10.0.0.5")
})

test("every trace of a proxy counts, and ordinary headers are none", () => {
  for (const name of [
    "x-forwarded-for",
    "x-forwarded-proto",
    "forwarded",
    "via",
    "cf-ray",
    "x-real-ip",
    "fly-client-ip",
    "tailscale-user-name",
    "true-client-ip",
  ])
    assert.ok(isForwarded({ [name]: "x" }), name)
  assert.ok(
    !isForwarded({ host: "x", "user-agent": "x", authorization: "x", origin: "x", "x-pincer-session-key": "x" }),
  )
  assert.ok(isForwarded({ "x-who": "x" }, "x-who"))
})

test("a configuration that cannot work says what is missing", () => {
  const issue = configSchema.safeParse({ gateway: { auth: { mode: "trusted-proxy" } } })
  assert.match(issue.error?.message ?? "", /userHeader/)
  assert.ok(!configSchema.safeParse({ gateway: { trustedProxies: ["proxy.example"] } }).success)
})
