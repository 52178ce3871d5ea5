// Measures jobs: durable submissions a second, from a submission to its first event, the first page of 100,000 jobs, and the replay
// of 10,000 events; each against a bare server in the same run. Part of bench/run.ts; alone: node bench/jobs.ts [--quick].
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import http from "node:http"
import { join } from "node:path"
import WebSocket from "ws"
import { systemClock } from "../src/base/clock.ts"
import { silentLogger } from "../src/base/log.ts"
import type { JobRequest } from "../src/protocol/job.ts"
import { type Books, openStore } from "../src/store/open.ts"
import { flood, median } from "./load.ts"
import { makeHome, type Running, startGateway, startScript, TOKEN } from "./processes.ts"

export type Note = (what: string, goal: string, measured: string, rival: string) => void

const BASELINE = join(import.meta.dirname, "job-baseline.ts")
const EVENTS = 10_000
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 })

/** One request on a kept connection; the body as text. */
function ask(base: string, method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const url = new URL(path, base)
  const sent = body === undefined ? "" : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      {
        method,
        agent,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(sent === "" ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(sent) }),
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
        )
        response.on("error", reject)
      },
    )
    request.on("error", reject)
    request.end(sent)
  })
}

async function submissions(gateway: Running, bare: Running, quick: boolean, note: Note): Promise<void> {
  const n = quick ? 2_000 : 10_000
  const submit = async (base: string, i: number) => {
    // One session, so that hardly any of them runs meanwhile: what is measured is accepting them.
    const { status } = await ask(base, "POST", "/api/jobs", { prompt: `job ${i}`, session: "bench" })
    if (status !== 201) throw new Error(`A submission answered ${status}`)
  }
  const ours: number[] = []
  const theirs: number[] = []
  for (let i = 0; i < 3; i++) {
    theirs.push((n * 1000) / (await flood(n, 64, (k) => submit(bare.url, k))))
    ours.push((n * 1000) / (await flood(n, 64, (k) => submit(gateway.url, k))))
  }
  const [own, other] = [median(ours), median(theirs)]
  note(
    "durable job submissions a second through `POST /api/jobs`, 64 at once, against a bare `node:http` JSON echo without storage",
    "≥ 2,000",
    `${own.toFixed(0)} (${((100 * own) / other).toFixed(0)} % of ${other.toFixed(0)})`,
    "–",
  )
}

/** From the submission to the first event of the work, on one control-plane socket. */
async function firstEvent(gateway: Running, quick: boolean, note: Note): Promise<void> {
  const socket = new WebSocket(gateway.url.replace(/^http/, "ws"))
  const heard = new Map<string, (payload: Record<string, unknown>) => void>()
  socket.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { type: string; id?: string; event?: string; payload: never }
    heard.get(frame.type === "res" ? `res ${frame.id}` : `event ${frame.event}`)?.(frame.payload)
  })
  const next = (name: string) =>
    new Promise<Record<string, unknown>>((resolve) => {
      heard.set(name, (payload) => resolve(payload))
    })
  let id = 0
  const call = (method: string, params: unknown) => {
    id += 1
    const answer = next(`res ${id}`)
    socket.send(JSON.stringify({ type: "req", id: String(id), method, params }))
    return answer
  }
  await next("event connect.challenge")
  const client = { id: "test", version: "1", platform: "linux", mode: "test" }
  const scopes = ["operator.admin"]
  await call("connect", { minProtocol: 4, maxProtocol: 4, client, role: "operator", scopes, auth: { token: TOKEN } })
  const times: number[] = []
  const plain: number[] = []
  for (let i = 0; i < (quick ? 50 : 300); i++) {
    const asked = performance.now()
    await call("health", {})
    plain.push(performance.now() - asked)
    const began = performance.now()
    const started = new Promise<void>((resolve) => {
      heard.set("event job.event", (payload) => {
        if (payload["type"] === "turn.started") resolve()
      })
    })
    const over = next("event job.done")
    await call("job.submit", { prompt: "first", subscribe: true })
    await started
    times.push(performance.now() - began)
    await over
  }
  socket.close()
  note(
    "`job.submit` to the first event of its turn, one client, median",
    "≤ 5 ms",
    `${median(times).toFixed(2)} ms (a \`health\` round trip ${median(plain).toFixed(2)} ms)`,
    "–",
  )
}

