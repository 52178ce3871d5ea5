// What is for macOS alone is loaded there, when a command is first confined; its package never into this process.
import assert from "node:assert/strict"
import { registerHooks } from "node:module"
import { after, test } from "node:test"
import { AS_MAC } from "../../test/fakes/seatbelt-room.ts"
import { LateBackend } from "./late-backend.ts"

const loaded: string[] = []
const hooks = registerHooks({
  load(url, context, next) {
    loaded.push(url)
    return next(url, context)
  },
})
after(() => hooks.deregister())

const seen = (what: RegExp) => loaded.filter((url) => what.test(url))

test("on Linux nothing of macOS's back end is loaded; on macOS when it is first asked, and the package not even then", async () => {
  const { backendOf } = await import("./index.ts")
  const settings = { profile: "workspace", profiles: {}, uid: 65_534 }
  const place = { path: "/usr/bin:/bin", hidden: [] }
  const linux = backendOf(settings, place, "linux")
  await linux.check()
  linux.close()
  const mac = backendOf(settings, place, "darwin")
  mac.close()
  assert.deepEqual([mac.name, seen(/sandbox\/seatbelt(?!-package)|sandbox-runtime/)], ["seatbelt", []])
  assert.equal((await mac.check()).available, process.platform === "darwin")
  assert.ok(seen(/sandbox\/seatbelt\.ts$/).length === 1 && seen(/\/bubblewrap\.ts$/).length === 1)
  const { RuleWriter } = await import("./seatbelt-package.ts")
  const writer = new RuleWriter(AS_MAC)
  const said = await writer.rulesFor({ read: [], write: [], denyRead: ["/"], denyWrite: [] })
  writer.close()
  mac.close()
  assert.deepEqual([said.type, seen(/sandbox-runtime/)], ["rules", []])
})

test("one that cannot be loaded says so each time it is asked", async () => {
  const backend = new LateBackend("seatbelt", () => Promise.reject(new TypeError("no such file")))
  await assert.rejects(backend.check(), /no such file/)
  backend.close()
  await assert.rejects(backend.check(), /no such file/)
})
