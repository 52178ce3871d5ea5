import assert from "node:assert/strict"
import { test } from "node:test"
import { rewriteClientArgs } from "./acp-client-args.ts"

test("what follows --server-args belongs to the server, and the client's own words become unmistakable", () => {
  const cases: [string, string][] = [
    ["acp client", "acp client"],
    ["acp client -v --cwd /x", "acp client --verbose --cwd /x"],
    ["-s ws://a acp client --server node", "-s ws://a acp client --server-command node"],
    ["acp client --server=node", "acp client --server-command=node"],
    [
      "acp client --server node --server-args agent.js acp --url ws://x -v",
      'acp client --server-command node --server-args=["agent.js","acp","--url","ws://x","-v"]',
    ],
    ["acp client --server-args --token-file t", 'acp client --server-args=["--token-file","t"]'],
    ["acp client --server-args=--url ws://x", 'acp client --server-args=["--url","ws://x"]'],
    ["acp --server ws://x", "acp --server ws://x"],
    ["ask client -v --server x", "ask client -v --server x"],
  ]
  for (const [given, expected] of cases)
    assert.equal(rewriteClientArgs(given.split(" ")).join(" "), expected.split(" ").join(" "), given)
})
