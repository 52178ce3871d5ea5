// Many clients that lose their connections again and again while turns run: each must hear every event once, in order. A seeded sample in
// test/reconnect-storm.test.ts, five hundred clients in test/long/reconnect-storm.long.ts.
import assert from "node:assert/strict"
import { WebSocket } from "ws"
import { isObject } from "../../src/base/json.ts"
import { connectGateway, type GatewayClient, type SocketConstructor } from "../../src/protocol/client.ts"
import type { House } from "../house.ts"
import type { FakeModel } from "./model-service.ts"

export interface Storm {
  house: House
  fake: FakeModel
  clients: number
  /** How often each loses its connection. */
  rounds: number
  seed: number
}

export interface StormResult {
  turns: number
  events: number
  drops: number
}

interface Guest {
  client: GatewayClient
  /** Numbers of all events that it heard. */
  numbers: number[]
  /** Text of each run, as its increments said. */
  texts: Map<string, string>
  /** Endings of each run. */
  endings: Map<string, number>
  losses: number
  restored: unknown[]
  drop(): void
  /** Resolves when it has been restored as often as it was lost. */
  back(): Promise<void>
}

const ANSWER = "一场风暴 of words that nobody may miss, and nobody may hear twice. ".repeat(4)

async function enter(house: House): Promise<Guest> {
  let socket: WebSocket | undefined
  class Dropping extends WebSocket {
    constructor(url: string) {
      super(url)
      socket = this
    }
  }
  const client = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "cli", version: "1", platform: "test", mode: "cli" },
    reconnect: { minDelayMs: 2, maxDelayMs: 200, maxAttempts: 200 },
    connectTimeoutMs: 60_000,
    WebSocket: Dropping as unknown as SocketConstructor,
  })
  let look: () => void = () => undefined
  const guest: Guest = {
    client,
    numbers: [],
    texts: new Map(),
    endings: new Map(),
    losses: 0,
    restored: [],
    drop() {
      guest.losses += 1
      socket?.terminate()
    },
    async back() {
      while (guest.restored.length < guest.losses)
        await new Promise<void>((resolve) => {
          look = resolve
        })
    },
  }
  client.on("*", ({ event, payload, seq }) => {
    if (seq !== undefined) guest.numbers.push(seq)
    if (event === "connection.restored") guest.restored.push(isObject(payload) && payload["resumed"])
    if (event === "chat" && isObject(payload)) hearChat(guest, payload)
    look()
  })
  client.closed.then(() => look()).catch(() => undefined)
  return guest
}

function hearChat(guest: Guest, payload: Record<string, unknown>): void {
  const runId = String(payload["runId"])
  if (payload["state"] === "delta") {
    const before = payload["replace"] === true ? "" : (guest.texts.get(runId) ?? "")
    guest.texts.set(runId, before + String(payload["deltaText"]))
  }
  if (payload["state"] === "final") guest.endings.set(runId, (guest.endings.get(runId) ?? 0) + 1)
}

/** Always the same numbers for a seed. */
function random(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Throws when a client misses an event, hears one twice, or is not taken up. */
export async function reconnectStorm({ house, fake, clients, rounds, seed }: Storm): Promise<StormResult> {
  fake.otherwise({ text: ANSWER, deltaSize: 24 })
  const chance = random(seed)
  const sender = await enter(house)
  const guests: Guest[] = []
  for (let i = 0; i < clients; i++) guests.push(await enter(house))
  const runs: string[] = []
  let over = false
  // Turns follow the drops: eight while everybody comes back once, so that each client comes back into the middle of some.
  let next = Promise.withResolvers<void>()
  let came = 0
  for (const { client } of guests)
    client.on("connection.restored", () => {
      came += 1
      if (came % Math.ceil(clients / 8) === 0) next.resolve()
    })
  const traffic = (async () => {
    for (let i = 0; !over; i++) {
      const params = { message: `turn ${i}`, sessionKey: `storm-${i % 3}`, idempotencyKey: `storm-${seed}-${i}` }
      const answer: unknown = await sender.client.request("agent", params, { expectFinal: true, timeoutMs: 120_000 })
      assert.ok(isObject(answer) && answer["status"] === "ok", JSON.stringify(answer))
      runs.push(String(answer["runId"]))
      if (!over) await next.promise
      next = Promise.withResolvers()
    }
  })()
  for (let round = 0; round < rounds; round++) {
    for (const guest of guests) {
      guest.drop()
      // Some leave together, some while others come back.
      if (chance() < 0.2) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(guests.map((guest) => guest.back()))
  }
  over = true
  next.resolve()
  await traffic
  // What is answered now was said after everything else.
  await Promise.all(guests.map(({ client }) => client.request("health")))
  for (const [i, guest] of guests.entries()) judge(guest, `client ${i}`, runs, rounds)
  for (const { client } of [sender, ...guests]) client.close()
  const events = guests.reduce((sum, { numbers }) => sum + numbers.length, 0)
  return { turns: runs.length, events, drops: clients * rounds }
}

function judge(guest: Guest, name: string, runs: readonly string[], rounds: number): void {
  assert.deepEqual(guest.restored, Array(rounds).fill(true), `${name} was not taken up`)
  const [first = 1] = guest.numbers
  const wrong = guest.numbers.findIndex((number, i) => number !== first + i)
  assert.equal(wrong, -1, `${name}: after event ${guest.numbers[wrong - 1]} came ${guest.numbers[wrong]}`)
  for (const runId of runs) {
    assert.equal(guest.endings.get(runId), 1, `${name}: endings of ${runId}`)
    assert.equal(guest.texts.get(runId), ANSWER, `${name}: text of ${runId}`)
  }
}
