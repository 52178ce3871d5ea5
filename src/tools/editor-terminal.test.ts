// Bash in a terminal of the user's editor: shown at once, capped, stopped in time, and released whatever happens.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { stillClock } from "../../test/fakes/still-clock.ts"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { PincerError } from "../base/errors.ts"
import type { ToolView } from "../protocol/tool-view.ts"
import { bash } from "./bash.ts"
import type { Editor, EditorCommand } from "./editor.ts"
import type { ToolContext } from "./tool.ts"

interface Scripted {
  output?: string
  truncated?: boolean
  exit?: { exitCode: number | null; signal: string | null }
  /** Instead of what would have come. */
  fails?: "open" | "wait" | "output" | "kill"
  /** The command ends only when it is killed or released. */
  hangs?: boolean
}

async function terminalRoom(t: TestContext, scripted: Scripted = {}) {
  const room = await toolRoom(t)
  const did: string[] = []
  const views: ToolView[] = []
  const commands: EditorCommand[] = []
  const opened = Promise.withResolvers<void>()
  const gone = (what: string) => Promise.reject(new PincerError("UNAVAILABLE", `${what} failed`))
  const editor: Editor = {
    roots: [room.cwd],
    async openTerminal(command) {
      did.push("open")
      commands.push(command)
      if (scripted.fails === "open") return gone("open")
      return {
        id: "t-1",
        async output() {
          did.push("output")
          if (scripted.fails === "output") return gone("output")
          return { output: scripted.output ?? "hello\n", truncated: scripted.truncated ?? false }
        },
        async exited(signal) {
          did.push("wait")
          opened.resolve()
          if (scripted.fails === "wait") return gone("wait")
          if (!scripted.hangs) return scripted.exit ?? { exitCode: 0, signal: null }
          return new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => reject(new PincerError("ABORTED", "withdrawn")), { once: true })
          })
        },
        async kill() {
          did.push("kill")
          if (scripted.fails === "kill") await gone("kill")
        },
        async release() {
          did.push("release")
        },
      }
    },
  }
  const run = (command: string, more: Partial<ToolContext> = {}) =>
    room.call(
      bash,
      { command },
      {
        editor,
        launch: () => assert.fail("it was to run in the user's terminal"),
        show: async (view) => {
          did.push("show")
          views.push(view)
        },
        ...more,
      },
    )
  return { ...room, did, views, commands, editor, opened: opened.promise, run }
}

test("a command runs in the user's terminal, which is shown at once and released at the end", async (t) => {
  const { commands, cwd, did, run, views } = await terminalRoom(t, { output: "\u001b[31mred\u001b[0m\n" })
  const result = await run("make all")
  assert.equal(textIn(result), "red")
  assert.deepEqual(result.details, { exitCode: 0, killedBy: null, timedOut: false })
  assert.deepEqual(did, ["open", "show", "wait", "output", "release"])
  assert.deepEqual(commands[0]?.args, ["-c", "make all"])
  assert.equal(commands[0]?.cwd, cwd)
  const terminal = { type: "terminal", owner: "client", terminalId: "t-1", command: "make all", cwd }
  assert.deepEqual(views, [{ content: [terminal] }])
  assert.deepEqual(result.view?.content, [{ ...terminal, output: "red", exitCode: 0, signal: null }])
})

test("how it ended is told as of any command", async (t) => {
  const cases: [Scripted["exit"], RegExp][] = [
    [{ exitCode: 3, signal: null }, /\[exit code 3\]/],
    [{ exitCode: null, signal: "SIGKILL" }, /\[killed by SIGKILL\]/],
    [{ exitCode: null, signal: null }, /did not say how/],
  ]
  for (const [exit, words] of cases) {
    const { run } = await terminalRoom(t, { exit: exit! })
    const result = await run("x")
    assert.equal(result.isError, true)
    assert.match(textIn(result), words)
  }
})

test("output is capped as usual, and it is said when the client kept only the end", async (t) => {
  const { commands, run } = await terminalRoom(t, { output: "x".repeat(100_000), truncated: true })
  const text = textIn(await run("yes"))
  assert.ok(text.length < 31_000)
  assert.match(text, /^\[the beginning of the output was left out\]/)
  assert.match(text, /characters left out/)
  assert.ok(commands[0]!.outputByteLimit >= 30_000)
})

test("at the time limit the command is killed, its output is kept and the terminal released", async (t) => {
  const clock = stillClock()
  const { did, opened, run } = await terminalRoom(t, { hangs: true })
  const running = run("sleep 1000", { clock })
  await opened
  await clock.advance(60_000)
  const result = await running
  assert.match(textIn(result), /hello\n\[stopped after 20000 ms\]/)
  assert.equal(result.details?.["timedOut"], true)
  assert.deepEqual(did, ["open", "show", "wait", "kill", "output", "release"])
})

test("a canceled call kills its command and releases the terminal, also when the client refuses to kill", async (t) => {
  for (const fails of [undefined, "kill"] as const) {
    const stop = new AbortController()
    const { did, opened, run } = await terminalRoom(t, { hangs: true, ...(fails ? { fails } : {}) })
    const running = run("sleep 1000", { signal: stop.signal })
    await opened
    stop.abort()
    assert.match(textIn(await running), /canceled/)
    assert.deepEqual(did, ["open", "show", "wait", "kill", "release"])
  }
})

test("a terminal that opens after the call was canceled is released, and no command is waited for", async (t) => {
  const stop = new AbortController()
  const { did, editor, run } = await terminalRoom(t, { hangs: true })
  const slow: Editor = {
    ...editor,
    async openTerminal(command, signal) {
      stop.abort()
      return editor.openTerminal!(command, signal)
    },
  }
  assert.match(textIn(await run("sleep 1000", { editor: slow, signal: stop.signal })), /canceled/)
  assert.deepEqual(did, ["open", "release"])
})

test("a client that fails is an error that names it; what was opened is released", async (t) => {
  const open = await terminalRoom(t, { fails: "open" })
  await assert.rejects(open.run("x"), /editor opened no terminal: open failed/)
  assert.deepEqual(open.did, ["open"])
  const wait = await terminalRoom(t, { fails: "wait" })
  await assert.rejects(wait.run("x"), /terminal was lost, and the command may still run/)
  assert.equal(wait.did.at(-1), "release")
  const output = await terminalRoom(t, { fails: "output" })
  assert.match(textIn(await output.run("x")), /did not give the output/)
  assert.equal(output.did.at(-1), "release")
  const show = await terminalRoom(t)
  await assert.rejects(show.run("x", { show: () => Promise.reject(new Error("overtaken")) }), /overtaken/)
  assert.deepEqual(show.did, ["open", "release"])
})

test("a folder that the editor does not lend, or an editor without terminals, leaves the command to us", async (t) => {
  const { cwd, did, editor, outside, run } = await terminalRoom(t)
  const launch: ToolContext["launch"] = async (program) => ({ ...program, close: async () => undefined })
  const { openTerminal: _none, ...files } = editor
  for (const other of [
    { ...editor, roots: [outside] },
    { ...files, roots: [cwd] },
  ])
    assert.equal(textIn(await run("echo here", { editor: other, launch })), "here")
  assert.deepEqual(did, [])
})
