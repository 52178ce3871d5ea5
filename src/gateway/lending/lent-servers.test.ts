// MCP servers that a client named: what they say is shown without secrets, and who changes its tools is told of once.

import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { fakeProgram } from "../../../test/fakes/stripped.ts"
import { systemClock } from "../../base/clock.ts"
import { silentLogger } from "../../base/log.ts"
import { openRedactor } from "../../base/redact.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { Tool, ToolContext } from "../../tools/tool.ts"
import { serverOpener } from "./lent-servers.ts"

const FAKE = fakeProgram("mcp-server")

async function open(t: TestContext, servers: McpServer[], secrets: string[] = []) {
  const opener = serverOpener({
    clock: systemClock,
    log: silentLogger,
    env: { PATH: process.env["PATH"] ?? "" },
    redactor: openRedactor({ secrets }),
  })
  const opened = await opener(servers, { sessionKey: "agent:main:main", cwd: "/", roots: ["/"] })
  t.after(() => opened.close())
  return opened
}

function program(name: string, args: string[], env: Record<string, string> = {}): McpServer {
  return { type: "stdio", name, command: process.execPath, args, env }
}

test("what a server wrote before it ended is quoted without the gateway's secrets and those that it was given", async (t) => {
  const talk = "console.error('with', process.env.API_KEY, 'and the gateway', 'hunter2-hunter2'); process.exit(1)"
  const { problems } = await open(t, [program("talks", ["-e", talk], { API_KEY: "plain words" })], ["hunter2-hunter2"])
  const [problem] = problems
  assert.equal(problem?.server, "talks")
  assert.match(problem.message, /with \[redacted\] and the gateway \[redacted\]/)
})

test("tools that were redefined after they were offered are given once, by their server", async (t) => {
  const opened = await open(t, [program("well", [FAKE, "well"]), program("changes", [FAKE, "changes"])])
  assert.deepEqual(opened.takeRedefined?.(), [])
  const turn = opened.tools.find(({ spoken }) => spoken === "mcp__changes__turn") as Tool
  const context = {
    signal: new AbortController().signal,
    progress: () => undefined,
    settings: { maxOutputChars: 4_000 },
  } as unknown as ToolContext
  await turn.run({ text: "" }, context)
  for (let i = 0; i < 1_000 && opened.problems.length === 0; i += 1) await systemClock.sleep(10)
  assert.deepEqual(opened.takeRedefined?.(), [{ server: "changes", tools: ["echo"] }])
  assert.deepEqual(opened.takeRedefined?.(), [])
})
