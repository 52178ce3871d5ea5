import assert from "node:assert/strict"
import { test } from "node:test"
import { sceneOf } from "../../test/fakes/scene.ts"
import type { CommandFacts, CommandSegment } from "./command.ts"
import { decide } from "./decide.ts"
import { policyWarnings } from "./names.ts"
import { matchesHost, matchesPath, protectedPath } from "./places.ts"
import { rateQueries } from "./rates.ts"
import type { ContextRule, Grant, PolicyLayer } from "./rules.ts"

type Changes = Parameters<typeof sceneOf>[0]

const READ = { tool: "Read", class: "read", reads: ["/work/a"] } as const
const WRITE = { tool: "Write", class: "write", writes: ["/work/a"] } as const
const FETCH = { tool: "WebFetch", class: "network", hosts: ["example.com"] } as const
const layer = (rules: Omit<PolicyLayer, "source">): PolicyLayer => ({ source: "policy", ...rules })
const judge = (rules: Omit<PolicyLayer, "source">, more: Changes = {}) =>
  decide(sceneOf({ call: READ, ...more, layers: [layer(rules), ...(more?.layers ?? [])] }))
const outcome = (rules: Omit<PolicyLayer, "source">, more: Changes = {}) => {
  const { verdict, rule } = judge(rules, more)
  return `${verdict} ${rule}`
}

function segment(words: (string | null)[], more: Partial<CommandSegment> = {}): CommandSegment {
  const name = words[0] ?? null
  return {
    argv: words,
    program: name === null ? null : `/usr/bin/${name}`,
    ...{ name, builtin: false, cwd: "/work", assignments: [], redirections: [], interprets: null, wraps: false },
    ...{ scripts: [], paths: [], writes: [] },
    ...more,
  }
}
const command = (segments: CommandSegment[], unknown: string[] = []): CommandFacts => ({ text: "…", segments, unknown })
const bash = (facts: CommandFacts) => ({ tool: "Bash", class: "exec", command: facts }) as const
const NO_SANDBOX = {
  sandbox: {
    available: false,
    profile: "workspace",
    workspace: "read-write" as const,
    network: false,
    detail: "bwrap is not installed",
    install: "apt-get install bubblewrap",
  },
}

test("lists: deny beats allow, wildcards and groups match whatever the case, a profile can be added to", () => {
  const rows: [Omit<PolicyLayer, "source">, string][] = [
    [{}, "allow mode.workspaceRead"],
    [{ deny: ["Read"] }, "deny tools.deny"],
    [{ deny: ["read_file"] }, "deny tools.deny"],
    [{ deny: ["R*"] }, "deny tools.deny"],
    [{ deny: ["r*D"] }, "deny tools.deny"],
    [{ deny: ["GROUP:FS"] }, "deny tools.deny"],
    [{ deny: ["*"] }, "deny tools.deny"],
    [{ deny: ["Rea"] }, "allow mode.workspaceRead"],
    [{ deny: ["Read"], allow: ["Read"], alsoAllow: ["Read"] }, "deny tools.deny"],
    [{ allow: [] }, "allow mode.workspaceRead"],
    [{ allow: ["Bash"] }, "deny tools.allow"],
    [{ allow: ["Bash"], alsoAllow: ["Read"] }, "allow mode.workspaceRead"],
    [{ allow: ["group:pincer"] }, "allow mode.workspaceRead"],
    [{ allow: ["group:openclaw"] }, "allow mode.workspaceRead"],
    [{ allow: ["group:sessions"] }, "deny tools.allow"],
    [{ profile: "minimal" }, "deny tools.profile"],
    [{ profile: "minimal", alsoAllow: ["Read"] }, "allow mode.workspaceRead"],
    [{ profile: "coding" }, "allow mode.workspaceRead"],
    [{ profile: "messaging" }, "deny tools.profile"],
    [{ profile: "full" }, "allow mode.workspaceRead"],
  ]
  for (const [rules, expected] of rows) assert.equal(outcome(rules), expected, JSON.stringify(rules))
})

