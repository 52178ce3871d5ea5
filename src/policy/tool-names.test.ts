import assert from "node:assert/strict"
import { test } from "node:test"
import { matchesTool, namesOurs } from "./tool-names.ts"

test("a tool of an MCP server is named in lists as models call it, or with colons; never another server's", () => {
  const rows: [pattern: string, tool: string, covered: boolean][] = [
    ["mcp__files__read", "mcp__files__read", true],
    ["mcp:files:read", "mcp__files__read", true],
    ["mcp:files:*", "mcp__files__read__all", true],
    ["mcp__files__*", "mcp__files__read", true],
    ["mcp:*", "mcp__files__read", true],
    ["mcp__*", "mcp__files__read", true],
    ["group:plugins", "mcp__files__read", true],
    ["*", "mcp__files__read", true],
    ["mcp:files:read", "mcp:files:read", true],
    ["mcp:files:*", "mcp__files2__read", false],
    ["mcp:files:read", "mcp__files__read__all", false],
    ["mcp:files_a:b", "mcp__files__a_b", false],
    ["mcp:*", "Read", false],
    ["group:plugins", "mcp", false],
    ["read", "mcp__files__read", false],
  ]
  for (const [pattern, tool, covered] of rows) assert.equal(matchesTool(pattern, tool), covered, `${pattern} ${tool}`)
  assert.ok(!namesOurs(["mcp__files__*", "mcp:web:get"]))
})
