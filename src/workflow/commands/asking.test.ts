// Commands that ask others: gateways, models, mail, pull requests; answers as Lobster 2026.9.13 gave them.
import assert from "node:assert/strict"
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, beforeEach, test } from "node:test"
import { openWorkflowRoom, type WorkflowRoom } from "../../../test/fakes/workflow-room.ts"
import type { Envelope } from "../../protocol/workflow.ts"
import { commands } from "./index.ts"

interface Asked {
  url: string
  headers: Record<string, string>
  body: unknown
}

let room: WorkflowRoom
const asked: Asked[] = []
let answers: { status?: number; text: string }[] = []
const env: Record<string, string> = { PATH: process.env["PATH"] ?? "" }
let models: { prompt: string; artifacts: readonly unknown[] }[] = []
before(() => {
  room = openWorkflowRoom({
    commands,
    ports: {
      env,
      async fetch({ body, headers, url }) {
        asked.push({ url, headers, body: JSON.parse(body ?? "null") })
        const { status = 200, text } = answers.shift() ?? { text: '{"ok":true,"result":[1,{"k":2}]}' }
        return { status, text }
      },
      async model(request) {
        models.push(request)
        const usage = { inputTokens: 1, outputTokens: 2, costUsd: 0.5 }
        return { text: '{"a":1}', data: { a: 1 }, model: "fake/test", attempts: 1, usage }
      },
    },
  })
})
after(() => room.close())
beforeEach(() => {
  asked.length = 0
  answers = []
  models = []
  for (const name of Object.keys(env)) if (name !== "PATH") delete env[name]
})

const output = (envelope: Envelope) => {
  assert.ok(envelope.ok, JSON.stringify(envelope))
  return envelope.output
}
const failure = (envelope: Envelope) => (envelope.ok ? "" : envelope.error.message)
const URL_ = "http://127.0.0.1:1"

test("openclaw.invoke posts to /tools/invoke, once or for each item", async () => {
  const once = `openclaw.invoke --url ${URL_}/x --tool message --action send --args-json '{"a":1}' --session-key sk --dry-run`
  assert.deepEqual(output(await room.pipe(once)), [1, { k: 2 }])
  assert.deepEqual(asked[0], {
    url: `${URL_}/tools/invoke`,
    headers: { "content-type": "application/json" },
    body: { tool: "message", action: "send", args: { a: 1 }, sessionKey: "sk", dryRun: true },
  })
  const each = `exec --json --shell "echo '[\\"x\\",2]'" | clawd.invoke --url ${URL_} --tool t --action a --each --item-key it --token tk`
  assert.equal(output(await room.pipe(each)).length, 4)
  assert.deepEqual(
    asked.slice(1).map(({ body, headers }) => [(body as { args: unknown }).args, headers["authorization"]]),
    [
      [{ it: "x" }, "Bearer tk"],
      [{ it: 2 }, "Bearer tk"],
    ],
  )
  answers = [{ text: '{"x":[1,2]}' }]
  assert.deepEqual(output(await room.pipe(`openclaw.invoke --url ${URL_} --tool t --action a`)), [{ x: [1, 2] }])
})

test("openclaw.invoke refuses: no URL, no tool, no JSON, failures; its ambient token stays on this machine", async () => {
  const rows: [string, RegExp, { status?: number; text: string }?][] = [
    ["openclaw.invoke --tool t --action a", /needs --url or OPENCLAW_URL/],
    [`openclaw.invoke --url ${URL_} --tool t`, /needs --tool and --action/],
    [`openclaw.invoke --url ${URL_} --tool t --action a --args-json nope`, /must be valid JSON/],
    [`openclaw.invoke --url ${URL_} --tool t --action a`, /failed \(500\): no/, { status: 500, text: "no" }],
    [`openclaw.invoke --url ${URL_} --tool t --action a`, /boom/, { text: '{"ok":false,"error":{"message":"boom"}}' }],
    [`openclaw.invoke --url ${URL_} --tool t --action a`, /no JSON/, { text: "text" }],
  ]
  for (const [text, message, answer] of rows) {
    answers = answer ? [answer] : []
    assert.match(failure(await room.pipe(text)), message, text)
  }
  env["OPENCLAW_TOKEN"] = "ambient"
  asked.length = 0
  assert.match(failure(await room.pipe("openclaw.invoke --url https://example.org --tool t --action a")), /--token/)
  assert.deepEqual(asked, [])
  for (const host of ["127.0.0.1", "localhost", "[::1]"])
    output(await room.pipe(`openclaw.invoke --url http://${host}:1 --tool t --action a`))
  assert.deepEqual(
    asked.map(({ headers }) => headers["authorization"]),
    ["Bearer ambient", "Bearer ambient", "Bearer ambient"],
  )
  assert.match(
    failure(await room.pipe("openclaw.invoke --url http://127.evil.example --tool t --action a")),
    /this machine only/,
  )
})

