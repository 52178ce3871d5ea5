import assert from "node:assert/strict"
import { test } from "node:test"
import { matchesTool } from "../../policy/tool-names.ts"
import { aboutServer, readToolId, serverLabels, toolName } from "./names.ts"

test("servers of the same name are told apart, and a label can be taken out of a tool's name again", () => {
  assert.deepEqual(serverLabels(["git", "git", "Git", "git_2"]), ["git", "git_2", "Git_3", "git_2_2"])
  for (const label of serverLabels(["a__b", "_a_", "数据", "", "x".repeat(80), "a b!c"])) {
    assert.match(label, /^[a-zA-Z0-9_-]{1,24}$/)
    assert.doesNotMatch(label, /__|^_|_$/)
  }
  assert.notEqual(serverLabels(["数据"])[0], serverLabels(["文件"])[0])
})

/** A small generator, so that a failure can be repeated by its seed. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const CHARACTERS = [..."abcXYZ019_-._/ :*%~!'()\n", "读", "é", "😀", "\u0000"]

test("4,000 names of tools: every id leads back, spoken names are plain, short, and never the same for two", () => {
  const next = random(20_260)
  const owns = new Set<string>(["a.b", "a b", "a/b", "a_b", "a_b_0a1b2c3d", "resources_list", "resources/list"])
  while (owns.size < 4_000) {
    const length = 1 + Math.floor(next() * (next() < 0.1 ? 120 : 8))
    const letters = Array.from({ length }, () => CHARACTERS[Math.floor(next() * CHARACTERS.length)])
    owns.add(letters.join(""))
  }
  const ids = new Map<string, string>()
  const spoken = new Map<string, string>()
  for (const label of ["git", "a-b_c"]) {
    for (const own of owns) {
      const name = toolName(label, own)
      assert.deepEqual(readToolId(name.id), { label, own })
      assert.match(name.spoken, /^mcp__[a-zA-Z0-9_-]{1,59}$/)
      assert.ok(name.spoken.startsWith(`mcp__${label}__`))
      assert.ok(!ids.has(name.id) && !spoken.has(name.spoken), `${own} and ${spoken.get(name.spoken)}`)
      ids.set(name.id, own)
      spoken.set(name.spoken, own)
      assert.ok(matchesTool(`mcp:${label}:*`, name.id), name.id)
      assert.ok(matchesTool(name.id, name.id), name.id)
    }
  }
  for (const what of ["resources/list", "resources/read"] as const) {
    const ours = aboutServer("git", what)
    assert.ok(!spoken.has(ours.spoken) && !ids.has(ours.id))
  }
})

test("a name depends on nothing but the server and the tool", () => {
  assert.deepEqual(toolName("s", "plain"), { id: "mcp:s:plain", spoken: "mcp__s__plain" })
  assert.deepEqual(toolName("s", "读取"), { id: "mcp:s:读取", spoken: toolName("s", "读取").spoken })
  assert.equal(toolName("s", "a*b").id, "mcp:s:a%2Ab")
  assert.throws(() => toolName("s", "\ud800"), URIError)
  assert.equal(readToolId("Read"), undefined)
  assert.equal(readToolId("mcp:a:%"), undefined)
})