test("a list that names only tools of plug-ins is ignored, and a warning says so", () => {
  for (const allow of [["mcp:files:*"], ["group:plugins"], ["no_such_tool"]]) {
    assert.equal(outcome({ allow }), "allow mode.workspaceRead", allow.join())
    assert.match(policyWarnings([layer({ allow })]).join(), /policy\.allow names only tools of plug-ins/)
  }
  assert.deepEqual(policyWarnings([layer({ allow: ["mcp:x:*", "Read"] }), layer({})]), [])
})

test("denials about who asks decide at the step identity, others at the step deny", () => {
  const by = (about: PolicyLayer["about"]) => judge({ deny: ["Read"], ...(about ? { about } : {}) }).step
  assert.deepEqual(
    [by(undefined), by("channel"), by("sender"), by("subAgents")],
    ["deny", "identity", "identity", "identity"],
  )
})

test("sub-agents go without what could start others, unless their own part of the policy gives it", () => {
  const call = { tool: "sessions_spawn", class: "control" } as const
  assert.equal(outcome({}, { call }), "allow mode.ownState")
  assert.equal(outcome({}, { call, subAgent: true }), "deny identity.subAgent")
  assert.equal(outcome({ alsoAllow: ["sessions_spawn"] }, { call, subAgent: true }), "deny identity.subAgent")
  const own = { alsoAllow: ["sessions_spawn"], about: "subAgents" } as const
  assert.equal(outcome(own, { call, subAgent: true }), "allow mode.ownState")
})

test("paths: denied and not allowed ones, also in commands; what may reach into them asks", () => {
  const paths = (allow: string[] | undefined, deny: string[] | undefined) => ({
    arguments: [{ tools: ["*"], paths: { ...(allow ? { allow } : {}), ...(deny ? { deny } : {}) } }],
  })
  const grep = { tool: "Grep", class: "search", reads: ["/work"] } as const
  const rows: [Omit<PolicyLayer, "source">, Changes, string][] = [
    [paths(undefined, ["/work/secret"]), {}, "allow mode.workspaceRead"],
    [paths(undefined, ["/work/a"]), {}, "deny arguments.paths"],
    [paths(undefined, ["a"]), {}, "deny arguments.paths"],
    [paths(undefined, ["**/a"]), {}, "deny arguments.paths"],
    [paths(["src"], undefined), {}, "deny arguments.paths"],
    [paths(["/work"], undefined), {}, "allow mode.workspaceRead"],
    [paths(["/work"], ["/work/a"]), {}, "deny arguments.paths"],
    [paths(undefined, ["/work/secret"]), { call: grep }, "ask arguments.paths"],
    [paths(undefined, ["/elsewhere"]), { call: grep }, "allow mode.workspaceRead"],
    [paths(undefined, ["/**/.env"]), { call: grep }, "ask arguments.paths"],
    [
      paths(undefined, ["x"]),
      { call: bash(command([segment(["cat", "x"], { paths: ["/work/x"] })])) },
      "deny arguments.paths",
    ],
    [
      paths(undefined, ["x"]),
      { call: bash(command([segment(["cp", "a", "x"], { writes: ["/work/x"] })])) },
      "deny arguments.paths",
    ],
    [paths(undefined, ["x"]), { call: bash(command([segment(["ls"])], ["a substitution"])) }, "ask arguments.paths"],
    [
      paths(undefined, ["x"]),
      { call: bash(command([segment(["python3"], { interprets: "python -c" })])) },
      "ask arguments.paths",
    ],
  ]
  for (const [rules, more, expected] of rows)
    assert.equal(outcome(rules, more), expected, JSON.stringify([rules, more]))
})

test("hosts: denied ones and those that are not allowed", () => {
  const hosts = (allow: string[], deny: string[]) => ({ arguments: [{ tools: ["group:web"], hosts: { allow, deny } }] })
  const at = (rules: Omit<PolicyLayer, "source">) =>
    outcome(rules, { call: FETCH, permissions: { mode: "approve-all" } })
  assert.equal(at(hosts([], ["example.com"])), "deny arguments.hosts")
  assert.equal(at(hosts(["other.org"], [])), "deny arguments.hosts")
  assert.equal(at(hosts(["example.com"], [])), "allow mode.approve-all")
  assert.equal(at(hosts(["*.com"], ["example.com"])), "deny arguments.hosts")
})

