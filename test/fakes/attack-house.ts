// A whole gateway whose model is an attacker: it makes the calls it is told to, and a person (or nobody) answers what is asked.
import type { TestContext } from "node:test"
import { connectGateway, type GatewayClient } from "../../src/protocol/client.ts"
import { type House, startHouse, TEST_TOKEN } from "../house.ts"
import { type FakeCall, type FakeModel, startFakeModel } from "./model-service.ts"
import { giveAway } from "./sandbox-room.ts"

// biome-ignore lint/suspicious/noExplicitAny: what comes over a wire is looked at, not typed.
type Any = any

export interface AttackHouse {
  house: House
  fake: FakeModel
  client: GatewayClient
  /** Every text that the model was ever given. */
  told(): string
  /** What the model was given of its last calls. */
  results(): string[]
  /** The model makes these calls, one answer each, then rests. */
  turn(answers: FakeCall[][], params?: Record<string, unknown>): Promise<Any>
  /** Answers the next question with "deny" or another decision; what was asked. `before` runs while it is open. */
  answer(decision?: string, before?: (question: Any) => unknown): Promise<Any>
  /** How many were asked and nobody took up yet. */
  waiting(): number
  audit(): Promise<Any[]>
}

export interface AttackHouseOptions {
  config?: Record<string, unknown>
  env?: Record<string, string>
  /** Nobody is connected who could approve. */
  alone?: boolean
  home?: string
}

export async function attackHouse(t: TestContext, options: AttackHouseOptions = {}): Promise<AttackHouse> {
  const { alone = false, config = {}, env = {}, home } = options
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const house = await startHouse({ fake: fake.url, config, env, ...(home === undefined ? {} : { home }) })
  giveAway(house.work)
  const client = await connectGateway({
    url: house.wsUrl,
    token: TEST_TOKEN,
    client: { id: "test", version: "0", platform: "test", mode: "cli" },
    caps: alone ? [] : ["approvals"],
  })
  t.after(async () => {
    client.close()
    await house.close()
  })
  const questions: Any[] = []
  const ears: ((question: Any) => void)[] = []
  client.on("exec.approval.requested", ({ payload }) => {
    const ear = ears.shift()
    if (ear) ear(payload)
    else questions.push(payload)
  })
  let session = 0
  return {
    house,
    fake,
    client,
    told: () => JSON.stringify(fake.requests.map(({ body }) => body)),
    results() {
      const body: Any = fake.requests.at(-1)?.body
      return body.messages.filter((one: Any) => one.role === "tool").map((one: Any) => one.content)
    },
    async turn(answers, params = {}) {
      fake.script(...answers.map((calls) => ({ calls })), { text: "Done." })
      session += 1
      const more = { sessionKey: `attack-${session}`, message: "go", cwd: house.work, wait: true, ...params }
      return client.request("chat.send", more)
    },
    async answer(decision = "deny", before) {
      const question = questions.shift() ?? (await new Promise<Any>((resolve) => ears.push(resolve)))
      await before?.(question)
      await client.request("exec.approval.resolve", { id: question.id, decision })
      return question
    },
    waiting: () => questions.length,
    async audit() {
      const list: Any = await client.request("audit.list", { limit: 1000 })
      return list.records
    },
  }
}

export const bash = (command: string): FakeCall => ({ name: "Bash", args: { command } })
export const tool = (name: string, args: Record<string, unknown>): FakeCall => ({ name, args })
