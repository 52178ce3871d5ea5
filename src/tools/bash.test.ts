import assert from "node:assert/strict"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { PincerError } from "../base/errors.ts"
import { isDangerousVariable } from "../policy/dangerous-variables.ts"
import { bash, printable } from "./bash.ts"
import { commandEnvironment } from "./environment.ts"

test("Bash runs in the working directory and returns output and exit code", async (t) => {
  const { call, cwd } = await toolRoom(t)
  const ok = await call(bash, { command: "pwd; echo 你好 | cat", description: "look" })
  assert.deepEqual([textIn(ok), ok.isError, ok.details?.["exitCode"]], [`${cwd}\n你好`, false, 0])
  const bad = await call(bash, { command: "echo no >&2; exit 3" })
  assert.deepEqual([textIn(bad), bad.isError, bad.details?.["exitCode"]], ["no\n[exit code 3]", true, 3])
  assert.equal(textIn(await call(bash, { command: "true" })), "(no output)")
  assert.equal(textIn(await call(bash, { command: "kill -9 $$" })), "[killed by SIGKILL]")
  assert.equal(textIn(await call(bash, { command: "cat" })), "(no output)", "nothing waits for input")
})

test("a command sees nothing of the gateway's environment", async (t) => {
  const { call } = await toolRoom(t)
  for (const name of ["PINCER_GATEWAY_TOKEN", "OPENAI_API_KEY", "MY_VARIABLE"]) {
    process.env[name] = "canary-7d1"
    t.after(() => delete process.env[name])
  }
  const text = textIn(await call(bash, { command: "env; cat /proc/self/environ" }))
  assert.doesNotMatch(text, /canary-7d1/)
  const names = text.match(/^[A-Z_]+(?==)/gm) ?? []
  const plain = ["PATH", "HOME", "LANG", "TMPDIR", "TERM", "NO_COLOR", "PAGER", "GIT_PAGER", "GIT_TERMINAL_PROMPT"]
  for (const name of names) assert.ok([...plain, "PWD", "OLDPWD", "SHLVL", "_"].includes(name), name)
})

test("variables that make programs run code are taken out of what is configured", async (t) => {
  const dangerous = {
    ...{ LD_PRELOAD: "/x.so", LD_LIBRARY_PATH: "/x", DYLD_INSERT_LIBRARIES: "/x", NODE_OPTIONS: "--require /x.js" },
    ...{ BASH_ENV: "/x.sh", ENV: "/x.sh", "BASH_FUNC_ls%%": "() { :; }", PROMPT_COMMAND: "x", IFS: "/" },
    ...{ GIT_SSH_COMMAND: "x", GIT_CONFIG_COUNT: "1", GIT_EXTERNAL_DIFF: "x", PYTHONSTARTUP: "x", PERL5OPT: "-Mx" },
    ...{ RUBYOPT: "-rx", JAVA_TOOL_OPTIONS: "-javaagent:x", LESSOPEN: "|x", EDITOR: "x" },
  }
  for (const name of Object.keys(dangerous)) assert.equal(isDangerousVariable(name), true, name)
  for (const name of ["PATH", "HOME", "MY_APP_MODE", "NODE_ENV", "CI", "GIT_AUTHOR_NAME", "LDFLAGS"])
    assert.equal(isDangerousVariable(name), false, name)
  const { call, context } = await toolRoom(t)
  const exec = { ...context.settings.exec, env: { ...context.settings.exec.env, ...dangerous, MY_APP_MODE: "test" } }
  const text = textIn(await call(bash, { command: "env" }, { settings: { ...context.settings, exec } }))
  assert.match(text, /^MY_APP_MODE=test$/m)
  for (const name of Object.keys(dangerous))
    assert.ok(!new RegExp(`^${name.replace("%%", "")}`, "m").test(text) || name === "IFS", name)
  assert.equal(commandEnvironment({ A: "x\0y" })["A"], undefined)
})

