// Callbacks: signed, once taken never again, tried again when the receiver is slow, dead or refuses, never sent where a stranger's
// URL must not lead.
import assert from "node:assert/strict"
import { createHmac } from "node:crypto"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { after, before, test } from "node:test"
import type { WireJob } from "../src/protocol/job.ts"
import { askJobs, untilStatus } from "./fakes/job-client.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

interface Call {
  headers: http.IncomingHttpHeaders
  body: string
}

interface Receiver {
  url: string
  calls: Call[]
  /** How the next calls are answered; then 204. */
  answers: ((response: http.ServerResponse) => void)[]
  /** Resolves once there were so many calls. */
  called(count: number): Promise<void>
  close(): Promise<void>
}

async function startReceiver(): Promise<Receiver> {
  const calls: Call[] = []
  const answers: Receiver["answers"] = []
  const waiting = new Set<() => void>()
  const server = http.createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => {
      body += String(chunk)
    })
    request.on("end", () => {
      calls.push({ headers: request.headers, body })
      const answer = answers.shift()
      if (answer) answer(response)
      else response.writeHead(204).end()
      for (const look of waiting) look()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answers,
    called: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (calls.length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

let fake: FakeModel
let receiver: Receiver
let house: House
before(async () => {
  fake = await startFakeModel()
  receiver = await startReceiver()
  house = await startHouse({
    fake: fake.url,
    config: {
      jobs: {
        callback: { timeoutMs: 100, maxTries: 3, backoffMs: 1, allowHosts: [new URL(receiver.url).host] },
      },
    },
  })
})
after(async () => {
  await house.close()
  await receiver.close()
  await fake.close()
})

async function submit(callback: unknown): Promise<WireJob> {
  const answer = await askJobs(house, "POST", "", { prompt: "call me", callback })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body
}

/** Until the callback of a job has this state. */
async function untilCalled(id: string, state: string): Promise<WireJob> {
  for (;;) {
    const { body } = await askJobs(house, "GET", `/${id}`)
    if (body.callback?.state === state) return body
    assert.notEqual(
      body.callback?.state === "delivered" || body.callback?.state === "given-up",
      true,
      JSON.stringify(body),
    )
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test("the receiver is told once, with a signature that its key makes, and the key is told the caller only once", {
  timeout: 20_000,
}, async () => {
  const job = await submit({ url: `${receiver.url}/done` })
  const { secret } = job.callback!
  assert.ok(secret && secret.length >= 32)
  await receiver.called(1)
  const [call] = receiver.calls.splice(0)
  const stamp = call!.headers["x-pincer-timestamp"]
  const expected = createHmac("sha256", secret).update(`${stamp}.${call!.body}`).digest("hex")
  assert.equal(call!.headers["x-pincer-signature"], `sha256=${expected}`)
  const told = JSON.parse(call!.body) as { event: string; job: WireJob }
  assert.deepEqual([told.event, told.job.id, told.job.result], ["job.completed", job.id, "Hello from the fake model."])
  assert.equal(told.job.callback?.secret, undefined)
  const after = await untilCalled(job.id, "delivered")
  assert.deepEqual([after.callback?.tries, after.callback?.secret], [1, undefined])
})

test("a receiver that is slow, refuses or hangs up is tried again, and given up after the last try", {
  timeout: 20_000,
}, async () => {
  receiver.answers.push(
    () => undefined,
    (response) => response.writeHead(500).end(),
    (response) => response.writeHead(200).end(),
  )
  const patient = await submit({ url: receiver.url, secret: "my-own-key" })
  assert.equal((await untilCalled(patient.id, "delivered")).callback?.tries, 3)
  const keys = receiver.calls.splice(0).map((call) => call.headers["x-pincer-delivery"])
  assert.deepEqual(new Set(keys), new Set([`${patient.id}.1`]))
  for (let i = 0; i < 3; i++) receiver.answers.push((response) => response.socket?.destroy())
  const lost = await submit({ url: receiver.url })
  assert.equal((await untilCalled(lost.id, "given-up")).callback?.tries, 3)
  receiver.calls.splice(0)
})

test("a redirect is not followed, wherever it leads", { timeout: 20_000 }, async () => {
  for (let i = 0; i < 3; i++)
    receiver.answers.push((response) => response.writeHead(307, { location: `${house.url}/api/jobs` }).end())
  const before = (await askJobs<{ total: number }>(house, "GET", "")).body.total
  const job = await submit({ url: receiver.url })
  await untilCalled(job.id, "given-up")
  assert.equal((await askJobs<{ total: number }>(house, "GET", "")).body.total, before + 1)
  assert.equal(receiver.calls.splice(0).length, 3)
})

test("a private address is refused at submission, a name that means one at delivery", { timeout: 20_000 }, async () => {
  for (const url of [
    "http://169.254.169.254/latest",
    "http://127.0.0.1:1/",
    "http://[::1]/",
    "http://0x7f.1/",
    "http://10.0.0.1",
  ]) {
    const answer = await askJobs<{ error: { message: string } }>(house, "POST", "", { prompt: "x", callback_url: url })
    assert.equal(answer.status, 400, url)
    assert.match(answer.body.error.message, /private or local address.*jobs\.callback\.allowHosts/)
  }
  for (const url of ["ftp://example.com", "file:///etc/passwd", "nonsense", "http://user:pass@example.com"])
    assert.equal((await askJobs(house, "POST", "", { prompt: "x", callback_url: url })).status, 400, url)
  // The receiver may be called by its address, but not by a name that nobody allowed.
  const job = await submit({ url: receiver.url.replace("127.0.0.1", "localhost") })
  await untilStatus(house, job.id, "completed")
  assert.equal((await untilCalled(job.id, "given-up")).callback?.tries, 3)
  assert.equal(receiver.calls.length, 0)
})

test("a call that was owed when the gateway stopped is made by the next one", { timeout: 20_000 }, async () => {
  const first = await startHouse({
    fake: fake.url,
    config: { jobs: { callback: { backoffMs: 50, allowHosts: ["127.0.0.1"] } } },
  })
  receiver.answers.push((response) => response.writeHead(503).end())
  const { body } = await askJobs(first, "POST", "", { prompt: "x", callback_url: receiver.url })
  await receiver.called(1)
  await first.stop()
  const second = await startHouse({ home: first.home })
  await receiver.called(2)
  assert.equal(receiver.calls.splice(0).at(-1)!.headers["x-pincer-job"], body.id)
  await second.close()
})
