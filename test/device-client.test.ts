// The published client of the original gateway pairs here: it waits, is approved, keeps its token, and comes back by it alone.
import assert from "node:assert/strict"
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto"
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net"
import { test } from "node:test"
import { GatewayClient } from "@openclaw/gateway-client"
import { deviceIdOf } from "../src/gateway/devices/device.ts"
import { clawConnect, openRaw } from "./frames.ts"
import { NO_SANDBOX, startHouse } from "./house.ts"

/** A reverse proxy that says where its client is. */
async function startProxy(port: number) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = createConnection(port, "127.0.0.1")
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
    }
    client.once("data", (head) => {
      upstream.write(String(head).replace("\r\n", "\r\nX-Forwarded-For: 203.0.113.20\r\n"))
      client.pipe(upstream)
      upstream.pipe(client)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()))
  const address = server.address() as AddressInfo
  return {
    url: `ws://127.0.0.1:${address.port}`,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test("@openclaw/gateway-client pairs, gets its token, comes back by it, and is put out when it is removed", async (t) => {
  const house = await startHouse({ config: { ...NO_SANDBOX, gateway: { trustedProxies: ["127.0.0.1"] } } })
  t.after(() => house.close())
  const proxy = await startProxy(Number(new URL(house.url).port))
  t.after(() => proxy.close())
  const pair = generateKeyPairSync("ed25519")
  const raw = pair.publicKey.export({ type: "spki", format: "der" }).subarray(-32)
  const deviceIdentity = {
    deviceId: deviceIdOf(raw),
    publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
    privateKeyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  }
  const kept = new Map<string, { token: string; scopes: string[] }>()
  const connect = (token: string | undefined) => {
    const greeted = Promise.withResolvers<unknown>()
    const refused = Promise.withResolvers<{ code: number; reason: string }>()
    const client = new GatewayClient({
      url: proxy.url,
      ...(token === undefined ? {} : { token }),
      clientName: "gateway-client",
      mode: "backend",
      role: "operator",
      scopes: ["operator.read"],
      deviceIdentity,
      hostDeps: {
        signDevicePayload: (key, payload) =>
          sign(null, Buffer.from(payload), createPrivateKey(key)).toString("base64url"),
        publicKeyRawBase64UrlFromPem: () => raw.toString("base64url"),
        loadDeviceAuthToken: ({ role }) => kept.get(role) ?? null,
        storeDeviceAuthToken: ({ role, token: issued, scopes }) => void kept.set(role, { token: issued, scopes }),
        clearDeviceAuthToken: ({ role }) => void kept.delete(role),
      },
      onHelloOk: (hello) => greeted.resolve(hello),
      onClose: (code, reason) => refused.resolve({ code, reason }),
    })
    t.after(() => client.stop())
    client.start()
    return { client, greeted: greeted.promise, closed: refused.promise }
  }
  const boss = await openRaw(house.wsUrl)
  t.after(() => boss.socket.terminate())
  assert.equal((await boss.ask("connect", clawConnect(4, house.token))).ok, true)

  const first = connect(house.token)
  const requested = await boss.until((frame) => frame.event === "device.pair.requested")
  const { code, reason } = await first.closed
  first.client.stop()
  assert.equal(code, 1008)
  assert.match(reason, /^pairing required: .*\(requestId: /)
  assert.equal((await boss.ask("device.pair.approve", { requestId: requested.payload!["requestId"] })).ok, true)

  const second = connect(house.token)
  await second.greeted
  assert.match(kept.get("operator")!.token, /^[\w-]{43}$/)
  second.client.stop()

  const third = connect(undefined)
  await third.greeted
  const health = await third.client.request<{ ok: boolean }>("health", {})
  assert.equal(health.ok, true)
  await boss.ask("device.pair.remove", { deviceId: deviceIdentity.deviceId })
  assert.equal((await third.closed).code, 4001)
  third.client.stop()
})
