// Rounds of starting, stopping and crashing external agents that do not want to go, after which none is left: npm run test:acp:orphans.
// A third of the rounds kill the gateway itself with SIGKILL; the next round's gateway ends what that left. Linux: processes are found by
// a variable that all of them carry.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { hostRoom } from "../fakes/acp-agent-room.ts"
import { seeded } from "../fakes/seeded.ts"

const rounds = Number(process.env["ROUNDS"] ?? 100)
const random = seeded(Number(process.env["SEED"] ?? 20261121))
const mark = crypto.randomUUID()

function left(): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return []
    try {
      return readFileSync(`/proc/${entry}/environ`, "latin1").includes(`ORPHAN_MARK=${mark}`) ? [Number(entry)] : []
    } catch {
      return []
    }
  })
}

async function nobodyLeft(what: string): Promise<void> {
  const until = Date.now() + 10_000
  while (left().length > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(left(), [], what)
}

const MANNERS = [[], ["--ignore-eof"], ["--ignore-eof", "--ignore-term"], ["--child"], ["--far-child"]] as const
const ENDS = ["well", "dies", "stopped", "killed"] as const

test(`${rounds} rounds leave no process`, { timeout: 30 * 60_000, skip: process.platform !== "linux" }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "acp-orphans-"))
  const file = join(folder, "agents.json")
  const leftovers = {
    read: async () => readFileSync(file, "utf8"),
    write: async () => undefined,
  }
  for (let i = 0; i < rounds; i++) {
    const flags = [...MANNERS[Math.floor(random() * MANNERS.length)]!]
    const how = ENDS[Math.floor(random() * ENDS.length)]!
    const what = `round ${i}: ${how} with ${flags.join(" ") || "nothing"}`
    if (how === "killed") {
      const program = join(import.meta.dirname, "../fakes/acp-agent-gateway.ts")
      const gateway = spawn(process.execPath, [program, file, mark, ...flags], { stdio: ["ignore", "pipe", "inherit"] })
      await new Promise((resolve) => gateway.stdout.once("data", resolve))
      gateway.kill("SIGKILL")
      await new Promise((resolve) => gateway.once("exit", resolve))
      const next = hostRoom({ leftovers })
      await next.run("say x", { session: "next" })
      await next[Symbol.asyncDispose]()
    } else {
      const room = hostRoom()
      const agent = { env: () => ({ ORPHAN_MARK: mark }) }
      const heard = room.start(how === "dies" ? "say x;die" : "say x;hang", { flags, agent })
      await heard.until((event) => event.type === "text")
      if (how === "stopped") heard.abort()
      if (how !== "well") await heard.end
      await room[Symbol.asyncDispose]()
    }
    await nobodyLeft(what)
    if ((i + 1) % 20 === 0) process.stdout.write(`${i + 1} rounds\n`)
  }
  rmSync(folder, { recursive: true, force: true })
})
