import assert from "node:assert/strict"
import { test } from "node:test"
import { EXAMPLE_LINES } from "../../test/corpus/policy-examples.ts"
import { PincerError } from "../base/errors.ts"
import { type Permissions, TOOL_NAMES } from "../protocol/permission.ts"
import { permitsTool, type ResolvedPermissions, resolvePermissions, summary, widens } from "./permissions.ts"

const flag = (permissions: Permissions) => ({ source: "flag", permissions })
const resolved = (...layers: Permissions[]) => resolvePermissions(layers.map(flag))
const toolsOf = (one: ResolvedPermissions) => TOOL_NAMES.filter((name) => permitsTool(one, name)).join(",")

test("presets: the table of the original page, and none given is like dev-default without its name", () => {
  const rows: [Permissions[], string, string, string][] = [
    [[{ preset: "safe-readonly" }], "deny-all", "safe-readonly", "Glob,Grep,LS,Read"],
    [[{ preset: "dev-default" }], "approve-reads", "dev-default", "Bash,Read,Write"],
    [[{ preset: "full-auto" }], "approve-all", "full-auto", TOOL_NAMES.join(",")],
    [[{}], "approve-reads", "", "Bash,Read,Write"],
    [[], "approve-reads", "", "Bash,Read,Write"],
  ]
  for (const [layers, mode, preset, tools] of rows) {
    const one = resolved(...layers)
    assert.deepEqual([one.mode, one.preset, toolsOf(one)], [mode, preset, tools])
    assert.deepEqual([one.authPolicy, one.nonInteractive], ["skip", "deny"])
  }
})

test("every example line of the original page comes to what is written there", () => {
  for (const { args, says, becomes } of EXAMPLE_LINES) {
    const one = resolved(says)
    const { mode, preset, tools, authPolicy = "skip", nonInteractive = "deny" } = becomes
    assert.deepEqual(
      [one.mode, one.preset, toolsOf(one), one.authPolicy, one.nonInteractive],
      [mode, preset, tools, authPolicy, nonInteractive],
      args.join(" "),
    )
  }
})

test("the order in which a layer's dimensions are written does not matter", () => {
  const parts: Permissions[] = [
    { preset: "full-auto" },
    { mode: "approve-reads" },
    { allowedTools: ["Bash", "Read"] },
    { deniedTools: ["Bash"] },
    { nonInteractive: "fail" },
  ]
  const expected = resolved(Object.assign({}, ...parts))
  assert.deepEqual([expected.mode, toolsOf(expected)], ["approve-reads", "Read"])
  for (let shift = 0; shift < parts.length; shift++) {
    const turned = [...parts.slice(shift), ...parts.slice(0, shift)]
    assert.deepEqual(resolved(Object.assign({}, ...turned)), expected)
    assert.deepEqual(resolved(Object.assign({}, ...turned.toReversed())), expected)
  }
})

test("denied beats allowed, always, and adds up over the layers", () => {
  assert.equal(toolsOf(resolved({ allowedTools: ["Read"], deniedTools: ["Read"] })), "")
  assert.equal(toolsOf(resolved({ allowedTools: [], deniedTools: ["*"] })), "")
  const later = resolved(
    { deniedTools: ["Bash"] },
    { preset: "full-auto", deniedTools: ["Write"] },
    { allowedTools: [] },
  )
  assert.deepEqual(later.denied, ["Bash", "Write"])
  for (const name of ["Bash", "Write"]) assert.equal(permitsTool(later, name), false, name)
  assert.equal(permitsTool(resolved({ allowedTools: ["Bash"], deniedTools: ["exec"] }), "Bash"), false)
  assert.equal(toolsOf(resolved({ allowedTools: [], deniedTools: ["group:fs", "group:web"] })), "Bash,TodoWrite")
})

test("an explicitly empty list is all tools, an absent one the preset's", () => {
  assert.equal(toolsOf(resolved({ allowedTools: [] })), TOOL_NAMES.join(","))
  assert.equal(toolsOf(resolved({ preset: "safe-readonly", allowedTools: [] })), TOOL_NAMES.join(","))
  assert.equal(toolsOf(resolved({ preset: "safe-readonly" })), "Glob,Grep,LS,Read")
})

