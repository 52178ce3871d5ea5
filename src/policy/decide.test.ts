import assert from "node:assert/strict"
import { test } from "node:test"
import { type DecideInput, decide, isInside } from "./decide.ts"

const input = (more: Partial<DecideInput>): DecideInput => ({
  tool: "Tool",
  class: "read",
  reads: [],
  writes: [],
  hosts: [],
  workspace: "/work",
  home: "/root/.pincer",
  canAsk: true,
  ...more,
})
const verdict = (more: Partial<DecideInput>) => decide(input(more)).verdict

test("isInside() is true for the folder and what lies below it", () => {
  for (const path of ["/work", "/work/a", "/work/a/b", "/work/..a", "/work/.git", "/work/a b/文件", "/work/a\\b"])
    assert.equal(isInside(path, "/work"), true, path)
  assert.equal(isInside("/work/a", "/work/"), true)
})

test("isInside() is not fooled by siblings, parents, case or paths that are not resolved", () => {
  for (const path of [
    "/workspace",
    "/work2/a",
    "/work.bak",
    "/wor",
    "/",
    "/Work/a",
    "",
    "work/a",
    "a",
    "./work",
    "work",
  ])
    assert.equal(isInside(path, "/work"), false, path)
  for (const path of [
    "/work/../etc/passwd",
    "/work/..",
    "/work/./a",
    "/work//a",
    "/work/a/",
    "/work/a/../../x",
    "//work/a",
  ])
    assert.equal(isInside(path, "/work"), false, path)
  for (const root of ["", ".", "work", "../work"]) assert.equal(isInside("/work/a", root), false, root)
})

test("isInside() of the root folder is everything that is absolute", () => {
  for (const path of ["/", "/etc", "/etc/passwd"]) assert.equal(isInside(path, "/"), true, path)
  for (const path of ["etc", "", "/../etc"]) assert.equal(isInside(path, "/"), false, path)
})

test("reading inside the workspace passes, whoever is connected", () => {
  for (const kind of ["read", "search"] as const)
    for (const canAsk of [true, false]) {
      const decision = decide(input({ class: kind, reads: ["/work", "/work/a"], canAsk }))
      assert.deepEqual([decision.verdict, decision.step], ["allow", "workspace-read"])
    }
})

test("reading anything outside asks, and names it", () => {
  const decision = decide(input({ tool: "Read", reads: ["/work/a", "/etc/passwd"] }))
  assert.deepEqual(decision, {
    verdict: "ask",
    step: "ask",
    reason: "Read reads /etc/passwd outside the workspace /work",
  })
  assert.equal(verdict({ reads: ["/work/../etc/passwd"] }), "ask")
  assert.equal(verdict({ reads: ["/workspace/a"] }), "ask")
})

test("a reader that names nothing, or also writes or contacts somebody, asks", () => {
  assert.equal(verdict({ reads: [] }), "ask")
  assert.equal(verdict({ reads: ["/work/a"], writes: ["/work/a"] }), "ask")
  assert.equal(verdict({ class: "search", reads: ["/work/a"], hosts: ["example.com"] }), "ask")
})

test("writing, running and the network always ask, inside the workspace too", () => {
  const cases: [Partial<DecideInput>, RegExp][] = [
    [{ class: "write", writes: ["/work/a"] }, /^Tool changes \/work\/a$/],
    [{ class: "write", reads: ["/work/a"], writes: ["/work/a", "/etc/x"] }, /^Tool changes \/work\/a, \/etc\/x$/],
    [{ class: "exec" }, /^Tool runs a command on this machine$/],
    [{ class: "network", hosts: ["a.example:8080"] }, /^Tool contacts a\.example:8080$/],
    [{ class: "network" }, /^Tool uses the network$/],
  ]
  for (const [more, reason] of cases) {
    const decision = decide(input(more))
    assert.deepEqual([decision.verdict, decision.step], ["ask", "ask"])
    assert.match(decision.reason, reason)
  }
})

test("with nobody to ask, what would be asked is denied and says so", () => {
  for (const more of [
    { class: "exec" },
    { class: "write", writes: ["/work/a"] },
    { class: "network", hosts: ["x"] },
    { class: "read", reads: ["/etc/passwd"] },
    { class: "search", reads: ["/"] },
    { class: "control", writes: ["/work/a"] },
  ] as const) {
    const decision = decide(input({ ...structuredClone(more), canAsk: false } as Partial<DecideInput>))
    assert.deepEqual([decision.verdict, decision.step], ["deny", "non-interactive"], JSON.stringify(more))
    assert.match(decision.reason, /nobody who could approve it is connected$/)
  }
})

test("control passes as long as it touches nothing but the session's notes", () => {
  assert.deepEqual(decide(input({ class: "control", canAsk: false })).step, "own-state")
  for (const more of [{ reads: ["/work/a"] }, { writes: ["/work/a"] }, { hosts: ["x"] }])
    assert.equal(verdict({ class: "control", ...more }), "ask")
})

test("Pincer's own folder is not read without leave, not even from a workspace around it", () => {
  const around = { workspace: "/root", home: "/root/.pincer" }
  assert.equal(verdict({ ...around, reads: ["/root/notes.txt"] }), "allow")
  assert.equal(verdict({ ...around, reads: ["/root/.pincer/gateway.token"] }), "ask")
  assert.equal(verdict({ ...around, class: "search", reads: ["/root"] }), "ask", "a search would go through it")
  assert.equal(verdict({ ...around, class: "search", reads: ["/root/src"] }), "allow")
  assert.match(decide(input({ ...around, reads: ["/root/.pincer/pincer.db"] })).reason, /own folder/)
  const within = { workspace: "/root/.pincer/workspace", home: "/root/.pincer" }
  assert.equal(verdict({ ...within, reads: ["/root/.pincer/workspace/a"] }), "allow")
  assert.equal(verdict({ ...within, reads: ["/root/.pincer/gateway.token"] }), "ask")
})
