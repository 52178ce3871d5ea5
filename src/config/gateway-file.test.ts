import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { claimHome, readGatewayInfo, runningGateway } from "./gateway-file.ts"

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "pincer-claim-"))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const info = (pid: number) => ({
  pid,
  port: 4711,
  url: "ws://127.0.0.1:4711",
  version: "0.0.0",
  bootId: "b",
  startedAt: 1,
})

/** Another process that claims the home, publishes itself and holds on until it is killed. */
async function otherGateway(t: TestContext, home: string): Promise<ChildProcess> {
  const code = `
    import { claimHome } from ${JSON.stringify(join(import.meta.dirname, "gateway-file.ts"))}
    claimHome(${JSON.stringify(home)}).publish({ ...${JSON.stringify(info(0))}, pid: process.pid })
    process.stdout.write("held")
    setInterval(() => globalThis.gc?.(), 5)
  `
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module-typescript", "--eval", code], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  assert.ok(child.stdout)
  assert.equal(String((await once(child.stdout, "data"))[0]), "held")
  return child
}

test("claimHome() makes the home private and refuses a second claim in the same process", (t) => {
  const home = join(folder(t), "made")
  const claim = claimHome(home)
  assert.equal(statSync(home).mode & 0o777, 0o700)
  assert.throws(() => claimHome(home), { code: "CONFLICT", message: /still starting/ })
  claim.publish(info(process.pid))
  assert.throws(() => claimHome(home), {
    code: "CONFLICT",
    message: new RegExp(`process ${process.pid}, ws://127\\.0\\.0\\.1:4711`),
  })
  claim.release()
  claim.release()
  claimHome(home).release()
})

test("claimHome() names the other process, and succeeds once that was killed with SIGKILL", async (t) => {
  const home = folder(t)
  const other = await otherGateway(t, home)
  assert.throws(
    () => claimHome(home),
    (error: Error & { details?: { pid?: number } }) => {
      assert.match(error.message, new RegExp(`process ${other.pid}, ws://127\\.0\\.0\\.1:4711`))
      assert.equal(error.details?.pid, other.pid)
      return true
    },
  )
  assert.equal(runningGateway(home)?.pid, other.pid)
  other.kill("SIGKILL")
  await once(other, "exit")
  assert.ok(existsSync(join(home, "gateway.json")), "the dead one's information is still there")
  assert.equal(runningGateway(home), undefined)
  const claim = claimHome(home)
  assert.equal(readGatewayInfo(home), undefined, "and is withdrawn by the next")
  claim.release()
})

test("runningGateway() does not take a reused pid for the gateway", { skip: process.platform !== "linux" }, (t) => {
  const home = folder(t)
  const claim = claimHome(home)
  claim.publish(info(process.pid))
  assert.equal(runningGateway(home)?.bootId, "b")
  const file = join(home, "gateway.json")
  assert.equal(statSync(file).mode & 0o777, 0o600)
  writeFileSync(file, readFileSync(file, "utf8").replace(/"processStart": "\d+"/, '"processStart": "1"'))
  assert.equal(runningGateway(home), undefined)
  claim.release()
  assert.equal(existsSync(file), false)
})

test("readGatewayInfo() takes nonsense for no information", (t) => {
  const home = folder(t)
  for (const text of ["", "{", "[]", "{}", '{"pid": "1"}', '{"pid": -1, "port": 1}']) {
    writeFileSync(join(home, "gateway.json"), text)
    assert.equal(readGatewayInfo(home), undefined)
  }
})

test("claimHome() says in one line that a home cannot be used", (t) => {
  const home = folder(t)
  writeFileSync(join(home, "file"), "")
  assert.throws(() => claimHome(join(home, "file", "home")), {
    code: "UNAVAILABLE",
    message: /Cannot use .* as home: ENOTDIR/,
  })
  writeFileSync(
    join(home, "gateway.lock"),
    "this is not a database, and longer than its header of a hundred bytes is ".repeat(10),
  )
  assert.throws(() => claimHome(home), { code: "UNAVAILABLE" })
})
