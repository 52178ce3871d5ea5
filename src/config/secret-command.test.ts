import assert from "node:assert/strict"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { commandSecret, runSecretCommands } from "./secret-command.ts"
import { resolveSecret } from "./secrets.ts"

const name = "providers.own.apiKey"

/** A program that counts its runs. */
function program(t: TestContext, body: string) {
  const folder = mkdtempSync(join(tmpdir(), "pincer-secret-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const runs = join(folder, "runs")
  const path = join(folder, "teller")
  writeFileSync(runs, "")
  writeFileSync(path, `#!/bin/sh\nprintf x >> ${runs}\n${body}\n`)
  chmodSync(path, 0o700)
  return {
    path,
    folder,
    env: { PATH: `${folder}:${process.env["PATH"]}` },
    runs: () => readFileSync(runs, "utf8").length,
  }
}

test("a program prints the secret, once, without a shell", (t) => {
  const { env, path, runs } = program(t, 'printf "%s\\n" "$1"')
  const ref = { exec: [path, "$(echo no); s3cret"] }
  const context = { env, base: "/", name }
  assert.equal(resolveSecret(ref, context), "$(echo no); s3cret")
  assert.equal(resolveSecret(ref, context), "$(echo no); s3cret")
  assert.equal(runs(), 1)
})

test("loading anew runs it again, at once for all, and a failure keeps what was known", async (t) => {
  const { env, folder, path } = program(
    t,
    `cat ${join(tmpdir(), "nothing-there")} 2>/dev/null || cat "$(dirname "$0")/now"`,
  )
  writeFileSync(join(folder, "now"), "first")
  const config = { providers: { own: { apiKey: { exec: [path] } } } }
  const found: string[] = []
  assert.deepEqual(await runSecretCommands(config, env, (secret) => found.push(secret)), [])
  writeFileSync(join(folder, "now"), "second")
  await runSecretCommands(config, env, (secret) => found.push(secret))
  assert.deepEqual(found, ["first", "second"])
  rmSync(join(folder, "now"))
  const [problem] = await runSecretCommands(config, env, () => assert.fail("nothing was printed"))
  assert.match(problem ?? "", /providers\.own\.apiKey: .* it ended with 1/)
  assert.equal(commandSecret({ exec: [path] }, env, name), "second")
})

test("one that fails, hangs, floods or is not there is refused by name, without a word of what it said", async (t) => {
  const failing = program(t, 'echo "s3cret half"; echo "s3cret" >&2; exit 3')
  const hanging = program(t, "sleep 60")
  const flooding = program(t, "yes s3cret")
  const cases = [
    [{ exec: [failing.path, "--s3cret"] }, failing.env, /it ended with 3/],
    [{ exec: [hanging.path], timeoutMs: 100 }, hanging.env, /longer than 100 ms/],
    [{ exec: [flooding.path] }, flooding.env, /more than 65536 bytes|longer than/],
    [{ exec: ["/nonexistent/teller"] }, {}, /not installed/],
  ] as const
  for (const [ref, env, words] of cases) {
    const config = { x: { exec: [...ref.exec], ...("timeoutMs" in ref ? { timeoutMs: ref.timeoutMs } : {}) } }
    const here = () => commandSecret({ ...config.x }, { ...env }, name)
    assert.throws(here, (error: Error) => words.test(error.message) && !/s3cret/.test(error.message))
    const [problem = ""] = await runSecretCommands(config, { ...env }, () => assert.fail("it failed"))
    assert.match(problem, words)
    assert.doesNotMatch(problem, /s3cret/)
  }
})

test("the keyring is asked with this machine's own program", (t) => {
  const { env, folder } = program(t, "")
  writeFileSync(join(folder, "secret-tool"), '#!/bin/sh\nprintf "%s" "$*"\n', { mode: 0o700 })
  assert.equal(commandSecret({ keyring: "openai" }, env, name, "linux"), "lookup service pincer account openai")
  assert.throws(() => commandSecret({ keyring: "openai" }, env, name, "win32"), /no keyring for win32/)
})

test("a secret of several lines is refused without being shown", (t) => {
  const { env, path } = program(t, "printf 's3cret\\nmore'")
  assert.throws(
    () => resolveSecret({ exec: [path] }, { env, base: "/", name }),
    (error: Error) => /line break/.test(error.message) && !/s3cret/.test(error.message),
  )
})