test("a later layer overrides dimension by dimension; one that names a preset starts from it", () => {
  const house: Permissions = { mode: "approve-reads", allowedTools: [] }
  const rows: [Permissions[], string, string][] = [
    [[house], "approve-reads", TOOL_NAMES.join(",")],
    [[house, { mode: "approve-all" }], "approve-all", TOOL_NAMES.join(",")],
    [[house, { allowedTools: ["Read"] }], "approve-reads", "Read"],
    [[house, { preset: "safe-readonly" }], "deny-all", "Glob,Grep,LS,Read"],
    [[house, { preset: "full-auto", mode: "deny-all" }], "deny-all", TOOL_NAMES.join(",")],
    [[{ preset: "full-auto" }, { mode: "approve-reads" }], "approve-reads", TOOL_NAMES.join(",")],
    [[house, { preset: "safe-readonly" }, { mode: "approve-reads" }], "approve-reads", "Glob,Grep,LS,Read"],
  ]
  for (const [layers, mode, tools] of rows) {
    const one = resolved(...layers)
    assert.deepEqual([one.mode, toolsOf(one)], [mode, tools], JSON.stringify(layers))
  }
  const from = resolvePermissions([
    { source: "agents.defaults.permissions", permissions: house },
    { source: "session", permissions: { mode: "deny-all" } },
  ]).sources
  assert.deepEqual([from.mode, from.allowed], ["session", "agents.defaults.permissions"])
})

test("blanks, repeats and aliases are tolerated; lists come in the fixed order", () => {
  const one = resolved({
    allowedTools: [" Write ", "exec", "Read", "Read", "", "web_fetch", "mcp:files:get", "mcp__git__log"],
  })
  assert.deepEqual(one.allowed, ["Bash", "Read", "WebFetch", "Write", "mcp:files:get", "mcp__git__log"])
  assert.deepEqual(resolved({ deniedTools: ["ask_user"] }).denied, ["AskUser"])
})

test("unknown words are refused with the valid ones", () => {
  const rows: [object, RegExp][] = [
    [{ preset: "yolo" }, /^Unknown permission preset "yolo": valid are safe-readonly, dev-default, full-auto$/],
    [{ mode: "yes" }, /^Unknown permission mode "yes": valid are approve-all, approve-reads, deny-all$/],
    [{ allowedTools: ["Bahs"] }, /^Unknown tool "Bahs": valid are Bash, Edit, Glob, Grep, LS, MultiEdit, /],
    [{ deniedTools: ["READ"] }, /^Unknown tool "READ": valid are /],
    [{ allowedTools: ["constructor"] }, /^Unknown tool/],
    [{ deniedTools: ["group:fss"] }, /^Unknown tool "group:fss": valid are group:runtime, group:fs/],
    [{ authPolicy: "maybe" }, /valid are skip, fail$/],
    [{ nonInteractive: "allow" }, /valid are deny, fail$/],
  ]
  for (const [given, words] of rows)
    assert.throws(
      () => resolved(given as Permissions),
      (error) => error instanceof PincerError && error.code === "INVALID_PARAMS" && words.test(error.message),
      JSON.stringify(given),
    )
})

test("widens() notices every way of asking for more, and nothing else", () => {
  const base = resolved({ mode: "approve-reads", allowedTools: ["Read", "Bash"], deniedTools: ["Write"] })
  const more: Permissions[] = [
    { mode: "approve-all" },
    { preset: "full-auto" },
    { allowedTools: [] },
    { allowedTools: ["*"] },
    { allowedTools: ["Read", "Edit"] },
    { allowedTools: ["group:fs"] },
    { allowedTools: ["B*"] },
    { preset: "dev-default" },
  ]
  const less: Permissions[] = [
    {},
    { mode: "deny-all" },
    { allowedTools: ["Read"] },
    { allowedTools: ["exec"] },
    { deniedTools: ["Bash"] },
    { nonInteractive: "fail" },
  ]
  const asked = (wanted: Permissions) =>
    widens(base, resolved({ mode: "approve-reads", allowedTools: ["Read", "Bash"], deniedTools: ["Write"] }, wanted))
  for (const wanted of more) assert.equal(asked(wanted), true, JSON.stringify(wanted))
  for (const wanted of less) assert.equal(asked(wanted), false, JSON.stringify(wanted))
  assert.equal(widens(base, resolved({ mode: "approve-reads", allowedTools: ["Read"] })), true, "a denial is gone")
})

test("summary() is one line with all six", () => {
  assert.equal(
    summary(resolved({ preset: "full-auto", allowedTools: ["Read"], deniedTools: ["Bash"] })),
    "permissions=approve-all preset=full-auto allowed=Read denied=Bash auth_policy=skip non_interactive_permissions=deny",
  )
})
