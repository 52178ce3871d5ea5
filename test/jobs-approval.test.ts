// Jobs that wait for a human: they run, but give their place to others, also after a restart.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { askJobs, untilStatus } from "./fakes/job-client.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

let fake: FakeModel
before(async () => {
  fake = await startFakeModel()
})
after(() => fake.close())

const approver = (house: House) =>
  connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
    caps: ["approvals"],
    scopes: ["operator.admin"],
  })

async function firstAsked(client: GatewayClient): Promise<string> {
  const asked = Promise.withResolvers<string>()
  client.on("exec.approval.requested", (frame) => asked.resolve((frame.payload as { id: string }).id))
  const [pending] = await client.request<{ id: string }[]>("exec.approval.list")
  if (pending) asked.resolve(pending.id)
  return asked.promise
}

async function submit(house: House, prompt: string): Promise<string> {
  const { body } = await askJobs(house, "POST", "", { prompt, cwd: house.work, on_interrupt: "resume" })
  return body.id
}

test("a job that waits for an approval gives its place to another one, before and after a restart", {
  timeout: 30_000,
}, async () => {
  // Without a sandbox a command is asked for.
  const config = { jobs: { maxConcurrent: 1 }, sandbox: { bwrap: "/nonexistent/bwrap" } }
  const house = await startHouse({ fake: fake.url, config })
  const client = await approver(house)
  fake.script({ calls: [{ name: "Bash", args: { command: "echo hi > made.txt" } }] })
  const waiting = await submit(house, "make a file")
  await firstAsked(client)
  assert.equal((await askJobs(house, "GET", `/${waiting}`)).body.status, "running")
  await untilStatus(house, await submit(house, "another"), "completed")
  client.close()
  await house.stop()
  const next = await startHouse({ home: house.home })
  const again = await approver(next)
  await untilStatus(next, await submit(next, "one more"), "completed")
  assert.equal((await askJobs(next, "GET", `/${waiting}`)).body.status, "running")
  const id = await firstAsked(again)
  await again.request("exec.approval.resolve", { id, decision: "allow-once" })
  await untilStatus(next, waiting, "completed")
  again.close()
  await next.close()
})
