// Measures what the README claims, against baselines in the same run, and writes docs/performance.md.
// Usage: npm run bench [-- --quick]. Needs Linux (/proc). Absolute times swing with the machine; trust the ratios.
import { spawnSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { benchAcp } from "./acp.ts"
import { benchConfig } from "./config.ts"
import { benchControl } from "./control.ts"
import { benchJobs } from "./jobs.ts"
import { complete, flood, median } from "./load.ts"
import {
  benchEnv,
  connect,
  cpuMs,
  ENTRY,
  makeHome,
  type Running,
  residentMiB,
  startGateway,
  startScript,
} from "./processes.ts"
import { benchSandbox } from "./sandbox.ts"
import { benchSessions } from "./sessions.ts"
import { benchWorkflow } from "./workflow.ts"

const quick = process.argv.includes("--quick")
const FAKE = join(import.meta.dirname, "..", "test", "fakes", "model-service.ts")
const rows: [what: string, goal: string, measured: string, rival: string][] = []

function note(what: string, goal: string, measured: string, rival: string): void {
  rows.push([what, goal, measured, rival])
  process.stdout.write(`${what}: ${measured}  (goal ${goal})\n`)
}

/** Median wall time of a whole process, ms. */
function spawnMs(args: string[], env?: Record<string, string>, runs = quick ? 5 : 15): number {
  const times: number[] = []
  for (let i = 0; i < runs; i++) {
    const began = performance.now()
    const run = spawnSync(process.execPath, args, env ? { env, stdio: "ignore" } : { stdio: "ignore" })
    if (run.status !== 0) throw new Error(`${args.join(" ")} ended with ${run.status}`)
    times.push(performance.now() - began)
  }
  return median(times.slice(1))
}

async function startUp(fake: Running): Promise<void> {
  const plain = spawnMs(["-e", "0"])
  const times: number[] = []
  for (let i = 0; i < (quick ? 4 : 10); i++) {
    const home = makeHome(fake.url)
    const gateway = await startGateway(home)
    times.push(gateway.readyMs)
    await gateway.stop()
    rmSync(home, { recursive: true, force: true })
  }
  const ready = median(times.slice(1))
  note(
    "spawn to first answered authenticated RPC",
    "≤ 8 × `node -e 0`",
    `${(ready / plain).toFixed(1)} × (${ready.toFixed(0)} ms; plain ${plain.toFixed(0)} ms)`,
    "13 s",
  )
}

async function commands(gateway: Running, home: string): Promise<void> {
  const plain = spawnMs(["-e", "0"])
  const version = spawnMs([ENTRY, "--version"], benchEnv(home))
  const status = spawnMs([ENTRY, "status"], benchEnv(home))
  void gateway
  note(
    "`pincer --version`, `pincer status`",
    "≤ 2.5 × and ≤ 5 × `node -e 0`",
    `${(version / plain).toFixed(1)} × and ${(status / plain).toFixed(1)} × (${version.toFixed(0)} and ${status.toFixed(0)} ms; plain ${plain.toFixed(0)} ms)`,
    "3.5 × and 90 × (2.9 s)",
  )
}

async function health(gateway: Running): Promise<void> {
  const own = await connect(gateway.url)
  const size = JSON.stringify(await own.call("health", {})).length
  const echo = await startScript(join(import.meta.dirname, "echo.ts"), [String(size)])
  const bare = await connect(echo.url)
  const n = quick ? 3_000 : 20_000
  const rate = async (socket: Awaited<ReturnType<typeof connect>>, width: number) => {
    await flood(n / 10, width, () => socket.call("health", {}))
    return (n * 1000) / (await flood(n, width, () => socket.call("health", {})))
  }
  const result: Record<string, number> = {}
  for (const width of [1, 32]) {
    // Interleaved, so that a drift of the machine hits both.
    const ours: number[] = []
    const theirs: number[] = []
    for (let i = 0; i < 3; i++) {
      theirs.push(await rate(bare, width))
      ours.push(await rate(own, width))
    }
    result[`own${width}`] = median(ours)
    result[`bare${width}`] = median(theirs)
  }
  own.close()
  bare.close()
  await echo.stop()
  const percent = (width: number) => ((100 * result[`own${width}`]!) / result[`bare${width}`]!).toFixed(0)
  note(
    "`health` round trips, one socket, sequential / 32 in flight, against a bare `ws` JSON echo of the same size",
    "≥ 50 % / ≥ 60 %",
    `${percent(1)} % / ${percent(32)} % (${result["own1"]!.toFixed(0)} / ${result["own32"]!.toFixed(0)} a second)`,
    "356–394 / 964 a second",
  )
}

async function turns(gateway: Running): Promise<void> {
  const n = quick ? 400 : 2_000
  await flood(100, 32, () => complete(gateway.url, "pincer"))
  const cpu = cpuMs(gateway.pid)
  const elapsed = await flood(n, 32, async () => {
    const answer = await complete(gateway.url, "pincer")
    if (answer.status !== 200) throw new Error(`A turn answered ${answer.status}`)
  })
  note(
    "agent turns a second through `/v1/chat/completions` (1 delta), 32 at once, stored durably",
    "≥ 400, ≤ 2 ms CPU each",
    `${((n * 1000) / elapsed).toFixed(0)}, ${((cpuMs(gateway.pid) - cpu) / n).toFixed(2)} ms CPU each`,
    "3.3, about 390 ms CPU each",
  )
}

async function firstToken(gateway: Running, fake: Running): Promise<void> {
  const direct: number[] = []
  const through: number[] = []
  for (let i = 0; i < (quick ? 60 : 300); i++) {
    direct.push((await complete(fake.url, "test-model")).firstMs)
    through.push((await complete(gateway.url, "pincer")).firstMs)
  }
  const extra = median(through) - median(direct)
  note(
    "time to first token over the model service itself, 1 client, median",
    "≤ 2 ms",
    `${extra.toFixed(2)} ms (${median(direct).toFixed(2)} ms direct)`,
    "305 ms",
  )
}

async function stream(gateway: Running, fake: Running): Promise<void> {
  const relay = await startScript(join(import.meta.dirname, "relay.ts"), [fake.url])
  const runs = quick ? 10 : 50
  const per = async (pid: number, url: string, model: string) => {
    for (let i = 0; i < 5; i++) await complete(url, model)
    const cpu = cpuMs(pid)
    for (let i = 0; i < runs; i++) await complete(url, model)
    return ((cpuMs(pid) - cpu) * 1000) / (runs * 1000)
  }
  const agentPath = await per(gateway.pid, gateway.url, "pincer")
  const raw = await per(gateway.pid, gateway.url, "pincer/raw/fake/test-model")
  const bare = await per(relay.pid, relay.url, "test-model")
  await relay.stop()
  note(
    "1,000-delta stream, gateway CPU per delta: agent path with storage / raw relay / bare `node:http` relay",
    "≤ 40 µs / ≤ 15 µs / –",
    `${agentPath.toFixed(1)} µs / ${raw.toFixed(1)} µs / ${bare.toFixed(1)} µs`,
    "about 150–250 µs",
  )
}

async function crowd(fakeUrl: string): Promise<void> {
  const home = makeHome(fakeUrl)
  const gateway = await startGateway(home)
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, residentMiB(gateway.pid).all)
  }, 10)
  const began = performance.now()
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => complete(gateway.url, "pincer", { "x-pincer-session-key": `crowd-${i}` })),
  )
  const elapsed = performance.now() - began
  clearInterval(watch)
  const failed = answers.filter((answer) => answer.status !== 200).length
  await gateway.stop()
  rmSync(home, { recursive: true, force: true })
  note(
    "200 sessions, one streamed turn each (20 deltas), all at once",
    "no error, ≤ 2 s, < 200 MB",
    `${failed} errors, ${(elapsed / 1000).toFixed(2)} s, ${most.toFixed(0)} MiB at most`,
    "100 sessions: 39 s, 1.8 GiB",
  )
}

