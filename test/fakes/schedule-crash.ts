// A gateway in a process of its own, killed between two facts of a tick, and the life after it.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { ScheduleCheckpoint } from "../../src/jobs/schedule.ts"
import { connectGateway, type GatewayClient } from "../../src/protocol/client.ts"
import { ALL_SCOPES } from "../../src/protocol/frame.ts"
import { makeHome, TEST_TOKEN } from "../house.ts"
import type { FakeModel } from "./model-service.ts"

const CRASHING = fileURLToPath(new URL("./crashing-gateway.ts", import.meta.url))

async function begin(home: string, ...kill: string[]) {
  const child = spawn(process.execPath, [CRASHING, home, ...kill], { stdio: ["ignore", "pipe", "inherit"] })
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string]
  const { url } = JSON.parse(line) as { url: string }
  const client = await connectGateway({
    url: url.replace(/^http/, "ws"),
    token: TEST_TOKEN,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
    scopes: [...ALL_SCOPES],
  })
  return { child, client }
}

/** The lines of the ledger after a tick whose gateway was killed at `point`, and how often the model was spoken to for it. */
export async function crashAt(
  fake: FakeModel,
  point: ScheduleCheckpoint,
): Promise<{ entries: string[]; spoken: number }> {
  const { home } = makeHome({ fake: fake.url, config: {} })
  const words = `tick of ${point} ${home}`
  try {
    const first = await begin(home, point, "1")
    const died = once(first.child, "exit")
    const at = new Date().toISOString()
    await first.client.request("cron.add", { at, message: words }).catch(() => undefined)
    await died
    await first.client.close()
    const second = await begin(home)
    const entries = await finalEntries(second.client)
    await second.client.close()
    second.child.kill("SIGTERM")
    await once(second.child, "exit")
    const spoken = fake.requests.filter((request) => JSON.stringify(request.body).includes(words)).length
    return { entries, spoken }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

async function finalEntries(client: GatewayClient): Promise<string[]> {
  for (;;) {
    const { entries } = await client.request<{ entries: { state: string }[] }>("cron.runs", { open: true })
    const states = entries.map(({ state }) => state)
    if (states.length > 0 && !states.includes("due") && !states.includes("running")) return states
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
