// Devices at the doors of a whole gateway: how one comes in, what it may, and how it is put out, on every kind of connection.
import assert from "node:assert/strict"
import { sign } from "node:crypto"
import { after, before, beforeEach, test } from "node:test"
import { WebSocket } from "ws"
import { tokenHash } from "../src/gateway/auth.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { clawConnect, type DeviceKey, type Json, makeDevice, openRaw, type Raw, signed } from "./frames.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

let fake: FakeModel
let house: House
const open: Raw[] = []

before(async () => {
  fake = await startFakeModel()
  // What this machine's proxy tells of addresses counts, so that each knock comes from a machine of its own.
  house = await startHouse({ fake: fake.url, config: { ...NO_SANDBOX, gateway: { trustedProxies: ["127.0.0.1"] } } })
})
beforeEach(() => {
  for (const raw of open.splice(0)) raw.socket.terminate()
})
after(async () => {
  for (const raw of open) raw.socket.terminate()
  await house.close()
  await fake.close()
})

let last = 0
/** From a machine of its own each time, as a proxy tells. */
const away = () => ({ headers: { "x-forwarded-for": `203.0.113.${(last += 1) % 250}` } })

async function wire(options?: Parameters<typeof openRaw>[1], at = house): Promise<Raw> {
  const one = await openRaw(at.wsUrl, options)
  open.push(one)
  return one
}

type Auth = { token?: string; deviceToken?: string; bootstrapToken?: string }

interface Knock {
  device?: DeviceKey
  scopes?: string[]
  role?: string
  auth?: Auth
  protocol?: 3 | 4
  local?: boolean
  headers?: Record<string, string>
  client?: { platform: string }
}

async function knock(how: Knock = {}, at = house) {
  const {
    auth = { token: at.token },
    device,
    client,
    headers,
    local,
    protocol = 4,
    role = "operator",
    scopes = ["operator.read"],
  } = how
  const raw = await wire(local ? { headers: headers ?? {} } : away(), at)
  const base = clawConnect(protocol, "", { role, scopes })
  const params = { ...base, client: { ...base.client, ...client }, auth }
  const answer = await raw.ask("connect", device ? signed(3, device, params, await raw.challenge()) : params)
  return { raw, answer, hello: answer.payload, details: answer.error?.details ?? {} }
}

/** Somebody on this machine with the owner's token. */
async function owner(scopes = ["operator.admin"], at = house): Promise<Raw> {
  const { answer, raw } = await knock({ local: true, scopes }, at)
  assert.equal(answer.ok, true, JSON.stringify(answer.error))
  return raw
}

/** A paired device with its token. */
async function paired(scopes = ["operator.read"], at = house) {
  const device = makeDevice()
  const { details } = await knock({ device, scopes }, at)
  const boss = await owner(undefined, at)
  const approved = await boss.ask("device.pair.approve", { requestId: details["requestId"] })
  assert.equal(approved.ok, true, JSON.stringify(approved.error))
  const { answer, raw } = await knock({ device, scopes }, at)
  const deviceToken = String(answer.payload?.["auth"]?.["deviceToken"])
  raw.socket.terminate()
  return { device, deviceToken, boss }
}

const plain = <T = Record<string, unknown>>(value: unknown) => JSON.parse(JSON.stringify(value ?? null)) as T