test("commands: every program is held against the rule, and doubt asks", () => {
  const deny = { arguments: [{ tools: ["Bash"], commands: { deny: [["rm"], ["git", "push"], ["/usr/bin/nc"]] } }] }
  const allow = { arguments: [{ tools: ["Bash"], commands: { allow: [["/usr/bin/git", "**"]] } }] }
  const rows: [Omit<PolicyLayer, "source">, CommandFacts, string][] = [
    [deny, command([segment(["ls"])]), "allow sandbox.inside"],
    [deny, command([segment(["ls"]), segment(["rm", "-rf", "x"])]), "deny arguments.commands"],
    [deny, command([segment(["x"], { program: "/opt/bin/rm", name: "rm" })]), "deny arguments.commands"],
    [deny, command([segment(["git", "-C", ".", "push", "-f"])]), "deny arguments.commands"],
    [deny, command([segment(["git", null])]), "deny arguments.commands"],
    [deny, command([segment(["git", "status"])]), "allow sandbox.inside"],
    [deny, command([segment(["nc"])]), "deny arguments.commands"],
    [deny, command([segment(["ls"])], ["a substitution"]), "ask arguments.commands"],
    [deny, command([segment(["sh", "-c", "x"], { interprets: "sh -c" })]), "ask arguments.commands"],
    [allow, command([segment(["git", "log"])]), "allow sandbox.inside"],
    [allow, command([segment(["git", "log"]), segment(["ls"])]), "deny arguments.commands"],
    [allow, command([segment(["git", "log"])], ["a substitution"]), "ask arguments.commands"],
    [allow, command([segment(["git", null])]), "ask arguments.commands"],
  ]
  for (const [rules, facts, expected] of rows)
    assert.equal(outcome(rules, { call: bash(facts) }), expected, JSON.stringify(facts.segments.map((one) => one.argv)))
})

test("schema: the arguments must satisfy it, and one that is none lets nothing through", () => {
  const rule = (schema: Record<string, unknown>) => ({ arguments: [{ tools: ["Read"], schema }] })
  const call = { ...READ, args: { path: "a", limit: 10 } }
  assert.equal(outcome(rule({ properties: { limit: { maximum: 100 } } }), { call }), "allow mode.workspaceRead")
  assert.equal(outcome(rule({ properties: { limit: { maximum: 5 } } }), { call }), "deny arguments.schema")
  assert.equal(outcome(rule({ type: "no such type" }), { call }), "deny arguments.schema")
})

test("rates: the limit is reached by calls that were made, per whom the rule says", () => {
  const rates = [
    { tools: ["group:fs"], perTurn: 2 },
    { tools: ["Read"], perMinute: 3, perDay: 4, per: "session" as const },
  ]
  const counts = (turn: number, minute: number, day: number) => ({
    counts: {
      ...{ turn: 0, minute: 0, day: 0 },
      byRule: { "policy.rates[0]": { turn, minute: 0, day: 0 }, "policy.rates[1]": { turn: 0, minute, day } },
    },
  })
  assert.equal(outcome({ rates }, counts(1, 2, 3)), "allow mode.workspaceRead")
  assert.equal(outcome({ rates }, counts(2, 0, 0)), "deny rate.perTurn")
  assert.equal(outcome({ rates }, counts(0, 3, 3)), "deny rate.perMinute")
  assert.equal(outcome({ rates }, counts(0, 0, 4)), "deny rate.perDay")
  assert.equal(outcome({ rates: [{ tools: ["Bash"], perTurn: 0 }] }), "allow mode.workspaceRead")
  assert.equal(outcome({ rates: [{ tools: ["Read"], perTurn: 0 }] }), "deny rate.perTurn")
  const [group, own] = rateQueries([layer({ rates })], "Read")
  assert.deepEqual([group?.per, own?.per, own?.tools], ["sender", "session", ["Read"]])
  assert.ok(group?.tools.includes("Write") && group.tools.includes("Grep") && !group.tools.includes("Bash"))
  assert.deepEqual(rateQueries([layer({ rates })], "Bash"), [])
})

