// Measures the reload of a configuration of 2,000 lines in a gateway that answers two clients meanwhile, and counts their frames. Part of
// bench/run.ts; alone: node bench/config.ts [--quick] (needs a build).
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import WebSocket from "ws"
import type { Note } from "./jobs.ts"
import { median } from "./load.ts"
import { connect, makeHome, startGateway, TOKEN } from "./processes.ts"

const LINES = 2_000
const GOAL_MS = 50

function textOf(round: number): string {
  const prices = Object.fromEntries(
    Array.from({ length: LINES / 4 }, (_, i) => [`own/model-${i}`, { input: i + round, output: i * 2 }]),
  )
  const config = { gateway: { port: 0 }, models: { discover: false, prices }, turns: { maxQueued: 10 + round } }
  return JSON.stringify(config, null, 2)
}

/** Asks all the time, and holds every frame against its number. */
function busyClient(url: string): Promise<{ close(): Promise<{ answers: number; lost: number }> }> {
  const socket = new WebSocket(url.replace(/^http/, "ws"))
  const ended = Promise.withResolvers<void>()
  let [asked, answers, lost, lastSeq, isClosing] = [0, 0, 0, 0, false]
  const ask = () => {
    asked += 1
    socket.send(JSON.stringify({ type: "req", id: `${asked}`, method: "sessions.list", params: {} }))
  }
  return new Promise((resolve, reject) => {
    socket.once("error", reject)
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as { type: string; event?: string; id?: string; seq?: number }
      if (frame.event === "connect.challenge") {
        const client = { id: "bench", version: "1", platform: "linux", mode: "backend" }
        const params = { minProtocol: 3, maxProtocol: 4, client, auth: { token: TOKEN } }
        socket.send(JSON.stringify({ type: "req", id: "c", method: "connect", params }))
        return
      }
      if (frame.type === "event" && frame.seq !== undefined) {
        if (lastSeq !== 0 && frame.seq !== lastSeq + 1) lost += 1
        lastSeq = frame.seq
        return
      }
      if (frame.type !== "res") return
      if (frame.id === "c")
        resolve({
          async close() {
            isClosing = true
            await ended.promise
            return { answers, lost: lost + (asked - answers) }
          },
        })
      else answers += 1
      if (isClosing) {
        socket.close()
        ended.resolve()
      } else ask()
    })
  })
}

export async function benchConfig(quick: boolean, note: Note): Promise<void> {
  const home = makeHome("http://127.0.0.1:9")
  const file = join(home, "pincer.json")
  writeFileSync(file, textOf(0), { mode: 0o600 })
  const gateway = await startGateway(home)
  const caller = await connect(gateway.url)
  const clients = await Promise.all([busyClient(gateway.url), busyClient(gateway.url)])
  const times: number[] = []
  for (let round = 1; round <= (quick ? 8 : 25); round++) {
    writeFileSync(file, textOf(round))
    const began = performance.now()
    await caller.call("config.reload", {})
    times.push(performance.now() - began)
  }
  const counts = await Promise.all(clients.map((client) => client.close()))
  caller.close()
  await gateway.stop()
  rmSync(home, { recursive: true, force: true })
  const answers = counts.reduce((sum, one) => sum + one.answers, 0)
  const lost = counts.reduce((sum, one) => sum + one.lost, 0)
  note(
    `reload of a configuration of ${textOf(1).split("\n").length} lines, beside two busy clients`,
    `≤ ${GOAL_MS} ms, no frame dropped`,
    `${median(times).toFixed(1)} ms (slowest ${Math.max(...times).toFixed(1)} ms), ${answers} answers, ${lost} frames lost`,
    "—",
  )
}

if (import.meta.main)
  await benchConfig(process.argv.includes("--quick"), (what, goal, measured) =>
    process.stdout.write(`${what}: ${measured} (goal ${goal})\n`),
  )
