import assert from "node:assert/strict"
import { test } from "node:test"
import { changed, difference } from "./acp-setup.ts"
import { type AgentEntry, EDITORS, editorSetup } from "./editor-entry.ts"

const entry: AgentEntry = {
  name: 'My "Pincer"',
  command: "/opt/my pincer",
  args: ["acp", "--session", "a\\b"],
  env: {},
}
const places = { home: "/home/me", platform: "linux" as const }

function jsonSetup(editor: "zed" | "jetbrains") {
  const setup = editorSetup(editor, { ...entry, name: "Pincer" }, places)
  assert.ok(setup.type === "json")
  return setup
}

test("Zed and JetBrains get a command in the file that they read", () => {
  const zed = jsonSetup("zed")
  assert.equal(zed.path, "/home/me/.config/zed/settings.json")
  assert.deepEqual(zed.value, { type: "custom", command: entry.command, args: entry.args, env: {} })
  const jetbrains = jsonSetup("jetbrains")
  assert.equal(jetbrains.path, "/home/me/.jetbrains/acp.json")
  assert.equal(jetbrains.value["use_idea_mcp"], true)
  const windows = editorSetup("zed", entry, { home: "/h", platform: "win32", appData: "/app" })
  assert.equal(windows.path, "/app/Zed/settings.json")
})

test("Lua and Lisp are written so that no word can end its quotes", () => {
  for (const editor of ["neovim", "emacs"] as const) {
    const setup = editorSetup(editor, entry, places)
    assert.ok(setup.type === "text")
    assert.ok(setup.text.includes('"/opt/my pincer"'), editor)
    assert.ok(setup.text.includes('"a\\\\b"'), editor)
    assert.ok(setup.text.includes('"My \\"Pincer\\"'), editor)
  }
  assert.equal(EDITORS.length, 4)
})

test("an entry is put in between, and comments stay where they were", () => {
  const before = '{\n  // mine\n  "theme": "One",\n  "agent_servers": {\n    "x": {"command": "x"} // keep\n  },\n}\n'
  const after = changed(before, jsonSetup("zed"))
  assert.match(after, /\/\/ mine\n {2}"theme": "One"/)
  assert.match(after, /"x": \{"command": "x"\},? \/\/ keep\n {4}"Pincer": \{/)
  const lines = difference(before, after)
  assert.ok(lines.some((line) => line.includes('+     "Pincer"')))
  assert.equal(changed(after, jsonSetup("zed")), after, "a second time changes nothing")
  const other = { ...jsonSetup("zed"), value: { type: "custom", command: "other", args: [], env: {} } }
  const replaced = changed(after, other)
  assert.match(replaced, /"command": "other"/)
  assert.match(replaced, /\/\/ keep/)
})

test("an empty file, one without the list, and one with only comments are taken", () => {
  const setup = jsonSetup("jetbrains")
  for (const before of ["", "{}", '{\n\t"a": 1\n}\n', "{\r\n  // nothing yet\r\n}\r\n"]) {
    const after = changed(before, setup)
    assert.match(after, /"agent_servers"[\s\S]*"Pincer"/, JSON.stringify(before))
    assert.equal(changed(after, setup), after)
  }
})

test("a file that could not hold the entry is refused, not overwritten", () => {
  const setup = jsonSetup("zed")
  for (const before of ["[]", "{ broken", '{"agent_servers": []}', '"text"'])
    assert.throws(() => changed(before, setup), /could hold agent_servers/, before)
})
