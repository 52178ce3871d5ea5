// Measures the control plane: one call from the command line, what idle clients cost, and how fast one event reaches all of them. Part of
// bench/run.ts; alone (after npm run build): node bench/control.ts [--quick].
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"
import WebSocket from "ws"
import type { Note } from "./jobs.ts"
import { median } from "./load.ts"
import {
  benchEnv,
  connect,
  cpuMs,
  ENTRY,
  makeHome,
  residentMiB,
  startGateway,
  startScript,
  TOKEN,
} from "./processes.ts"

const EVENTS = 50
/** Longer than the gateway waits before it tidies up when it is quiet. */
const QUIET_MS = 12_000

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Median wall time of a whole process, ms. */
function spawnMs(args: readonly string[], env: Record<string, string>): number {
  const began = performance.now()
  const run = spawnSync(process.execPath, args, { env, stdio: "ignore" })
  if (run.status !== 0) throw new Error(`${args.join(" ")} ended with ${run.status}`)
  return performance.now() - began
}

function call(home: string, quick: boolean, note: Note): void {
  const env = benchEnv(home)
  const ours: number[] = []
  const plain: number[] = []
  // Interleaved, so that a drift of the machine hits both.
  for (let i = 0; i < (quick ? 6 : 20); i++) {
    plain.push(spawnMs(["-e", "0"], env))
    ours.push(spawnMs([ENTRY, "gateway", "call", "health"], env))
  }
  const [one, bare] = [median(ours.slice(1)), median(plain.slice(1))]
  note(
    "`pincer gateway call health`: spawn to end",
    "≤ 4 × `node -e 0`",
    `${(one / bare).toFixed(1)} × (${one.toFixed(0)} ms; plain ${bare.toFixed(0)} ms)`,
    "90 × (2.9 s)",
  )
}

/** A client that is let in and then only listens. */
async function listen(url: string, heard: (text: string) => void): Promise<WebSocket> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), { perMessageDeflate: false })
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject)
    socket.on("message", (data: Buffer) => {
      const text = data.toString()
      if (text.startsWith('{"type":"res"')) resolve()
      else heard(text)
    })
    socket.once("open", () => {
      const client = { id: "test", version: "1", platform: "linux", mode: "test" }
      const params = {
        minProtocol: 4,
        maxProtocol: 4,
        client,
        role: "operator",
        scopes: ["operator.read"],
        auth: { token: TOKEN },
      }
      socket.send(JSON.stringify({ type: "req", id: "1", method: "connect", params }))
    })
  })
  return socket
}

interface Crowd {
  sockets: WebSocket[]
  /** Told of every event that any of them hears. */
  onEvent(heard: (text: string) => void): void
}

async function gather(url: string, clients: number): Promise<Crowd> {
  let heard = (_text: string): void => undefined
  const sockets: WebSocket[] = []
  for (let i = 0; i < clients; i += 50)
    sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => listen(url, (text) => heard(text))))))
  return {
    sockets,
    onEvent(listener) {
      heard = listener
    },
  }
}

/** From the call that causes an event to the first and the last client that hear it, ms. */
async function tellAll(url: string, { sockets, onEvent }: Crowd): Promise<{ first: number; last: number }[]> {
  const owner = await connect(url)
  const times: { first: number; last: number }[] = []
  for (let i = 0; i < EVENTS; i++) {
    const label = `bench-${i}.`
    let left = sockets.length
    let first = 0
    const all = new Promise<number>((resolve) =>
      onEvent((text) => {
        if (!text.includes(label)) return
        if (left === sockets.length) first = performance.now()
        left -= 1
        if (left === 0) resolve(performance.now())
      }),
    )
    const began = performance.now()
    const [last] = await Promise.all([all, owner.call("sessions.patch", { key: "bench", label })])
    times.push({ first: first - began, last: last - began })
    await pause(20)
  }
  owner.close()
  return times
}

async function crowd(url: string, pid: number, clients: number, note: Note): Promise<void> {
  await pause(QUIET_MS)
  const idle = residentMiB(pid)
  const ours = await gather(url, clients)
  await pause(QUIET_MS)
  const more = residentMiB(pid).all - idle.all
  note(
    `${clients} connected idle clients, resident over idle`,
    "≤ 60 MB",
    `${((more * 2 ** 20) / 1e6).toFixed(0)} MB (${((more * 1024) / clients).toFixed(0)} KiB each)`,
    "–",
  )
  const bare = await startScript(join(import.meta.dirname, "fanout.ts"))
  const theirs = await gather(bare.url, clients)
  const figures: string[] = []
  for (const [name, address, process, all] of [
    ["Pincer", url, pid, ours],
    ["a bare `ws` server", bare.url, bare.pid, theirs],
  ] as const) {
    const before = cpuMs(process)
    const times = await tellAll(address, all)
    const cpu = (cpuMs(process) - before) / EVENTS
    const whole = median(times.map(({ last }) => last))
    const spread = median(times.map(({ first, last }) => last - first))
    figures.push(
      `${name} ${whole.toFixed(1)} ms, ${spread.toFixed(1)} ms from the first to the last (${cpu.toFixed(1)} ms of CPU)`,
    )
  }
  note(
    `one event to ${clients} subscribers: from the call that causes it to the last of them, median`,
    "≤ 15 ms",
    figures.join("; "),
    "–",
  )
  for (const socket of [...ours.sockets, ...theirs.sockets]) socket.terminate()
  await bare.stop()
}

/** All figures of the control plane, on a gateway of their own. */
export async function benchControl(quick: boolean, note: Note): Promise<void> {
  const fake = await startScript(join(import.meta.dirname, "..", "test", "fakes", "model-service.ts"), [
    "--port",
    "0",
    "--deltas",
    "1",
  ])
  const home = makeHome(fake.url)
  const gateway = await startGateway(home)
  try {
    const owner = await connect(gateway.url)
    await owner.call("sessions.patch", { key: "bench", label: "bench" })
    owner.close()
    call(home, quick, note)
    await crowd(gateway.url, gateway.pid, quick ? 200 : 1_000, note)
  } finally {
    await gateway.stop()
    await fake.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

if (import.meta.main)
  await benchControl(process.argv.includes("--quick"), (what, goal, measured) =>
    process.stdout.write(`${what}: ${measured}  (goal ${goal})\n`),
  )
