// `pincer policy` as a program: calls judged again, and one call explained, with no gateway anywhere.
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { Command } from "commander"
import { systemClock } from "../src/base/clock.ts"
import { silentLogger } from "../src/base/log.ts"
import type { Cli } from "../src/cli/cli.ts"
import { policy as policyGroup } from "../src/cli/commands/policy.ts"
import { report } from "../src/cli/report.ts"
import { Screen } from "../src/cli/screen.ts"
import type { Approval } from "../src/protocol/approval.ts"
import { openStore } from "../src/store/open.ts"
import { NO_SANDBOX, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

function place(t: TestContext, config: object = {}) {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-policy-")))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const settings = { sandbox: NO_SANDBOX.sandbox, ...config }
  writeFileSync(join(home, "pincer.json"), JSON.stringify(settings), { mode: 0o600 })
  return {
    home,
    write: (name: string, lines: readonly unknown[]) =>
      writeFileSync(join(home, name), lines.map((line) => JSON.stringify(line)).join("\n")),
    policy: (...args: string[]) => inProcess(home, args),
    asProgram: (...args: string[]) => program(home, ["policy", ...args]),
  }
}

function program(home: string, args: string[]): Ran {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, NO_COLOR: "1" }
  const ran = spawnSync(process.execPath, [PROGRAM, ...args], { cwd: home, env, encoding: "utf8" })
  return { code: ran.status, out: ran.stdout, err: ran.stderr }
}

interface Ran {
  code: number | null
  out: string
  err: string
}

/** The same without a process of its own. */
async function inProcess(home: string, args: string[]): Promise<Ran> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, NO_COLOR: "1" }
  const said = { out: "", err: "" }
  const screen = (name: "out" | "err") => {
    const write = (text: unknown) => {
      said[name] += String(text)
      return true
    }
    return new Screen({ stream: { write }, env })
  }
  const [out, err] = [screen("out"), screen("err")]
  const cli: Cli = { env, flags: {}, out, err, version: "0", cwd: home, interactive: false, verbose: false }
  const tree = new Command("pincer").exitOverride()
  policyGroup(tree, () => cli)
  try {
    await tree.parseAsync(["policy", ...args], { from: "user" })
    return { code: 0, ...said }
  } catch (error) {
    const code = report(error, { out, err }, { verbose: false, json: args.includes("--json") })
    return { code, ...said }
  }
}

// What the sandbox of this machine can do is no matter here.
const CALLS = [
  { tool: "Bash", args: { command: "ls" }, sandbox: true },
  { tool: "WebFetch", args: { url: "https://example.com" }, cwd: "/" },
  { tool: "read_file", args: { path: "notes.txt" } },
  { call: { tool: "mcp:files:put", class: "write", writes: ["/elsewhere/x"] } },
]

test("policy test shows what another policy decides otherwise, and fails when it is told to", async (t) => {
  const { asProgram, policy, write } = place(t)
  write("calls.jsonl", CALLS)
  write("strict.json", [
    { policy: { deny: ["WebFetch"], arguments: [{ tools: ["Bash"], commands: { deny: [["ls"]] } }] } },
  ])
  const seen = asProgram("test", "calls.jsonl", "--policy", "strict.json", "--json")
  assert.equal(seen.code, 0, seen.err)
  const { calls, changed, rows } = JSON.parse(seen.out)
  assert.deepEqual([calls, changed], [4, 2])
  assert.deepEqual(
    rows.map((row: Record<string, unknown>) => [row["line"], row["before"], row["after"], row["rule"]]),
    [
      [1, "allow", "deny", "arguments.commands"],
      [2, "ask", "deny", "tools.deny"],
    ],
  )
  assert.equal((await policy("test", "calls.jsonl", "--policy", "strict.json", "--fail-on-change")).code, 1)
  assert.equal((await policy("test", "calls.jsonl", "--fail-on-change")).code, 0)
  assert.match((await policy("test", "calls.jsonl", "--all")).err, /^4 calls, 0 decided otherwise\./)
})

