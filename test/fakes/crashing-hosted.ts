// A room with an external agent in a process of its own that kills itself (SIGKILL) the n-th time it passes a named checkpoint.
// Usage: node crashing-hosted.ts <home> <checkpoint> <n>. Its agent speaks, makes a call, asks for leave and writes a file; somebody
// allows everything, unless the process is to die while that waits.
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { openHostedRoom } from "./hosted-room.ts"

const [home, point, nth] = process.argv.slice(2)
if (!home) throw new TypeError("Usage: crashing-hosted.ts <home> <checkpoint> <n>")
let left = Number(nth ?? 1)
const room = await openHostedRoom({
  home,
  checkpoint(name) {
    if (name !== point) return
    left -= 1
    if (left === 0) process.kill(process.pid, "SIGKILL")
  },
  async play(turn) {
    appendFileSync(join(home, "runs"), "run\n")
    await turn.hear({ type: "text", of: "answer", text: "I begin. " })
    await turn.hear({ type: "tool", callId: "c", view: { kind: "read", rawInput: { path: "a" }, status: "completed" } })
    await turn.hear({ type: "text", of: "answer", text: "Now I ask." })
    const view = { kind: "execute", rawInput: { command: "touch made" } } as const
    const leave = await turn.leave({ callId: "d", view, offersAlways: false })
    if (leave.type === "allowed") appendFileSync(join(home, "acts"), "act\n")
    await turn.writeText(join(turn.cwd, "out.txt"), "text")
    await turn.hear({ type: "text", of: "answer", text: "Done." })
  },
})
room.ports.asked = (approval) => void room.desk.resolve(approval.id, "allow-once", "tester")
await room.turn({ turnId: "the-turn", ...(process.env["RECOVERY"] === "resume" ? { recovery: "resume" } : {}) })
await room.close()