const ADAPTED = { runId: "r1", model: "m", output: { text: '{"a":1}', data: { a: 1 } }, usage: { inputTokens: 3 } }

test("llm.invoke asks an adapter, checks the answer, and asks again with what was wrong", async () => {
  env["LOBSTER_LLM_ADAPTER_URL"] = `${URL_}/`
  env["LOBSTER_LLM_ADAPTER_TOKEN"] = "tk"
  const wrong = { text: JSON.stringify({ ok: true, result: { ...ADAPTED, output: { data: 5 } } }) }
  answers = [wrong, { text: JSON.stringify(ADAPTED) }]
  const text = `exec --json --shell "echo '[\\"txt\\",{\\"o\\":1},[1]]'" | llm.invoke --prompt hi --model mm --output-schema '{"type":"object"}' --temperature 0.5 --metadata-json '{"m":1}' --artifacts-json '[{"z":1}]' --disable-cache`
  const [item] = output(await room.pipe(text)) as Record<string, unknown>[]
  const { cacheKey, createdAt, ...rest } = item ?? {}
  assert.match(String(cacheKey), /^[0-9a-f]{64}$/)
  assert.ok(createdAt)
  assert.deepEqual(rest, {
    ...{ kind: "llm.invoke", runId: "r1", prompt: null, model: "m", schemaVersion: "v1", status: "completed" },
    artifactHashes: [
      "a319822affba7808fc83b9844319a531bd7f134d6c56b4c6c387c94821c81a81",
      "6e532bcb31b949b66b66aa81dffef3a62a84c2f73f5e3f82e23a1a006e7d5b1b",
      "f5ba40abf4276a5c5adaa27237843cdc61ccd4fc8a06a1d6023028567cf059d7",
      "9d80fd5b8b1e66e0eb1a8f15644749bbdcb6304691b9d3de20aa4010cdac2bc1",
    ],
    ...{ output: { format: "json", text: '{"a":1}', data: { a: 1 } }, usage: { inputTokens: 3 } },
    ...{ metadata: null, warnings: null, diagnostics: null, source: "http", cached: false, attemptCount: 2 },
  })
  assert.equal(asked[0]?.url, `${URL_}/invoke`)
  assert.equal(asked[0]?.headers["authorization"], "Bearer tk")
  const second = asked[1]?.body as { retryContext: { attempt: number; validationErrors: string[] } }
  assert.equal(second.retryContext.attempt, 2)
  assert.equal(second.retryContext.validationErrors.length, 1)
  answers = [wrong, wrong]
  assert.match(
    failure(await room.pipe(`llm.invoke hi --output-schema '{"type":"object"}' --disable-cache`)),
    /output failed schema validation/,
  )
})

test("the same question is answered from the cache until it is asked for anew", async () => {
  env["OPENCLAW_URL"] = URL_
  const said = { text: JSON.stringify({ ok: true, result: ADAPTED }) }
  answers = [said, said]
  const first = output(await room.pipe("llm_task.invoke hi there"))[0] as Record<string, unknown>
  assert.deepEqual([first["source"], first["kind"]], ["clawd", "llm_task.invoke"])
  const again = output(await room.pipe("llm_task.invoke hi there"))[0] as Record<string, unknown>
  assert.deepEqual([again["source"], again["cached"], again["replayed"]], ["cache", true, true])
  assert.equal(asked.length, 1)
  assert.equal((asked[0]?.body as { tool: string }).tool, "llm-task")
  output(await room.pipe("llm_task.invoke hi there --refresh"))
  assert.equal(asked.length, 2)
  answers = [said]
  output(await room.pipe("llm_task.invoke other --disable-cache --state-key mine"))
  const own = output(await room.pipe("llm_task.invoke other --disable-cache --state-key mine"))[0]
  assert.equal((own as Record<string, unknown>)["source"], "run_state")
})