test("an unknown device waits, those who may pair are told, and an approval lets it in with a token of its own", async () => {
  const [boss, reader] = [await owner(), await owner(["operator.read"])]
  const device = makeDevice()
  const { answer, details, raw } = await knock({ device, scopes: ["operator.read", "operator.write"] })
  assert.deepEqual(
    [answer.error?.code, answer.error?.message],
    ["NOT_PAIRED", "pairing required: device is not approved yet"],
  )
  const requestId = String(details["requestId"])
  assert.deepEqual(
    [details["code"], details["reason"], details["deviceId"], details["requestedRole"], details["remediationHint"]],
    ["PAIRING_REQUIRED", "not-paired", device.id, "operator", `run: pincer device approve ${requestId}`],
  )
  assert.deepEqual(await raw.closed, {
    code: 1008,
    reason: `pairing required: device is not approved yet (requestId: ${requestId})`,
  })
  const { payload } = await boss.until((frame) => frame.event === "device.pair.requested")
  const { expiresAtMs, ts, remoteIp, ...told } = plain(payload)
  assert.deepEqual(told, {
    requestId,
    deviceId: device.id,
    publicKey: device.publicKey,
    platform: "linux",
    clientId: "cli",
    clientMode: "cli",
    role: "operator",
    roles: ["operator"],
    scopes: ["operator.read", "operator.write"],
    silent: false,
    isRepair: false,
  })
  assert.equal(Number(expiresAtMs) - Number(ts), 300_000)
  assert.match(String(remoteIp), /^203\.0\.113\./)
  assert.equal((await boss.ask("device.pair.approve", { requestId })).ok, true)
  const resolved = await boss.until((frame) => frame.event === "device.pair.resolved")
  assert.equal(String(resolved.payload!["decision"]), "approved")
  const { hello } = await knock({ device, scopes: ["operator.read", "operator.write"] })
  assert.match(String(hello!["auth"]!["deviceToken"]), /^[\w-]{43}$/)
  assert.deepEqual(plain(hello!["auth"]!["scopes"]), ["operator.read", "operator.write"])
  const { payload: list } = await boss.ask("device.pair.list")
  assert.ok(!JSON.stringify(list).includes(String(hello!["auth"]!["deviceToken"])))
  assert.ok(!JSON.stringify(list).includes(tokenHash(String(hello!["auth"]!["deviceToken"]))))
  await reader.ask("health")
  assert.ok(!reader.frames.some((frame) => frame.event?.startsWith("device.pair")), "who may not pair is not told")
})

test("a device that turns up as another kind of machine waits for its owner again; on this machine it is only noted", async () => {
  const { boss, device, deviceToken } = await paired()
  const moved = (platform: string, auth: Auth, local = false) => knock({ device, auth, client: { platform }, local })
  const carried = await moved("darwin", { deviceToken })
  assert.deepEqual(
    [carried.details["reason"], carried.answer.error?.message],
    ["metadata-upgrade", "pairing required: device says that it is another kind of machine than it was approved as"],
  )
  assert.equal((await moved("darwin", { token: house.token })).details["reason"], "metadata-upgrade")
  assert.equal(
    (await moved(" LINUX ", { deviceToken })).answer.ok,
    true,
    "as it is signed: case and blanks say nothing",
  )
  const { requestId } = carried.details
  assert.equal((await boss.ask("device.pair.approve", { requestId })).ok, true)
  assert.equal((await moved("darwin", { deviceToken })).answer.ok, true)
  assert.equal((await moved("linux", { deviceToken })).details["reason"], "metadata-upgrade")
  assert.equal((await moved("linux", { deviceToken }, true)).answer.ok, true)
  assert.equal((await moved("linux", { deviceToken })).answer.ok, true, "it was noted")
})

test("protocol 3 says it in its own words", async () => {
  const { answer, details, raw } = await knock({ device: makeDevice(), protocol: 3 })
  assert.deepEqual([answer.error?.code, answer.error?.message], ["NOT_PAIRED", "pairing required"])
  assert.equal((await raw.closed).reason, `pairing required (requestId: ${String(details["requestId"])})`)
})

test("a known device that wants another role or more scopes waits again", async () => {
  const { device, deviceToken } = await paired()
  const more = await knock({ device, auth: { deviceToken }, scopes: ["operator.admin"] })
  assert.deepEqual([more.details["reason"], more.details["requestedScopes"]], ["scope-upgrade", ["operator.admin"]])
  const boss = await owner()
  assert.equal((await boss.ask("device.pair.approve", { requestId: more.details["requestId"] })).ok, true)
  assert.equal((await knock({ device, auth: { deviceToken }, scopes: ["operator.admin"] })).answer.ok, true)
  await boss.ask("device.token.rotate", { deviceId: device.id, scopes: ["operator.read"] })
  const { details } = await knock({ device, role: "node", scopes: [] })
  assert.equal(details["reason"], "role-upgrade")
})

