import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { SHELL_BYPASSES } from "../../../test/corpus/shell-bypass.ts"
import { ALLOWED_LINES, READING_LINES } from "../../../test/corpus/shell-innocent.ts"
import { type ShellRoom, shellRoom } from "../../../test/fakes/shell-room.ts"
import { describe, matchesAll, offerFor, readsOnly } from "./match.ts"

test("no attempt of the corpus is allowed without asking", async (t) => {
  assert.ok(SHELL_BYPASSES.length >= 150)
  assert.equal(new Set(SHELL_BYPASSES.map((one) => one.name)).size, SHELL_BYPASSES.length, "each has a name of its own")
  const passed: string[] = []
  const plain = await shellRoom(t)
  for (const { name, command, setup } of SHELL_BYPASSES) {
    const room = setup ? await laidOut(t, setup) : plain
    for (const shell of ["/bin/bash", "/bin/sh"]) {
      const facts = await room.facts(command, { shell })
      if (room.allowed(facts)) passed.push(`${name}: ${command} (${shell}): ${describe(facts).join(" | ")}`)
    }
  }
  assert.deepEqual(passed, [])
})

test("everyday lines are understood and covered by the list", async (t) => {
  assert.ok(ALLOWED_LINES.length + READING_LINES.length >= 60)
  const room = await shellRoom(t)
  const refused: string[] = []
  for (const { name, command, setup } of ALLOWED_LINES) {
    const at = setup ? await laidOut(t, setup) : room
    const facts = await at.facts(command)
    if (!at.allowed(facts)) refused.push(`${name}: ${command}: ${describe(facts).join(" | ")}`)
  }
  assert.deepEqual(refused, [])
})

test("lines that only read are known as such, and what is offered for a line covers it", async (t) => {
  const room = await shellRoom(t)
  for (const { name, command } of READING_LINES) {
    const facts = await room.facts(command)
    assert.equal(readsOnly(facts), true, `${name}: ${command}: ${describe(facts).join(" | ")}`)
  }
  for (const { command } of [...ALLOWED_LINES, ...READING_LINES]) {
    const facts = await room.facts(command)
    const offer = offerFor(facts)
    assert.equal(offer === undefined || matchesAll(facts, offer), true, command)
  }
})

test("no attempt that writes, connects or runs code counts as only reading", async (t) => {
  const plain = await shellRoom(t)
  const passed: string[] = []
  for (const { name, command, setup } of SHELL_BYPASSES) {
    const room = setup ? await laidOut(t, setup) : plain
    const facts = await room.facts(command)
    const text = JSON.stringify(facts.segments.map((one) => [one.paths, one.redirections, one.argv]))
    // Reading a file outside is reading; where it lies is another rule's business.
    const readsOutside = text.includes(room.canary) || /^(?:cat|grep|ls|cd)\b/.test(command) || /git -C/.test(command)
    if (readsOnly(facts) && !readsOutside) passed.push(`${name}: ${command}`)
    if (readsOnly(facts) && /touch|tee|>|output/.test(command)) passed.push(`${name}: ${command}`)
  }
  assert.deepEqual(passed, [])
})

async function laidOut(t: TestContext, setup: Parameters<ShellRoom["lay"]>[0]): Promise<ShellRoom> {
  const room = await shellRoom(t)
  await room.lay(setup)
  return room
}
