// `pincer device` as people type it: a code made at the gateway, a second machine that joins by it, and the way out again.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { clawConnect, type DeviceKey, makeDevice, openRaw, signed } from "./frames.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

let house: House
const second = mkdtempSync(join(tmpdir(), "pincer-second-"))

before(async () => {
  house = await startHouse({ config: { ...NO_SANDBOX, gateway: { trustedProxies: ["127.0.0.1"] } } })
})
after(async () => {
  await house.close()
  rmSync(second, { recursive: true, force: true })
})

interface Ran {
  code: number | null
  out: string
  err: string
}

function pincer(args: readonly string[], env: Record<string, string>, onOut?: (out: string) => void): Promise<Ran> {
  const child = spawn(process.execPath, ["src/cli/main.ts", ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const ran: Ran = { code: null, out: "", err: "" }
  child.stdout.on("data", (bytes) => {
    ran.out += String(bytes)
    onOut?.(ran.out)
  })
  child.stderr.on("data", (bytes) => (ran.err += String(bytes)))
  return new Promise((resolve) => child.once("close", (code) => resolve({ ...ran, code })))
}

const here = () => ({ HOME: house.home, PINCER_HOME: house.home, PINCER_GATEWAY_TOKEN: house.token })
const there = { HOME: second, PINCER_HOME: second }

test("a second machine joins by a code, works without a token of the owner's, and is out when it is removed", async () => {
  const joined = Promise.withResolvers<Ran>()
  let started = false
  // `pair` waits; the other machine joins meanwhile.
  const pair = await pincer(
    ["device", "pair", "--json", "--url", house.wsUrl, "--scopes", "read,write", "--name", "第二台"],
    here(),
    (out) => {
      if (started || !out.includes("\n")) return
      started = true
      const { setupCode } = JSON.parse(out.split("\n")[0]!) as { setupCode: string }
      void pincer(["device", "join", setupCode, "--json"], there).then(joined.resolve)
    },
  )
  const join2 = await joined.promise
  assert.equal(join2.code, 0, join2.err)
  const answer = JSON.parse(join2.out) as { deviceId: string; scopes: string[]; default: boolean; url: string }
  assert.deepEqual([answer.scopes, answer.default], [["operator.read", "operator.write"], true])
  assert.equal(pair.code, 0, pair.err)
  const outcome = JSON.parse(pair.out.trim().split("\n")[1]!) as {
    paired: boolean
    deviceId: string
    deviceName: string
  }
  assert.deepEqual([outcome.paired, outcome.deviceId, outcome.deviceName], [true, answer.deviceId, "第二台"])
  for (const file of ["identity/device.json", "identity/gateways.json"])
    assert.equal(statSync(join(second, file)).mode & 0o777, 0o600, file)
  assert.ok(!readFileSync(join(second, "pincer.json"), "utf8").includes("token"))

  const listed = await pincer(["session", "list", "--json"], there)
  assert.equal(listed.code, 0, listed.err)
  const mayNot = await pincer(["device", "list"], there)
  assert.equal(mayNot.code, 5, mayNot.err)
  const devices = await pincer(["device", "list"], here())
  assert.match(devices.out, /第二台/)
  assert.match(devices.out, /read, write/)

  assert.equal((await pincer(["device", "remove", "第二台"], here())).code, 0)
  const out = await pincer(["session", "list"], there)
  assert.equal(out.code, 1)
  assert.match(out.err, /no longer knows this machine.*pincer device join/)
})

/** A device that knocks from another machine; approved when `scopes` are given. */
async function knocks(device: DeviceKey, scopes: string[], auth: { token?: string; deviceToken?: string }) {
  const wire = await openRaw(house.wsUrl, { headers: { "x-forwarded-for": "203.0.113.7" } })
  const params = { ...clawConnect(4, "", { scopes }), auth }
  const answer = await wire.ask("connect", signed(3, device, params, await wire.challenge()))
  wire.socket.terminate()
  return answer
}

test("a device is let in, renamed, kept to less, given another token and put out by what a person types", async () => {
  const device = makeDevice()
  const scopes = ["operator.read", "operator.write"]
  await knocks(device, scopes, { token: house.token })
  const approved = await pincer(["device", "approve", "--json"], here())
  assert.equal(approved.code, 0, approved.err)
  assert.equal(JSON.parse(approved.out).deviceId ?? JSON.parse(approved.out).device?.deviceId, device.id)
  const id = device.id.slice(0, 8)
  const renamed = await pincer(["device", "rename", id, "厨房", "平板"], here())
  assert.deepEqual([renamed.code, /厨房 平板/.test(renamed.out)], [0, true], renamed.err)
  const less = await pincer(["device", "scopes", "厨房 平板", "read"], here())
  assert.deepEqual([less.code, /read/.test(less.out)], [0, true], less.err)
  const wrong = await pincer(["device", "scopes", id, "everything"], here())
  assert.deepEqual([wrong.code, /"everything" is not one of/.test(wrong.err)], [2, true])
  assert.equal((await knocks(device, scopes, { token: house.token })).error?.details?.["reason"], "scope-upgrade")
  assert.equal((await pincer(["device", "reject", "--json"], here())).code, 0)
  const rotated = await pincer(["device", "rotate", id, "--show", "--json"], here())
  const { token } = JSON.parse(rotated.out) as { token: string }
  assert.equal((await knocks(device, ["operator.read"], { deviceToken: token })).ok, true, rotated.err)
  const silent = await pincer(["device", "rotate", id], here())
  assert.deepEqual([silent.code, silent.out.includes(token)], [0, false])
  assert.equal((await knocks(device, ["operator.read"], { deviceToken: token })).ok, false, "the old one has ended")
  const more = await pincer(["device", "rotate", id, "--scopes", "write"], here())
  assert.deepEqual([more.code, /was not approved/.test(more.err)], [5, true], more.err)
  assert.equal((await pincer(["device", "revoke", id], here())).code, 0)
  const again = await pincer(["device", "revoke", id], here())
  assert.match(again.err + again.out, /no .*token/i)
  assert.equal((await pincer(["device", "remove", id], here())).code, 0)
  const unknown = await pincer(["device", "rename", id, "x"], here())
  assert.deepEqual([unknown.code, /device list/.test(unknown.err)], [4, true], unknown.err)
})

test("what is no code, or says not where, is refused with the next step", async () => {
  const nothing = await pincer(["device", "join", "nonsense"], there)
  assert.equal(nothing.code, 2)
  assert.match(nothing.err, /neither a pairing code nor an address.*pincer device pair/)
  const letters = await pincer(["device", "join", "ABCD-EFGH"], there)
  assert.match(letters.err, /--server/)
  const wrong = await pincer(["device", "join", "ABCD-EFGH", "--server", house.wsUrl], there)
  assert.match(wrong.err, /no such pairing code/)
  assert.ok(!existsSync(join(second, "nonsense")))
  const relayed = await pincer(["session", "list", "--server", `${house.wsUrl}/`, "--token", "wrong"], there)
  assert.match(relayed.err, /token mismatch/)
  const nobody = await pincer(["device", "approve"], here())
  assert.match(nobody.err, /No device waits/)
  const unknown = await pincer(["device", "approve", "nope"], here())
  assert.match(unknown.err, /No device waits under "nope": see "pincer device list"/)
  assert.equal(unknown.code, 4)
})