test("contexts: time, day, door, channel, sender, taint and sub-agents, all that is said at once", () => {
  // A Saturday, 12:00 UTC.
  const rows: [ContextRule["when"], Changes, boolean][] = [
    [{ between: ["11:00", "13:00"] }, {}, true],
    [{ between: ["12:00", "13:00"] }, {}, true],
    [{ between: ["11:00", "12:00"] }, {}, false],
    [{ between: ["22:00", "07:00"] }, {}, false],
    [{ between: ["22:00", "07:00"] }, { utcOffsetMinutes: 10 * 60 }, true],
    [{ between: ["22:00", "07:00"] }, { utcOffsetMinutes: 14 * 60 }, true],
    [{ between: ["22:00", "07:00"], days: [6] }, { utcOffsetMinutes: 14 * 60 }, true],
    [{ between: ["22:00", "07:00"], days: [0] }, { utcOffsetMinutes: 14 * 60 }, false],
    [{ days: [6] }, {}, true],
    [{ days: [0, 1] }, {}, false],
    [{ doors: ["test"] }, {}, true],
    [{ doors: ["openai"] }, {}, false],
    [{ channels: ["telegram"] }, { origin: { door: "channel", channel: "telegram" } }, true],
    [{ channels: ["telegram"] }, {}, false],
    [{ senders: ["@ann"] }, { origin: { door: "channel", sender: "@ann" } }, true],
    [{ senders: ["@ann"] }, { origin: { door: "channel", sender: "@bob" } }, false],
    [{ tainted: true }, { taint: [{ source: "web", detail: "x" }] }, true],
    [{ tainted: true }, {}, false],
    [{ tainted: false }, {}, true],
    [{ subAgent: true }, { subAgent: true }, true],
    [{ subAgent: true }, {}, false],
    [{ days: [6], doors: ["openai"] }, {}, false],
  ]
  for (const [when, more, holds] of rows)
    for (const verdict of ["deny", "ask"] as const)
      assert.equal(
        outcome({ contexts: [{ tools: ["Read"], when, verdict }] }, more),
        holds ? `${verdict} context` : "allow mode.workspaceRead",
        JSON.stringify([when, more]),
      )
})

test("contexts: allow answers what the mode and taint ask, and no denial, protected file or missing sandbox", () => {
  const allow = (tool: string) => ({ contexts: [{ tools: [tool], when: {}, verdict: "allow" as const }] })
  const taint = [{ source: "web" as const, detail: "x" }]
  const ls = bash(command([segment(["ls"])]))
  assert.equal(outcome(allow("Write"), { call: WRITE }), "allow context")
  assert.equal(outcome(allow("Bash"), { call: ls, taint }), "allow context")
  assert.equal(outcome({ ...allow("Write"), deny: ["Write"] }, { call: WRITE }), "deny tools.deny")
  assert.equal(outcome(allow("Write"), { call: WRITE, permissions: { mode: "deny-all" } }), "deny mode.deny-all")
  assert.equal(outcome(allow("Write"), { call: { ...WRITE, writes: ["/work/AGENTS.md"] } }), "ask protected.path")
  assert.equal(outcome(allow("Bash"), { call: ls, ...NO_SANDBOX }), "ask sandbox.missing")
})

