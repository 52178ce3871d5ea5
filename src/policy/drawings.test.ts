// The drawings of both original pages as tables: who is asked when (IMClaw), and what runs where (Clawdbot); and that layers only narrow.
import assert from "node:assert/strict"
import { test } from "node:test"
import { sceneOf } from "../../test/fakes/scene.ts"
import type { PermissionMode } from "../protocol/permission.ts"
import { decide } from "./decide.ts"
import type { PolicyLayer } from "./rules.ts"
import type { Scene } from "./scene.ts"

type Changes = NonNullable<Parameters<typeof sceneOf>[0]>
type Call = NonNullable<Changes["call"]>

const CALLS: Readonly<Record<string, Call>> = {
  read: { tool: "Read", class: "read", reads: ["/work/a"] },
  search: { tool: "Grep", class: "search", reads: ["/work"] },
  outside: { tool: "Read", class: "read", reads: ["/etc/hosts"] },
  home: { tool: "Read", class: "read", reads: ["/root/.pincer/gateway.token"] },
  write: { tool: "Write", class: "write", writes: ["/work/a"] },
  away: { tool: "Write", class: "write", writes: ["/tmp/a"] },
  hook: { tool: "Write", class: "write", writes: ["/work/.git/hooks/post-commit"] },
  fetch: { tool: "WebFetch", class: "network", hosts: ["example.com"] },
  exec: { tool: "Bash", class: "exec", command: { text: "ls", segments: [], unknown: [] } },
  notes: { tool: "TodoWrite", class: "control" },
  send: { tool: "message", class: "control", messages: ["telegram:@bob"] },
}

/** What each call comes to in each mode when somebody can be asked. */
const BY_MODE: readonly [call: string, all: string, reads: string, deny: string][] = [
  ["read", "allow", "allow", "allow"],
  ["search", "allow", "allow", "allow"],
  ["outside", "allow", "ask", "deny"],
  ["home", "ask", "ask", "deny"],
  ["write", "allow", "ask", "deny"],
  ["away", "allow", "ask", "deny"],
  ["hook", "ask", "ask", "deny"],
  ["fetch", "allow", "ask", "deny"],
  ["exec", "allow", "allow", "deny"],
  ["notes", "allow", "allow", "allow"],
  ["send", "allow", "ask", "deny"],
]
const MODES: readonly PermissionMode[] = ["approve-all", "approve-reads", "deny-all"]

test("drawing of permissions: tool on the list, then the mode, then whoever can be asked", () => {
  for (const [name, ...expected] of BY_MODE)
    for (const [at, mode] of MODES.entries())
      for (const canAsk of [true, false])
        for (const nonInteractive of ["deny", "fail"] as const) {
          const decision = decide(sceneOf({ call: CALLS[name]!, permissions: { mode, nonInteractive }, canAsk }))
          const asked = expected[at]!
          const want = asked === "ask" && !canAsk ? "deny" : asked
          const where = `${name} ${mode} ${canAsk ? "attended" : nonInteractive}`
          assert.equal(decision.verdict, want, where)
          assert.equal(decision.endsTurn === true, asked === "ask" && !canAsk && nonInteractive === "fail", where)
          if (want !== "deny") continue
          assert.deepEqual(decision.placement, { type: "none" }, where)
          assert.match(
            decision.reason,
            asked === "ask" ? /nobody who could approve it is connected/ : /deny-all/,
            where,
          )
        }
})

test("drawing of permissions: a tool that is not on the list is refused before anybody is asked, in every mode", () => {
  for (const mode of MODES)
    for (const name of Object.keys(CALLS))
      for (const canAsk of [true, false]) {
        const allowed = decide(sceneOf({ call: CALLS[name]!, permissions: { mode, allowedTools: ["LS"] }, canAsk }))
        assert.deepEqual([allowed.verdict, allowed.step, allowed.rule], ["deny", "availability", "permissions.allowed"])
        const denied = decide(sceneOf({ call: CALLS[name]!, permissions: { mode, deniedTools: ["*"] }, canAsk }))
        assert.deepEqual([denied.verdict, denied.step, denied.rule], ["deny", "deny", "permissions.denied"])
        assert.equal(allowed.endsTurn ?? denied.endsTurn, undefined)
      }
})