test("Bash stops at its time limit, which the model cannot raise beyond the configured one", async (t) => {
  const { call, context } = await toolRoom(t)
  const settings = { ...context.settings, exec: { ...context.settings.exec, timeoutMs: 50, maxTimeoutMs: 80 } }
  const own = await call(bash, { command: "echo a; sleep 30" }, { settings })
  assert.deepEqual([textIn(own), own.isError, own.details?.["timedOut"]], ["a\n[stopped after 50 ms]", true, true])
  const asked = await call(bash, { command: "sleep 30", timeoutMs: 999_999 }, { settings })
  assert.match(textIn(asked), /stopped after 80 ms/)
})

test("Bash shows progress while it runs, and stops with the turn", async (t) => {
  const { call } = await toolRoom(t)
  const controller = new AbortController()
  const result = await call(
    bash,
    { command: "printf '\\033[32mworking\\033[0m\\n'; sleep 30" },
    {
      signal: controller.signal,
      progress(output) {
        assert.equal(output, "working")
        controller.abort()
      },
    },
  )
  assert.deepEqual(
    [textIn(result), result.isError],
    ["working\n[canceled; the command and everything it started were stopped]", true],
  )
})

test("Bash stops what was left in the background, and says so", async (t) => {
  const { call } = await toolRoom(t)
  const text = textIn(await call(bash, { command: "sleep 30 & echo started" }))
  assert.equal(text, "started\n[processes left in the background were stopped]")
})

test("Bash caps its output", async (t) => {
  const { call, context } = await toolRoom(t)
  const settings = { ...context.settings, maxOutputChars: 1_000 }
  const text = textIn(await call(bash, { command: "head -c 3000000 /dev/zero | tr '\\0' x" }, { settings }))
  assert.ok(text.length < 1_100)
  assert.match(text, /\[… 2999000 characters left out …\]/)
})

test("Bash names the setting when its shell cannot be started, and refuses NUL before anybody is asked", async (t) => {
  const { call, context } = await toolRoom(t)
  const settings = { ...context.settings, exec: { ...context.settings.exec, shell: "/no/shell" } }
  await assert.rejects(call(bash, { command: "true" }, { settings }), /Cannot start \/no\/shell.*tools\.exec\.shell/)
  await assert.rejects(bash.touch({ command: "echo a\0b" }, "/"), PincerError)
  assert.deepEqual(await bash.touch({ command: "rm -rf x" }, "/"), {
    reads: [],
    writes: [],
    hosts: [],
    command: "rm -rf x",
  })
})

test("printable() shows what a terminal would, inertly", () => {
  assert.equal(printable("\u001b[1;31mred\u001b[0m \u001b]0;title\u0007ok\u001b(B"), "red ok")
  assert.equal(printable("10%\r50%\r100%\r\ndone\r\n"), "100%\ndone")
  assert.equal(printable("a\0b\0"), "a\nb")
  assert.equal(printable("\u007fELF\u0002\u0001\0\ufffd"), "[8 characters of binary output]")
  assert.equal(printable("bell\u0007 back\u0008 \u009b31m"), "bell back 31m")
})

test("Bash refuses to run what is no longer what was judged, and says which file changed", async (t) => {
  const { call, put, cwd, context } = await toolRoom(t)
  const script = await put("run.sh", "echo first\n")
  const judged = await bash.touch({ command: "sh run.sh" }, cwd, context.settings)
  assert.deepEqual(
    judged.facts?.segments[0]?.scripts.map((one) => one.path),
    [script],
  )
  assert.equal(textIn(await call(bash, { command: "sh run.sh" }, { judged })), "first")
  await put("run.sh", "echo second\n")
  const refused = (error: unknown) =>
    error instanceof PincerError && error.code === "CONFLICT" && error.message.includes(`${script} has changed`)
  await assert.rejects(call(bash, { command: "sh run.sh" }, { judged }), refused)
  await assert.rejects(
    call(bash, { command: "echo other" }, { judged }),
    /is not what was judged: the command is another/,
  )
})

test("Bash tells what its command would start, in the environment that it would get", async (t) => {
  const { cwd, context } = await toolRoom(t)
  const touched = await bash.touch({ command: "ls | cat" }, cwd, context.settings)
  assert.deepEqual(
    touched.facts?.segments.map((one) => one.name),
    ["ls", "cat"],
  )
  assert.equal((await bash.touch({ command: "ls" }, cwd)).facts, undefined, "without settings nobody knows the shell")
})