test("with no adapter the model of the house answers", async () => {
  const [item] = output(await room.pipe(`llm.invoke "how many" --output-schema '{"type":"object"}'`))
  const { model, output: said, source } = item as Record<string, unknown>
  assert.deepEqual([model, source, said], ["fake/test", "pincer", { format: "json", text: '{"a":1}', data: { a: 1 } }])
  assert.equal(models[0]?.prompt, "how many")
  assert.match(failure(await room.pipe("llm.invoke --provider nobody hi")), /unknown provider "nobody"/)
  assert.match(failure(await room.pipe("llm.invoke")), /needs --prompt/)
})

/** A program that writes down its arguments, one a line, and says `text`. */
function program(name: string, text: string): string {
  const path = join(room.folder, name)
  const log = `${path}.log`
  rmSync(log, { force: true })
  writeFileSync(`${path}.txt`, text)
  writeFileSync(path, `#!/bin/sh\nfor a in "$@"; do printf '%s\\n' "$a" >> '${log}'; done\ncat '${path}.txt'\n`)
  chmodSync(path, 0o755)
  return log
}

test("openclaw.agent hands its words and items to the program", async () => {
  const log = program("openclaw", '{"status":"ok"}')
  env["LOBSTER_OPENCLAW_BIN"] = join(room.folder, "openclaw")
  const text = "exec --json echo [1,2] | openclaw.agent --agent ops --timeout 5 --local --prompt hey"
  assert.deepEqual(output(await room.pipe(text)), [{ status: "ok" }])
  assert.deepEqual(readFileSync(log, "utf8").split("\n"), [
    ...["agent", "--json", "--message", "hey", "", "Pipeline input (JSONL):", "1", "2"],
    ...["--agent", "ops", "--timeout", "5", "--local", ""],
  ])
  assert.match(failure(await room.pipe("openclaw.agent --prompt x")), /needs --agent/)
  assert.match(failure(await room.pipe("openclaw.agent --agent a")), /needs --prompt/)
})

test("mail is searched and sent through gog; one that has no address stops all", async () => {
  const log = program("gog", '{"threads":[{"id":"1"},{"id":"2"}]}')
  env["GOG_BIN"] = join(room.folder, "gog")
  assert.deepEqual(output(await room.pipe("gog.gmail.search --query x --max 3 | pick id")), [{ id: "1" }, { id: "2" }])
  assert.deepEqual(readFileSync(log, "utf8"), "gmail\nsearch\nx\n--json\n--max\n3\n")
  const mails = (text: string) => `exec --json --shell "echo '${text.replaceAll('"', '\\"')}'" | gog.gmail.send`
  const one = '[{"to":"a@b.c","subject":"s","body":""}]'
  assert.deepEqual(output(await room.pipe(`${mails(one)} --dry-run`)), [
    { ok: true, dryRun: true, to: "a@b.c", subject: "s", body: "" },
  ])
  rmSync(log)
  assert.equal(output(await room.pipe(mails(one))).length, 1)
  assert.equal(readFileSync(log, "utf8"), "gmail\nsend\n--to\na@b.c\n--subject\ns\n--json\n")
  rmSync(log)
  assert.match(failure(await room.pipe(mails('[{"to":"a@b.c"},{"subject":"s"}]'))), /has no "to"/)
  assert.throws(() => readFileSync(log))
})

