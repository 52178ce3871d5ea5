// The program as people start it: bin/pincer.js on a home of its own, with the built-in offline model and nothing else.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { fileURLToPath } from "node:url"
import { CHECKOUT_PROGRAM, PROGRAM } from "./program.ts"

const TERMINAL = fileURLToPath(new URL("./fakes/terminal.py", import.meta.url))
const CONFIG = `// mine
{
  "gateway": { "port": 0 }, // any
  "models": { "discover": false },
  "sandbox": { "bwrap": "/nonexistent/bwrap" }, // so that commands are asked for
}
`

interface Place {
  home: string
  work: string
  env: Record<string, string>
}

interface Ran {
  code: number | null
  out: string
  err: string
}

/** `config`: null for a home that does not exist. */
function makePlace(config: string | null = CONFIG): Place {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "pincer-cli-")))
  const home = join(root, ".pincer")
  const work = join(root, "work")
  mkdirSync(join(work, "src"), { recursive: true })
  writeFileSync(join(work, "package.json"), '{ "name": "demo", "version": "1.2.3" }\n')
  writeFileSync(join(work, "src", "a.js"), "// TODO: more\n")
  if (config !== null) {
    mkdirSync(home, { mode: 0o700 })
    writeFileSync(join(home, "pincer.json"), config, { mode: 0o600 })
  }
  return { home, work, env: { PATH: process.env["PATH"] ?? "", HOME: root } }
}

function removePlace(place: Place): void {
  rmSync(place.env["HOME"] ?? "", { recursive: true, force: true })
}

/** Runs the program to its end. `input`: standard input; none by default. */
async function pincer(
  place: Place,
  args: string[],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: place.work,
    env: { ...place.env, ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  })
  const ran: Ran = { code: null, out: "", err: "" }
  child.stdout?.on("data", (chunk) => {
    ran.out += chunk
  })
  child.stderr?.on("data", (chunk) => {
    ran.err += chunk
  })
  child.stdin?.end(options.input)
  const [code] = await once(child, "close")
  ran.code = code
  return ran
}

/** A gateway in the foreground, once it has said that it listens. */
/** What bin/pincer.js says in both of its languages. */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: 8192, MALLOC_TRIM_THRESHOLD_: 1048576, MALLOC_TOP_PAD_: 131072 }

async function runGateway(place: Place, args: string[] = [], program = [process.execPath, PROGRAM]) {
  const [file = "", ...rest] = program
  const child = spawn(file, [...rest, "gateway", "run", ...args], { cwd: place.work, env: place.env })
  let out = ""
  let err = ""
  child.stderr.on("data", (chunk) => {
    err += chunk
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      out += chunk
      if (out.includes("\n")) resolve()
    })
    child.once("exit", (code) => reject(new Error(`The gateway ended with ${code}: ${err}`)))
  })
  return { child, line: () => out.split("\n")[0] ?? "", err: () => err }
}

