// Runs inside the sandbox, before the program: opens the loopback listeners, starts the program, and ends as it ends.
// It decides nothing and holds no secret; the daemon behind the socket decides. Imports nothing but Node's own: a fast start.
import { spawn } from "node:child_process"
import { connect, createServer, type Socket } from "node:net"
import { constants } from "node:os"
import { isatty } from "node:tty"

interface Task {
  /** The socket of the egress. */
  socket: string
  /** For clients that know of proxies, HTTP and SOCKS. */
  port: number
  /** Ports of the user's own services, each listened on and sent to the same port outside. */
  forward: number[]
}

const KEPT_PREFIX = "PINCER_KEPT_"
const MAX_CONNECTIONS = 256
const MAX_HEAD = 8_192
/** Where the terminal itself tells the whole group, telling the program again would tell it twice. */
const FROM_TERMINAL: NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"]
const PASSED_ON: NodeJS.Signals[] = [...FROM_TERMINAL, "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT"]

async function main(task: Task, file: string, args: string[]): Promise<void> {
  const opened = await Promise.all([
    listen(task.port, (client) => join(client, connect(way(task)))),
    ...task.forward.map((port) => listen(port, (client) => direct(client, port, task))),
  ])
  const shut = opened.indexOf(false)
  if (shut >= 0) return fail(`port ${[task.port, ...task.forward][shut]} inside the sandbox could not be opened`, 125)
  start(file, args)
}

function way(task: Task): { path: string; allowHalfOpen: true } {
  return { path: task.socket, allowHalfOpen: true }
}

/** On both loopback addresses; a sandbox without IPv6 is in order. */
async function listen(port: number, serve: (client: Socket) => void): Promise<boolean> {
  const [opened] = await Promise.all([open("127.0.0.1", port, serve), open("::1", port, serve)])
  return opened
}

function open(host: string, port: number, serve: (client: Socket) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: true }, serve)
    server.maxConnections = MAX_CONNECTIONS
    server.on("error", () => resolve(false))
    server.listen({ port, host, ipv6Only: true }, () => resolve(true))
  })
}

function join(one: Socket, other: Socket): void {
  tie(one, other)
  tie(other, one)
  one.pipe(other)
  other.pipe(one)
}

function tie(one: Socket, other: Socket): void {
  one.on("error", () => other.destroy())
  one.on("close", () => {
    if (!one.readableEnded || !one.writableFinished) other.destroy()
  })
}

/** For clients that know of no proxy: the egress is asked for the same port outside, then both are one connection. */
function direct(client: Socket, port: number, task: Task): void {
  const out = connect(way(task))
  tie(client, out)
  tie(out, client)
  out.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  let head = Buffer.alloc(0)
  const onData = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf("\r\n\r\n")
    if (end < 0 && head.length <= MAX_HEAD) return
    out.off("data", onData)
    out.pause()
    if (!head.subarray(0, 12).equals(Buffer.from("HTTP/1.1 200"))) return void client.destroy()
    out.unshift(head.subarray(end + 4))
    client.pipe(out)
    out.pipe(client)
  }
  out.on("data", onData)
  out.once("end", () => {
    if (out.listeners("data").includes(onData)) client.destroy()
  })
}

function start(file: string, args: string[]): void {
  const terminal = isatty(0)
  // Before the program is there: it may send one at once, and process 1 of a namespace does not even hear those it has no ear for.
  for (const name of PASSED_ON)
    process.on(name, () => {
      if (!terminal || !FROM_TERMINAL.includes(name)) child.kill(name)
    })
  const child = spawn(file, args, { stdio: "inherit", env: givenBack(process.env) })
  child.once("error", (error) => {
    const missing = "code" in error && error.code === "ENOENT"
    fail(`${file} could not be started: ${error.message}`, missing ? 127 : 126)
  })
  child.once("exit", (code, signal) => endLike(code, signal))
}

/** Ends as the program ended, by the same signal where that can be. */
function endLike(code: number | null, signal: NodeJS.Signals | null): void {
  if (signal === null) return void process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  // Process 1 of a namespace does not die of its own signals.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 100)
}

/** The program's own environment: what would have changed how this Node starts was set aside. */
function givenBack(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const pairs = Object.entries(env).map(([name, value]) => [
    name.startsWith(KEPT_PREFIX) ? name.slice(KEPT_PREFIX.length) : name,
    value,
  ])
  return Object.fromEntries(pairs)
}

function fail(sentence: string, code: number): void {
  process.stderr.write(`pincer: ${sentence}\n`)
  process.exit(code)
}

const [task, file, ...args] = process.argv.slice(2)
if (task === undefined || file === undefined)
  fail("the forwarder is started by the sandbox, with a task and a program", 125)
else await main(JSON.parse(task) as Task, file, args)