const NONE: Partial<Scene["sandbox"]> = {
  available: false,
  detail: "bwrap is missing",
  install: "apt-get install bubblewrap",
}

test("drawing of places: policy says whether, sandbox says where, elevated moves exec out and revives nothing", () => {
  const usual = sceneOf().sandbox
  const elevated = (level: "on" | "ask" | "full", expiresAt = Number.MAX_SAFE_INTEGER) => ({
    elevation: { level, grantedAt: 0, expiresAt, grantedBy: "cli" },
  })
  const none = { sandbox: { ...usual, ...NONE } }
  const all = { permissions: { mode: "approve-all" as const } }
  const rows: [string, Changes, string, string][] = [
    ["sandbox", {}, "allow sandbox", "sandbox.inside"],
    ["sandbox, everything approved", all, "allow sandbox", "mode.approve-all"],
    ["elevated on", elevated("on"), "ask host", "elevated.ask"],
    ["elevated ask", elevated("ask"), "ask host", "elevated.ask"],
    ["elevated ask, everything approved", { ...elevated("ask"), ...all }, "ask host", "elevated.ask"],
    ["elevated full", elevated("full"), "allow host", "elevated.full"],
    ["elevated full, nobody there", { ...elevated("full"), canAsk: false }, "allow host", "elevated.full"],
    [
      "elevated full, tainted",
      { ...elevated("full"), taint: [{ source: "web", detail: "x" }] },
      "ask host",
      "taint.exec",
    ],
    ["elevated, but past its time", elevated("full", 1), "allow sandbox", "sandbox.inside"],
    [
      "elevated full, denied tool",
      { ...elevated("full"), permissions: { deniedTools: ["Bash"] } },
      "deny none",
      "permissions.denied",
    ],
    [
      "elevated full, deny-all",
      { ...elevated("full"), permissions: { mode: "deny-all" } },
      "deny none",
      "mode.deny-all",
    ],
    ["no sandbox", none, "ask host", "sandbox.missing"],
    ["no sandbox, nobody there", { ...none, canAsk: false }, "deny none", "nonInteractive.deny"],
    ["no sandbox, everything approved", { ...none, ...all }, "deny none", "sandbox.missing"],
    ["no sandbox, deny-all", { ...none, permissions: { mode: "deny-all" } }, "deny none", "sandbox.missing"],
    ["no sandbox, elevated full", { ...none, ...elevated("full") }, "allow host", "elevated.full"],
  ]
  for (const [name, more, expected, rule] of rows) {
    const decision = decide(sceneOf({ call: CALLS["exec"]!, ...more }))
    assert.equal(`${decision.verdict} ${decision.placement.type}`, expected, name)
    assert.equal(decision.rule, rule, name)
    if (name.startsWith("no sandbox") && decision.placement.type !== "host" && rule !== "permissions.denied")
      assert.match(decision.reason, /apt-get install bubblewrap/, name)
  }
  const write = decide(sceneOf({ call: CALLS["write"]!, ...elevated("full") }))
  assert.deepEqual([write.verdict, write.placement.type], ["ask", "inside"], "elevated is about exec only")
})

test("a read-only profile denies changes of the workspace in every mode, and only those", () => {
  const sandbox = { ...sceneOf().sandbox, profile: "read-only", workspace: "read-only" as const }
  for (const mode of MODES) {
    const decision = decide(sceneOf({ call: CALLS["write"]!, sandbox, permissions: { mode } }))
    assert.deepEqual([decision.verdict, decision.step, decision.rule], ["deny", "placement", "sandbox.readOnly"])
  }
  assert.equal(decide(sceneOf({ call: CALLS["read"]!, sandbox })).verdict, "allow")
  assert.equal(decide(sceneOf({ call: CALLS["away"]!, sandbox })).verdict, "ask")
})