test("only loopback without a trace of a proxy and with the secret comes in unasked", async () => {
  const device = makeDevice()
  for (const name of ["x-forwarded-for", "forwarded", "via", "cf-connecting-ip", "x-real-ip", "tailscale-user-login"]) {
    const { answer } = await knock({ device: makeDevice(), local: true, headers: { [name]: "127.0.0.1" } })
    assert.equal(answer.error?.code, "NOT_PAIRED", name)
  }
  const wrong = await knock({ device, local: true, auth: { token: "wrong" } })
  assert.equal(wrong.answer.error?.details?.["code"], "AUTH_TOKEN_MISMATCH")
  assert.equal(await house.parts.store.devices.get(device.id), undefined)
  const { hello } = await knock({ device, local: true })
  assert.ok(hello!["auth"]!["deviceToken"])
  assert.equal((await house.parts.store.devices.get(device.id))?.approvedVia, "silent")
})

test("a node that asks for an operator's scopes is never let in unasked, and cannot be approved", async () => {
  const device = makeDevice()
  const { details } = await knock({ device, local: true, role: "node", scopes: ["operator.admin"] })
  assert.equal(details["code"], "PAIRING_REQUIRED")
  const { error } = await (await owner()).ask("device.pair.approve", { requestId: details["requestId"] })
  assert.deepEqual(
    [error?.code, error?.message],
    ["INVALID_REQUEST", "invalid scope for requested roles: operator.admin"],
  )
  assert.equal((await knock({ device, local: true, role: "node", scopes: [] })).answer.ok, true)
})

test("nobody gives what he does not hold, nor touches who holds more", async () => {
  const helper = await paired(["operator.pairing", "operator.read"])
  const { raw } = await knock({
    device: helper.device,
    auth: { deviceToken: helper.deviceToken },
    scopes: ["operator.pairing", "operator.read"],
  })
  const wants = async (scopes: string[]) => (await knock({ device: makeDevice(), scopes })).details["requestId"]
  for (const scopes of [["operator.admin"], ["operator.read", "operator.write"]]) {
    const { error } = await raw.ask("device.pair.approve", { requestId: await wants(scopes) })
    assert.equal(error?.code, "FORBIDDEN", scopes.join())
    assert.equal(error.details?.["code"], "MISSING_SCOPE")
  }
  assert.equal((await raw.ask("device.pair.approve", { requestId: await wants(["operator.read"]) })).ok, true)
  const admin = await paired(["operator.admin"])
  const deviceId = admin.device.id
  for (const [method, params] of [
    ["device.pair.remove", {}],
    ["device.token.revoke", { role: "operator" }],
    ["device.token.rotate", { role: "operator" }],
    ["device.scopes.set", { scopes: [] }],
    ["device.pair.rename", { label: "x" }],
  ] as const)
    assert.equal((await raw.ask(method, { deviceId, ...params })).error?.code, "FORBIDDEN", method)
  const own = await raw.ask("device.scopes.set", { deviceId: helper.device.id, scopes: ["operator.admin"] })
  assert.equal(own.error?.code, "FORBIDDEN", "not to himself either")
  const reader = await paired(["operator.read"])
  const { raw: reading } = await knock({ device: reader.device, auth: { deviceToken: reader.deviceToken } })
  assert.match((await reading.ask("device.pair.list")).error!.message, /missing scope: operator\.pairing/)
})

test("of two decisions at once one counts, and what nobody asked is refused", async () => {
  const boss = await owner()
  const { details } = await knock({ device: makeDevice() })
  const params = { requestId: details["requestId"] }
  const both = await Promise.all([boss.ask("device.pair.approve", params), boss.ask("device.pair.reject", params)])
  assert.equal(both.filter((one) => one.ok).length, 1)
  assert.equal(both.find((one) => !one.ok)?.error?.message, "unknown requestId")
  const { error } = await boss.ask("device.pair.approve", { requestId: "nobody" })
  assert.deepEqual([error?.code, error?.message], ["INVALID_REQUEST", "unknown requestId"])
})

