import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { test } from "node:test"
import { processBirth } from "./process-birth.ts"

test("a process has one birth while it lives, and none afterwards", async () => {
  const own = processBirth(process.pid)
  assert.ok(own)
  assert.equal(processBirth(process.pid), own)
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"])
  await once(child, "spawn")
  const other = processBirth(child.pid!)
  assert.ok(other)
  child.kill("SIGKILL")
  await once(child, "exit")
  assert.equal(processBirth(child.pid!), undefined)
})
