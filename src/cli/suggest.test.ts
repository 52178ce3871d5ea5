import assert from "node:assert/strict"
import { test } from "node:test"
import type { Cli } from "./cli.ts"
import { buildProgram } from "./program.ts"
import { Screen } from "./screen.ts"
import { completionScript } from "./shell-completion.ts"
import { refuseMistyped, visible } from "./suggest.ts"

const screen = new Screen({ stream: { write: () => true }, env: {} })
const program = buildProgram((): Pick<Cli, "out" | "err"> => ({ out: screen, err: screen }))

test("refuseMistyped() knows a mistyped command from a question", () => {
  for (const [words, meant] of [
    [["statsu"], "status"],
    [["sesion", "list"], "session list"],
    [["gatway"], "gateway"],
    [["probe"], "gateway probe"],
    [["modles", "lst"], "models list"],
    [["chta"], "chat"],
  ] as const)
    assert.throws(
      () => refuseMistyped(words, program),
      { message: new RegExp(`did you mean "pincer ${meant}"`) },
      words.join(" "),
    )
  for (const question of ["hello", "list the files here", "Status?", "你好", "what is 2+2", "thanks"]) {
    refuseMistyped([question], program)
    refuseMistyped(question.split(" "), program)
  }
})

test("every command has a description, an example, and no flag that hides one of the program's", () => {
  const shared = new Set(
    program.options.flatMap((option) => [option.short, option.long]).filter((name) => name != null),
  )
  const walk = (commands: ReturnType<typeof visible>) => {
    for (const command of commands) {
      const inner = visible(command)
      assert.notEqual(command.description(), "", command.name())
      for (const option of command.options)
        for (const name of [option.short, option.long])
          assert.ok(name == null || !shared.has(name), `${command.name()} ${name}`)
      walk(inner)
    }
  }
  walk(visible(program))
})

test("completion knows every command of the tree in every shell", () => {
  const names = visible(program).flatMap((command) => [
    command.name(),
    ...visible(command).map((inner) => inner.name()),
  ])
  for (const shell of ["bash", "zsh", "fish"]) {
    const script = completionScript(program, shell)
    for (const name of names) assert.ok(script.includes(name), `${shell}: ${name}`)
    assert.ok(!script.includes("implied"))
  }
})
