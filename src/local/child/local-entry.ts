// The process that runs one model (a program of its own: a fault in a model file or in the engine ends it and nothing else). It reads its
// order from its input, says on its output when it is ready, and ends when its input ends, which it does with whoever started it.
import { writeFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { openDoor } from "./door.ts"
import { Generation } from "./generation.ts"
import { openLlamaServer } from "./llama-server.ts"
import type { Order, Report } from "./order.ts"

/** Where memory is short the system is to end this process first, not the gateway. */
const OOM_SCORE = "500"

function tell(report: Report): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(report)}\n`, () => resolve()))
}

async function open(order: Order): Promise<void> {
  const { model, engine } = order
  const free = process.availableMemory()
  if (model.bytes > free) {
    const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
    throw new PincerError(
      "UNAVAILABLE",
      `${model.name} needs ${gb(model.bytes)} of memory and ${gb(free)} are free: use a smaller one`,
    )
  }
  switch (engine.type) {
    case "llama-server": {
      const { port, child } = await openLlamaServer(engine.path, order)
      child.once("exit", () => process.exit(1))
      await tell({ type: "ready", port, contextSize: order.contextSize })
      return
    }
    case "node-llama-cpp": {
      const generation = await Generation.open(engine.path, order)
      const { port } = await openDoor({ model: model.name, secret: order.secret, generation, clock: systemClock })
      await tell({ type: "ready", port, contextSize: generation.contextSize })
    }
  }
}

if (process.platform === "linux") {
  try {
    writeFileSync("/proc/self/oom_score_adj", OOM_SCORE)
  } catch (error) {
    process.stderr.write(`oom_score_adj: ${String(error)}\n`)
  }
}
const lines = createInterface({ input: process.stdin })
lines.once("line", (line) => {
  open(JSON.parse(line) as Order).catch(async (error: unknown) => {
    await tell({ type: "failed", message: error instanceof Error ? error.message : String(error) })
    process.exit(1)
  })
})
// What was started from here lies in this process's group and is ended by it.
lines.once("close", () => {
  process.on("SIGTERM", () => process.exit(0))
  process.kill(-process.pid, "SIGTERM")
})
