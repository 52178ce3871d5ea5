import assert from "node:assert/strict"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"
import { hashOf } from "../../config/edit.ts"

const TEXT = `// mine
{
  "turns": { "maxQueued": 5 }, // few
  "providers": { "own": { "service": "openai", "apiKey": "sk-verysecretkey0123456789" } }
}
`

async function open(t: TestContext, text: string | null = TEXT) {
  const room = await openMethodRoom({ script: () => say("x") })
  t.after(() => room.close())
  const file = join(room.parts.home, "pincer.json")
  if (text !== null) writeFileSync(file, text, { mode: 0o600 })
  room.parts.live.take({ prefixes: ["turns", "providers", "jobs"], apply: () => undefined })
  if (text !== null) await room.parts.live.reload("call")
  const call = async (name: string, params: Record<string, unknown> = {}) =>
    (await room.call(name, params)) as Record<string, unknown>
  return { ...room, call, file, read: () => readFileSync(file, "utf8") }
}

const refusal = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  if (text) assert.match(error.message, text)
  return true
}

test("one key is set: the remarks stay, it counts at once, and the text before is kept", async (t) => {
  const { call, file, parts, read } = await open(t)
  const result = await call("config.set", { key: "turns.maxQueued", value: 6 })
  assert.deepEqual(result["changed"], ["turns.maxQueued"])
  assert.equal(result["hash"], hashOf(read()))
  assert.match(read(), /^\/\/ mine\n[\s\S]*"maxQueued": 6 \}, \/\/ few/)
  assert.equal(parts.live.current().turns.maxQueued, 6)
  assert.equal(readFileSync(`${file}.bak`, "utf8"), TEXT)
  const { versions } = await call("config.history")
  assert.equal((versions as unknown[]).length, 1)
})

test("`enable` means `enabled`, as ClawGo writes it", async (t) => {
  const { call, read } = await open(t, "{}")
  await call("config.set", { key: "tools.elevated.enable", value: false })
  assert.equal(JSON.parse(read()).tools.elevated.enabled, false)
})

test("what is not valid changes neither the file nor what counts, and every issue names its place", async (t) => {
  const { call, parts, read } = await open(t)
  await assert.rejects(call("config.set", { key: "turns.maxQueued", value: "many" }), (error: unknown) => {
    assert.ok(error instanceof PincerError)
    assert.equal((error.details?.["issues"] as { path: string }[])[0]?.path, "turns.maxQueued")
    return true
  })
  assert.equal(read(), TEXT)
  assert.equal(parts.live.current().turns.maxQueued, 5)
})

test("a port of 0 is refused: nobody would find that gateway again", async (t) => {
  const { call, read } = await open(t)
  await assert.rejects(
    call("config.set", { key: "gateway.port", value: 0 }),
    refusal("INVALID_PARAMS", /gateway\.port: 0/),
  )
  assert.equal(read(), TEXT)
})

test("whole text needs the hash of what was read, and the one that is there", async (t) => {
  const { call, read } = await open(t)
  const raw = "{turns: {maxQueued: 8}}"
  await assert.rejects(call("config.set", { raw }), refusal("INVALID_PARAMS", /config base hash required; re-run/))
  await assert.rejects(call("config.apply", { raw }), refusal("INVALID_PARAMS", /base hash required/))
  await assert.rejects(
    call("config.set", { raw, baseHash: hashOf("something else") }),
    refusal("CONFLICT", /config changed since last load; re-run config\.get/),
  )
  assert.equal(read(), TEXT)
  await call("config.apply", { raw, baseHash: hashOf(TEXT) })
  assert.equal(JSON.parse(read()).turns.maxQueued, 8)
})

test("a client that writes back what it was shown keeps every secret and remark", async (t) => {
  const { call, read } = await open(t)
  const { hash, raw } = await call("config.get")
  assert.doesNotMatch(String(raw), /verysecret/)
  const edited = String(raw).replace('"maxQueued": 5', '"maxQueued": 9')
  await call("config.set", { raw: edited, baseHash: hash })
  assert.equal(read(), TEXT.replace('"maxQueued": 5', '"maxQueued": 9'))
})

test("a mask where no secret was is refused", async (t) => {
  const { call, read } = await open(t)
  await assert.rejects(
    call("config.set", { key: "tools.search.apiKey", value: "[redacted]" }),
    refusal("INVALID_PARAMS", /stands for a secret that is not there/),
  )
  assert.equal(read(), TEXT)
})

test("the simple dialect sets, patches and replaces; null takes out", async (t) => {
  const { call, parts, py, read } = await open(t)
  assert.equal(((await py("config.set", { key: "turns.maxQueued", value: 6 })) as { ok: boolean }).ok, true)
  await call("config.patch", { patch: { turns: null, jobs: { maxQueued: 3 } } })
  assert.equal(parts.live.current().turns.maxQueued, 100)
  assert.equal(parts.live.current().jobs.maxQueued, 3)
  assert.match(read(), /^\/\/ mine/)
  const replaced = (await py("config.set", { config: { turns: { maxQueued: 4 } } })) as { saved: boolean }
  assert.equal(replaced.saved, true)
  assert.equal(parts.live.current().jobs.maxQueued, 100_000)
})

