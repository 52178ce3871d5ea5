// A model file answers in a whole gateway: chosen without a word of configuration, run by an engine that is none, brought in and taken
// away on the command line while the gateway runs.
import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { connectGateway } from "../src/protocol/client.ts"
import { fakeEngine } from "./fakes/local-engine.ts"
import { tinyModel } from "./fakes/tiny-model.ts"
import { startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

const CONFIG = { models: { discover: true, localServers: [], local: { threads: 1 } } }

test("a file that is added on the command line answers the next turn, and is gone when it is removed", async (t) => {
  const house = await startHouse({ config: CONFIG })
  t.after(() => house.close())
  fakeEngine(join(house.home, "engine"))
  const pincer = (...args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      const env = {
        PATH: process.env["PATH"] ?? "",
        HOME: house.home,
        PINCER_HOME: house.home,
        PINCER_GATEWAY_TOKEN: house.token,
        NO_COLOR: "1",
      }
      execFile(process.execPath, [PROGRAM, "models", ...args], { env, cwd: house.work }, (error, out, err) =>
        resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
      )
    })
  assert.match(house.gateway.chosen(), /^offline\/rules/)
  mkdirSync(house.work, { recursive: true })
  writeFileSync(join(house.work, "tiny.gguf"), tinyModel())
  const added = await pincer("local", "add", "tiny.gguf", "--name", "小模型", "--json")
  assert.equal(added.code, 0, added.err)
  const said: { name: string; engine: string; gateway: boolean } = JSON.parse(added.out)
  assert.deepEqual([said.name, said.engine, said.gateway], ["local/小模型", "node-llama-cpp", true])
  assert.match(house.gateway.chosen(), /^local\/小模型 .*run by node-llama-cpp/)
  const client = await connectGateway({
    ...{ url: house.wsUrl, token: house.token },
    client: { id: "cli", version: "1", platform: "linux", mode: "cli" },
  })
  await client.request("agent", { message: "你好", idempotencyKey: "one" })
  await client.request("agent.wait", { runId: "one", timeoutMs: 20_000 })
  const history = JSON.stringify(await client.request("chat.history", { sessionKey: "main" }))
  assert.match(history, /you said/)
  client.close()
  const [listed, other, unasked] = await Promise.all([
    pincer("local"),
    pincer("local", "remove", "none", "--yes"),
    pincer("local", "remove", "小模型"),
  ])
  assert.match(listed.out, /^local\/小模型\t469 kB\t66k\tpincer\tllama\n$/)
  assert.deepEqual([other.code, unasked.code], [4, 2])
  const removed = await pincer("local", "remove", "local/小模型", "--yes")
  assert.equal(removed.code, 0, removed.err)
  assert.equal(existsSync(join(house.home, "models", "小模型.gguf")), false)
  assert.match(house.gateway.chosen(), /^offline\/rules/)
})
