// Pincer's bridge under a client that others wrote: acpx, put into a temporary folder when it is first needed: npm run test:acp:acpx. A real
// gateway, the real `pincer acp`, the fake model service as the model. Linux: what acpx leaves behind is found in /proc.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { isObject, parseJson } from "../../src/base/json.ts"
import { FrameCheck } from "../fakes/acp-schema.ts"
import { type FakeModel, startFakeModel } from "../fakes/model-service.ts"
import { install } from "../fakes/outside-agents.ts"
import { obey } from "../fakes/outside-model.ts"
import { type House, NO_SANDBOX, startHouse } from "../house.ts"

const PROGRAM = join(import.meta.dirname, "../../bin/pincer.js")

let fake: FakeModel
let house: House
let acpx: string
let work: string
let home: string

before(async () => {
  acpx = join(install("acpx@0.19.1"), "node_modules/acpx/dist/cli.js")
  fake = await startFakeModel()
  fake.otherwise(obey)
  house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  work = realpathSync(mkdtempSync(join(tmpdir(), "acp-acpx-")))
  home = join(work, "home")
  mkdirSync(home)
})
after(async () => {
  for (const pid of owners()) process.kill(pid, "SIGKILL")
  await house.close()
  await fake.close()
  rmSync(work, { recursive: true, force: true })
})

/** The processes that acpx keeps for its sessions: they carry its home, and so does what they started. */
function owners(): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      const environment = readFileSync(`/proc/${entry}/environ`, "latin1").split("\0")
      return environment.includes(`HOME=${home}`) ? [Number(entry)] : []
    } catch {
      return []
    }
  })
}

interface Ran {
  code: number | null
  out: string
  err: string
}

