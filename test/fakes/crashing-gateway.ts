// A gateway in a process of its own that kills itself (SIGKILL) the n-th time it passes a named checkpoint.
// Usage: node crashing-gateway.ts <home> [<checkpoint> <n>]. Prints {"url"} when ready.
import { openGateway } from "../../src/gateway/compose.ts"
import { TEST_TOKEN } from "../house.ts"

const [home, point, nth] = process.argv.slice(2)
if (!home) throw new TypeError("Usage: crashing-gateway.ts <home> [<checkpoint> <n>]")
let left = Number(nth ?? 0)
function passed(name: string): void {
  if (name !== point) return
  left -= 1
  if (left === 0) process.kill(process.pid, "SIGKILL")
}

const gateway = await openGateway({
  env: { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: TEST_TOKEN },
  checkpoint: passed,
  workflowCheckpoint: passed,
  scheduleCheckpoint: passed,
})
process.stdout.write(`${JSON.stringify({ url: gateway.url })}\n`)
process.on("SIGTERM", () => void gateway.close(0).then(() => process.exit(0)))
