import assert from "node:assert/strict"
import { test } from "node:test"
import { sceneOf } from "../../test/fakes/scene.ts"
import { decide, isInside } from "./decide.ts"

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
  for (const path of ["/work/../etc/passwd", "/work/..", "/work/./a", "/work//a", "/work/a/", "//work/a"])
    assert.equal(isInside(path, "/work"), false, path)
  for (const root of ["", ".", "work", "../work"]) assert.equal(isInside("/work/a", root), false, root)
})

test("reading inside the workspace passes in every mode, whoever is connected", () => {
  for (const mode of ["approve-all", "approve-reads", "deny-all"] as const)
    for (const kind of ["read", "search"] as const)
      for (const canAsk of [true, false]) {
        const call = { class: kind, reads: ["/work", "/work/a"] }
        const decision = decide(sceneOf({ call, permissions: { mode }, canAsk }))
        assert.deepEqual([decision.verdict, decision.step, decision.rule], ["allow", "mode", "mode.workspaceRead"])
      }
})

test("a reader that names nothing, or also writes or contacts somebody, asks", () => {
  assert.equal(decide(sceneOf({ call: { reads: [] } })).verdict, "ask")
  assert.equal(decide(sceneOf({ call: { reads: ["/work/a"], writes: ["/work/a"] } })).verdict, "ask")
  assert.equal(decide(sceneOf({ call: { reads: ["/work/a"], hosts: ["example.com"] } })).verdict, "ask")
})

test("Pincer's own folder is not read without leave, whatever the mode and from wherever", () => {
  const verdict = (workspace: string, reads: string[], kind: "read" | "search" = "read") =>
    decide(
      sceneOf({
        call: { class: kind, reads },
        workspace,
        home: "/root/.pincer",
        permissions: { mode: "approve-all" },
      }),
    ).verdict
  assert.equal(verdict("/root", ["/root/notes.txt"]), "allow")
  assert.equal(verdict("/root", ["/root/.pincer/gateway.token"]), "ask")
  assert.equal(verdict("/root", ["/root"], "search"), "ask", "a search would go through it")
  assert.equal(verdict("/root", ["/root/src"], "search"), "allow")
  assert.equal(verdict("/root/.pincer/workspace", ["/root/.pincer/workspace/a"]), "allow")
  assert.equal(verdict("/root/.pincer/workspace", ["/root/.pincer/gateway.token"]), "ask")
})
