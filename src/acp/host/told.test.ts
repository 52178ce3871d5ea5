// The small pure parts of hosting: what an end means, which option answers, how model calls are counted, what an agent is told.
import assert from "node:assert/strict"
import { test } from "node:test"
import { message } from "../../../test/fakes/acp-agent-room.ts"
import { questionOf } from "./elicitation.ts"
import { endTold, usageTold } from "./end-told.ts"
import { agentFacts, initializeParams } from "./handshake.ts"
import { leaveAnswer, optionsOf } from "./leave-answer.ts"
import { preambleOf, unheard } from "./preamble.ts"
import { promptOf } from "./prompt.ts"
import { Rounds } from "./rounds.ts"
import { StderrTail } from "./stderr-tail.ts"

test("an answer to a wish for leave is one of the options that were offered, never a wider one", () => {
  const all = optionsOf([
    ...[{ optionId: "1", kind: "allow_once" }, { optionId: "2", kind: "allow_always" }, { kind: "allow_once" }],
    ...[
      { optionId: "3", kind: "reject_once" },
      { optionId: "4", kind: "reject_always" },
      { optionId: "5", kind: "maybe" },
    ],
  ])
  const only = (...ids: string[]) => all.filter((one) => ids.includes(one.optionId))
  const chosen = (leave: Parameters<typeof leaveAnswer>[0], options = all) => {
    const { outcome } = leaveAnswer(leave, options) as { outcome: { outcome: string; optionId?: string } }
    return outcome.optionId ?? outcome.outcome
  }
  const allowed = (always: boolean) => ({ type: "allowed", always }) as const
  const denied = (always: boolean) => ({ type: "denied", reason: "no", always }) as const
  assert.equal(all.length, 4)
  assert.equal(chosen(allowed(false)), "1")
  assert.equal(chosen(allowed(true)), "2")
  assert.equal(chosen(allowed(true), only("1")), "1")
  assert.equal(chosen(allowed(false), only("2", "3")), "cancelled")
  assert.equal(chosen(denied(false)), "3")
  assert.equal(chosen(denied(true)), "4")
  assert.equal(chosen(denied(false), only("1", "4")), "4")
  assert.equal(chosen(denied(false), only("1", "2")), "cancelled")
  assert.equal(chosen({ type: "canceled" }), "cancelled")
  assert.deepEqual(optionsOf("yes"), [])
})

test("tokens are counted alike, however the agent counts them", () => {
  const told = (usage: object) => {
    const { inputTokens, outputTokens } = usageTold(usage)!
    return [inputTokens, outputTokens]
  }
  assert.deepEqual(told({ totalTokens: 120, inputTokens: 100, outputTokens: 20, cachedReadTokens: 30 }), [100, 20])
  assert.deepEqual(told({ totalTokens: 150, inputTokens: 100, outputTokens: 20, cachedReadTokens: 30 }), [130, 20])
  assert.deepEqual(told({ totalTokens: 127, inputTokens: 100, outputTokens: 20, thoughtTokens: 7 }), [100, 27])
  const both = { totalTokens: 157, inputTokens: 100, outputTokens: 20, cachedReadTokens: 30, thoughtTokens: 7 }
  assert.deepEqual(told(both), [130, 27])
  assert.equal(usageTold({ totalTokens: 5 }), undefined)
  const quota = { token_count: { input_tokens: 120, output_tokens: 25 } }
  assert.deepEqual(endTold({ stopReason: "end_turn", _meta: { quota } }).usage?.outputTokens, 25)
  assert.equal(usageTold({ inputTokens: -5, outputTokens: Number.NaN })?.inputTokens, 0)
})

test("a model call begins when the agent goes on after all calls of the batch before", () => {
  const rounds = new Rounds()
  const counts: number[] = []
  const count = (act: () => void) => {
    act()
    counts.push(rounds.count)
  }
  count(() => rounds.spoke())
  count(() => rounds.called("a", "pending"))
  count(() => rounds.called("b", "completed"))
  count(() => rounds.spoke())
  count(() => rounds.called("a", "completed"))
  count(() => rounds.called("a", "completed"))
  count(() => rounds.spoke())
  count(() => rounds.called("c", "failed"))
  count(() => rounds.called("d", undefined))
  assert.deepEqual(counts, [1, 1, 1, 1, 1, 1, 2, 2, 3])
})

