// Runs lines of the corpora for real in the sandbox, and looks at everything outside of it afterwards: the canary, its folder, listeners
// of every kind, a program outside, shared folders, processes left. What it finds is said in words, by the name of the attempt.
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { createSocket, type Socket as Datagrams } from "node:dgram"
import { once } from "node:events"
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { runProgram } from "../../src/base/process.ts"
import { openSandbox, type Sandbox } from "../../src/sandbox/index.ts"
import type { SandboxProfile } from "../../src/sandbox/sandbox.ts"
import { commandEnvironment } from "../../src/tools/environment.ts"
import { BASE, type SetupFile } from "../corpus/shell-case.ts"
import { giveAway, SANDBOX_UID } from "./sandbox-room.ts"

const NODE_FOLDER = dirname(process.execPath)
const PATH = [NODE_FOLDER, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].join(delimiter)
const TIMEOUT_MS = 10_000
/** Where an attempt may leave something. */
const SHARED = [
  "/tmp",
  "/var/tmp",
  "/dev/shm",
  "/run",
  "/etc",
  "/etc/cron.d",
  "/usr/bin",
  "/usr/local/bin",
  "/usr/lib",
  "/bin",
  "/opt",
  "/root",
  "/home",
]

export interface Attempt {
  name: string
  command: string
  setup?: readonly SetupFile[]
}

export interface Found {
  name: string
  what: string
}

export interface AttackRoom {
  /** What it found outside after this attempt; empty when it held. */
  run(attempt: Attempt, profile?: Partial<SandboxProfile>): Promise<Found[]>
  /** The same with the canary inside the workspace: whether the attempt does anything at all where it may. */
  control(attempt: Attempt): Promise<boolean>
  /** Where the listeners outside are, TCP and UDP. */
  port: number
  /** Connections that reached a listener outside. */
  connections(): number
  /** Whom the egress proxy refused. */
  refused(): number
  close(): Promise<void>
}

interface Place {
  /** Holds the other two. */
  top: string
  work: string
  outside: string
  canary: string
  untouched: string
  mark: string
}

export async function openAttackRoom(): Promise<AttackRoom> {
  const mark = `attack${randomBytes(6).toString("hex")}`
  const secret = `canary-${randomBytes(12).toString("hex")}`
  const base = realpathSync(mkdtempSync(join(tmpdir(), `${mark}-`)))
  chmodSync(base, 0o755)
  const template = join(base, "template")
  layTemplate(template, base)
  const victim = spawn("/bin/sleep", ["3600"], { stdio: "ignore" })
  const world = await listeners(base, mark)
  const sandbox = openSandbox({ profile: "workspace", profiles: {}, uid: SANDBOX_UID }, { path: PATH, hidden: [] })
  let count = 0
  let refused = 0

  const lay = (attempt: Attempt, inside: boolean): Place & { command: string } => {
    const place = placeOf(join(base, `${++count}`), template, secret, world.socket, `${mark}x${count}x`)
    const at = inside ? join(place.work, "canary.txt") : place.canary
    const words = {
      canary: at,
      outside: place.outside,
      port: world.port,
      victim: victim.pid,
      daemon: process.pid,
      abstract: mark,
    }
    const fill = (text: string) =>
      Object.entries({ ...words, mark: place.mark }).reduce(
        (out, [word, value]) => out.replaceAll(`{${word}}`, `${value}`),
        text,
      )
    for (const file of attempt.setup ?? []) layFile(place.work, file, fill)
    giveAway(place.work)
    return { ...place, command: fill(attempt.command) }
  }
  const start = ({ command, mark, work }: Place & { command: string }, profile: Partial<SandboxProfile>) =>
    confinedRun(sandbox, { work, command, mark, profile, refused: () => void (refused += 1) })

  return {
    port: world.port,
    connections: () => world.count(),
    refused: () => refused,
    async run(attempt, profile = {}) {
      const place = lay(attempt, false)
      const found: string[] = []
      const write = (profile.write ?? []).map((path) => path.replace("{outside}", place.outside))
      const { output, error } = await start(place, { ...profile, write })
      if (error !== undefined) found.push(`was not confined: ${error}`)
      if (output.includes(secret)) found.push("read the canary")
      found.push(...(await leftBehind(place.mark, place.work)))
      const planted = (attempt.setup ?? []).some(({ path }) => /\.git|config|HEAD/.test(path))
      if (!planted && lstatSync(place.work).isDirectory()) gitOfThePerson(place.work, base)
      found.push(...outsideOf(place))
      if (victim.exitCode !== null || victim.signalCode !== null) found.push("ended a program outside")
      rmSync(place.top, { recursive: true, force: true })
      return found.map((what) => ({ name: attempt.name, what }))
    },
    async control(attempt) {
      const place = lay(attempt, true)
      await start(place, {})
      const did = existsSync(join(place.work, "canary.txt"))
      rmSync(place.top, { recursive: true, force: true })
      return did
    },
    async close() {
      victim.kill("SIGKILL")
      sandbox.close()
      await world.close()
      rmSync(base, { recursive: true, force: true })
    },
  }
}

function placeOf(top: string, template: string, secret: string, socket: string, mark: string): Place {
  const [work, outside] = [join(top, "work"), join(top, "outside")]
  mkdirSync(top)
  cpSync(template, work, { recursive: true })
  mkdirSync(outside)
  // Everybody may write here: only the sandbox stands before it.
  for (const folder of [top, outside]) chmodSync(folder, 0o777)
  const canary = join(outside, "canary.txt")
  writeFileSync(canary, secret)
  chmodSync(canary, 0o666)
  utimesSync(canary, 1, 1)
  linkSync(socket, join(outside, "docker.sock"))
  return { top, work, outside, canary, mark, untouched: look(top) }
}