async function memory(fakeUrl: string): Promise<void> {
  const home = makeHome(fakeUrl)
  const gateway = await startGateway(home)
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  await pause(1_000)
  const idle = residentMiB(gateway.pid)
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, residentMiB(gateway.pid).all)
  }, 50)
  let done = 0
  const upTo = async (turns: number) => {
    const before = done
    done = turns
    await flood(turns - before, 16, (n) => {
      return complete(gateway.url, "pincer", { "x-pincer-session-key": `memory-${before + n}` })
    })
  }
  // The first turns load what every turn needs; what comes on top of that is growth.
  await upTo(100)
  await pause(10_000)
  const begun = residentMiB(gateway.pid)
  const turns = quick ? 1_000 : 10_000
  await upTo(turns)
  await pause(100)
  const loaded = residentMiB(gateway.pid)
  await pause(10_000)
  clearInterval(watch)
  const quiet = residentMiB(gateway.pid)
  await gateway.stop()
  rmSync(home, { recursive: true, force: true })
  note(
    `resident memory in MiB (of it not file-backed): idle a second after the start; ten quiet seconds after 100 turns; under load; ten quiet seconds after ${turns} turns`,
    "≤ 90 MB; ± 3 MB after 10,000 turns",
    `${said(idle)}; ${said(begun)}; ${loaded.all.toFixed(0)}, at most ${most.toFixed(0)}; ${said(quiet)}`,
    "956 MiB; 1.75 GiB after 140 turns",
  )
}

