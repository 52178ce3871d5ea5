// Rounds of dying in a workflow: the run of crash-workflow.ts is killed at named points and at random moments until it has ended; then every
// effect must be there exactly once, its books in order, and nothing may wait any more.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import { openStore } from "../../src/store/open.ts"
import { EFFECTS, RUN, UNDONE } from "./crash-workflow.ts"

const POINTS = ["step.intended", "step.acted", "step.recorded", "gate.opened", "gate.answered"] as const

type Death =
  | { type: "point"; point: string; nth: number }
  | { type: "moment"; line: number; delayMs: number }
  | { type: "none" }

export interface Survived {
  lives: number
  kills: number
  uncertain: number
}

/** One run through at most `kills` deaths. */
export async function crashWorkflowRound(random: () => number, kills: number, seen: Survived): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pincer-crash-workflow-"))
  const ending = random() < 0.5 ? "whole" : "failing"
  const story: string[] = [ending]
  try {
    for (let life = 0; life <= kills; life++) {
      const death: Death = life === kills ? { type: "none" } : nextDeath(random)
      const killed = await oneLife(folder, ending, death)
      story.push(`${JSON.stringify(death)} ${killed ? "died" : "ended"}`)
      seen.lives += 1
      seen.kills += killed ? 1 : 0
      if (!killed) break
    }
    seen.uncertain += await check(folder, ending, story.join("; "))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function nextDeath(random: () => number): Death {
  if (random() < 0.5) {
    const point = POINTS[Math.floor(random() * POINTS.length)]!
    return { type: "point", point, nth: 1 + Math.floor(random() * (point.startsWith("gate") ? 4 : 14)) }
  }
  return { type: "moment", line: 1 + Math.floor(random() * 60), delayMs: random() * 4 }
}

/** True when it was killed before its end. */
async function oneLife(folder: string, ending: string, death: Death): Promise<boolean> {
  const file = join(import.meta.dirname, "crash-workflow.ts")
  const args = death.type === "point" ? [folder, ending, death.point, String(death.nth)] : [folder, ending]
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  let lines = 0
  let said = ""
  child.stderr.on("data", (chunk) => (said += chunk))
  child.stdout.on("data", (chunk: Buffer) => {
    const before = lines
    lines += chunk.toString().split("\n").length - 1
    if (death.type === "moment" && before < death.line && lines >= death.line)
      systemClock.after(death.delayMs, () => child.kill("SIGKILL"))
  })
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (code, signal) => resolve([code, signal])),
  )
  assert.ok(signal === "SIGKILL" || code === 0, `${JSON.stringify(death)}: code ${code} ${signal} ${said}`)
  return signal === "SIGKILL"
}

/** How many steps stopped as uncertain. */
async function check(folder: string, ending: string, story: string): Promise<number> {
  const did = readFileSync(join(folder, "effects"), "utf8").trimEnd().split("\n")
  const acted = did.filter((path) => path !== "look")
  const books = openStore({ path: join(folder, "p.db"), durability: "normal" }, systemClock, silentLogger)
  const stored = await books.runs.get(RUN)
  const gates = await books.runs.gatesOf(RUN)
  const events = await books.runs.events(RUN, 0, -1)
  await books.close()
  const error = JSON.stringify(stored?.record.error)
  const fails = ending === "failing"
  assert.equal(stored?.record.status, fails ? "failed" : "completed", `${story}: ${error}`)
  assert.deepEqual(acted.toSorted(), [...EFFECTS, ...(fails ? UNDONE : [])].toSorted(), `${story}: effects`)
  const open = gates.filter((gate) => gate.status === "waiting").map((gate) => gate.path)
  assert.deepEqual(open, [], `${story}: gates that wait`)
  assert.deepEqual(
    events.map((event) => event.seq),
    events.map((_, i) => i + 1),
    `${story}: numbers`,
  )
  assert.equal(events.filter((event) => event.type === "run.ended").length, 1, `${story}: ends`)
  const unfinished = stored?.record.steps.filter(
    (step) => step.status !== "completed" && step.status !== "skipped" && step.path !== "broke",
  )
  assert.deepEqual(unfinished, [], `${story}: steps`)
  return gates.filter((gate) => gate.path.includes("?uncertain")).length
}
