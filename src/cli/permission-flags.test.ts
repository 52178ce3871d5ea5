import assert from "node:assert/strict"
import { test } from "node:test"
import type { Command } from "commander"
import { EXAMPLE_LINES } from "../../test/corpus/policy-examples.ts"
import { PincerError } from "../base/errors.ts"
import type { Permissions } from "../protocol/permission.ts"
import { type PermissionFlags, permissionHint, permissionsOf } from "./permission-flags.ts"
import { buildProgram } from "./program.ts"

/** Reads a command line with the flags that the real command has. */
function read(
  args: readonly string[],
  { command = "ask", env = {} }: { command?: string; env?: Record<string, string> } = {},
): { permissions: Permissions | undefined; notices: string[] } {
  const notices: string[] = []
  const found = commandNamed(command)
  const { unknown } = found.parseOptions([...args])
  assert.deepEqual(unknown, [], `pincer ${command} ${args.join(" ")}`)
  return { permissions: permissionsOf(found.opts<PermissionFlags>(), env, (line) => notices.push(line)), notices }
}

function commandNamed(path: string): Command {
  let at = buildProgram(() => assert.fail("nothing is shown"))
  for (const name of path.split(" ")) at = at.commands.find((one) => one.name() === name) ?? assert.fail(path)
  return at
}

function refused(args: readonly string[], env?: Record<string, string>): string {
  try {
    read(args, { env })
  } catch (error) {
    assert.ok(error instanceof PincerError && error.code === "INVALID_PARAMS", String(error))
    return error.message
  }
  return assert.fail(`${args.join(" ")} was taken`)
}

test("every command line of the original page says what it means there", () => {
  assert.ok(EXAMPLE_LINES.length >= 24)
  // "implied" is the command that is meant when none is named: `pincer --approve-all -p "Hello"`.
  for (const command of ["ask", "implied"])
    for (const { args, says } of EXAMPLE_LINES)
      assert.deepEqual(read(args, { command }).permissions, says, `${command} ${args.join(" ")}`)
})

test("chat and job submit take the same flags", () => {
  const args = ["--permission-preset", "full-auto", "--approve-reads", "--denied-tools", "Write"]
  for (const command of ["chat", "job submit"])
    assert.deepEqual(read(args, { command }).permissions, {
      preset: "full-auto",
      mode: "approve-reads",
      deniedTools: ["Write"],
    })
})

test("of two mode flags the last on the line counts, and one notice says so", () => {
  const rows: [string[], string, number][] = [
    [["--approve-all", "--deny-all"], "deny-all", 1],
    [["--deny-all", "--approve-all"], "approve-all", 1],
    [["--approve-all", "--approve-reads", "--deny-all"], "deny-all", 1],
    [["--deny-all", "--approve-all", "--deny-all"], "deny-all", 1],
    [["--deny-all", "--deny-all"], "deny-all", 0],
    [["--approve-reads"], "approve-reads", 0],
  ]
  for (const [args, mode, count] of rows) {
    const { permissions, notices } = read(args)
    assert.equal(permissions?.mode, mode, args.join(" "))
    assert.equal(notices.length, count, args.join(" "))
  }
  assert.deepEqual(read(["--deny-all", "--approve-reads", "--approve-all"]).notices, [
    "--approve-all overrides --deny-all and --approve-reads: the last one counts",
  ])
})

test("both spellings of the non-interactive flag count, the long one first", () => {
  assert.equal(read(["--non-interactive-perms", "fail"]).permissions?.nonInteractive, "fail")
  const both = ["--non-interactive-permissions", "deny", "--non-interactive-perms", "fail"]
  assert.equal(read(both).permissions?.nonInteractive, "deny")
  assert.match(refused(["--non-interactive-permissions", "allow"]), /"allow" is not one of deny, fail$/)
  assert.match(refused(["--non-interactive-perms", "allow"]), /^--non-interactive-perms: /)
})