describe("pincer with a gateway in the background", () => {
  const place = makePlace()
  before(() => pincer(place, ["gateway", "start"]))
  after(async () => {
    await pincer(place, ["gateway", "stop"])
    removePlace(place)
  })

  test("answers through real tools: files are listed, read and searched", async () => {
    const listed = await pincer(place, ["list the files here"])
    assert.equal(listed.code, 0, listed.err)
    assert.match(listed.out, /package\.json/)
    assert.equal(listed.err, "")
    assert.match((await pincer(place, ["ask", "read", "package.json"])).out, /"version": "1\.2\.3"/)
    assert.match((await pincer(place, ["-p", "search for TODO in src"])).out, /a\.js/)
  })

  test("understands Chinese", async () => {
    const { code, out } = await pincer(place, ["读取 package.json"])
    assert.equal(code, 0)
    assert.match(out, /1\.2\.3/)
    assert.match(out, /没有配置语言模型/)
  })

  test("without a terminal nobody can be asked: the call is denied, said so, and exit code 5", async () => {
    const { code, out, err } = await pincer(place, ["run `node --version`"])
    assert.equal(code, 5)
    assert.match(err, /Bash: Denied: .*nobody who could approve it is connected/)
    assert.doesNotMatch(out, /v\d+\.\d+\.\d+/)
  })

  test("--non-interactive-permissions says what happens then: the call is denied or the turn fails; 5 either way", async () => {
    for (const flag of ["--non-interactive-permissions", "--non-interactive-perms"]) {
      const denied = await pincer(place, ["ask", flag, "deny", "run `node --version`"])
      assert.equal(denied.code, 5, denied.err)
      assert.match(denied.err, /Bash: Denied: .*nobody who could approve it is connected/)
      const failed = await pincer(place, ["ask", flag, "fail", "run `node --version`"])
      assert.equal(failed.code, 5, failed.err)
      assert.match(failed.err, /The turn was ended/)
      const told = await pincer(place, ["ask", flag, "fail", "--format", "json", "run `node --version`"])
      assert.equal(told.code, 5)
      assert.match(told.out, /"PERMISSION_DENIED"/)
      for (const { out } of [denied, failed, told]) assert.doesNotMatch(out, /v\d+\.\d+\.\d+/)
    }
  })

  test("takes the question from standard input, alone and added to words", async () => {
    assert.match((await pincer(place, [], { input: "read package.json\n" })).out, /1\.2\.3/)
    assert.match((await pincer(place, ["ask", "--format", "quiet"], { input: "read package.json" })).out, /1\.2\.3/)
    const nothing = await pincer(place, ["ask"], { input: " \n" })
    assert.equal(nothing.code, 2)
    assert.match(nothing.err, /Nothing was asked/)
  })

  test("--json gives one event a line and the result last", async () => {
    const { code, out, err } = await pincer(place, ["ask", "read package.json", "--json"])
    assert.equal(code, 0)
    assert.equal(err, "")
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    const types = events.map((event) => event.type)
    assert.equal(types[0], "started")
    assert.ok(types.indexOf("tool.started") < types.indexOf("tool.ended"))
    const result = events.at(-1)
    assert.equal(result.type, "result")
    assert.equal(result.status, "completed")
    assert.match(result.text, /1\.2\.3/)
    assert.equal(typeof result.usage.total, "number")
  })

  test("--session goes on with a conversation; session list, show, export, reset and delete know it", async () => {
    await pincer(place, ["ask", "list the files here", "--session", "trip"])
    await pincer(place, ["ask", "read package.json", "--session", "trip"])
    assert.match((await pincer(place, ["session", "list"])).out, /^agent:main:trip\t/m)
    const shown = await pincer(place, ["session", "show", "trip"])
    assert.match(shown.out, /> list the files here[\s\S]*● LS[\s\S]*> read package\.json/)
    const exported = JSON.parse((await pincer(place, ["session", "export", "trip", "--format", "json"])).out)
    assert.equal(exported.session.id, "trip")
    const file = join(place.work, "trip.md")
    assert.equal((await pincer(place, ["session", "export", "trip", "-o", "trip.md"])).code, 0)
    assert.match(readFileSync(file, "utf8"), /^# trip[\s\S]*list the files here[\s\S]*Tool\*\*: Read/)
    assert.match((await pincer(place, ["session", "rename", "trip", "Our", "旅行"])).out, /Renamed trip "Our 旅行"/)
    assert.match((await pincer(place, ["session", "tag", "trip", "fun"])).out, /Tagged trip .*\[fun\]/)
    assert.match((await pincer(place, ["session", "list", "--tag", "fun", "--search", "旅行"])).out, /trip/)
    assert.equal((await pincer(place, ["session", "archive", "trip"])).code, 0)
    assert.doesNotMatch((await pincer(place, ["session", "list"])).out, /trip/)
    assert.match((await pincer(place, ["session", "list", "--archived"])).out, /trip/)
    assert.equal((await pincer(place, ["session", "export", "trip", "--format", "json", "-o", "t.json"])).code, 0)
    assert.equal((await pincer(place, ["session", "import", "t.json"])).code, 0)
    assert.equal((await pincer(place, ["session", "unarchive", "trip"])).code, 0)
    const unknown = await pincer(place, ["session", "tag", "nowhere", "x"])
    assert.equal(unknown.code, 4)
    assert.match(unknown.err, /Unknown session "nowhere"/)
    assert.equal((await pincer(place, ["session", "import", "package.json"])).code, 2)
    assert.match((await pincer(place, ["session", "reset", "trip"])).out, /Emptied agent:main:trip/)
    assert.match((await pincer(place, ["session", "delete", "trip"])).out, /Deleted agent:main:trip/)
    const gone = await pincer(place, ["session", "show", "trip"])
    assert.equal(gone.code, 4)
    assert.match(gone.err, /Unknown session "agent:main:trip"/)
  })

  test("--attach puts a text file into the message and refuses what is not there", async () => {
    writeFileSync(join(place.work, "note.txt"), "read package.json")
    const { out } = await pincer(place, ["ask", "list the files here", "--attach", "note.txt", "--json"])
    assert.equal(JSON.parse(out.trim().split("\n").at(-1) ?? "").status, "completed")
    const missing = await pincer(place, ["ask", "x", "--attach", "no-such-file"])
    assert.equal(missing.code, 4)
    assert.match(missing.err, /"no-such-file" cannot be read/)
  })

  test("refuses bad input with one sentence and the right exit code", async () => {
    const cases: [string[], number, RegExp][] = [
      [["ask", "x", "--model", "nowhere/none"], 4, /Unknown model "nowhere\/none"/],
      [["ask", "x", "--agent", "nobody"], 4, /Unknown agent "nobody"/],
      [["ask", "x", "--format", "xml"], 2, /--format: "xml" is not one of/],
      [["ask", "x", "--timeout", "soon"], 2, /--timeout: "soon" is not a number/],
      [["ask", "x", "--jsn"], 2, /Unknown option "--jsn": did you mean --json\?/],
      [["statsu"], 2, /did you mean "pincer status"\?/],
      [["start"], 2, /did you mean "pincer gateway start"\?/],
      [["session", "lst"], 2, /Unknown command "lst"/],
      [["session", "list", "-n", "many"], 2, /--limit: "many"/],
      [["completion", "tcsh"], 2, /No completion for "tcsh"/],
      [["logs", "--level", "loud"], 2, /--level: "loud"/],
      [["chat"], 2, /A conversation needs a terminal/],
      [["status", "--server", "http://u:p@h"], 2, /leave user, password/],
    ]
    for (const [args, code, sentence] of cases) {
      const ran = await pincer(place, args)
      assert.equal(ran.code, code, `${args.join(" ")}: ${ran.err}`)
      assert.match(ran.err, sentence)
      assert.equal(ran.err.trim().split("\n").length, 1, ran.err)
    }
  })

  test("status and doctor tell how it is, for people and programs", async () => {
    const status = await pincer(place, ["status"])
    assert.equal(status.code, 0)
    assert.match(status.out, /^Pincer is running\.\n[\s\S]*offline\/rules[\s\S]*fix: pincer config set/)
    const json = JSON.parse((await pincer(place, ["status", "--json"])).out)
    assert.equal(json.verdict, "running")
    const doctor = JSON.parse((await pincer(place, ["doctor", "--json"])).out)
    assert.equal(doctor.ok, true, JSON.stringify(doctor))
    assert.deepEqual(
      doctor.checks.filter((check: { verdict: string }) => check.verdict === "skipped"),
      [],
    )
    assert.match((await pincer(place, ["models", "list"])).out, /^offline\/rules\t/)
    assert.match((await pincer(place, ["models", "probe"])).out, /offline\/rules answered/)
    assert.match((await pincer(place, ["logs"])).out, /The gateway is ready/)
  })

  test("a gateway named by address is shown no token of this machine", async () => {
    const { url } = JSON.parse(readFileSync(join(place.home, "gateway.json"), "utf8"))
    const refused = await pincer(place, ["status", "--server", url], { env: { PINCER_GATEWAY_TOKEN: "whatever" } })
    assert.equal(refused.code, 1)
    assert.match(refused.out, /token missing/)
    const token = join(place.home, "gateway.token")
    assert.equal((await pincer(place, ["status", "--server", url, "--token-file", token])).code, 0)
    const env = { PINCER_GATEWAY_URL: url, PINCER_GATEWAY_TOKEN: readFileSync(token, "utf8").trim() }
    assert.equal((await pincer(place, ["status"], { env })).code, 0)
  })

  test("a second gateway on the home is refused and names the first", async () => {
    const info = JSON.parse(readFileSync(join(place.home, "gateway.json"), "utf8"))
    const { code, err } = await pincer(place, ["gateway", "run"])
    assert.equal(code, 1)
    assert.match(err, new RegExp(`already running on .*${info.pid}`))
    assert.equal(err.trim().split("\n").length, 1)
    assert.match((await pincer(place, ["gateway", "start"])).out, new RegExp(`Already running: ${info.url}`))
  })

  test("a conversation on a terminal asks in place, cancels and leaves", async (t) => {
    if (spawnSync("python3", ["-c", "import pty"]).status !== 0) {
      t.skip("NOT TESTED: python3 with its pty module is not there, so nothing was tried on a terminal")
      return
    }
    const play = (args: string[], steps: { expect: string; send?: string }[]) => {
      const plan = {
        args: [process.execPath, PROGRAM, ...args],
        cwd: place.work,
        env: { ...place.env, TERM: "xterm", NO_COLOR: "1" },
        steps,
        timeout: 60,
      }
      const ran = spawnSync("python3", [TERMINAL], { input: JSON.stringify(plan), encoding: "utf8" })
      const played = JSON.parse(ran.stdout)
      assert.equal(played.missing, null, played.screen)
      return played
    }
    const talked = play(
      [],
      [
        { expect: "> ", send: "list the files here\r" },
        { expect: "● LS[\\s\\S]*package\\.json[\\s\\S]*\\n.*> ", send: "run `echo on-$((40+2))`\r" },
        { expect: "echo on-\\$\\(\\(40\\+2\\)\\)[\\s\\S]*\\[n\\] no", send: "y" },
        { expect: "on-42[\\s\\S]*\\n.*> ", send: "run `echo never`\r" },
        { expect: "\\[n\\] no", send: "n" },
        { expect: "denied[\\s\\S]*\\n.*> ", send: "run `sleep 100`\r" },
        { expect: "\\[n\\] no", send: "y" },
        { expect: "● Bash", send: "\u0003" },
        { expect: "Canceled[\\s\\S]*\\n.*> ", send: "/hlp\r" },
        { expect: "did you mean /help[\\s\\S]*\\n.*> ", send: "read \\\r" },
        { expect: "… ", send: "package.json\r" },
        { expect: "1\\.2\\.3[\\s\\S]*\\n.*> ", send: "\u001b[200~list the\nfiles here\u001b[201~\r" },
        { expect: "● LS[\\s\\S]*\\n.*> ", send: "\u0003" },
        { expect: "Ctrl-C again leaves", send: "\u0003" },
      ],
    )
    assert.equal(talked.exit, 0, talked.screen)
    const asked = play(["ask", "run `echo asked-$((1+1))`"], [{ expect: "\\[n\\] no", send: "y" }])
    assert.equal(asked.exit, 0)
    assert.match(asked.screen, /asked-2/)
    const canceled = play(
      ["ask", "run `sleep 100`"],
      [
        { expect: "\\[n\\] no", send: "y" },
        { expect: "● Bash", send: "\u0003" },
      ],
    )
    assert.equal(canceled.exit, 130)
  })
})

describe("pincer without a gateway", () => {
  const place = makePlace()
  after(() => removePlace(place))

  test("--version says it, --help shows an example for every command", async () => {
    assert.match((await pincer(place, ["--version"])).out, /^\d+\.\d+\.\d+\n$/)
    for (const args of [
      [],
      ["ask"],
      ["gateway", "run"],
      ["session", "export"],
      ["config", "set"],
      ["logs"],
      ["doctor"],
    ]) {
      const { code, out } = await pincer(place, [...args, "--help"])
      assert.equal(code, 0)
      assert.match(out, /Example:\n {2}.*pincer/)
    }
  })

  test("status says so with exit code 1; doctor changes nothing", async () => {
    const empty = makePlace(null)
    const status = await pincer(empty, ["status"])
    assert.equal(status.code, 1)
    assert.match(status.out, /^Pincer is not running\.[\s\S]*fix: pincer gateway start/)
    const doctor = await pincer(empty, ["doctor"], { env: { PINCER_GATEWAY_PORT: "0" } })
    assert.equal(doctor.code, 0, doctor.out)
    assert.match(doctor.out, /node\.version[\s\S]*gateway\.reachable/)
    assert.equal(existsSync(empty.home), false)
    removePlace(empty)
  })

  test("config set keeps remarks, refuses what is not valid, and never shows a secret", async () => {
    assert.match((await pincer(place, ["config", "set", "agents.defaults.model", "offline/rules"])).out, /^Set agents/)
    const text = readFileSync(join(place.home, "pincer.json"), "utf8")
    assert.match(text, /^\/\/ mine[\s\S]*\/\/ any/)
    assert.equal((await pincer(place, ["config", "get", "agents.defaults.model"])).out, "offline/rules\n")
    const typo = await pincer(place, ["config", "set", "gateway.prot", "1"])
    assert.equal(typo.code, 2)
    assert.match(typo.err, /did you mean gateway\.port/)
    assert.equal(readFileSync(join(place.home, "pincer.json"), "utf8"), text)
    await pincer(place, ["config", "set", "providers.openai.apiKey", "sk-hidden-0123456789"])
    assert.doesNotMatch((await pincer(place, ["config", "get"])).out, /sk-hidden/)
    assert.equal((await pincer(place, ["config", "unset", "providers"])).code, 0)
    assert.equal((await pincer(place, ["config", "path"])).out, `${join(place.home, "pincer.json")}\n`)
    assert.equal((await pincer(place, ["config", "get", "no.such"])).code, 4)
  })

  test("a broken configuration is one refusal that names the line; doctor exits with 1", async () => {
    const broken = makePlace('{ "gateway": { "prot": 1 } }')
    for (const args of [
      ["gateway", "run"],
      ["config", "check"],
      ["ask", "x", "--standalone"],
    ]) {
      const { code, err } = await pincer(broken, args)
      assert.equal(code, 2, err)
      assert.match(err, /line 1, column \d+: Unknown key gateway\.prot: did you mean gateway\.port\?/)
    }
    const inBackground = await pincer(broken, ["ask", "x"])
    assert.notEqual(inBackground.code, 0)
    assert.match(inBackground.err, /Unknown key gateway\.prot/)
    const doctor = await pincer(broken, ["doctor"])
    assert.equal(doctor.code, 1)
    assert.match(doctor.out, /✗ config\.valid/)
    removePlace(broken)
  })

  test("a port that is taken, a home that cannot be made: one sentence, exit code 1", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    for (const args of [
      ["gateway", "run", "--port", String(port)],
      ["gateway", "start", "--port", String(port)],
    ]) {
      const { code, err } = await pincer(place, args)
      assert.equal(code, 1)
      assert.match(err, new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is taken`))
    }
    server.close()
    writeFileSync(join(place.work, "file"), "")
    for (const args of [
      ["gateway", "run"],
      ["gateway", "start"],
    ]) {
      const { code, err } = await pincer(place, [...args, "--home", join(place.work, "file", "home")])
      assert.equal(code, 1)
      assert.match(err, /home.*(ENOTDIR|cannot be)/)
    }
  })

  test("gateway run says where it listens and what answers, and SIGTERM ends it with 0", async () => {
    const gateway = await runGateway(place)
    assert.match(gateway.line(), /listens at http:\/\/127\.0\.0\.1:\d+ .*Model: offline\/rules/)
    gateway.child.kill("SIGTERM")
    const [code] = await once(gateway.child, "exit")
    assert.equal(code, 0, gateway.err())
    assert.equal(existsSync(join(place.home, "gateway.json")), false)
  })

  for (const [how, program] of [
    ["with Node", [process.execPath, PROGRAM]],
    ["by its name", [PROGRAM]],
  ] as const)
    test(`on Linux a gateway that is started ${how} runs with malloc told to give memory back, in the process that was started`, {
      skip: process.platform === "linux" ? false : "NOT TESTED: malloc is told so on Linux only",
    }, async () => {
      const gateway = await runGateway(place, [], [...program])
      try {
        const settings = readFileSync(`/proc/${gateway.child.pid}/environ`, "utf8").split("\0")
        for (const [name, value] of Object.entries(MALLOC)) assert.ok(settings.includes(`${name}=${value}`), name)
        // Started by its name it has them from the shell: the process was not replaced once more.
        const words = readFileSync(`/proc/${gateway.child.pid}/cmdline`, "utf8").split("\0")
        assert.equal(words[0], program.length === 1 ? "node" : process.execPath)
        assert.match(
          readFileSync(join(place.home, "gateway.json"), "utf8"),
          new RegExp(`"pid":\\s*${gateway.child.pid}\\b`),
        )
      } finally {
        gateway.child.kill("SIGTERM")
        await once(gateway.child, "exit")
      }
    })

  test("an older Node starts the checkout's own", (t) => {
    const folders = (process.env["PATH"] ?? "").split(":")
    const old = folders
      .map((folder) => join(folder, "node"))
      .find((node) => {
        const { stdout } = spawnSync(node, ["--version"], { encoding: "utf8" })
        return Number(/^v(\d+)/.exec(stdout ?? "")?.[1] ?? 24) < 24
      })
    if (old === undefined) {
      t.skip("NOT TESTED: there is no Node older than 24 on this machine")
      return
    }
    const ran = spawnSync(old, [CHECKOUT_PROGRAM, "config", "check"], { env: place.env, encoding: "utf8" })
    assert.equal(ran.status, 0, ran.stderr)
    assert.match(ran.stdout, /is valid/)
    assert.equal(spawnSync(old, [CHECKOUT_PROGRAM, "config", "get", "no.such"], { env: place.env }).status, 4)
  })

  test("--standalone needs no daemon and leaves none", async () => {
    const { code, out } = await pincer(place, ["read package.json", "--standalone"])
    assert.equal(code, 0)
    assert.match(out, /1\.2\.3/)
    assert.match((await pincer(place, ["gateway", "stop"])).out, /^No gateway runs/)
  })

  test("two questions that start the gateway at once are both answered by one gateway", async () => {
    const both = await Promise.all([pincer(place, ["read package.json"]), pincer(place, ["list the files here"])])
    for (const { code, err } of both) assert.equal(code, 0, err)
    const restarted = await pincer(place, ["gateway", "restart", "--json"])
    assert.equal(JSON.parse(restarted.out).status, "restarted")
    assert.match((await pincer(place, ["gateway", "stop"])).out, /^Stopped the gateway/)
  })

  test("completion scripts are made for the shells, and the shells can read them", async (t) => {
    for (const [shell, check] of [
      ["bash", ["-n"]],
      ["zsh", ["-n"]],
      ["fish", ["--no-execute"]],
    ] as const) {
      const { out } = await pincer(place, ["completion", shell])
      assert.match(out, /session/)
      if (spawnSync(shell, ["--version"]).status !== 0) {
        t.diagnostic(`NOT TESTED: ${shell} is not there to read its script`)
        continue
      }
      const file = join(place.work, `completion.${shell}`)
      writeFileSync(file, out)
      const read = spawnSync(shell, [...check, file], { encoding: "utf8" })
      assert.equal(read.status, 0, read.stderr)
    }
    const { out } = await pincer(place, ["completion", "bash"])
    const tried = spawnSync(
      "bash",
      ["-c", `${out}\nCOMP_WORDS=(pincer session ex); COMP_CWORD=2; _pincer; echo "\${COMPREPLY[*]}"`],
      {
        encoding: "utf8",
      },
    )
    assert.equal(tried.stdout, "export\n", tried.stderr)
  })
})