/** A home whose store holds so many ended jobs, and one of them with many events. */
async function fill(home: string, count: number): Promise<string> {
  const books = openStore({ path: join(home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  const request: JobRequest = {
    agentId: "main",
    sessionKey: "agent:main:bench",
    ownSession: false,
    priority: 0,
    maxAttempts: 1,
    backoffMs: 1000,
    onInterrupt: "fail",
    clientId: "bench",
  }
  for (let from = 0; from < count; from += 5_000) {
    const writes: Promise<unknown>[] = []
    for (let i = from; i < from + 5_000; i++) {
      const id = `job-${i}`
      const prompt = `Job number ${i} of many: look at the project and say what it is for`
      writes.push(
        books.jobs.accept({ id, prompt, request, idempotencyKey: null, fingerprint: "" }),
        books.jobs.begin(id),
        books.jobs.finish(id, { status: i % 10 === 0 ? "canceled" : "completed" }),
      )
    }
    await Promise.all(writes)
  }
  const id = "job-long"
  await talkative(books, id, { ...request, sessionKey: "agent:main:long" })
  await books.close()
  return id
}

async function talkative(books: Books, id: string, request: JobRequest): Promise<void> {
  await books.jobs.accept({ id, prompt: "talk", request, idempotencyKey: null, fingerprint: "" })
  const { attempt } = await books.jobs.begin(id)
  const turn = {
    turnId: `${id}.${attempt}`,
    sessionKey: request.sessionKey,
    agentId: "main",
    input: [{ type: "text" as const, text: "talk" }],
    origin: { door: "job" as const },
  }
  const accepted = await books.turns.accept(turn, {}, () => [])
  const { fence } = accepted.started!
  const event = { type: "notice.posted", level: "info", code: "bench", text: "x".repeat(100) } as const
  await books.turns.append(
    fence,
    Array.from({ length: EVENTS }, () => event),
  )
  const usage = {
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    costUsd: null,
  }
  await books.turns.finish(fence, [], { status: "completed", stop: "end_turn", text: "", usage })
  await books.jobs.finish(id, { status: "completed" })
}

async function reading(gateway: Running, bare: Running, id: string, count: number, quick: boolean, note: Note) {
  const times = async (base: string, path: string) => {
    const taken: number[] = []
    for (let i = 0; i < (quick ? 20 : 100); i++) {
      const began = performance.now()
      await ask(base, "GET", path)
      taken.push(performance.now() - began)
    }
    return median(taken)
  }
  const first = await times(gateway.url, "/api/jobs")
  const filtered = await times(gateway.url, "/api/jobs?status=completed")
  const plain = await times(bare.url, "/list")
  note(
    `first page (50) of ${count} jobs, all / one status, median, against a bare server's page`,
    "≤ 20 ms",
    `${first.toFixed(1)} / ${filtered.toFixed(1)} ms (bare ${plain.toFixed(1)} ms)`,
    "–",
  )
  const rate = async (base: string, path: string) => {
    const rates: number[] = []
    for (let i = 0; i < 5; i++) {
      const began = performance.now()
      const { text } = await ask(base, "GET", path)
      const elapsed = performance.now() - began
      const events = text.split("\n\n").length - 1
      if (events < EVENTS) throw new Error(`Only ${events} events came`)
      rates.push((events * 1000) / elapsed)
    }
    return median(rates)
  }
  const ours = await rate(gateway.url, `/api/jobs/${id}/events`)
  const theirs = await rate(bare.url, "/stream")
  note(
    `replay of ${EVENTS} job events from disk as server-sent events, a second, against a bare server's stream`,
    "≥ 50,000",
    `${ours.toFixed(0)} (${((100 * ours) / theirs).toFixed(0)} % of ${theirs.toFixed(0)})`,
    "–",
  )
}

/** All figures of jobs. `fake`: a model service. */
export async function benchJobs(fake: Running, quick: boolean, note: Note): Promise<void> {
  const bare = await startScript(BASELINE, [String(EVENTS)])
  const homes = [makeHome(fake.url), makeHome(fake.url)] as const
  try {
    await withGateway(homes[0], async (gateway) => firstEvent(gateway, quick, note))
    const config = JSON.parse(readFileSync(join(homes[0], "pincer.json"), "utf8")) as object
    const jobs = { maxConcurrent: 1, maxQueued: 1_000_000 }
    writeFileSync(join(homes[0], "pincer.json"), JSON.stringify({ ...config, jobs }))
    await withGateway(homes[0], async (gateway) => submissions(gateway, bare, quick, note))
    const count = quick ? 10_000 : 100_000
    const id = await fill(homes[1], count)
    await withGateway(homes[1], async (gateway) => reading(gateway, bare, id, count, quick, note))
  } finally {
    await bare.stop()
    for (const home of homes) rmSync(home, { recursive: true, force: true })
  }
}

async function withGateway(home: string, use: (gateway: Running) => Promise<void>): Promise<void> {
  const gateway = await startGateway(home)
  try {
    await use(gateway)
  } finally {
    await gateway.stop()
  }
}

if (import.meta.main) {
  const fake = await startScript(join(import.meta.dirname, "..", "test", "fakes", "model-service.ts"), [
    "--deltas",
    "1",
  ])
  try {
    await benchJobs(fake, process.argv.includes("--quick"), (what, goal, measured) =>
      process.stdout.write(`${what}: ${measured}  (goal ${goal})\n`),
    )
  } finally {
    await fake.stop()
  }
}
