// The stream writer on a real socket with a clock that stands still until a test moves it.
import assert from "node:assert/strict"
import { once } from "node:events"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { test } from "node:test"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { readJsonBody } from "./body.ts"
import { sendRefusal } from "./refusal.ts"
import { KeepAlive, SseWriter } from "./sse.ts"

class HandClock implements Clock {
  #now = 0
  #timers: { at: number; fn: () => void }[] = []

  now = () => this.#now

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + ms, fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  sleep(): Promise<void> {
    throw new TypeError("Nothing here sleeps")
  }

  get waiting(): number {
    return this.#timers.length
  }

  move(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = this.#timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.#now = next.at
      this.#timers = this.#timers.filter((one) => one !== next)
      next.fn()
    }
    this.#now = end
  }
}

interface Line {
  clock: HandClock
  writer: SseWriter
  response: http.IncomingMessage
  gone: Promise<void>
  close(): Promise<void>
}

/** A client with a stream open to a writer. `before` runs on the server, before the head is out. */
async function openLine(before: (writer: SseWriter, clock: HandClock) => void): Promise<Line> {
  const clock = new HandClock()
  const keepAlive = new KeepAlive(clock)
  const gone = Promise.withResolvers<void>()
  const made = Promise.withResolvers<SseWriter>()
  const server = http.createServer((_, response) => {
    const writer = new SseWriter({ response, keepAlive, log: silentLogger, onGone: () => gone.resolve() })
    made.resolve(writer)
    before(writer, clock)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const request = http.get({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", agent: false })
  const [response] = (await once(request, "response")) as [http.IncomingMessage]
  response.on("error", () => undefined)
  return {
    clock,
    writer: await made.promise,
    response,
    gone: gone.promise,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}

async function read(response: http.IncomingMessage): Promise<string> {
  let text = ""
  for await (const chunk of response.setEncoding("utf8")) text += chunk
  return text
}

test("a quiet stream gets a comment, one that speaks gets none, and the timer rests when there is no stream", async () => {
  const line = await openLine((_, clock) => clock.move(15_000))
  line.writer.event(() => "data: 1\n\n")
  await once(line.response, "readable")
  await new Promise((resolve) => setImmediate(resolve))
  line.clock.move(15_000)
  line.writer.end(() => "data: 2\n\n")
  assert.equal(await read(line.response), ": keepalive\n\ndata: 1\n\ndata: 2\n\n")
  await line.close()
  assert.equal(line.clock.waiting, 0)
})

test("deltas of one tick are one event; another encoder or an event keeps the order", async () => {
  const line = await openLine((writer) => {
    const a = (text: string) => `a:${text}\n`
    const b = (text: string) => `b:${text}\n`
    writer.delta(a, "1")
    writer.delta(a, "2")
    writer.delta(b, "3")
    writer.event(() => "e\n")
    writer.delta(b, "4")
    writer.end(() => "end\n")
  })
  assert.equal(await read(line.response), "a:12\nb:3\ne\nb:4\nend\n")
  await line.close()
})

test("a refusal is a status before the first byte and an event after it", async () => {
  const refusal = new PincerError("RATE_LIMITED", "Too much", { retryAfterMs: 1500 })
  const early = await openLine((writer) => writer.refuse(refusal))
  assert.equal(early.response.statusCode, 429)
  assert.equal(early.response.headers["retry-after"], "2")
  await early.close()
  const late = await openLine((writer, clock) => {
    clock.move(15_000)
    setImmediate(() => writer.refuse(refusal))
  })
  assert.equal(late.response.statusCode, 200)
  assert.match(await read(late.response), /^: keepalive\n\ndata: \{"error":\{"message":"Too much"/)
  await late.close()
})

test("a peer that takes nothing is given up after two minutes", async () => {
  const line = await openLine((writer) => writer.event(() => "x".repeat(64 * 1024 * 1024)))
  line.response.pause()
  line.clock.move(15_000 * 7)
  assert.equal(line.response.destroyed, false)
  line.clock.move(15_000)
  await line.gone
  await line.close()
})

test("a body that does not arrive in time is 408", async () => {
  const clock = new HandClock()
  const server = http.createServer((request, response) => {
    readJsonBody(request, clock).catch((error: unknown) => sendRefusal(response, error, silentLogger))
    clock.move(45_000)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const request = http.request({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    method: "POST",
    headers: { "content-type": "application/json", "content-length": "10" },
  })
  request.on("error", () => undefined)
  request.write("{")
  const [response] = (await once(request, "response")) as [http.IncomingMessage]
  assert.equal(response.statusCode, 408)
  request.destroy()
  server.closeAllConnections()
  server.close()
})