test("who is put out while he approves has approved nothing", async () => {
  const helper = await paired(["operator.pairing", "operator.read"])
  const scopes = ["operator.pairing", "operator.read"]
  const { raw } = await knock({ device: helper.device, auth: { deviceToken: helper.deviceToken }, scopes })
  const { details } = await knock({ device: makeDevice() })
  const requestId = String(details["requestId"])
  // Both are under way at once; the removal was asked for first.
  const { store, devices } = house.parts
  const approve = store.devices.approve.bind(store.devices)
  const gate = Promise.withResolvers<void>()
  store.devices.approve = async (...given) => {
    await gate.promise
    return approve(...given)
  }
  try {
    raw.send({ type: "req", id: "late", method: "device.pair.approve", params: { requestId } })
    await raw.ask("health")
    await helper.boss.ask("device.pair.remove", { deviceId: helper.device.id })
    assert.equal((await raw.closed).code, 4001)
    gate.resolve()
    await helper.boss.ask("health")
  } finally {
    store.devices.approve = approve
  }
  assert.ok(
    (await store.devices.pending()).some((one) => one.requestId === requestId),
    "it still waits",
  )
  assert.equal(devices.members.isConnected(helper.device.id), false)
})

test("a removed device is out at every door at once, and its token opens none", async () => {
  const scopes = ["operator.read", "operator.write"]
  const { boss, device, deviceToken } = await paired(scopes)
  const { raw } = await knock({ device, auth: { deviceToken }, scopes })
  const authorization = { headers: { authorization: `Bearer ${deviceToken}` } }
  const rpc = await openRaw(`${house.wsUrl}/ws`, authorization)
  const acp = await openRaw(`${house.wsUrl}/acp`, authorization)
  open.push(rpc, acp)
  const hung = Promise.withResolvers<void>()
  fake.script({ text: "a long answer that nobody hears to its end", gate: hung.promise })
  const stream = fetch(`${house.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${deviceToken}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "pincer", stream: true, messages: [{ role: "user", content: "hang" }] }),
  })
  const answered = await stream
  assert.equal(answered.status, 200)
  const { payload } = await boss.ask("device.pair.list")
  const row = (plain(payload)["paired"] as unknown as Json[]).find((one) => String(one["deviceId"]) === device.id)
  assert.equal(Boolean(row?.["connected"]), true)
  assert.equal((await boss.ask("device.pair.remove", { deviceId: device.id })).ok, true)
  assert.deepEqual(await raw.closed, { code: 4001, reason: "device removed" })
  assert.equal((await rpc.closed).code, 4001)
  assert.equal((await acp.closed).code, 4001)
  await assert.rejects(async () => {
    await answered.text()
  })
  hung.resolve()
  assert.equal((await knock({ device, auth: { deviceToken }, scopes })).answer.error?.code, "INVALID_REQUEST")
  const again = await fetch(`${house.url}/v1/models`, authorization)
  assert.equal(again.status, 401)
  await assert.rejects(openRaw(`${house.wsUrl}/ws`, authorization), /401/)
  await assert.rejects(openRaw(`${house.wsUrl}/acp`, authorization), /401/)
})

test("a revoked token puts out this role alone; with the owner's secret an approved device gets a new one", async () => {
  const { boss, device, deviceToken } = await paired()
  const node = await knock({ device, local: true, role: "node", scopes: [] })
  const { raw } = await knock({ device, auth: { deviceToken } })
  const revoked = await boss.ask("device.token.revoke", { deviceId: device.id, role: "operator" })
  assert.equal(typeof plain(revoked.payload)["revokedAtMs"], "number")
  assert.deepEqual(await raw.closed, { code: 4001, reason: "device token revoked" })
  assert.equal(node.raw.socket.readyState, WebSocket.OPEN)
  const { details } = await knock({ device, auth: { deviceToken } })
  assert.equal(details["code"], "AUTH_DEVICE_TOKEN_MISMATCH")
  assert.equal(
    (await boss.ask("device.token.revoke", { deviceId: device.id, role: "operator" })).error?.code,
    "INVALID_REQUEST",
  )
  assert.ok((await knock({ device })).hello!["auth"]!["deviceToken"])
})

test("a rotated token is told to the device itself and, asked for, to an admin; it never grows", async () => {
  const scopes = ["operator.pairing", "operator.read"]
  const { boss, device, deviceToken } = await paired(scopes)
  const one = await knock({ device, auth: { deviceToken }, scopes })
  const other = await knock({ device, auth: { deviceToken }, scopes })
  const { payload } = await one.raw.ask("device.token.rotate", { deviceId: device.id, role: "operator" })
  const fresh = String(payload!["token"])
  assert.equal(String(payload!["tokenDelivery"]), "in-band")
  assert.equal((await other.raw.closed).code, 4001)
  assert.equal((await one.raw.ask("health")).ok, true, "who asked stays")
  assert.equal((await knock({ device, auth: { deviceToken }, scopes })).answer.ok, false)
  assert.equal((await knock({ device, auth: { deviceToken: fresh }, scopes })).answer.ok, true)
  const far = await boss.ask("device.token.rotate", {
    deviceId: device.id,
    role: "operator",
    scopes: ["operator.read"],
  })
  assert.deepEqual([far.payload!["token"], String(far.payload!["tokenDelivery"])], [undefined, "withheld-cross-device"])
  const told = await boss.ask("device.token.rotate", { deviceId: device.id, reveal: true, scopes: ["operator.read"] })
  assert.match(String(told.payload!["token"]), /^[\w-]{43}$/)
  const grown = await boss.ask("device.token.rotate", { deviceId: device.id, scopes: ["operator.admin"] })
  assert.equal(grown.error?.details?.["code"], "AUTH_SCOPE_MISMATCH")
})

test("a lost scope counts from the very next call, on an open connection that stays", async () => {
  const scopes = ["operator.read", "operator.write"]
  const { boss, device, deviceToken } = await paired(scopes)
  const { raw } = await knock({ device, auth: { deviceToken }, scopes })
  const rpc = await openRaw(`${house.wsUrl}/ws`, { headers: { authorization: `Bearer ${deviceToken}` } })
  open.push(rpc)
  const write = () => raw.ask("sessions.create", { key: `agent:main:${device.id.slice(0, 8)}` })
  assert.notEqual((await write()).error?.code, "FORBIDDEN")
  await boss.ask("device.scopes.set", { deviceId: device.id, scopes: ["operator.read"] })
  assert.equal((await write()).error?.code, "FORBIDDEN")
  assert.equal((await raw.ask("sessions.list")).ok, true)
  await boss.ask("device.scopes.set", { deviceId: device.id, scopes: [] })
  assert.equal((await raw.ask("sessions.list")).error?.code, "FORBIDDEN")
  const before = raw.frames.length + rpc.frames.length
  await boss.ask("chat.inject", { sessionKey: "agent:main:main", message: "secret of the house" })
  await boss.ask("sessions.patch", { key: "agent:main:main", label: `label-${device.id.slice(0, 6)}` })
  await raw.ask("nothing")
  assert.ok(![...raw.frames, ...rpc.frames].slice(before).some((frame) => JSON.stringify(frame).includes("secret of")))
  assert.equal(raw.socket.readyState, WebSocket.OPEN)
})

test("a device asks for more without reconnecting, and has it when somebody agreed", async () => {
  const { boss, device, deviceToken } = await paired()
  const { raw } = await knock({ device, auth: { deviceToken } })
  assert.equal((await raw.ask("device.pair.list")).error?.code, "FORBIDDEN")
  const { payload } = await raw.ask("device.scopes.requestUpgrade", { scopes: ["operator.pairing"] })
  const requestId = String(payload!["requestId"])
  const wait = raw.ask("device.scopes.waitUpgrade", { requestId })
  const other = await paired()
  const stranger = await knock({ device: other.device, auth: { deviceToken: other.deviceToken } })
  assert.match((await stranger.raw.ask("device.scopes.waitUpgrade", { requestId })).error!.message, /unknown requestId/)
  await boss.ask("device.pair.approve", { requestId })
  const answer = plain((await wait).payload)
  assert.deepEqual([answer["status"], answer["scopes"]], ["approved", ["operator.pairing", "operator.read"]])
  assert.equal((await raw.ask("device.pair.list")).ok, true)
  const scopes = ["operator.pairing", "operator.read"]
  const back = await knock({ device, auth: { deviceToken: String(answer["deviceToken"]) }, scopes })
  assert.equal(back.answer.ok, true)
  const second = await raw.ask("device.scopes.requestUpgrade", { scopes: ["operator.admin"] })
  const refused = raw.ask("device.scopes.waitUpgrade", { requestId: String(second.payload!["requestId"]) })
  await boss.ask("device.pair.reject", { requestId: String(second.payload!["requestId"]) })
  assert.equal(String((await refused).payload!["status"]), "rejected")
})

test("a code of eight letters lets one device in with what its maker gave", async () => {
  const boss = await owner()
  const { payload } = await boss.ask("device.initiate", { deviceName: "手机", scopes: ["operator.read"] })
  const code = String(payload!["code"])
  assert.match(code, /^[A-HJ-NP-Z2-9]{8}$/)
  const device = makeDevice()
  const typed = `${code.slice(0, 4).toLowerCase()}-${code.slice(4)}`
  const { hello, answer } = await knock({ device, auth: { bootstrapToken: typed } })
  assert.equal(answer.ok, true, JSON.stringify(answer.error))
  assert.deepEqual(
    [String(hello!["auth"]!["method"]), plain(hello!["auth"]!["scopes"])],
    ["bootstrap-token", ["operator.read"]],
  )
  const done = await boss.until((frame) => frame.event === "device.pair.setup.completed")
  assert.deepEqual([String(done.payload!["deviceId"]), String(done.payload!["deviceName"])], [device.id, "手机"])
  const deviceToken = String(hello!["auth"]!["deviceToken"])
  assert.equal((await knock({ device, auth: { deviceToken } })).answer.ok, true)
  const second = await knock({ device: makeDevice(), auth: { bootstrapToken: code } })
  assert.equal(second.details["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID")
  const node = await boss.ask("device.initiate", { deviceName: "x", role: "node" })
  const wrong = await knock({ device: makeDevice(), auth: { bootstrapToken: String(node.payload!["code"]) } })
  assert.equal(wrong.details["code"], "AUTH_SCOPE_MISMATCH")
})

test("device.complete takes the signature of the nonce, and nothing else", async () => {
  const boss = await owner()
  const { payload } = await boss.ask("device.initiate", { deviceName: "tablet" })
  const { code, nonce } = plain<{ code: string; nonce: string }>(payload)
  assert.equal(String((await boss.ask("device.complete", { code })).payload!["nonce"]), nonce)
  const { publicKey, privateKey, id } = makeDevice()
  const response = (text: string) => sign(null, Buffer.from(text), privateKey).toString("base64url")
  for (const wrong of ["", "AAAA", response("another")])
    assert.match((await boss.ask("device.complete", { code, response: wrong, publicKey })).error!.message, /invalid/)
  const other = { code: "ABCDEFGH", response: response(nonce), publicKey }
  assert.match((await boss.ask("device.complete", other)).error!.message, /no such pairing code/)
  const { payload: done } = await boss.ask("device.complete", { code, response: response(nonce), publicKey })
  assert.deepEqual([Boolean(done!["paired"]), String(done!["deviceId"])], [true, id])
  assert.ok(await house.parts.store.devices.byTokenHash(tokenHash(String(done!["deviceToken"]))))
  assert.equal((await boss.ask("device.complete", { code, response: response(nonce), publicKey })).ok, false, "once")
})

test("wrong proofs withdraw a code, and a guesser is locked out", async () => {
  const boss = await owner()
  const { payload } = await boss.ask("device.initiate", { deviceName: "x" })
  const guesser = await paired(["operator.read"])
  const { raw } = await knock({ device: guesser.device, auth: { deviceToken: guesser.deviceToken } })
  const texts: string[] = []
  for (let i = 0; i < 12; i++)
    texts.push((await raw.ask("device.complete", { code: String(payload!["code"]), response: "AAAA" })).error!.message)
  assert.equal(texts.filter((text) => text === "device signature invalid").length, 5)
  assert.match(texts.at(-1)!, /too many failed attempts/)
  assert.deepEqual(
    (await house.parts.store.deviceCodes.open()).filter((one) => one.name === "x" && one.role === "operator"),
    [],
  )
})

test("a setup code says where and carries a secret for one device; its picture is a PNG", async () => {
  const boss = await owner()
  const asked = { publicUrl: "https://gw.example", includeQr: true, bootstrapProfile: "limited", joinUrl: true }
  const { payload, error } = await boss.ask("device.pair.setupCode", asked)
  assert.ok(payload, JSON.stringify(error))
  const { access, expiresAtMs, gatewayUrl, joinUrl, qrDataUrl, setupCode, setupId, urlSource } = plain<
    Record<"qrDataUrl" | "setupCode", string> & Record<string, unknown>
  >(payload)
  assert.deepEqual([access, gatewayUrl, urlSource], ["limited", "wss://gw.example", "param"])
  assert.equal(joinUrl, `pincer://join/${String(setupCode)}`)
  assert.match(qrDataUrl, /^data:image\/png;base64,iVBORw0KGgo/)
  assert.ok(Number(expiresAtMs) > Date.now())
  const inside = JSON.parse(Buffer.from(setupCode, "base64url").toString()) as { url: string; bootstrapToken: string }
  assert.equal(inside.url, "wss://gw.example")
  assert.equal(String((await boss.ask("device.pair.setupStatus", { setupId })).payload!["status"]), "open")
  const device = makeDevice()
  const { hello } = await knock({ device, auth: { bootstrapToken: inside.bootstrapToken }, scopes: [] })
  assert.deepEqual(plain(hello!["auth"]!["scopes"]), ["operator.approvals", "operator.read", "operator.write"])
  await boss.until((frame) => frame.event === "device.pair.setup.completed")
  const status = plain((await boss.ask("device.pair.setupStatus", { setupId })).payload)
  assert.equal((status["completion"] as unknown as { deviceId: string }).deviceId, device.id)
  const plainly = await boss.ask("device.pair.setupCode", { publicUrl: "ws://gw.example" })
  assert.deepEqual(
    [String(plainly.payload!["access"]), Boolean(plainly.payload!["accessDowngraded"])],
    ["limited", true],
  )
})

test("calls of these names for channels are refused clearly", async () => {
  const boss = await owner()
  for (const method of ["device.pair.list", "device.pair.approve", "device.pair.code"]) {
    const { error } = await boss.ask(method, { channel: "telegram", code: "x", requestId: "x", url: "x" })
    assert.match(error!.message, /channel/, method)
  }
})

test("guesses of codes from elsewhere lock the guesser out", async () => {
  const seen = new Set<unknown>()
  for (let i = 0; i < 12; i++) {
    const raw = await wire({ headers: { "x-forwarded-for": "198.51.100.7" } })
    const params = { ...clawConnect(4, ""), auth: { bootstrapToken: `ABCDEFG${"23456789ABCD"[i]}` } }
    const answer = await raw.ask("connect", signed(3, makeDevice(), params, await raw.challenge()))
    seen.add(answer.error?.details?.["code"])
  }
  assert.ok(seen.has("AUTH_RATE_LIMITED") && seen.has("AUTH_BOOTSTRAP_TOKEN_INVALID"), [...seen].join())
})

test("in mode password the password opens, and refusals speak of it", async (t) => {
  const gateway = { auth: { mode: "password", password: "a long password that nobody guesses" } }
  const other = await startHouse({ config: { ...NO_SANDBOX, gateway }, env: { PINCER_GATEWAY_TOKEN: "" } })
  t.after(() => other.close())
  const refusal = async (auth: Record<string, string>) =>
    (await knock({ local: true, auth: auth as Auth }, other)).answer.error?.details?.["code"]
  assert.equal(await refusal({ password: "wrong" }), "AUTH_PASSWORD_MISMATCH")
  assert.equal(await refusal({}), "AUTH_PASSWORD_MISSING")
  const auth = { password: gateway.auth.password } as Auth
  const { hello } = await knock({ local: true, auth, device: makeDevice() }, other)
  assert.equal(String(hello!["auth"]!["method"]), "password")
  const bearer = await fetch(`${other.url}/v1/models`, {
    headers: { authorization: `Bearer ${gateway.auth.password}` },
  })
  assert.equal(bearer.status, 401, "a bearer is one word")
})

test("through a trusted proxy its user comes in without a device, and a device gets nothing of its own", async (t) => {
  const trustedProxy = {
    userHeader: "x-forwarded-user",
    allowLoopback: true,
    allowUsers: ["ann"],
    scopes: ["operator.read"],
  }
  const gateway = { trustedProxies: ["127.0.0.1"], auth: { mode: "trusted-proxy", trustedProxy } }
  const other = await startHouse({ config: { ...NO_SANDBOX, gateway } })
  t.after(() => other.close())
  const through = (user: string, how: Knock = {}) =>
    knock({ auth: {}, local: true, headers: { "x-forwarded-user": user }, ...how }, other)
  const device = makeDevice()
  const { hello, raw } = await through("ann", { device, scopes: ["operator.admin"] })
  assert.deepEqual(plain(hello!["auth"]), { method: "trusted-proxy", role: "operator", scopes: ["operator.read"] })
  assert.equal(await other.parts.store.devices.get(device.id), undefined)
  assert.equal((await raw.ask("device.pair.list")).error?.code, "FORBIDDEN")
  assert.equal((await through("bob")).details["code"], "AUTH_TRUSTED_PROXY_USER_NOT_ALLOWED")
  assert.equal((await through("ann", { role: "node", scopes: [] })).answer.error?.code, "NOT_PAIRED")
  const rest = (headers: Record<string, string>) => fetch(`${other.url}/v1/models`, { headers })
  assert.equal((await rest({ "x-forwarded-user": "ann" })).status, 200)
  assert.equal((await rest({ "x-forwarded-user": "bob", authorization: `Bearer ${other.token}` })).status, 401)
  assert.equal((await rest({ authorization: `Bearer ${other.token}` })).status, 200, "this machine's own programs")
  const rpc = await openRaw(`${other.wsUrl}/ws`, { headers: { "x-forwarded-user": "ann" } })
  open.push(rpc)
  await rpc.until((frame) => plain(frame)["method"] === "connected")
  const boss = await owner(undefined, other)
  await boss.ask("config.set", { key: "gateway.auth.trustedProxy.allowUsers", value: ["eve"] })
  assert.deepEqual(await raw.closed, { code: 4001, reason: "access changed" })
  assert.equal((await rpc.closed).code, 4001)
  assert.equal((await through("ann")).details["code"], "AUTH_TRUSTED_PROXY_USER_NOT_ALLOWED")
  assert.equal((await boss.ask("health")).ok, true)
  const stranger = await openRaw(`${other.wsUrl}/ws`, { headers: { "x-forwarded-user": "bob" } })
  open.push(stranger)
  assert.equal((await stranger.ask("connect", clawConnect(4, other.token))).ok, false)
})

test("devices, tokens, wishes and codes outlive a restart", async (t) => {
  const first = await startHouse({ config: { ...NO_SANDBOX, gateway: { trustedProxies: ["127.0.0.1"] } } })
  t.after(() => first.close())
  const { boss, device, deviceToken } = await paired(["operator.read"], first)
  const { details } = await knock({ device: makeDevice() }, first)
  const { payload } = await boss.ask("device.initiate", { deviceName: "later" })
  await first.stop()
  const again = await startHouse({ home: first.home })
  t.after(() => again.stop())
  assert.equal((await knock({ device, auth: { deviceToken } }, again)).answer.ok, true)
  const back = await owner(undefined, again)
  assert.equal((await back.ask("device.pair.approve", { requestId: details["requestId"] })).ok, true)
  const code = await knock({ device: makeDevice(), auth: { bootstrapToken: String(payload!["code"]) } }, again)
  assert.equal(code.answer.ok, true)
})

test("a device that was put out between the look at its rights and its hello does not get in", async () => {
  const { boss, device, deviceToken } = await paired()
  const { touch } = house.parts.store.devices
  const gate = Promise.withResolvers<void>()
  const looked = Promise.withResolvers<void>()
  house.parts.store.devices.touch = async (...given) => {
    looked.resolve()
    await gate.promise
    return touch.apply(house.parts.store.devices, given)
  }
  try {
    const coming = knock({ device, auth: { deviceToken } })
    await looked.promise
    await boss.ask("device.token.revoke", { deviceId: device.id })
    gate.resolve()
    const { answer, details } = await coming
    assert.equal(answer.ok, false)
    assert.equal(details["code"], "PAIRING_CHANGED")
  } finally {
    house.parts.store.devices.touch = touch
  }
})
