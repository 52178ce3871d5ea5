import assert from "node:assert/strict"
import { test } from "node:test"
import { type ClientScope, chooseOption, decidePermission } from "./decide.ts"

const scope: ClientScope = {
  cwd: "/work",
  home: "/home/me",
  real: (path) => (path.startsWith("/work/link") ? path.replace("/work/link", "/etc") : path),
}
const said = (toolCall: Record<string, unknown>) => {
  const { type, class: kind } = decidePermission({ toolCall }, scope)
  return `${type} ${kind}`
}

test("scoped reads and pure searches are allowed, everything else asks", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ title: "read: src/x.ts" }, "allow readonly_scoped"],
    [{ title: "Read: path: src/x.ts, limit: 5" }, "allow readonly_scoped"],
    [{ _meta: { toolName: "read" }, rawInput: { path: "/work/a" } }, "allow readonly_scoped"],
    [{ _meta: { toolName: "Read" }, title: "Read a file", rawInput: { file_path: "a" } }, "allow readonly_scoped"],
    [{ rawInput: { tool: "read", path: "file:///work/a%20b" } }, "allow readonly_scoped"],
    [{ _meta: { toolName: "read" }, locations: [{ path: "/work/a" }] }, "allow readonly_scoped"],
    [{ title: "search: needle" }, "allow readonly_search"],
    [{ title: "web_search" }, "allow readonly_search"],
    [{ _meta: { tool_name: "memory_search" } }, "allow readonly_search"],
    [{ title: "read: ../x" }, "ask readonly_scoped"],
    [{ title: "read: ~/.ssh/id_rsa" }, "ask readonly_scoped"],
    [{ title: "read: /etc/passwd" }, "ask readonly_scoped"],
    [{ title: "read: link/passwd" }, "ask readonly_scoped"],
    [{ title: "read" }, "ask readonly_scoped"],
    [{ title: "read: a", rawInput: { path: "/etc/shadow" } }, "ask readonly_scoped"],
    [{ title: "read: a", locations: [{ path: "/work/a" }, { path: "/etc/b" }] }, "ask readonly_scoped"],
    [{ title: "read: file://host/etc/x" }, "ask readonly_scoped"],
    [{ title: "read: /work2/a" }, "ask readonly_scoped"],
    [{ title: "bash: ls" }, "ask exec_capable"],
    [{ _meta: { name: "code_execution" } }, "ask exec_capable"],
    [{ title: "sessions_spawn" }, "ask control_plane"],
    [{ title: "write: a" }, "ask mutating"],
    [{ title: "canvas" }, "ask interactive"],
    [{ title: "search_everything" }, "ask other"],
    [{ title: "readx: a" }, "ask other"],
  ]
  for (const [call, expected] of cases) assert.equal(said(call), expected, JSON.stringify(call))
})

test("names that contradict each other are of no known tool", () => {
  const cases = [
    { _meta: { toolName: "search" }, title: "bash: rm -rf /" },
    { _meta: { toolName: "search" }, rawInput: { tool: "exec" } },
    { rawInput: { name: "search" }, title: "exec" },
    { _meta: { toolName: "sea rch" } },
    { _meta: { toolName: "" }, title: "search" },
    { _meta: { toolName: "x".repeat(129) } },
    { title: "Search the web for me" },
    {},
    { _meta: 7, rawInput: [], title: null },
  ]
  for (const call of cases) assert.equal(said(call), "ask unknown", JSON.stringify(call))
})

test("what the request says beside the call counts as a name, too", () => {
  const toolCall = { title: "Read the file", rawInput: { path: "a" } }
  const decided = (params: Record<string, unknown>) => decidePermission(params, scope).type
  assert.equal(decided({ toolCall, _meta: { tool: "Read" } }), "allow")
  assert.equal(decided({ toolCall, _meta: { tool: "Bash" } }), "ask")
  assert.equal(decided({ toolCall: { ...toolCall, _meta: { toolName: "read" } }, _meta: { tool: "Bash" } }), "ask")
  assert.equal(decided({}), "ask")
})

test("the kind that an agent gives is not looked at", () => {
  assert.equal(said({ kind: "read", title: "Look at it" }), "ask unknown")
  assert.equal(said({ kind: "search", title: "bash: ls" }), "ask exec_capable")
})

test("allowed takes once before always, refused the same; nothing that fits is cancelled", () => {
  const option = (kind: string) => ({ kind, optionId: kind })
  const all = ["reject_always", "allow_always", "reject_once", "allow_once"].map(option)
  assert.equal(chooseOption(all, true), "allow_once")
  assert.equal(chooseOption(all, false), "reject_once")
  assert.equal(chooseOption([option("allow_always")], true), "allow_always")
  assert.equal(chooseOption([option("reject_always")], false), "reject_always")
  assert.equal(chooseOption([option("allow_once")], false), undefined)
  assert.equal(chooseOption([option("sudo")], true), undefined)
  assert.equal(chooseOption("allow_once", true), undefined)
})
