// Rounds of dying while jobs run: a gateway in its own process is killed without warning again and again while somebody submits,
// then it is started once more, and what is true afterwards is checked: every acknowledged job ended exactly once, none is lost, and
// no tool call that had an outcome was made twice.
import assert from "node:assert/strict"
import { once } from "node:events"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import { isJobEnd, type JobRecord } from "../../src/protocol/job.ts"
import { openStore } from "../../src/store/open.ts"
import { type House, makeHome, TEST_TOKEN } from "../house.ts"
import { connectApprover, killChildren, startChild } from "./crash-rounds.ts"
import { askJobs, readEvents } from "./job-client.ts"
import type { FakeModel, FakeRequest } from "./model-service.ts"

/** The model of these rounds: a job that says "act N" writes a line N with a tool, once, and then answers. */
export function jobModel(request: FakeRequest) {
  const messages = request.body["messages"] as { role: string; content: unknown }[]
  const at = messages.findLastIndex(
    (one) => one.role === "user" && !String(one.content).startsWith("Pincer was restarted"),
  )
  const wanted = /act (\d+)/.exec(String(messages[at]?.content))
  if (wanted && !messages.slice(at).some((one) => one.role === "tool"))
    return { calls: [{ name: "Bash", args: { command: `echo ${wanted[1]} >> effects.txt` } }] }
  return { text: "Done with it.", deltaSize: 4 }
}

export interface JobRounds {
  kills: number
  /** Jobs submitted in one life, at most. */
  perLife: number
  /** How long a life lasts after its first job, ms. */
  lifeMs: () => number
  random: () => number
}

export interface Survived {
  accepted: number
  byStatus: Record<string, number>
  resumed: number
}

export async function jobCrashRounds(fake: FakeModel, rounds: JobRounds): Promise<Survived> {
  // Without a sandbox each command is asked for, so that jobs are killed while they wait for a human, too.
  const config = {
    jobs: { maxConcurrent: 4 },
    turns: { maxAttempts: 1000 },
    sandbox: { bwrap: "/nonexistent/bwrap" },
  }
  const { home, work } = makeHome({ fake: fake.url, config })
  const accepted = new Map<string, string>()
  try {
    for (let kill = 0; kill < rounds.kills; kill++) await oneLife(home, work, rounds, accepted, kill)
    await lastLife(home, accepted)
    return await check(home, work, accepted)
  } finally {
    killChildren()
    rmSync(home, { recursive: true, force: true })
  }
}

async function oneLife(
  home: string,
  work: string,
  { perLife, lifeMs, random }: JobRounds,
  accepted: Map<string, string>,
  kill: number,
): Promise<void> {
  const child = await startChild(home)
  const gone = once(child.process, "exit")
  const at = { url: child.url.replace(/^ws/, "http"), token: TEST_TOKEN }
  const approver = await connectApprover(child.url)
  const submitting = Promise.allSettled(
    Array.from({ length: perLife }, async (_, i) => {
      const number = kill * perLife + i
      const answer = await askJobs(at, "POST", "", {
        prompt: random() < 0.6 ? `act ${number}` : "say it",
        cwd: work,
        on_interrupt: random() < 0.7 ? "resume" : "fail",
        ...(random() < 0.5 ? { session: `s${number % 5}` } : {}),
      })
      if (answer.status === 201) accepted.set(answer.body.id, answer.body.prompt)
    }),
  )
  await systemClock.sleep(lifeMs())
  child.process.kill("SIGKILL")
  await gone
  approver.close()
  await submitting
}

/** A life that is left alone until every job has ended. */
async function lastLife(home: string, accepted: ReadonlyMap<string, string>): Promise<void> {
  const child = await startChild(home)
  const at: Pick<House, "url" | "token"> = { url: child.url.replace(/^ws/, "http"), token: TEST_TOKEN }
  const approver = await connectApprover(child.url)
  for (const id of accepted.keys()) {
    const { status, body } = await askJobs(at, "GET", `/${id}`)
    assert.equal(status, 200, `Job ${id} was acknowledged and is lost`)
    if (!isJobEnd(body.status)) await readEvents(at, id)
  }
  approver.close()
  const gone = once(child.process, "exit")
  child.process.kill("SIGTERM")
  await gone
}

async function check(home: string, work: string, accepted: ReadonlyMap<string, string>): Promise<Survived> {
  const file = join(work, "effects.txt")
  const effects = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []
  const made = Map.groupBy(effects, (line) => line)
  for (const [line, times] of made)
    assert.equal(times.length, 1, `The tool call of "act ${line}" was made ${times.length} times`)
  const books = openStore({ path: join(home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  const byStatus: Record<string, number> = {}
  let resumed = 0
  try {
    assert.deepEqual(await books.jobs.open(), [], "Some jobs have not ended")
    assert.deepEqual(await books.turns.open(), [], "Some turns have not ended")
    for (const [id, prompt] of accepted) {
      const job = await books.jobs.get(id)
      assert.ok(job)
      byStatus[job.status] = (byStatus[job.status] ?? 0) + 1
      await checkJob(books, job)
      const turn = await books.turns.get(`${id}.1`)
      if (turn && turn.attempt > 1 && job.status === "completed") resumed += 1
      const number = /act (\d+)/.exec(prompt)?.[1]
      if (job.status !== "completed" || number === undefined || made.has(number)) continue
      // The only ways to complete without the effect: the process died between intent and act, and the call is known as uncertain;
      // or it died while the call waited for a human, and the call was denied.
      const events = (await books.transcript.events(job.request.sessionKey, { afterSeq: 0, limit: 100_000 })).filter(
        (one) => one.turnId === `${id}.1`,
      )
      assert.ok(
        events.some(
          ({ event }) =>
            (event.type === "notice.posted" && event.code === "call-uncertain") ||
            (event.type === "tool.ended" && event.isError) ||
            (event.type === "message.added" &&
              event.message.content.some((part) => part.type === "tool.result" && part.isError === true)),
        ),
        `Job ${id} (${prompt}) completed without its effect`,
      )
    }
  } finally {
    await books.close()
  }
  return { accepted: accepted.size, byStatus, resumed }
}

async function checkJob(books: ReturnType<typeof openStore>, job: JobRecord): Promise<void> {
  const facts = (await books.jobs.facts(job.id)).map((one) => one.fact.type)
  const ends = facts.filter((type) => type === "job.completed" || type === "job.failed" || type === "job.canceled")
  assert.equal(ends.length, 1, `Job ${job.id}: ${facts.join(", ")}`)
  assert.equal(ends[0], `job.${job.status}`)
  assert.equal(facts.filter((type) => type === "job.started").length, 1, `Job ${job.id}: ${facts.join(", ")}`)
  if (job.status === "failed") assert.equal(job.error?.reason, "interrupted", JSON.stringify(job.error))
}