function started(...args: string[]) {
  const words = [acpx, "--agent", `${process.execPath} ${PROGRAM} acp`, "--cwd", work, ...args]
  const child = spawn(process.execPath, words, {
    cwd: work,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      PINCER_HOME: house.home,
      PINCER_GATEWAY_TOKEN: house.token,
    },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const said = { out: "", err: "" }
  child.stdout.on("data", (chunk) => {
    said.out += chunk
  })
  child.stderr.on("data", (chunk) => {
    said.err += chunk
  })
  // Not "close": the owner of a session goes on and may hold the pipes.
  const end = once(child, "exit").then(([code]): Ran => ({ code: code as number | null, ...said }))
  return { child, said, end }
}

async function run(...args: string[]): Promise<Ran> {
  return started(...args).end
}

/** With the words of both channels in the message. */
function wentWell(ran: Ran): Ran {
  assert.equal(ran.code, 0, `${ran.out}\n${ran.err}`)
  return ran
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const late = Date.now() + 20_000
  while (!holds()) {
    assert.ok(Date.now() < late, what)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The frames that acpx shows, of both directions, each held against the schema. */
function checked({ out }: Ran): Record<string, unknown>[] {
  const check = new FrameCheck(1)
  const asked = new Set<unknown>()
  const lines = out.split("\n").filter((line) => line.startsWith("{"))
  return lines.flatMap((line) => {
    const frame = parseJson(line)
    // acpx tells of its own in between.
    if (!isObject(frame) || frame["jsonrpc"] !== "2.0") return []
    const { id, method, result } = frame
    const ofAgent = /^(session\/(update|request_permission)|fs\/|terminal\/|elicitation\/)/
    const asks = typeof method === "string" && ofAgent.test(method)
    if (asks && id !== undefined) asked.add(id)
    // Both sides count their requests from 0: while a prompt and a request of the agent's own have the same id, the answer says which.
    const answersPrompt = isObject(result) && result["stopReason"] !== undefined
    const ofClient = method === undefined && !answersPrompt && asked.delete(id)
    check.take(asks || (method === undefined && !ofClient) ? "agent" : "client", line)
    return [frame]
  })
}

test("one prompt: its words, and frames that fit the schema", async () => {
  assert.match(wentWell(await run("--format", "quiet", "exec", "@say the violet heron")).out, /the violet heron/)
  const frames = checked(wentWell(await run("--format", "json", "exec", "@think rain")))
  const updates = frames.flatMap((one) => {
    const { params } = one
    return isObject(params) && isObject(params["update"]) ? [String(params["update"]["sessionUpdate"])] : []
  })
  for (const one of ["agent_thought_chunk", "agent_message_chunk"]) assert.ok(updates.includes(one), one)
  const ends = frames.flatMap(({ result }) =>
    isObject(result) && "stopReason" in result ? [result["stopReason"]] : [],
  )
  assert.deepEqual(ends, ["end_turn"])
})

test("what is approved is done, what is refused is not, and acpx ends with 5", async () => {
  const allowed = join(work, "allowed.txt")
  checked(wentWell(await run("--approve-all", "--format", "json", "exec", `@shell touch ${allowed}`)))
  assert.ok(existsSync(allowed))
  const denied = join(work, "denied.txt")
  const ran = await run("--deny-all", "--format", "json", "exec", `@shell touch ${denied}`)
  checked(ran)
  assert.equal(ran.code, 5, ran.out + ran.err)
  assert.equal(existsSync(denied), false)
})

test("sessions: made, kept, listed, prompted again and again", async () => {
  const none = await run("--format", "json", "prompt", "-s", "kept", "@say nobody")
  assert.equal(none.code, 4, none.out + none.err)
  wentWell(await run("sessions", "ensure", "--name", "kept"))
  wentWell(await run("sessions", "ensure", "--name", "kept"))
  wentWell(await run("sessions", "new", "--name", "other"))
  wentWell(await run("--format", "quiet", "prompt", "-s", "kept", "@say the amber fox"))
  assert.match(wentWell(await run("--format", "quiet", "prompt", "-s", "kept", "@recall")).out, /heard: the amber fox/)
  assert.doesNotMatch(wentWell(await run("--format", "quiet", "prompt", "-s", "other", "@recall")).out, /amber/)
  assert.match(wentWell(await run("--format", "json", "sessions", "list")).out, /agent:main:acp:/)
})

test("modes, options and models of a session", async () => {
  wentWell(await run("set-mode", "-s", "kept", "high"))
  wentWell(await run("set", "-s", "kept", "thought_level", "low"))
  wentWell(await run("set", "-s", "kept", "model", "fake/test-model"))
  const wrong = await run("set", "-s", "kept", "model", "fake/no-such-model")
  assert.equal(wrong.code, 1, wrong.out + wrong.err)
})

test("a prompt that is canceled ends once, and the session goes on", async () => {
  const running = started("--format", "json", "prompt", "-s", "kept", "@hang")
  await until("words of the turn", () => running.said.out.includes("agent_message_chunk"))
  wentWell(await run("cancel", "-s", "kept"))
  const ran = await running.end
  const ends = checked(ran).filter((one) => isObject(one["result"]) && one["result"]["stopReason"] !== undefined)
  assert.deepEqual(
    ends.map((one) => (one["result"] as { stopReason: string }).stopReason),
    ["cancelled"],
  )
  assert.match(wentWell(await run("--format", "quiet", "prompt", "-s", "kept", "@recall")).out, /the amber fox/)
})

test("a session is loaded again when its owner is gone", async () => {
  for (const pid of owners()) process.kill(pid, "SIGKILL")
  await until("the owners are gone", () => owners().length === 0)
  const ran = wentWell(await run("--format", "json", "prompt", "-s", "kept", "@recall"))
  const methods = checked(ran).map((one) => one["method"])
  assert.ok(methods.includes("session/load") || methods.includes("session/resume"), methods.join(" "))
  assert.equal(methods.includes("session/new"), false)
  const text = checked(ran).flatMap(({ params }) => {
    const update = isObject(params) ? params["update"] : undefined
    const content =
      isObject(update) && update["sessionUpdate"] === "agent_message_chunk" ? update["content"] : undefined
    return isObject(content) ? [String(content["text"])] : []
  })
  assert.match(text.join(""), /heard: the amber fox/)
})