test("policy test counts what humans allowed for longer when it is told to, and says what it assumed", async (t) => {
  const { home, policy, write } = place(t, { policy: {} })
  const call = (path: string) => ({
    call: { tool: "Write", class: "write", writes: [join(home, path)] },
    cwd: home,
    sessionKey: "agent:main:work",
  })
  const bash = { tool: "Bash", args: { command: "ls" }, sandbox: false, sessionKey: "agent:main:work" }
  write("calls.jsonl", [call("a.txt"), call("b.txt"), bash, { ...bash, sessionKey: "agent:main:other" }])
  const verdicts = async (...flags: string[]) => {
    const { calls, assumed, rows } = JSON.parse((await policy("test", "calls.jsonl", "--all", "--json", ...flags)).out)
    assert.equal(calls, 4)
    return { assumed, verdicts: rows.map(({ after, rule }: Record<string, string>) => `${after} ${rule}`) }
  }
  const before = await verdicts("--with-grants")
  assert.match(before.assumed, /does not exist/)
  const now = Date.now()
  const books = openStore({ path: join(home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  const offer = { text: "Write a.txt", tool: "Write", agentId: "main", match: { paths: [join(home, "a.txt")] } }
  const elevated = { sessionKey: "agent:main:work", agentId: "main", level: "full", grantedBy: "me" } as const
  await books.elevations.put({ ...elevated, grantedAt: now, expiresAt: now + 600_000 }, () =>
    books.grants.addRuleNow({ id: "asked" } as Approval, offer, "me"),
  )
  // A gateway that has it open is no hindrance.
  const open = await verdicts("--with-grants")
  await books.close()
  assert.deepEqual(open, await verdicts("--with-grants"))
  assert.match(open.assumed, /^Assumed: what is allowed now, 1 rules and 1 elevated sessions of .*pincer\.db\.$/)
  const [first, second, third, fourth] = open.verdicts
  assert.equal(first, "allow grant")
  assert.deepEqual([second, fourth], [before.verdicts[1], before.verdicts[3]], "for others nothing changes")
  assert.match(third, /^allow /)
  const without = await verdicts()
  assert.deepEqual(without.verdicts, before.verdicts)
  assert.match(without.assumed, /nothing was allowed for longer, no session is elevated \(--with-grants/)
  assert.match((await policy("test", "calls.jsonl")).err, /decided otherwise\.\nAssumed: /)
})

test("rules that do not mean what they say are told of by doctor and by the start of a gateway", async (t) => {
  const policy = { allow: ["mcp:*"], byChannel: { chat: { bySender: { eve: { allow: ["mcp:a"] } } } } }
  const house = await startHouse({ config: { policy } })
  t.after(() => house.close())
  const said = house.gateway.warnings.filter((line) => line.includes("names only tools of plug-ins"))
  assert.deepEqual(
    said.map((line) => line.slice(0, line.indexOf(" "))),
    ["policy.allow", "policy.byChannel.chat.bySender.eve.allow"],
  )
  await house.stop()
  assert.match(readFileSync(house.parts.logPath, "utf8"), /names only tools of plug-ins/)
  const env = { PATH: process.env["PATH"] ?? "", HOME: house.home, PINCER_HOME: house.home, NO_COLOR: "1" }
  const ran = spawnSync(process.execPath, [PROGRAM, "doctor", "--json", "--server", "ws://127.0.0.1:9"], {
    env,
    encoding: "utf8",
  })
  const { checks } = JSON.parse(ran.stdout) as { checks: { id: string; verdict: string; text: string }[] }
  const check = checks.find(({ id }) => id === "policy.lists")
  assert.equal(check?.verdict, "warning")
  assert.match(
    check?.text ?? "",
    /^policy\.allow names only .* policy\.byChannel\.chat\.bySender\.eve\.allow names only/,
  )
})

test("policy test takes lines of the audit, and says which of them it could judge by name only", async (t) => {
  const { policy, write } = place(t, { policy: { deny: ["Write"] } })
  write("audit.jsonl", [
    { format: "pincer-audit", exportedAt: 1, previous: { seq: 0, hash: "" } },
    { type: "decision", tool: "Bash", summary: "ls", verdict: "allow", agentId: "main", door: "cli", sandbox: true },
    { type: "effect", tool: "Bash", summary: "ls", outcome: "done" },
    { type: "decision", tool: "Write", summary: "a.txt", verdict: "ask", agentId: "main", door: "control" },
    { end: true, head: { seq: 3, hash: "" }, records: 3 },
  ])
  const seen = await policy("test", "audit.jsonl", "--fail-on-change")
  assert.equal(seen.code, 1)
  assert.match(seen.out, /^4\s+Write\s+a\.txt\s+ask\s+deny\s+tools\.deny$/m)
  assert.match(seen.err, /2 calls, 1 decided otherwise\. 1 have no arguments/)
})

test("policy test refuses what it does not understand, and names the line or the key", async (t) => {
  const { policy, write } = place(t)
  write("calls.jsonl", [CALLS[0], { args: {} }])
  assert.match((await policy("test", "calls.jsonl")).err, /calls\.jsonl, line 2: names no tool/)
  assert.equal((await policy("test", "none.jsonl")).code, 4)
  write("calls.jsonl", [CALLS[0]])
  write("bad.json", [{ policyy: {} }])
  assert.match(
    (await policy("test", "calls.jsonl", "--policy", "bad.json")).err,
    /Unknown key policyy: did you mean policy\?/,
  )
  write("bad.json", [{ policy: { arguments: [{ tools: ["Bash"], schema: { type: "nope" } }] } }])
  const bad = await policy("test", "calls.jsonl", "--policy", "bad.json")
  assert.equal(bad.code, 2)
  assert.match(bad.err, /policy\.arguments\[0\]\.schema: is not a valid JSON Schema/)
  write("bad.json", [{ policy: { arguments: [{ tools: ["Read"], paths: { deny: ["~/.ssh"] } }] } }])
  assert.match((await policy("test", "calls.jsonl", "--policy", "bad.json")).err, /write the whole path/)
})

test("policy explain shows every step, runs nothing, and takes the flags of permission", async (t) => {
  const { home, policy } = place(t, { policy: { allow: ["mcp:*"] } })
  const plain = JSON.parse((await policy("explain", "Write", '{"path": "a.txt", "content": "x"}', "--json")).out)
  assert.deepEqual([plain.verdict, plain.rule], ["ask", "mode.approve-reads"])
  assert.equal(
    plain.trail.map((one: { step: string }) => one.step).join(" "),
    "identity deny availability placement mode ask",
  )
  const denied = await policy("explain", "Write", '{"path": "a.txt", "content": "x"}', "--deny-all")
  assert.match(denied.out, /Verdict +deny\n.*deny-all refuses/)
  assert.match(denied.err, /names only tools of plug-ins/)
  const alone = JSON.parse(
    (await policy("explain", "exec", '{"command": "touch ran"}', "--tainted", "--unattended", "--json")).out,
  )
  assert.deepEqual([alone.verdict, alone.rule], ["deny", "nonInteractive.deny"])
  assert.equal(existsSync(join(home, "ran")), false)
  assert.match((await policy("explain", "Bash", "ls")).err, /is not a JSON object/)
  assert.equal((await policy("explain", "Nope")).code, 0, "a name alone can be judged")
})

test("sandbox explain with a command says what would be decided about it, and why", (t) => {
  const { home } = place(t)
  const explain = (...args: string[]) => program(home, ["sandbox", "explain", ...args])
  const json = explain("--json", "--", "cat", "it's 文")
  assert.equal(json.code, 0, json.err)
  const { decision, parts } = JSON.parse(json.out) as { decision: { rule: string; trail: object[] }; parts: object[] }
  assert.ok(decision.rule !== "" && decision.trail.length > 2 && parts.length > 5)
  const text = explain("--", "cat", "it's 文")
  assert.match(text.out, /Would the agent run cat 'it'\\''s 文':\n.*Verdict/)
  assert.doesNotMatch(explain().out, /Verdict/)
})
