import assert from "node:assert/strict"
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { getPath, hashOf, parsePath, parseValue, setPath, unsetPath, writeConfig } from "./edit.ts"

function fileIn(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "pincer-edit-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, "pincer.json")
}

const commented = `{
    // where we listen
    "gateway": {
        "port": 4000, // mine
    },
}
`

test("setPath() keeps comments, order and indentation", () => {
  assert.equal(setPath(commented, "gateway.port", 4001), commented.replace("4000", "4001"))
  const added = setPath(commented, "log.level", "debug")
  assert.match(added, /\/\/ where we listen/)
  assert.match(added, /"port": 4000, \/\/ mine/)
  assert.match(added, /\n {4}"log": \{\n {8}"level": "debug"\n {4}\}/)
})

test("setPath() leaves a remark with the key that it stands behind", () => {
  const trailing = setPath(commented, "gateway.host", "::1")
  assert.equal(trailing, commented.replace("// mine", '// mine\n        "host": "::1",'))
  const strict = setPath(
    '{\r\n\t"gateway": {\r\n\t\t"port": 1 /* mine */\r\n\t} // end\r\n}\r\n',
    "gateway.auth.mode",
    "token",
  )
  assert.equal(
    strict,
    '{\r\n\t"gateway": {\r\n\t\t"port": 1, /* mine */\r\n\t\t"auth": {\r\n\t\t\t"mode": "token"\r\n\t\t}\r\n\t} // end\r\n}\r\n',
  )
  assert.match(setPath("// head\n", "gateway.port", 1), /^\/\/ head\n\{\n/)
})

test("unsetPath() leaves valid text wherever the key stood, strict JSON where it was strict", () => {
  const text =
    '{\n  "gateway": {\n    "port": 1,\n    "host": "::1"\n  },\n  "log": { "level": "info", "maxFiles": 3 }\n}\n'
  for (const path of ["gateway.port", "gateway.host", "gateway", "log", "log.level", "log.maxFiles"])
    assert.equal(getPath(JSON.parse(unsetPath(text, path)), path), undefined, path)
  assert.equal(unsetPath(text, "gateway.host"), text.replace(',\n    "host": "::1"', ""))
  assert.equal(
    unsetPath('{"gateway": {"allowedHosts": ["a", "b"]}}', "gateway.allowedHosts.1"),
    '{"gateway": {"allowedHosts": ["a"]}}',
  )
})

test("setPath() begins with an empty file and with none", () => {
  for (const text of [undefined, "", "  \n"])
    assert.equal(setPath(text, "gateway.port", 1), '{\n  "gateway": {\n    "port": 1\n  }\n}\n')
})

test("setPath() reaches list items and names with dots", () => {
  const text = '{"gateway": {"listeners": [{"host": "::1", "port": 1}]}}'
  assert.equal(getPath(JSON.parse(setPath(text, "gateway.listeners.0.port", 2)), "gateway.listeners[0].port"), 2)
  const provider = setPath("{}", 'providers["my.own"].baseUrl', "http://localhost:1/v1")
  assert.equal(getPath(JSON.parse(provider), 'providers["my.own"].baseUrl'), "http://localhost:1/v1")
})

test("setPath() validates the whole result and says what is wrong with it", () => {
  assert.throws(() => setPath(commented, "gateway.prot", 1), {
    code: "INVALID_PARAMS",
    message: /did you mean gateway\.port\?/,
  })
  assert.throws(() => setPath(commented, "gateway.port", "abc"), { message: /must be a number, not text/ })
  assert.throws(() => setPath('{"zzzz": 1}', "gateway.port", 1), { message: /Unknown key zzzz/ })
  assert.throws(() => setPath("{", "gateway.port", 1), { message: /cannot be edited.*Syntax error/ })
  assert.throws(() => setPath('{"gateway": {"host": "x"}}', "gateway.host.deep", 1), { code: "INVALID_PARAMS" })
  assert.throws(() => setPath("{}", "__proto__.x", 1), { message: /Unknown key __proto__/ })
  assert.equal(getPath({}, "constructor"), undefined)
})

test("an edit can repair a file that is not valid", () => {
  assert.equal(unsetPath('{\n  "zzzz": 1\n}\n', "zzzz").replace(/\s/g, ""), "{}")
})

test("unsetPath() removes a key and refuses one that is not there", () => {
  assert.doesNotMatch(unsetPath(commented, "gateway.port"), /4000/)
  assert.throws(() => unsetPath(commented, "gateway.host"), {
    code: "NOT_FOUND",
    message: "gateway.host is not set in the config file",
  })
})

test("parsePath() refuses what is no path", () => {
  assert.deepEqual(parsePath('a.b[0]["c.d"].e'), ["a", "b", 0, "c.d", "e"])
  for (const text of ["", ".", "a..b", "a.", "a b", "a[x]", "a]"])
    assert.throws(() => parsePath(text), { code: "INVALID_PARAMS" }, text)
})

test("parseValue() reads JSON and takes the rest as text", () => {
  assert.deepEqual(["5", "true", '["a"]', "null", '"5"', "hello", "{oops"].map(parseValue), [
    5,
    true,
    ["a"],
    null,
    "5",
    "hello",
    "{oops",
  ])
})

test("writeConfig() replaces the file in one step, 0600, and keeps the one before", (t) => {
  const file = fileIn(t)
  const first = writeConfig(file, '{"gateway":{"port":1}}')
  assert.equal(first.hash, hashOf('{"gateway":{"port":1}}'))
  assert.match(first.hash, /^[0-9a-f]{64}$/)
  writeFileSync(file, readFileSync(file), { mode: 0o644 })
  writeConfig(file, commented, first.hash)
  assert.equal(readFileSync(file, "utf8"), commented)
  assert.equal(readFileSync(`${file}.bak`, "utf8"), '{"gateway":{"port":1}}')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(`${file}.bak`).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(file, "..")).sort(), ["pincer.json", "pincer.json.bak"])
})

test("writeConfig() refuses what is not valid and what has changed meanwhile, and leaves the file alone", (t) => {
  const file = fileIn(t)
  writeConfig(file, "{}", hashOf(undefined))
  assert.throws(() => writeConfig(file, '{"nope": 1}'), { code: "INVALID_PARAMS" })
  assert.throws(() => writeConfig(file, commented, hashOf("something else")), {
    code: "CONFLICT",
    message: /has changed since it was read/,
  })
  assert.equal(readFileSync(file, "utf8"), "{}")
  assert.deepEqual(readdirSync(join(file, "..")), ["pincer.json"])
})

test("writeConfig() lets one writer in at a time and takes over from one that died", (t) => {
  const file = fileIn(t)
  writeFileSync(`${file}.next`, "half")
  assert.throws(() => writeConfig(file, "{}"), { code: "CONFLICT", message: /Another program is changing/ })
  assert.ok(existsSync(`${file}.next`), "the other's draft is untouched")
  writeConfig(file, "{}", undefined, { ...systemClock, now: () => Date.now() + 60_000 })
  assert.equal(readFileSync(file, "utf8"), "{}")
})

test("writeConfig() writes through a link and names a folder that it cannot write", (t) => {
  const file = fileIn(t)
  writeFileSync(`${file}.real`, "{}")
  symlinkSync("pincer.json.real", file)
  writeConfig(file, commented)
  assert.ok(lstatSync(file).isSymbolicLink())
  assert.equal(readFileSync(`${file}.real`, "utf8"), commented)
  assert.throws(() => writeConfig(join(file, "below", "x.json"), "{}"), {
    code: "UNAVAILABLE",
    message: /Cannot write .*x\.json/,
  })
})