test("taint: exec, network and messages ask; a rule says otherwise; the strictest layer counts", () => {
  const taint = [{ source: "web" as const, detail: "evil.example" }]
  const send = { tool: "message", class: "control", messages: ["telegram:@bob"] } as const
  const ls = bash(command([segment(["ls"])]))
  assert.equal(outcome({}, { call: ls }), "allow sandbox.inside")
  assert.equal(outcome({}, { call: ls, taint }), "ask taint.exec")
  assert.match(judge({}, { call: ls, taint }).reason, /web: evil\.example/)
  assert.equal(outcome({}, { call: FETCH, taint }), "ask taint.network")
  assert.equal(outcome({}, { call: send, taint }), "ask taint.messages")
  assert.equal(outcome({}, { call: READ, taint }), "allow mode.workspaceRead")
  assert.equal(outcome({ tainted: { exec: "allow" } }, { call: ls, taint }), "allow sandbox.inside")
  assert.equal(outcome({ tainted: { exec: "deny" } }, { call: ls, taint }), "deny taint.exec")
  const other = [{ source: "agents.entries.a.policy", tainted: { exec: "ask" as const } }]
  assert.equal(outcome({ tainted: { exec: "allow" } }, { call: ls, taint, layers: other }), "ask taint.exec")
  const all = { permissions: { mode: "approve-all" as const } }
  assert.equal(outcome({}, { call: ls, taint, ...all }), "allow mode.approve-all")
  assert.equal(outcome({ tainted: { exec: "deny" } }, { call: ls, taint, ...all }), "deny taint.exec")
})

test("grants answer what they cover, for their agent and session, and never taint, protection, elevated mode or a denial", () => {
  const grant = (match: Grant["match"], more: Partial<Grant> = {}): Grant => ({
    ...{ id: "g", scope: "agent", agentId: "main", sessionKey: null, tool: "Write", match },
    ...{ createdAt: 0, createdBy: "cli" },
    ...more,
  })
  const paths = { paths: ["/work/a"] }
  const write = (one: Grant, more: Changes = {}) => outcome({}, { call: WRITE, grants: [one], ...more })
  assert.equal(write(grant(paths)), "allow grant")
  assert.equal(write(grant(paths, { tool: "Edit" })), "ask mode.approve-reads")
  assert.equal(write(grant(paths, { agentId: "other" })), "ask mode.approve-reads")
  assert.equal(write(grant({ paths: ["/work/*"] })), "ask mode.approve-reads")
  assert.equal(write(grant(paths, { scope: "session", sessionKey: "agent:main:x" })), "ask mode.approve-reads")
  assert.equal(write(grant(paths, { scope: "session", sessionKey: "agent:main:main" })), "allow grant")
  assert.equal(write(grant(paths), { call: { ...WRITE, writes: ["/work/a", "/work/b"] } }), "ask mode.approve-reads")
  assert.equal(write(grant(paths), { permissions: { deniedTools: ["Write"] } }), "deny permissions.denied")
  const hook = { paths: ["/work/.git/hooks/x"] }
  assert.equal(write(grant(hook), { call: { ...WRITE, writes: hook.paths } }), "ask protected.path")
  const exec = {
    ...{ call: bash(command([segment(["ls"])])) },
    grants: [grant({ command: [["/usr/bin/ls"]] }, { tool: "Bash" })],
  }
  assert.equal(outcome({}, { ...exec, ...NO_SANDBOX }), "allow grant")
  const taint = [{ source: "web" as const, detail: "x" }]
  assert.equal(outcome({}, { ...exec, taint }), "ask taint.exec")
  // One answered question does not answer the other.
  assert.equal(outcome({}, { ...exec, ...NO_SANDBOX, taint }), "ask taint.exec")
  const elevation = { level: "ask" as const, grantedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER, grantedBy: "cli" }
  assert.equal(outcome({}, { ...exec, elevation }), "ask elevated.ask")
})

test("listed commands and hosts answer the question, and nothing that they do not cover", () => {
  const hosts = { hosts: ["*.example.com", "example.com"] }
  assert.equal(outcome({}, { call: FETCH }), "ask mode.approve-reads")
  assert.equal(outcome(hosts, { call: FETCH }), "allow hosts.allow")
  assert.equal(outcome(hosts, { call: { ...FETCH, hosts: ["example.com", "evil.org"] } }), "ask mode.approve-reads")
  assert.equal(outcome(hosts, { call: { ...FETCH, writes: ["/work/x"] } }), "ask mode.approve-reads")
  assert.equal(outcome(hosts, { call: FETCH, permissions: { mode: "deny-all" } }), "deny mode.deny-all")
  const commands = { commands: [["/usr/bin/git", "status", "**"]] }
  const git = (...words: string[]) => ({ call: bash(command([segment(["git", ...words])])), ...NO_SANDBOX })
  assert.equal(outcome(commands, git("status", "-s")), "allow commands.allow")
  assert.equal(outcome(commands, git("push")), "ask sandbox.missing")
  assert.equal(
    outcome(commands, { ...git("status"), canAsk: true, permissions: { mode: "approve-all" } }),
    "deny sandbox.missing",
  )
})