test("lists tolerate blanks and repeats, and come in the fixed order", () => {
  assert.deepEqual(read(["--allowed-tools", " Write ,, Read,Bash , Read "]).permissions?.allowedTools, [
    "Bash",
    "Read",
    "Write",
  ])
  assert.deepEqual(read(["--allowed-tools", "  "]).permissions?.allowedTools, [])
  assert.deepEqual(read(["--allowed-tools", "*"]).permissions?.allowedTools, [])
  assert.deepEqual(read(["--denied-tools", "*"]).permissions?.deniedTools, ["*"])
  assert.deepEqual(read(["--allowed-tools", "mcp:files:read,Read"]).permissions?.allowedTools, [
    "Read",
    "mcp:files:read",
  ])
})

test("unknown words are refused with the valid ones; tool names are case sensitive", () => {
  assert.match(refused(["--permission-preset", "yolo"]), /"yolo" is not one of safe-readonly, dev-default, full-auto$/)
  assert.match(refused(["--auth-policy", "maybe"]), /"maybe" is not one of skip, fail$/)
  for (const name of ["bash", "BASH", "exec", "Shell", "Bash2", "mcp:", "mcp::x", "group:fs"])
    assert.match(
      refused(["--allowed-tools", `Read,${name}`]),
      /unknown tool ".+": .*Bash, Edit, Glob, Grep, LS, /,
      name,
    )
  assert.match(refused(["--denied-tools", "bash"]), /did you mean Bash\?/)
})

test("each flag has its variable; flags win one by one", () => {
  const env = {
    PINCER_PERMISSION_MODE: "deny-all",
    PINCER_PERMISSION_PRESET: "full-auto",
    PINCER_ALLOWED_TOOLS: "Read, Grep",
    PINCER_DENIED_TOOLS: "Bash",
    PINCER_AUTH_POLICY: "fail",
    PINCER_NON_INTERACTIVE_PERMISSIONS: "fail",
  }
  assert.deepEqual(read([], { env }).permissions, {
    mode: "deny-all",
    preset: "full-auto",
    allowedTools: ["Grep", "Read"],
    deniedTools: ["Bash"],
    authPolicy: "fail",
    nonInteractive: "fail",
  })
  const { permissions } = read(["--approve-reads", "--auth-policy", "skip"], { env })
  assert.deepEqual(
    [permissions?.mode, permissions?.authPolicy, permissions?.nonInteractive],
    ["approve-reads", "skip", "fail"],
  )
  assert.deepEqual(read([], { env: { PINCER_ALLOWED_TOOLS: "*" } }).permissions, { allowedTools: [] })
  assert.equal(read([], { env: { PINCER_ALLOWED_TOOLS: "" } }).permissions, undefined)
  assert.match(
    refused([], { PINCER_PERMISSION_MODE: "yes" }),
    /^PINCER_PERMISSION_MODE: "yes" is not one of approve-all/,
  )
})

test("a preset on the line is not changed by a mode or a list of tools in the environment", () => {
  const env = { PINCER_PERMISSION_MODE: "approve-all", PINCER_ALLOWED_TOOLS: "*", PINCER_DENIED_TOOLS: "Grep" }
  assert.deepEqual(read(["--permission-preset", "safe-readonly"], { env }).permissions, {
    preset: "safe-readonly",
    deniedTools: ["Grep"],
  })
})

test("nothing said is nothing sent", () => {
  assert.deepEqual(read([]), { permissions: undefined, notices: [] })
})

test("who lacked permission is told how to give it, unless everything was approved", () => {
  for (const given of [undefined, { mode: "deny-all" }, { preset: "full-auto", mode: "approve-reads" }] as const)
    assert.match(permissionHint(given) ?? "", /--approve-all, or --permission-preset full-auto$/)
  for (const given of [{ mode: "approve-all" }, { preset: "full-auto" }] as const)
    assert.equal(permissionHint(given), undefined)
})
