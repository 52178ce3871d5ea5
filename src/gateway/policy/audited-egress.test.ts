import assert from "node:assert/strict"
import { test } from "node:test"
import type { AuditEntry } from "../../protocol/audit.ts"
import { AuditedEgress } from "./audited-egress.ts"

const where = {
  agentId: "main",
  sessionKey: "agent:main:s",
  turnId: "t",
  callId: "c",
  tool: "Bash",
  profile: "workspace+net",
  workspace: "/work",
}

test("a program that tries again and again leaves one line for each place, and how often", async () => {
  const lines: Omit<AuditEntry, "at">[] = []
  const gate = new AuditedEgress(where, async (entry) => void lines.push(entry))
  for (let i = 0; i < 500; i++) gate.saw({ host: "evil.example", port: 443 }, "deny", "not on the list")
  gate.saw({ host: "good.example", port: 443, address: "192.0.2.1" }, "allow", "on the list")
  assert.deepEqual(
    lines.map((line) => [line.summary, line.verdict, line.details?.["count"]]),
    [
      ["evil.example:443", "deny", 1],
      ["good.example:443", "allow", 1],
    ],
  )
  await gate.close()
  assert.deepEqual(
    lines.slice(2).map((line) => [line.summary, line.details?.["count"]]),
    [["evil.example:443", 500]],
  )
})

test("a program that tries ten thousand places writes a bounded number of lines", async () => {
  const lines: Omit<AuditEntry, "at">[] = []
  const gate = new AuditedEgress(where, async (entry) => void lines.push(entry))
  for (let i = 0; i < 10_000; i++) gate.saw({ host: `h${i}.example`, port: 80 }, "deny", "not on the list")
  await gate.close()
  assert.equal(lines.length, 101)
  assert.equal(lines.at(-1)?.details?.["count"], 9_900)
})
