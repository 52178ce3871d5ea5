import assert from "node:assert/strict"
import { test } from "node:test"
import type { Cli } from "./cli.ts"
import { Screen } from "./screen.ts"
import { openStage } from "./stages.ts"
import type { Ending } from "./turn.ts"

function screens(isTTY: boolean) {
  const written = { out: "", err: "" }
  const screenFor = (name: "out" | "err") =>
    new Screen({
      stream: {
        isTTY: isTTY && name === "out",
        columns: 60,
        write: (text: string) => {
          written[name] += text
          return true
        },
      },
      env: { NO_COLOR: "1" },
    })
  const out = screenFor("out")
  const err = screenFor("err")
  const cli: Cli = { env: {}, flags: {}, out, err, version: "0", cwd: "/", interactive: isTTY, verbose: false }
  return { cli, written }
}

const ENDING: Ending = {
  status: "completed",
  runId: "r",
  sessionKey: "s",
  text: "",
  stopReason: "stop",
  usage: undefined,
  error: undefined,
  provider: undefined,
  model: undefined,
  denied: 0,
  exitCode: 0,
}
const EVIL = "x\x1b[2J\x1b]0;t\x07\u202ey"
const TOOL = { callId: "1", name: "Bash", title: `npm ${EVIL}`, args: {} }
const RESULT = {
  callId: "1",
  name: "Bash",
  isError: false,
  text: `ok ${EVIL}\nmore`,
  details: { diff: `+ ${EVIL}` },
  changes: [],
  durationMs: 1500,
}
const OBEYED = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]/

test("nothing from outside reaches a terminal or a pipe as anything but text", () => {
  for (const isTTY of [true, false])
    for (const format of ["text", "quiet", "json"] as const) {
      const { cli, written } = screens(isTTY)
      const stage = openStage({ ...cli, verbose: true }, format)
      stage.thinking(EVIL)
      stage.toolStarted(TOOL)
      stage.toolEnded(RESULT)
      stage.toolEnded({ ...RESULT, details: { denied: true } })
      stage.toolEnded({ ...RESULT, details: {}, changes: [{ path: EVIL, added: 1, removed: 2 }] })
      stage.plan("main", { planId: "main", entries: [{ content: EVIL, priority: "low", status: "pending" }] })
      stage.plan(EVIL, { planId: EVIL, entries: [], markdown: EVIL })
      stage.notice("warning", EVIL)
      stage.text(EVIL)
      stage.ended({ ...ENDING, status: "failed", error: { code: "UNAVAILABLE", message: EVIL } })
      const shown = written.out + written.err
      assert.ok(!OBEYED.test(shown), `${format}: ${JSON.stringify(shown)}`)
    }
})

test("a terminal shows each call with its arguments, its outcome and the change, apart from the words around", () => {
  const { cli, written } = screens(true)
  const stage = openStage(cli, "text")
  stage.text("First.")
  stage.toolStarted({ ...TOOL, name: "Edit", title: "a.txt" })
  stage.toolEnded({ ...RESULT, name: "Edit", text: "Edited a.txt\n-a\n+b", details: { diff: "-a\n+b" } })
  stage.text("\n\nThen.")
  stage.ended(ENDING)
  assert.equal(
    written.out,
    "First.\n\n● Edit  a.txt\n  └ Edited a.txt  … 2 more lines (1.5 s)\n    -a\n    +b\n\nThen.\n",
  )
})

test("a pipe gets the answer alone, ended by one newline", () => {
  const { cli, written } = screens(false)
  const stage = openStage(cli, "text")
  stage.started({ runId: "r", sessionKey: "s" })
  stage.toolStarted(TOOL)
  stage.toolEnded(RESULT)
  stage.text("**Done**")
  stage.ended(ENDING)
  assert.deepEqual(written, { out: "**Done**\n", err: "" })
})

const PLAN = {
  planId: "main",
  entries: [
    { content: "First", priority: "high", status: "completed" },
    { content: "Then", priority: "low", status: "pending" },
  ],
} as const

test("a plan is shown again only when it reads differently; a pipe has it on standard error, JSON whole", () => {
  const plan = { ...PLAN, entries: [...PLAN.entries] }
  const next = { ...plan, entries: [plan.entries[0]!, { ...plan.entries[1]!, status: "in_progress" as const }] }
  const shownBy = (isTTY: boolean, format: "text" | "json") => {
    const { cli, written } = screens(isTTY)
    const stage = openStage({ ...cli, verbose: !isTTY }, format)
    for (const one of [plan, plan, next, null]) stage.plan("main", one)
    return written
  }
  assert.equal(shownBy(true, "text").out.trim(), "☑ First\n☐ Then\n☑ First\n◐ Then")
  const piped = shownBy(false, "text")
  assert.equal(piped.out, "")
  assert.match(piped.err, /☑ First\n☐ Then\n☑ First\n◐ Then/)
  const lines = shownBy(false, "json").out.trim().split("\n")
  assert.deepEqual(JSON.parse(lines[0]!), { type: "plan", planId: "main", plan })
  assert.deepEqual(JSON.parse(lines[3]!), { type: "plan", planId: "main", plan: null })
})

test("files that a call changed are one short line each, unless the change itself is shown", () => {
  const { cli, written } = screens(true)
  const stage = openStage(cli, "text")
  const changes = [{ path: "/x/a.ts", added: 3, removed: 1 }]
  stage.toolEnded({ ...RESULT, text: "ok", details: {}, changes })
  assert.match(written.out, /\/x\/a\.ts {2}\+3\/-1/)
})
