// The tree of a run: what is shown of it, how often it is drawn, and that nothing from outside gets at the terminal.
import assert from "node:assert/strict"
import { test } from "node:test"
import { stillClock } from "../../test/fakes/still-clock.ts"
import type { RunEvent, RunStepStatus, StepKind } from "../protocol/workflow.ts"
import { Screen } from "./screen.ts"
import { LiveTree, RunTree } from "./workflow-tree.ts"

const RUN = { runId: "r", seq: 1 }
const began = (path: string, kind: StepKind, at: number, attempt = 1): RunEvent => ({
  ...RUN,
  ...{ type: "step.started", path, kind, at, attempt },
})
const ended = (
  path: string,
  kind: StepKind,
  at: number,
  durationMs: number,
  status: RunStepStatus = "completed",
  message = "",
): RunEvent => ({
  ...RUN,
  ...{ type: "step.ended", path, kind, at, durationMs, status, message },
})
const texts = (tree: RunTree, now: number) => tree.lines(now).map(({ text }) => text)

test("what went well within a loop is drawn together, what runs or failed stands by itself", () => {
  const tree = new RunTree()
  tree.take(began("取", "shell", 1_000))
  tree.take(ended("取", "shell", 1_040, 40))
  tree.take(began("each", "for_each", 1_050))
  for (let i = 0; i < 200; i++) {
    tree.take(began(`each[${i}].send`, "argv", 1_060 + i, i === 3 ? 2 : 1))
    if (i === 3) tree.take(ended(`each[${i}].send`, "argv", 1_100, 0, "failed", "no such\nhost \x1b[2J"))
    else if (i < 199) tree.take(ended(`each[${i}].send`, "argv", 1_100, 5))
  }
  tree.take({
    ...RUN,
    type: "run.waiting",
    at: 1_200,
    path: "each[7].ok",
    gate: "approval",
    prompt: "Go?",
    expiresAt: null,
  })
  assert.deepEqual(texts(tree, 3_259), [
    "✓ 取 (shell, 40 ms)",
    "▸ each (for_each, 200 items, 2.2 s)",
    "  ✗ [3]",
    "    ✗ send (argv, attempt 2, 37 ms)  no such ⏎ host ␛[2J",
    "  ▸ [199]",
    "    ▸ send (argv, 2.0 s)",
    "  … [7]",
    "    … ok  Go?",
  ])
  assert.ok(tree.isActive)
  tree.take(ended("each[199].send", "argv", 1_300, 3))
  tree.take(ended("each", "for_each", 1_300, 250))
  assert.ok(!tree.isActive)
  assert.equal(texts(tree, 9_000)[1], "✓ each (for_each, 200 items, 250 ms)")
})

test("steps of a file within are shown while it runs", () => {
  const tree = new RunTree()
  tree.take(began("sub", "workflow", 0))
  tree.take(ended("sub.in", "shell", 10, 10))
  tree.take(began("sub.loop", "for_each", 10))
  tree.take(began("sub.loop[0].deep", "shell", 10))
  assert.deepEqual(texts(tree, 20), [
    "▸ sub (workflow, 20 ms)",
    "  ✓ in (shell, 10 ms)",
    "  ▸ loop (for_each, 1 item, 10 ms)",
    "    ▸ [0]",
    "      ▸ deep (shell, 10 ms)",
  ])
  tree.take({
    ...RUN,
    type: "run.waiting",
    at: 1,
    path: "sub.in?uncertain#1",
    gate: "input",
    prompt: "Did it?",
    expiresAt: null,
  })
  assert.match(texts(tree, 20)[1]!, /\? in .*Did it\?/)
})

test("it is drawn in place, at most ten times a second, and fits the screen", async () => {
  const written: string[] = []
  const stream = { isTTY: true, columns: 30, write: (text: string) => written.push(text) > 0 }
  const screen = new Screen({ stream, env: { NO_COLOR: "1" } })
  const clock = stillClock()
  const live = new LiveTree(screen, clock, () => 8)
  for (let i = 0; i < 500; i++) live.take(ended(`s${i}`, "shell", clock.now(), 1))
  await clock.advance(0)
  assert.equal(written.length, 1)
  const first = written[0]!.split("\n")
  assert.deepEqual([first.length, first[0], first.at(-2)], [8, "  494 lines above", "✓ s499 (shell, 1 ms)"])
  live.take(began("long", "shell", clock.now()))
  live.take(ended("x", "shell", clock.now(), 1, "failed", "很".repeat(60)))
  assert.equal(written.length, 1)
  await clock.advance(100)
  assert.equal(written.length, 2)
  assert.ok(written[1]!.startsWith("\x1b[7A\r\x1b[0J"))
  assert.ok(written[1]!.includes("▸ long (shell, 100 ms)\n"))
  assert.match(written[1]!, /✗ x \(shell, 1 ms\) {2}很+…\n/)
  // Only the time moves now: once a second.
  await clock.advance(900)
  assert.equal(written.length, 2)
  await clock.advance(100)
  assert.equal(written.length, 3)
  const goOn = live.pause()
  await clock.advance(5_000)
  const before = written.length
  goOn()
  assert.ok(!written[before]!.includes("\x1b["))
  live.take(ended("long", "shell", clock.now(), 6_000))
  live.end()
  const count = written.length
  await clock.advance(60_000)
  live.take(began("late", "shell", 0))
  await clock.advance(60_000)
  assert.equal(written.length, count)
  assert.ok(written.at(-1)!.includes("✓ long (shell, 6.0 s)"))
})
