// What we do for an external agent: files, terminals, questions to its user; judged like our own, and audited.
import assert from "node:assert/strict"
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { type HostedTestRoom, openHostedRoom, type Play } from "../../test/fakes/hosted-room.ts"
import type { PincerError } from "../base/errors.ts"
import type { UserAnswer } from "../protocol/question.ts"
import type { ToolView } from "../protocol/tool-view.ts"
import type { Rights } from "./rights.ts"

const _RUN: ToolView = { kind: "execute", title: "run it", rawInput: { command: "touch made" } }
const SANDBOX: Partial<Rights> = {
  sandbox: async () => ({
    ...{ available: true, profile: "workspace", workspace: "read-write", network: false, detail: "test" },
  }),
  confine: async (_where, program) => ({ ...program, close: async () => undefined }),
}

async function audited(room: HostedTestRoom) {
  const lines = await room.ports.books.audit.list({ limit: 100 })
  return lines.map(({ type, tool, verdict, outcome }) => [type, tool, verdict ?? outcome])
}

test("files: inside the workspace they are read by lines; outside of it somebody is asked, through links too", async () => {
  const got: unknown[] = []
  const room = await openHostedRoom({
    canAsk: false,
    async play(turn) {
      got.push(await turn.readText(join(turn.cwd, "a.txt"), {}))
      got.push(await turn.readText(join(turn.cwd, "a.txt"), { line: 2, limit: 1 }))
      for (const path of [join(turn.cwd, "link"), "/etc/hostname", join(turn.cwd, "none.txt")])
        got.push(await turn.readText(path, {}).catch((error: PincerError) => error.code))
      got.push(await turn.writeText(join(turn.cwd, "new.txt"), "x").catch((error: PincerError) => error.code))
    },
  })
  writeFileSync(join(room.work, "a.txt"), "one\ntwo\nthree\n")
  symlinkSync("/etc/hostname", join(room.work, "link"))
  await room.turn()
  assert.deepEqual(got, [
    ...["one\ntwo\nthree\n", "two"],
    ...["PERMISSION_DENIED", "PERMISSION_DENIED", "INVALID_PARAMS", "PERMISSION_DENIED"],
  ])
  await room.close()
})

test("a file is written once somebody said yes, and not where the link leads by then", async () => {
  const got: unknown[] = []
  const room = await openHostedRoom({
    async play(turn) {
      got.push(await turn.writeText(join(turn.cwd, "sub/new.txt"), "text").catch((error: PincerError) => error.code))
    },
  })
  const running = room.turn()
  await room.desk.resolve((await room.asked()).id, "allow-once", "tester")
  await running
  assert.deepEqual(got, [undefined])
  assert.equal(readFileSync(join(room.work, "sub/new.txt"), "utf8"), "text")
  assert.deepEqual(await audited(room), [
    ["decision", "Write", "ask"],
    ["effect", "Write", "done"],
  ])
  await room.close()
})

test("a file that the client's editor shows is read and written there", async () => {
  const buffers = new Map<string, string>()
  const room = await openHostedRoom({
    async play(turn) {
      assert.equal(await turn.readText(join(turn.cwd, "a.txt"), {}), "unsaved")
      await turn.writeText(join(turn.cwd, "a.txt"), "changed")
    },
  })
  writeFileSync(join(room.work, "a.txt"), "saved")
  buffers.set(join(room.work, "a.txt"), "unsaved")
  const editor = {
    roots: [room.work],
    readText: async (path: string) => buffers.get(path) ?? "",
    writeText: async (path: string, text: string) => void buffers.set(path, text),
  }
  room.ports.lent = async () => ({ editor, tools: [] })
  const { outcome } = await room.turn({ permissions: { mode: "approve-all" } })
  assert.equal(outcome?.status, "completed")
  assert.equal(buffers.get(join(room.work, "a.txt")), "changed")
  assert.equal(readFileSync(join(room.work, "a.txt"), "utf8"), "saved")
  await room.close()
})

test("a terminal runs what was judged, in the sandbox, and keeps the newest output at whole characters", async () => {
  const confined: string[] = []
  const rights: Partial<Rights> = {
    ...SANDBOX,
    async confine({ profile, tool }, program) {
      confined.push(`${tool} in ${profile}`)
      return { ...program, close: async () => undefined }
    },
  }
  const seen: unknown[] = []
  const room = await openHostedRoom({
    rights,
    async play(turn) {
      const terminal = await turn.openTerminal({
        command: "printf",
        args: ["%s", "ab; echo 你好你好"],
        env: { LANG: "C.UTF-8" },
        outputByteLimit: 7,
      })
      const view: ToolView = {
        kind: "execute",
        content: [{ type: "terminal", terminalId: terminal.id, owner: "client" }],
      }
      await turn.hear({ type: "tool", callId: "t", view: { ...view, status: "in_progress" } })
      seen.push(await terminal.exited(), terminal.output())
      await terminal.release()
      await turn.hear({ type: "tool", callId: "t", view: { status: "completed" } })
      const bad = { command: "id", args: [], env: { LD_PRELOAD: "/tmp/x.so" } }
      seen.push(await turn.openTerminal(bad).catch((error: PincerError) => error.code))
    },
  })
  await room.turn()
  assert.deepEqual(seen, [
    { exitCode: 0, signal: null },
    { output: "你好", truncated: true, exit: { exitCode: 0, signal: null } },
    "INVALID_PARAMS",
  ])
  assert.deepEqual(confined, ["Bash in workspace"])
  // Its output stands in the view for good; it was judged when it was opened, so nobody is told of it again.
  const [content] = room.heard("tool.ended")[0]?.view?.content ?? []
  assert.equal(content?.type === "terminal" && content.output, "你好")
  assert.equal(room.heard("notice.posted").length, 0)
  await room.close()
})