test("the built-in workflows tell what has changed in a pull request since the last look", async () => {
  const pr = { number: 5, title: "T", url: "u", state: "OPEN", isDraft: false, updatedAt: "t", author: { login: "a" } }
  env["PATH"] = `${room.folder}:${process.env["PATH"] ?? ""}`
  program("gh", JSON.stringify(pr))
  const look = (name: string, more = "") =>
    room.pipe(`workflows.run --name ${name} --args-json '{"repo":"o/r","pr":5${more}}'`)
  const first = output(await look("github.pr.monitor"))[0] as Record<string, unknown>
  assert.deepEqual([first["changed"], first["key"], first["prSnapshot"]], [true, "github.pr:o/r#5", pr])
  program("gh", JSON.stringify({ ...pr, state: "MERGED" }))
  const [notified] = output(await look("github.pr.monitor.notify")) as Record<string, unknown>[]
  assert.deepEqual(notified, {
    ...{ kind: "github.pr.monitor.notify", changed: true, repo: "o/r", prNumber: 5 },
    message: "PR updated: o/r#5: T (state). u",
    pr: { number: 5, title: "T", url: "u", state: "MERGED", updatedAt: "t" },
    summary: { changedFields: ["state"], changes: { state: { from: "OPEN", to: "MERGED" } } },
  })
  assert.deepEqual(output(await look("github.pr.monitor.notify")), [
    { kind: "github.pr.monitor.notify", suppressed: true },
  ])
  assert.deepEqual(output(await look("github.pr.monitor", ',"changesOnly":true')), [
    { kind: "github.pr.monitor", repo: "o/r", prNumber: 5, key: "github.pr:o/r#5", changed: false, suppressed: true },
  ])
  assert.match(failure(await room.pipe("workflows.run --name github.pr")), /Unknown workflow/)
  assert.equal(output(await room.pipe("workflows.list")).length, 2)
})

const MAILS = JSON.stringify([
  { id: "m1", from: "Ann <ann@example.com>", subject: "A question", labels: ["UNREAD"] },
  { id: "m2", from: "noreply@example.com", subject: "Re: a bill" },
  { id: "m3", from: "bob at home bob@example.com and more", subject: "re: lunch" },
  { id: "m4", from: "nobody", subject: "" },
])
const reply = (id: string, more: object = {}) => ({ id, category: "needs_reply", reply: { body: `to ${id}` }, ...more })
const DECISIONS = [
  reply("m1", { rationale: "asks" }),
  reply("m1", { reply: { body: "twice" } }),
  reply("m2"),
  reply("m3", { reply: { body: "yes", subject: "Lunch" } }),
  reply("m4"),
  reply("m9"),
]
const triage = async (words: string) => {
  writeFileSync(join(room.folder, "mails.json"), MAILS)
  return output(await room.pipe(`exec --json cat mails.json | email.triage ${words}`))
}

test("email.triage --llm takes one word about each mail that there is, and drafts no answer to machines", async () => {
  env["LOBSTER_LLM_ADAPTER_URL"] = `${URL_}/`
  answers = [{ text: JSON.stringify({ ok: true, result: { output: { data: { decisions: DECISIONS } } } }) }]
  const [report] = (await triage("--llm --model m --temperature 0")) as [Record<string, unknown>]
  assert.equal(report["mode"], "llm")
  assert.equal(report["summary"], "4 need replies, 0 need action, 0 FYI")
  assert.deepEqual(report["buckets"], { needsReply: ["m1", "m2", "m3", "m4"], needsAction: [], fyi: [] })
  assert.deepEqual(report["drafts"], [
    { emailId: "m1", to: "ann@example.com", subject: "Re: A question", body: "to m1" },
    { emailId: "m3", to: "bob@example.com", subject: "Lunch", body: "yes" },
  ])
  const sent = asked[0]?.body as Record<string, unknown>
  assert.deepEqual([sent["model"], sent["temperature"], sent["schemaVersion"]], ["m", 0, "email_triage.v1"])
  assert.deepEqual(
    (sent["artifacts"] as { id: string }[]).map(({ id }) => id),
    ["m1", "m2", "m3", "m4"],
  )
  const mails = await triage("--llm --model m --temperature 0 --emit drafts")
  assert.equal(asked.length, 1, "the same question is not asked twice")
  assert.deepEqual(mails, [
    { to: "ann@example.com", subject: "Re: A question", body: "to m1", emailId: "m1" },
    { to: "bob@example.com", subject: "Lunch", body: "yes", emailId: "m3" },
  ])
})

test("email.triage asks the model of the house where no adapter is set, nothing about no mails, and refuses typing errors", async () => {
  assert.equal(((await triage("--llm")) as [{ mode: string }])[0].mode, "llm")
  assert.equal(models.length, 1)
  assert.equal(((await triage("--limit 0 --llm")) as [{ mode: string }])[0].mode, "llm")
  assert.equal(models.length, 1)
  assert.match(failure(await room.pipe("email.triage --emit draft")), /report or drafts, not "draft"/)
})
