// The command tree: whole, or of one verb alone, which must be the same as in the whole.
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Cli } from "./cli.ts"
import { groups, needsAll } from "./commands/index.ts"
import { buildProgram } from "./program.ts"

const screens = (): Pick<Cli, "out" | "err"> => assert.fail("nothing is shown")

test("a verb built alone is what it is in the whole tree, and nothing else is built", () => {
  const whole = buildProgram(screens)
  for (const group of groups) {
    const verb = group.name
    const alone = buildProgram(screens, verb)
    const there = whole.commands.find((command) => command.name() === verb)
    assert.ok(there, `the group named ${verb} adds a command of that name`)
    const here = alone.commands.find((command) => command.name() === verb)
    assert.equal(here?.helpInformation(), there.helpInformation(), verb)
    const fewer = alone.commands.length < whole.commands.length
    assert.equal(fewer, !needsAll.has(group), verb)
  }
})

test("what is no verb gets the whole tree: a question, a spelling mistake, help", () => {
  const whole = buildProgram(screens).commands.length
  for (const verb of ["list the files", "gatway", "help", "--help", undefined])
    assert.equal(buildProgram(screens, verb).commands.length, whole)
})