test("a patch as text is JSON5, needs the hash, and says where it is wrong", async (t) => {
  const { call, parts, read } = await open(t)
  await assert.rejects(call("config.patch", { raw: "{turns: {maxQueued: 6}}" }), refusal("INVALID_PARAMS", /base hash/))
  await call("config.patch", { raw: "{turns: {maxQueued: 6,},}", baseHash: hashOf(read()) })
  assert.equal(parts.live.current().turns.maxQueued, 6)
  await assert.rejects(call("config.patch", { raw: "{", baseHash: hashOf(read()) }), refusal("INVALID_PARAMS", /JSON5/))
})

test("undo puts back what was there, and undoing that again is the same call", async (t) => {
  const { call, read } = await open(t)
  await call("config.set", { key: "turns.maxQueued", value: 6 })
  const changed = read()
  await call("config.undo")
  assert.equal(read(), TEXT)
  await call("config.undo")
  assert.equal(read(), changed)
  await assert.rejects(call("config.undo", { version: 99 }), refusal("NOT_FOUND", /There is no version 99/))
})

test("a change that fails while it is applied is taken out of the file again", async (t) => {
  const { call, parts, read } = await open(t)
  parts.live.take({
    prefixes: ["jobs"],
    apply(next) {
      if (next.jobs.maxQueued === 3) throw new PincerError("UNAVAILABLE", "no room for jobs")
    },
  })
  await assert.rejects(call("config.set", { key: "jobs.maxQueued", value: 3 }), refusal("UNAVAILABLE", /no room/))
  assert.equal(read(), TEXT)
  assert.equal(parts.live.current().jobs.maxQueued, 100_000)
})

test("the first change makes the file, and a failed one takes it away again", async (t) => {
  const { call, file, parts } = await open(t, null)
  const stop = parts.live.take({
    prefixes: ["turns"],
    apply: () => {
      throw new PincerError("UNAVAILABLE", "not now")
    },
  })
  // The room's own taker has its turn as well.
  await assert.rejects(call("config.set", { key: "turns.maxQueued", value: 3 }), refusal("UNAVAILABLE"))
  assert.equal(existsSync(file), false)
  stop()
  await call("config.set", { key: "turns.maxQueued", value: 3 })
  assert.equal(existsSync(file), true)
})

test("a file that somebody broke is shown with its issues, judged, and never written over by one key", async (t) => {
  const { call, file, parts, read } = await open(t)
  writeFileSync(file, '{\n "turns": 1')
  const shown = await call("config.get")
  assert.equal(shown["valid"], false)
  assert.equal((shown["issues"] as unknown[]).length, 1)
  assert.equal(parts.live.current().turns.maxQueued, 5)
  const judged = await call("config.check")
  assert.equal(judged["valid"], false)
  await assert.rejects(call("config.set", { key: "turns.maxQueued", value: 3 }), refusal("INVALID_PARAMS"))
  await assert.rejects(call("config.reload"), refusal("INVALID_PARAMS", /line 2/))
  assert.equal(read(), '{\n "turns": 1')
})

test("check says what a text would change and what would wait for a restart", async (t) => {
  const { call, read } = await open(t)
  const result = await call("config.check", { raw: '{"turns": {"maxQueued": 1}, "gateway": {"port": 4000}}' })
  assert.equal(result["valid"], true)
  assert.deepEqual(result["restart"], ["gateway.port"])
  assert.ok((result["changed"] as string[]).includes("turns.maxQueued"))
  assert.equal(read(), TEXT)
})

test("diff shows the file against what counts, without a secret", async (t) => {
  const { call, file } = await open(t)
  writeFileSync(file, TEXT.replace("5", "6").replace("sk-very", "sk-other"))
  const { changes } = await call("config.diff")
  assert.deepEqual(changes, [
    { path: "providers.own.apiKey", before: "[redacted]", after: "[redacted]" },
    { path: "turns.maxQueued", before: 5, after: 6 },
  ])
  await assert.rejects(call("config.diff", { against: "last-good" }), refusal("NOT_FOUND"))
})

test("the schema has a hint for each place, and a lookup says whether a change needs a restart", async (t) => {
  const { call } = await open(t)
  const { schema, uiHints } = await call("config.schema")
  assert.equal((schema as { type: string }).type, "object")
  assert.deepEqual((uiHints as Record<string, { sensitive?: boolean }>)["providers.*.apiKey"]?.sensitive, true)
  assert.equal((await call("config.schema.lookup", { path: "turns.maxQueued" }))["reloadKind"], "hot")
  assert.equal((await call("config.schema.lookup", { path: "gateway.port" }))["reloadKind"], "restart")
  const own = await call("config.schema.lookup", { path: "providers.mine" })
  assert.ok((own["children"] as { key: string }[]).some(({ key }) => key === "apiKey"))
  await assert.rejects(call("config.schema.lookup", { path: "turns.maxQueue" }), refusal("NOT_FOUND", /maxQueued/))
})

test("who may only read can neither change nor reload", async (t) => {
  const room = await openMethodRoom({ script: () => say("x") })
  t.after(() => room.close())
  for (const name of ["config.set", "config.unset", "config.patch", "config.apply", "config.reload", "config.undo"])
    await assert.rejects(
      room.call(name, { key: "a" }, { scopes: ["operator.read"] }),
      refusal("PERMISSION_DENIED", /missing scope: operator\.admin/),
    )
})