test("what an agent has not heard is told, the newest first when it is too much", () => {
  const all = [message("user", "one", "t1"), message("assistant", "two", "t1"), message("user", "three", "t2")]
  assert.deepEqual(unheard(all, "t2", undefined).length, 2)
  assert.deepEqual(unheard([...all, message("user", "four", "t3")], "t3", "t1").length, 1)
  assert.deepEqual(unheard(all, "t2", "gone"), [])
  assert.equal(preambleOf([]), undefined)
  assert.match(preambleOf(all) ?? "", /User: one\n\nAssistant: two\n\nUser: three/)
  const many = Array.from({ length: 20 }, (_, i) => message("user", `${i} ${"x".repeat(3_000)}`, `t${i}`))
  const told = preambleOf(many) ?? ""
  assert.ok(told.length < 26_000 && told.includes("19 xxx") && !told.includes("User: 0 "))
})

test("parts become blocks that the agent takes", () => {
  const wants = { image: false, audio: false, embeddedContext: false }
  const json = Buffer.from('{"a":1}').toString("base64")
  const plain = promptOf(
    [
      { type: "file", mimeType: "application/json", name: "a b.json", data: json },
      { type: "file", mimeType: "application/pdf", name: "p.pdf", data: "AA==" },
      { type: "resource", uri: "file:///r", data: "AA==" },
      { type: "audio", mimeType: "audio/wav", data: "AA==" },
    ],
    wants,
  )
  assert.deepEqual(plain.blocks[0], { type: "text", text: 'attachment:///a%20b.json:\n{"a":1}' })
  assert.equal(plain.blocks[2]!["type"], "resource_link")
  assert.equal(plain.reduced.length, 3)
  const rich = promptOf([{ type: "file", mimeType: "application/pdf", name: "p", data: "AA==" }], {
    ...wants,
    embeddedContext: true,
  })
  assert.deepEqual(rich, {
    blocks: [{ type: "resource", resource: { uri: "attachment:///p", mimeType: "application/pdf", blob: "AA==" } }],
    reduced: [],
  })
  assert.throws(() => promptOf([{ type: "text", text: "" }], wants), /The message is empty/)
})

test("an answer to initialize is read leniently, and a version that nobody speaks is refused", () => {
  const odd = agentFacts(
    { protocolVersion: 1, agentCapabilities: 7, authMethods: [{ name: "no id" }, 3, { id: "x" }] },
    "It",
  )
  assert.equal(odd.abilities.load, false)
  assert.deepEqual(odd.authMethods, [{ id: "x", name: "x", type: "agent", variables: [] }])
  assert.throws(() => agentFacts(null, "It"), /It answered initialize with nothing readable/)
  assert.throws(() => agentFacts({ protocolVersion: "1" }, "It"), /version "1" of ACP/)
  const asked = initializeParams({ protocol: 2, clientName: "pincer", version: "1" })
  assert.ok("capabilities" in asked && "clientCapabilities" in asked)
})

test("only pages of the web are pages", () => {
  const page = (url: string) => questionOf({ mode: "url", message: "m", url, elicitationId: "e" })
  assert.equal(page("https://example.com")?.type, "url")
  assert.equal(page("javascript:alert(1)"), undefined)
  assert.equal(page("file:///etc/passwd"), undefined)
})

test("the end of the error output is bounded, whole in its characters, and without colours", () => {
  const tail = new StderrTail()
  const bytes = Buffer.from("\u001b[31mFehler: größer\u001b[0m\n")
  tail.add(bytes.subarray(0, 17))
  tail.add(bytes.subarray(17))
  assert.equal(tail.words(), "Fehler: größer")
  for (let i = 0; i < 1_000; i++) tail.add(Buffer.from(`line ${i} ${"x".repeat(100)}\n`))
  assert.ok(tail.toString().length <= 8_192 && tail.words().length <= 601 && tail.words().includes("line 999"))
})
