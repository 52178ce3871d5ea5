// One gate, many who answer it at the same time, each in a process of its own.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { test } from "node:test"
import { openWorkflowRoom } from "./fakes/workflow-room.ts"

test("of eight processes that answer one token at once, exactly one runs on", { timeout: 60_000 }, async () => {
  const room = openWorkflowRoom()
  const folder = dirname(room.folder)
  try {
    const waiting = await room.run(
      "steps: [{ id: gate, approval: Go? }, { id: act, run: act }, { id: more, run: act }]",
    )
    assert.ok(waiting.ok && waiting.requiresApproval)
    const token = waiting.requiresApproval.resumeToken
    const program = join(import.meta.dirname, "fakes", "answer-workflow.ts")
    const all = Array.from({ length: 8 }, () => {
      const child = spawn(process.execPath, [program, folder, token], { stdio: ["pipe", "pipe", "inherit"] })
      let text = ""
      child.stdout.on("data", (chunk) => (text += chunk))
      return { child, ready: once(child.stdout, "data"), said: once(child, "close").then(() => text.split("\n")[1]) }
    })
    await Promise.all(all.map((one) => one.ready))
    for (const { child } of all) child.stdin.end("go\n")
    const said = (await Promise.all(all.map((one) => one.said))).toSorted()
    assert.equal(said.filter((one) => one === "ok").length, 1, said.join("\n"))
    for (const one of said.filter((one) => one !== "ok")) assert.match(one ?? "", /answered before|not found/)
    assert.deepEqual(readFileSync(join(folder, "effects"), "utf8"), "act\nmore\n")
    assert.equal((await room.books.runs.get(waiting.runId!))?.record.status, "completed")
  } finally {
    await room.close()
  }
})
