// The package that writes rules: found, in its one version, in a program of its own; what is missing, other, silent or lying is refused.
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { AS_MAC, folder, installed } from "../../test/fakes/seatbelt-room.ts"
import {
  installLine,
  PACKAGE,
  PACKAGE_VERSION,
  RuleWriter,
  type RuleWriterOptions,
  wordsOf,
} from "./seatbelt-package.ts"

const asked = { read: ["/usr/lib"], write: [], denyRead: ["/"], denyWrite: [] }
const NAMED = new RegExp(PACKAGE.replace("/", "\\/"))

function writerOf(t: TestContext, options: RuleWriterOptions): RuleWriter {
  const writer = new RuleWriter(options)
  t.after(() => writer.close())
  return writer
}

async function faultWith(t: TestContext, options: RuleWriterOptions): Promise<{ fault: string; install?: string }> {
  const said = await writerOf(t, options).rulesFor(asked)
  assert.ok(said.type === "fault", "it wrote rules")
  assert.match(said.fault, NAMED)
  return said
}

test("the version that is used, the one that is tested here and the one that users are told to install are one", () => {
  const said = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as Record<
    string,
    Record<string, unknown>
  >
  assert.equal(said["devDependencies"]?.[PACKAGE], PACKAGE_VERSION)
  assert.equal(said["peerDependencies"]?.[PACKAGE], PACKAGE_VERSION)
  assert.deepEqual(said["peerDependenciesMeta"]?.[PACKAGE], { optional: true })
  assert.equal(said["dependencies"]?.[PACKAGE], undefined)
})

test("the real package writes rules, many at a time", async (t) => {
  const writer = writerOf(t, AS_MAC)
  const said = await Promise.all([1, 2, 3].map((one) => writer.rulesFor({ ...asked, read: [`/usr/lib${one}`] })))
  for (const [at, one] of said.entries()) assert.ok(one.type === "rules" && one.rules.includes(`"/usr/lib${at + 1}"`))
})

test("on Linux the package is not made to write rules for macOS", async (t) => {
  assert.match((await faultWith(t, {})).fault, /not known|not supported|ripgrep|bwrap/)
})

test("missing, another version, or without what is used: refused, with the line that installs it", async (t) => {
  const exports = "export const SandboxManager = { wrapWithSandbox: async () => 'true' }"
  for (const [options, why] of [
    [{ ...AS_MAC, from: folder(t, "empty") }, /is not installed/],
    [installed(t, exports, "0.0.82"), /is there in version 0\.0\.82/],
    [installed(t, exports, "1.0.0"), /is there in version 1\.0\.0/],
    [installed(t, "export const SandboxManager = {}"), /is there without SandboxManager\.wrapWithSandbox/],
    [installed(t, "export default 1"), /is there without/],
    [installed(t, "throw new Error('broken')"), /broken/],
  ] as const) {
    const { fault, install } = await faultWith(t, options)
    assert.match(fault, why)
    assert.equal(install, installLine())
  }
})

test("a package that throws, answers nonsense, ends, or never answers is refused, and the next question is asked anew", async (t) => {
  const wraps = (body: string) => installed(t, `export const SandboxManager = { async wrapWithSandbox() { ${body} } }`)
  for (const [options, why] of [
    [wraps("throw new Error('no such platform')"), /no such platform/],
    [wraps("return 'true'"), /form that is not known/],
    [wraps("return \"env /usr/bin/sandbox-exec -p '(version 1)' /bin/sh\""), /form that is not known/],
    [wraps("return \"env A=1 /tmp/sandbox-exec -p '(version 1)' /bin/sh -c true\""), /form that is not known/],
    [wraps("return 'env $(id) /usr/bin/sandbox-exec -p x /bin/sh -c true'"), /form that is not known/],
    [wraps("process.exit(0)"), /ended without writing/],
    [{ ...wraps("return new Promise(() => {})"), timeoutMs: 700 }, /not write rules in time/],
  ] as const)
    assert.match((await faultWith(t, options)).fault, why)
  const once = writerOf(t, wraps("process.exit(0)"))
  for (let round = 0; round < 2; round += 1) assert.equal((await once.rulesFor(asked)).type, "fault")
})

test("closed while it is asked: said, and no program is left", async (t) => {
  const writer = writerOf(t, installed(t, "await new Promise(() => {})"))
  const waiting = writer.rulesFor(asked)
  writer.close()
  assert.deepEqual(await waiting, { type: "fault", fault: "The sandbox was closed" })
})

test("when the daemon is killed, what writes its rules ends too", {
  skip: existsSync("/proc/self/cmdline") ? false : "NOT TESTED: no /proc here to see processes in",
}, async (t) => {
  const { from } = installed(t, "export const SandboxManager = { wrapWithSandbox: async () => '' }")
  const writers = () =>
    readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && Number(pid) !== daemon.pid && isRunning(pid, from!))
  const script = `import { RuleWriter } from ${JSON.stringify(join(import.meta.dirname, "seatbelt-package.ts"))}
    await new RuleWriter({ from: ${JSON.stringify(from)} }).rulesFor({ read: [], write: [], denyRead: [], denyWrite: [] })
    console.log("ready")
    setInterval(() => undefined, 1000)`
  const daemon = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", script])
  await once(daemon.stdout, "data")
  assert.equal(writers().length, 1)
  daemon.kill("SIGKILL")
  while (writers().length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
})

function isRunning(pid: string, argument: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(argument)
  } catch {
    // Ended meanwhile.
    return false
  }
}

test("a command line is read as a shell reads it, or not at all", () => {
  const lines = ["env A=b 'c d' x", "'it'\"'\"'s' ''", "a 'b\n(c \"d\")' e"]
  for (const line of lines) {
    const shown = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" })
    assert.deepEqual(wordsOf(line), shown.split("\0").slice(0, -1), line)
  }
  for (const line of ["a  b", " a", "a $b", "a `b`", 'a "b"', "a;b", "a 'b", "a\tb", "a\nb", "a*", "a\\b"])
    assert.equal(wordsOf(line), undefined, line)
})

test("the line that installs it names the place where this Pincer is", () => {
  const what = `--ignore-scripts ${PACKAGE}@${PACKAGE_VERSION}`
  for (const [root, line] of [
    ["/opt/homebrew/lib/node_modules/pincer", `npm install --global --prefix /opt/homebrew ${what}`],
    ["/Users/me/my app/node_modules/pincer", `npm install --prefix '/Users/me/my app' --save-exact ${what}`],
    ["/Users/me/src/pincer", "npm ci --prefix /Users/me/src/pincer"],
  ] as const)
    assert.equal(installLine(root), line)
})