test("the trail names every step up to the one that decided, in order", () => {
  const steps = (more: Changes) => [...new Set(decide(sceneOf(more)).trail.map((one) => one.step))].join(" ")
  assert.equal(steps({ call: CALLS["write"]! }), "identity deny availability placement mode ask")
  assert.equal(steps({ call: CALLS["read"]! }), "identity deny availability placement mode")
  assert.equal(steps({ permissions: { deniedTools: ["Read"] } }), "identity deny")
  assert.equal(steps({ call: CALLS["write"]!, canAsk: false }), "identity deny availability placement mode ask")
  const asked = decide(sceneOf({ call: CALLS["exec"]!, taint: [{ source: "web", detail: "x" }] }))
  assert.deepEqual(asked.trail.at(-1), {
    step: "ask",
    result: "ask",
    ...{ rule: asked.rule, source: asked.source, reason: asked.reason },
  })
})

/** The same numbers every time. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const RANK = { allow: 2, ask: 1, deny: 0 } as const
const NAMES = ["Read", "Write", "Bash", "WebFetch", "group:fs", "group:web", "*", "mcp:x:*", "R*", "nonsense"]

/** A layer of anything that restricts; what explicitly allows (lists of commands and hosts, context and taint rules) is left out. */
function anyLayer(roll: (below: number) => number, at: number): PolicyLayer {
  const some = () => Array.from({ length: roll(3) }, () => NAMES[roll(NAMES.length)]!)
  const maybe = <T>(value: T): T | undefined => (roll(3) === 0 ? value : undefined)
  const verdict = roll(2) === 0 ? "ask" : "deny"
  const about = ([undefined, "channel", "sender"] as const)[roll(3)]
  const layer = {
    source: `layer${at}`,
    about,
    profile: maybe((["minimal", "coding", "messaging", "full"] as const)[roll(4)]),
    allow: maybe(some()),
    alsoAllow: maybe(some()),
    deny: maybe(some()),
    arguments: maybe([
      { tools: ["*"], paths: { deny: [["/work", "/etc", "/tmp/a"][roll(3)]!] }, hosts: { allow: ["example.com"] } },
    ]),
    rates: maybe([{ tools: ["*"], perTurn: roll(3) }]),
    contexts: maybe([{ tools: some().concat("Read"), when: {}, verdict }] as const),
    tainted: maybe({ exec: verdict, network: verdict } as const),
  }
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined)) as unknown as PolicyLayer
}

test("no layer gives more than there was before it, wherever it is put", () => {
  const roll = dice(7)
  const names = Object.keys(CALLS)
  for (let round = 0; round < 4_000; round++) {
    const layers = Array.from({ length: roll(3) }, (_, at) => anyLayer(roll, at))
    const more = anyLayer(roll, 9)
    const changes: Changes = {
      call: CALLS[names[roll(names.length)]!]!,
      permissions: { mode: MODES[roll(3)]! },
      counts: { turn: roll(3), minute: 0, day: 0 },
      canAsk: roll(2) === 0,
      subAgent: roll(2) === 0,
      taint: roll(2) === 0 ? [] : [{ source: "web", detail: "x" }],
      sandbox: { ...sceneOf().sandbox, ...(roll(2) === 0 ? NONE : {}) },
    }
    const at = roll(layers.length + 1)
    const before = decide(sceneOf({ ...changes, layers }))
    const after = decide(sceneOf({ ...changes, layers: layers.toSpliced(at, 0, more) }))
    const told = () => JSON.stringify({ round, changes, layers, more, before: before.rule, after: after.rule })
    assert.ok(RANK[after.verdict] <= RANK[before.verdict], told())
    if (before.endsTurn && after.verdict === "deny") assert.ok(after.endsTurn || after.step !== "ask", told())
  }
})
