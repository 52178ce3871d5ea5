// `pincer device` as people type it: a code made at the gateway, a second machine that joins by it, and the way out again.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
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
