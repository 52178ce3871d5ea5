// Workflows in front of a person: questions of `pincer lobster` on a terminal, Ctrl-C at one of them, and the tree of `pincer workflow run`.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { fileURLToPath } from "node:url"
import { PROGRAM } from "./program.ts"

const TERMINAL = fileURLToPath(new URL("./fakes/terminal.py", import.meta.url))
const hasPython = spawnSync("python3", ["--version"]).status === 0
const only = { skip: hasPython ? false : "NOT TESTED: there is no python3 to make a terminal with" }

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), "pincer-workflow-terminal-"))
  writeFileSync(
    join(folder, "gate.lobster"),
    `steps:
  - { id: first, pipeline: "state.get nothing" }
  - { id: sure, approval: "寄出?" }
  - { id: which, input: { prompt: "How many?", responseSchema: { type: object, required: [n] } } }
  - { id: last, for_each: "[1, 2]", steps: [{ id: one, pipeline: "head --n $which.response.n" }] }
`,
  )
})
after(() => rmSync(folder, { recursive: true, force: true }))

interface Played {
  exit: number | null
  screen: string
  missing: string | null
}

async function play(words: readonly string[], steps: { expect: string; send?: string }[]): Promise<Played> {
  const env = {
    PATH: process.env["PATH"],
    TERM: "xterm",
    PINCER_HOME: join(folder, "home"),
    NO_COLOR: "1",
    HOME: folder,
  }
  const plan = { args: [process.execPath, PROGRAM, ...words], cwd: folder, env, steps, timeout: 30 }
  const child = spawn("python3", [TERMINAL], { stdio: ["pipe", "pipe", "inherit"] })
  child.stdin.end(JSON.stringify(plan))
  let text = ""
  for await (const chunk of child.stdout) text += String(chunk)
  const played = JSON.parse(text) as Played
  assert.equal(played.missing, null, played.screen)
  return played
}

test(
  "pincer lobster asks at the terminal; an answer that does not fit leaves the gate, and Ctrl-C does",
  only,
  async () => {
    const yes = { expect: "寄出\\? \\[y/N\\] ", send: "y\r" }
    const [well, wrong, no, left] = await Promise.all([
      play(["lobster", "run", "gate.lobster"], [yes, { expect: "one line of JSON: ", send: '{"n": 3}\r' }]),
      play(["lobster", "run", "gate.lobster"], [yes, { expect: "one line of JSON: ", send: "5\r" }]),
      play(["lobster", "run", "gate.lobster"], [{ ...yes, send: "n\r" }]),
      play(["lobster", "run", "gate.lobster"], [{ ...yes, send: "\u0003" }]),
    ])
    assert.equal(well.exit, 0, well.screen)
    assert.deepEqual([wrong.exit, no.exit, left.exit], [2, 1, 130])
    assert.match(wrong.screen, /does not fit the schema[\s\S]*pincer lobster resume --id [0-9a-f]{8}/)
    assert.match(no.screen, /Not approved/)
    const id = /resume --id ([0-9a-f]{8})/.exec(left.screen)?.[1]
    assert.ok(id, left.screen)
    const later = await play(["lobster", "resume", "--id", id, "--approve", "yes"], [{ expect: "needs_input" }])
    assert.equal(later.exit, 0)
  },
)

test("pincer workflow run draws a tree on a terminal", only, async () => {
  const { exit, screen } = await play(["workflow", "run", "gate.lobster"], [{ expect: "It waits for an answer" }])
  assert.equal(exit, 0, screen)
  const last = screen.split("\x1b[0J").at(-1)!
  assert.match(last, /✓ first \(pipeline, \d+ ms\)\r\n… sure \(approval\) {2}寄出\?\r\n/)
})