test("a terminal that still runs ends with its turn", async () => {
  let exit: unknown
  const room = await openHostedRoom({
    rights: SANDBOX,
    async play(turn) {
      const terminal = await turn.openTerminal({ command: "sleep 600", args: [], env: {} })
      void terminal.exited().then((end) => {
        exit = end
      })
    },
  })
  assert.equal((await room.turn()).status, "completed")
  assert.deepEqual(exit, { exitCode: null, signal: "SIGTERM" })
  await room.close()
})

test("without a sandbox a terminal asks, and a denied one runs nothing", async () => {
  const room = await openHostedRoom({
    async play(turn) {
      await assert.rejects(turn.openTerminal({ command: "touch made", args: [], env: {} }), {
        code: "PERMISSION_DENIED",
      })
    },
  })
  const running = room.turn()
  await room.desk.resolve((await room.asked()).id, "deny", "tester")
  assert.equal((await running).status, "completed")
  await room.close()
})

const FORM = {
  type: "form",
  message: "Which one?",
  schema: {
    type: "object",
    properties: { name: { type: "string" }, count: { type: "integer", minimum: 1 } },
    required: ["name"],
  },
} as const

test("a question is answered as its form allows, and by nothing else", async () => {
  let answer: UserAnswer | undefined
  const room = await openHostedRoom({
    async play(turn) {
      answer = await turn.ask(FORM)
    },
  })
  const running = room.turn()
  const { id, kind, question } = await room.asked()
  assert.deepEqual([kind, question?.type], ["question", "form"])
  for (const [decision, given, why] of [
    ["allow-once", { count: 1 }, /name/],
    ["allow-once", { name: "x", more: 1 }, /no field "more"/],
    ["allow-once", { name: { a: 1 } }, /must be text/],
    ["allow-session", { name: "x" }, /is a question/],
    ["deny", { name: "x" }, /goes with "allow-once" only/],
  ] as const)
    await assert.rejects(room.desk.resolve(id, decision, "tester", { answer: given }), why)
  await room.desk.resolve(id, "allow-once", "tester", { answer: { name: "x", count: 2 } })
  await running
  assert.deepEqual(answer, { type: "accepted", content: { name: "x", count: 2 } })
  await room.close()
})

test("a question is declined by a human, and when nobody is there; put off when the turn ends", async () => {
  const answers: (UserAnswer | undefined)[] = []
  const play: Play = async (turn) => {
    answers.push(await turn.ask(FORM))
  }
  const asked = await openHostedRoom({ play })
  const running = asked.turn()
  await asked.desk.resolve((await asked.asked()).id, "deny", "tester")
  await running
  await asked.close()
  const alone = await openHostedRoom({ play, canAsk: false })
  await alone.turn()
  await alone.close()
  const canceled = await openHostedRoom({ play })
  const ending = canceled.turn()
  await canceled.lanes.cancel({ turnId: (await canceled.asked()).turnId })
  await ending
  await canceled.close()
  assert.deepEqual(answers, [{ type: "declined" }, { type: "declined" }, { type: "canceled" }])
})

test("a client that lends its ear is asked first, and held to the form", async () => {
  const answers: (UserAnswer | undefined)[] = []
  const given: UserAnswer[] = [
    { type: "accepted", content: { name: "mine" } },
    { type: "accepted", content: { name: 7 } },
  ]
  const room = await openHostedRoom({
    lent: { tools: [], ask: async () => given.shift()! },
    async play(turn) {
      answers.push(await turn.ask(FORM), await turn.ask(FORM))
    },
  })
  await room.turn()
  assert.deepEqual(answers, [{ type: "accepted", content: { name: "mine" } }, { type: "canceled" }])
  assert.equal(room.heard("approval.requested").length, 0)
  await room.close()
})

test("a link that is swapped between the judgement and the deed leads nowhere", async () => {
  let code: unknown
  const room = await openHostedRoom({
    async play(turn) {
      code = await turn.readText("place/a.txt", {}).catch((error: PincerError) => error.code)
    },
  })
  mkdirSync(join(room.work, "place"))
  writeFileSync(join(room.work, "place/a.txt"), "mine")
  const { rights } = room.ports
  room.ports.rights = {
    ...rights,
    async audit(entry) {
      if (entry.type === "decision") {
        rmSync(join(room.work, "place"), { recursive: true })
        symlinkSync("/etc", join(room.work, "place"))
      }
      await rights.audit(entry)
    },
  }
  await room.turn()
  assert.equal(code, "CONFLICT")
  await room.close()
})