function said({ all, anonymous }: ReturnType<typeof residentMiB>): string {
  return `${all.toFixed(1)} (${anonymous.toFixed(1)})`
}

/** Where nothing can be confined there is nothing to measure, and the row says why. */
async function sandbox(): Promise<void> {
  const measured = await benchSandbox(quick ? 20 : 60).then(
    ({ confinedMs, overheadMs, plainMs, ratio }) =>
      `${overheadMs.toFixed(1)} ms more (${confinedMs.toFixed(1)} ms, plain ${plainMs.toFixed(1)} ms, ${ratio.toFixed(1)} ×)`,
    (error: unknown) => `not measured: ${String(error)}`,
  )
  note("a confined `/bin/true` over a plain one, median of the differences", "≤ 15 ms more", measured, "–")
}

function write(): void {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown processor"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}`
  const table = rows.map((row) => `| ${row.join(" | ")} |`).join("\n")
  const page = join(import.meta.dirname, "..", "docs", "performance.md")
  // What people wrote below the table stays.
  const old = readFileSync(page, "utf8")
  const kept = old.includes("\n## ") ? old.slice(old.indexOf("\n## ")) : ""
  writeFileSync(
    page,
    `# Performance

Rerun with \`npm run bench\` (\`-- --quick\` for a short one). Every figure is taken from the built program in a process of its own, against a
fake model service in another; ratios are against baselines in the same run. Machine: ${machine}, shared with other work, so
trust the ratios more than the times. The last column is OpenClaw 2026.9 measured on a like machine with the same kind of fake.

| what | goal | Pincer | OpenClaw |
| --- | --- | --- | --- |
${table}
${kept}`,
  )
}

const one = await startScript(FAKE, ["--port", "0", "--deltas", "1"])
const twenty = await startScript(FAKE, ["--port", "0", "--deltas", "20"])
const thousand = await startScript(FAKE, ["--port", "0", "--deltas", "1000"])
const home = makeHome(one.url)
const longHome = makeHome(thousand.url)
try {
  await startUp(one)
  const gateway = await startGateway(home)
  await commands(gateway, home)
  await health(gateway)
  await firstToken(gateway, one)
  await turns(gateway)
  await gateway.stop()
  const streaming = await startGateway(longHome)
  await stream(streaming, thousand)
  await streaming.stop()
  await crowd(twenty.url)
  await memory(one.url)
  await benchJobs(one, quick, note)
  await benchSessions(quick, note)
  await benchConfig(quick, note)
  await benchControl(quick, note)
  await benchAcp(quick, note)
  await sandbox()
  await benchWorkflow(quick, note)
  if (!quick) write()
} finally {
  for (const process of [one, twenty, thousand]) await process.stop()
  rmSync(home, { recursive: true, force: true })
  rmSync(longHome, { recursive: true, force: true })
}
