// One round of dying: a gateway in its own process is killed at a named point of a turn, started again, and what is true
// afterwards is checked. The model service and the person who approves live on in this process.
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Checkpoint } from "../../src/agent/ports.ts"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import { connectGateway, type GatewayClient } from "../../src/protocol/client.ts"
import { type Message, textOf } from "../../src/protocol/message.ts"
import { isFinal, type TurnRecord } from "../../src/protocol/turn.ts"
import { openStore } from "../../src/store/open.ts"
import { makeHome, NO_SANDBOX, startHouse, TEST_TOKEN } from "../house.ts"
import type { FakeModel, FakeRequest } from "./model-service.ts"

export const POINTS: readonly Checkpoint[] = [
  "turn.accepted",
  "model.streaming",
  "turn.answered",
  // Open; answered but not used; the last two: used, but not recorded (or not even begun), and recorded.
  "approval.asked",
  "approval.answered",
  "call.intended",
  "call.acted",
  "call.recorded",
]

export const ANSWER = "All of it is done, and this is the whole answer."
const SESSION = "agent:main:crash"

/** The model of these rounds: asked for a call it calls once, then answers. */
export function crashModel(request: FakeRequest) {
  const messages = request.body["messages"] as { role: string; content: unknown }[]
  const since = messages.slice(
    messages.findLastIndex((one) => one.role === "user" && !String(one.content).startsWith("Pincer was restarted")),
  )
  const wantsCall = String(since[0]?.content).includes("act")
  if (wantsCall && !since.some((one) => one.role === "tool"))
    return { calls: [{ name: "Bash", args: { command: "echo done >> effects.txt" } }] }
  return { text: ANSWER }
}

interface Child {
  process: ChildProcess
  url: string
}

const children = new Set<ChildProcess>()

/** Ends what a failed test left running. */
export function killChildren(): void {
  for (const child of children) child.kill("SIGKILL")
  children.clear()
}

export async function startChild(home: string, point?: Checkpoint, nth = 1): Promise<Child> {
  const file = join(import.meta.dirname, "crashing-gateway.ts")
  const args = point ? [file, home, point, String(nth)] : [file, home]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  children.add(child)
  child.once("exit", () => children.delete(child))
  let text = ""
  for await (const chunk of child.stdout) {
    text += String(chunk)
    if (text.includes("\n")) break
  }
  assert.ok(text.includes("url"), `The gateway did not start: ${text}`)
  return { process: child, url: (JSON.parse(text) as { url: string }).url.replace(/^http/, "ws") }
}

/** Connects as a person who answers everything with `decision`. */
export async function connectApprover(url: string, decision = "allow-once"): Promise<GatewayClient> {
  const client = await connectGateway({
    url,
    token: TEST_TOKEN,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
    caps: ["approvals", "tool-events"],
    scopes: ["operator.admin"],
  })
  const answer = (id: unknown) =>
    client.request("exec.approval.resolve", { id, decision }).catch((error: unknown) => {
      // The gateway may die, or may have died, meanwhile.
      assert.ok(error instanceof Error)
    })
  client.on("exec.approval.requested", (frame) => void answer((frame.payload as { id: string }).id))
  for (const one of await client.request<{ id: string }[]>("exec.approval.list")) await answer(one.id)
  return client
}

export interface Round {
  point: Checkpoint
  nth: number
  kind: "text" | "act"
  /** What the person answers in the next life; the same as in the first when absent. */
  next?: "deny"
}

export async function crashRound(fake: FakeModel, round: Round): Promise<void> {
  const { home, work } = makeHome({ fake: fake.url, config: NO_SANDBOX })
  const key = "crash-key"
  const said = {
    sessionKey: SESSION,
    message: round.kind === "act" ? "act now" : "say it",
    idempotencyKey: key,
    cwd: work,
  }
  try {
    const first = await startChild(home, round.point, round.nth)
    const gone = once(first.process, "exit")
    const client = await connectApprover(first.url)
    const accepted = await client.request("chat.send", said).then(
      () => true,
      () => false,
    )
    // When the point does not occur in this kind of turn, the turn simply ends. A connection is lost a moment before its process is gone.
    const ended = client.request("agent.wait", { runId: key, timeoutMs: 20_000 }).then(
      () => false,
      () => gone.then(() => true),
    )
    const died = await Promise.race([gone.then(() => true), ended])
    client.close()
    if (!died) {
      first.process.kill("SIGKILL")
      await gone
    }
    await recover(home, said, key, round.next)
    check(home, work, round, died, accepted, await readBack(home, key))
  } finally {
    killChildren()
    rmSync(home, { recursive: true, force: true })
  }
}

/**
 * The next life, which dies of nothing and so needs no process of its own: the sender asks again with the same key, as anybody does who
 * got no answer, and waits for the end.
 */
async function recover(home: string, said: Record<string, unknown>, key: string, answer?: string): Promise<void> {
  const second = await startHouse({ home })
  const client = await connectApprover(second.wsUrl, answer)
  await client.request("chat.send", said)
  const end = await client.request<{ status: string }>("agent.wait", { runId: key, timeoutMs: 20_000 })
  assert.equal(end.status, "ok", `The turn ended ${JSON.stringify(end)}`)
  client.close()
  await second.stop()
}

interface ReadBack {
  record: TurnRecord
  messages: Message[]
  seqs: number[]
  ends: number
  notices: string[]
}

export async function readBack(home: string, key: string): Promise<ReadBack> {
  const books = openStore({ path: join(home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  const record = await books.turns.get(key)
  const events = await books.transcript.events(SESSION, { afterSeq: 0, limit: 10_000 })
  const messages = await books.transcript.messages(SESSION)
  await books.close()
  assert.ok(record)
  const notices = events.flatMap(({ event }) => (event.type === "notice.posted" ? [event.code] : []))
  return {
    record,
    messages,
    seqs: events.map((one) => one.seq),
    ends: events.filter((one) => one.event.type === "turn.ended").length,
    notices,
  }
}

function check(home: string, work: string, round: Round, died: boolean, accepted: boolean, found: ReadBack): void {
  const what = `${round.kind} killed at ${round.point} (${round.nth}), died ${died}, accepted ${accepted}, ${home}`
  const { record, messages, seqs, ends, notices } = found
  assert.ok(isFinal(record.status) && record.status === "completed", `${what}: ${record.status}`)
  assert.equal(ends, 1, `${what}: ends`)
  assert.deepEqual(
    seqs,
    seqs.map((_, i) => i + 1),
    `${what}: numbers`,
  )
  const asked = messages.filter((one) => one.role === "user" && !one.synthetic)
  assert.equal(asked.length, 1, `${what}: the user's message stands once`)
  assert.ok(
    record.outcome?.text.endsWith(ANSWER) || textOf(messages.at(-1)!.content) === ANSWER,
    `${what}: ${record.outcome?.text}`,
  )
  if (round.kind !== "act") return
  if (round.nth === 1 && round.point.startsWith("approval.")) assert.ok(died, `${what}: nothing was asked`)
  const file = join(work, "effects.txt")
  const effects = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0
  const uncertain = notices.includes("call-uncertain")
  if (round.next === "deny" && round.point === "approval.asked")
    assert.deepEqual([effects, uncertain], [0, false], what)
  else if (died && round.point === "call.intended") assert.deepEqual([effects, uncertain], [0, true], what)
  else if (died && round.point === "call.acted") assert.deepEqual([effects, uncertain], [1, true], what)
  else assert.deepEqual([effects, uncertain], [1, false], what)
}