test("a command that changes a protected file asks, in the sandbox those of the workspace", () => {
  const writes = (path: string) => bash(command([segment(["tee", path], { writes: [path] })]))
  assert.equal(outcome({}, { call: writes("/work/.git/hooks/x") }), "ask protected.path")
  assert.equal(
    outcome({}, { call: writes("/work/AGENTS.md"), permissions: { mode: "approve-all" } }),
    "ask protected.path",
  )
  assert.equal(outcome({}, { call: writes("/work/x") }), "allow sandbox.inside")
  assert.equal(outcome({}, { call: writes("/etc/passwd") }), "allow sandbox.inside", "there is no such file in there")
  assert.equal(outcome({}, { call: writes("/etc/passwd"), ...NO_SANDBOX }), "ask protected.path")
})

test("patterns of paths and hosts mean what they say", () => {
  const paths: [string, string, boolean][] = [
    ["/a", "/a", true],
    ["/a", "/a/b/c", true],
    ["/a", "/ab", false],
    ["/a/**", "/a", true],
    ["/a/*.txt", "/a/x.txt", true],
    ["/a/*.txt", "/a/b/x.txt", false],
    ["/**/.env", "/x/y/.env", true],
    ["src", "/work/src/x", true],
    ["src/../../etc", "/etc/passwd", true],
    ["/home/*/.ssh", "/home/ann/.ssh/id", true],
  ]
  for (const [pattern, path, meant] of paths)
    assert.equal(matchesPath(pattern, path, "/work"), meant, `${pattern} ${path}`)
  const hosts: [string, string, boolean][] = [
    ["example.com", "EXAMPLE.com", true],
    ["example.com", "example.com.", true],
    ["example.com", "evil-example.com", false],
    ["*.example.com", "a.example.com", true],
    ["*.example.com", "example.com", false],
    ["*.example.com", "aexample.com", false],
    ["*.example.com", "evil-example.com", false],
    ["example.com:8443", "example.com", false],
    ["example.com", "example.com:8443", true],
    ["[::1]", "[::1]:80", true],
  ]
  for (const [pattern, host, meant] of hosts) assert.equal(matchesHost(pattern, host), meant, `${pattern} ${host}`)
})

test("files with orders, files that programs run, and Pincer's own are protected; ordinary ones are not", () => {
  const is = (path: string) => protectedPath(path, "/root/.pincer", "/work") !== undefined
  for (const path of [
    ...["/work/AGENTS.md", "/work/sub/CLAUDE.md", "/work/SOUL.md", "/work/memory/2026.md", "/work/.cursorrules"],
    ...[
      "/root/.bashrc",
      "/root/.ssh/config",
      "/work/.git/hooks/pre-commit",
      "/work/.git/config",
      "/root/.pincer/pincer.db",
    ],
    ...[
      "/etc/crontab",
      "/var/spool/cron/root",
      "/usr/bin/x",
      "/work/pincer.json",
      "/work/.envrc",
      "/work/.GIT/hooks/x",
    ],
  ])
    assert.equal(is(path), true, path)
  for (const path of [
    ...["/work/src/memory/index.ts", "/work/docs/tools.md", "/work/etc/x", "/work/.gitignore", "/work/README.md"],
    ...["/tmp/x", "/home/ann/notes.txt", "/work/githooks/x"],
  ])
    assert.equal(is(path), false, path)
  assert.equal(protectedPath("/root/.pincer/workspace/a", "/root/.pincer", "/root/.pincer/workspace"), undefined)
  assert.notEqual(protectedPath("/root/.pincer/x", "/root/.pincer", "/root"), undefined)
})