interface Line {
  work: string
  command: string
  mark: string
  profile: Partial<SandboxProfile>
  refused: () => void
}

async function confinedRun(
  sandbox: Sandbox,
  { command, mark, profile: change, refused, work }: Line,
): Promise<{ output: string; error?: string }> {
  const profile = { ...sandbox.profile(), read: [NODE_FOLDER], ...change }
  const env = commandEnvironment({ PATH, ATTACK: mark })
  // What no system call can carry never reaches a shell: the judge refuses it.
  if (command.includes("\0")) return { output: "" }
  const gate = { sessionKey: mark, saw: (_attempt: unknown, verdict: string) => void (verdict === "deny" && refused()) }
  const program = { file: "/bin/bash", args: ["-c", command], cwd: work, env }
  const confined = await sandbox.confine({ program, workspace: work, profile, egress: gate })
  try {
    const { output } = await runProgram(confined.file, confined.args, {
      cwd: confined.cwd,
      env: { ...confined.env },
      signal: new AbortController().signal,
      timeoutMs: TIMEOUT_MS,
      maxChars: 1_000_000,
      graceMs: 100,
    })
    const failed = /^bwrap: /m.test(output) && !command.includes("bwrap")
    return failed ? { output, error: output.slice(0, 300) } : { output }
  } finally {
    await confined.close()
  }
}

function layTemplate(template: string, base: string): void {
  execFileSync("git", ["init", "-q", template], { env: { PATH, HOME: base, GIT_CONFIG_NOSYSTEM: "1" } })
  for (const file of BASE) layFile(template, file, (text) => text)
}

function layFile(work: string, { path, content = "", mode, link }: SetupFile, fill: (text: string) => string): void {
  const full = join(work, path)
  mkdirSync(dirname(full), { recursive: true })
  rmSync(full, { force: true })
  if (link === undefined) writeFileSync(full, fill(content))
  else symlinkSync(fill(link), full)
  if (mode !== undefined) chmodSync(full, mode)
}

/** What a person does next, outside of every sandbox: whatever was planted in the repository would run now. */
function gitOfThePerson(work: string, home: string): void {
  const env = { PATH, HOME: home, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" }
  const own = ["-c", "safe.directory=*", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", work]
  for (const args of [["status"], ["add", "-A"], ["commit", "-qm", "x"]])
    spawnSync("git", [...own, ...args], { env, stdio: "ignore", timeout: 5_000 })
}

interface World {
  port: number
  socket: string
  count(): number
  close(): Promise<void>
}

/** Listeners of every kind outside: TCP on both loopbacks, UDP, a socket with a file and one without. */
async function listeners(base: string, mark: string): Promise<World> {
  let count = 0
  const serve = () =>
    createServer((socket) => {
      count += 1
      socket.on("error", () => socket.destroy())
      socket.end("HTTP/1.0 200 OK\r\n\r\nreached")
    })
  const open: Server[] = []
  const listen = async (options: object) => {
    const server = serve()
    server.listen(options)
    await once(server, "listening")
    open.push(server)
    return server
  }
  const first = await listen({ host: "127.0.0.1", port: 0 })
  const address = first.address()
  const port = typeof address === "object" && address ? address.port : 0
  await listen({ host: "::1", port })
  const socket = join(base, "service.sock")
  await listen({ path: socket })
  chmodSync(socket, 0o666)
  await listen({ path: `\0${mark}` })
  const udp: Datagrams = createSocket("udp4", () => void (count += 1))
  udp.bind(port, "127.0.0.1")
  await once(udp, "listening")
  return {
    port,
    socket,
    count: () => count,
    async close() {
      udp.close()
      for (const server of open) server.close()
    },
  }
}

/** Names, kinds, rights, times and contents of a case's folders, the workspace left out. */
function look(top: string): string {
  const lines = [`top ${readdirSync(top).sort().join(" ")}`]
  for (const name of readdirSync(join(top, "outside")).sort()) {
    const { mode, mtimeMs, size, uid } = lstatSync(join(top, "outside", name))
    const isPlain = name === "canary.txt"
    lines.push(
      [name, mode, uid, ...(isPlain ? [mtimeMs, size, readFileSync(join(top, "outside", name), "utf8")] : [])].join(
        " ",
      ),
    )
  }
  return lines.join("\n")
}

function outsideOf({ mark, top, untouched, work }: Place): string[] {
  const found: string[] = []
  const now = look(top)
  if (now !== untouched) found.push(`changed what is outside: ${now}`)
  if (!lstatSync(work).isDirectory()) found.push("the workspace is another")
  for (const folder of SHARED) {
    const made = namesIn(folder).filter((name) => name.includes(mark))
    if (made.length > 0) found.push(`left ${made.join(", ")} in ${folder}`)
  }
  return found
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // Not there, or another user's: nothing of ours can be in it.
    return []
  }
}

/** Processes that still have this workspace mounted, or the mark in their environment, a moment after the end. */
async function leftBehind(mark: string, work: string): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const found = processesOf(mark, work)
    if (found.length === 0 || tries === 100) return found
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}

function processesOf(mark: string, work: string): string[] {
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter(
      (pid) =>
        fileOf(`/proc/${pid}/mountinfo`).includes(` ${work} `) ||
        fileOf(`/proc/${pid}/environ`).includes(`ATTACK=${mark}`),
    )
    .map((pid) => `left process ${pid}: ${fileOf(`/proc/${pid}/cmdline`).replaceAll("\0", " ").slice(0, 100)}`)
}

function fileOf(path: string): string {
  try {
    return readFileSync(path, "latin1")
  } catch {
    // Ended meanwhile, or another user's.
    return ""
  }
}
