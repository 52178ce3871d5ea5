// An engine of workflows on a store of its own, with programs that really run and everything else made up: what tests of the engine need.
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Clock, systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import type { Envelope, RunEvent } from "../../src/protocol/workflow.ts"
import { type Books, openStore } from "../../src/store/open.ts"
import type { Command, ProgramResult, ProgramRun } from "../../src/workflow/command.ts"
import type { StartRun } from "../../src/workflow/engine/engine.ts"
import type { EnginePorts } from "../../src/workflow/engine/ports.ts"
import { WorkflowEngine } from "../../src/workflow/engine/workflow-engine.ts"
import { readWorkflow } from "../../src/workflow/file/read.ts"

export interface WorkflowRoom {
  engine: WorkflowEngine
  books: Books
  folder: string
  events: RunEvent[]
  warnings: string[]
  printed: string[]
  /** Runs a workflow given as YAML. */
  run(yaml: string, more?: Partial<StartRun>): Promise<Envelope>
  pipe(text: string, more?: Partial<StartRun>): Promise<Envelope>
  how: { print(text: string): void; warn(text: string): void; signal: AbortSignal }
  /** Another process on the same store: what the first one runs counts as cut off. */
  successor(ports?: Partial<EnginePorts>): WorkflowEngine
  close(): Promise<void>
}

export function openWorkflowRoom(
  options: { commands?: readonly Command[]; ports?: Partial<EnginePorts>; clock?: Clock } = {},
): WorkflowRoom {
  const folder = mkdtempSync(join(tmpdir(), "pincer-workflow-"))
  const work = join(folder, "work")
  mkdirSync(work)
  const clock = options.clock ?? systemClock
  const books = openStore({ path: join(folder, "p.db"), durability: "normal" }, clock, silentLogger)
  const events: RunEvent[] = []
  const warnings: string[] = []
  const printed: string[] = []
  const portsOf = (pid: number, more: Partial<EnginePorts> = {}): EnginePorts => ({
    runs: books.runs,
    clock,
    log: silentLogger,
    holder: { pid, birth: "test" },
    isAlive: (holder) => holder.pid === pid,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    spillFolder: join(folder, "spill"),
    commands: options.commands ?? [],
    run: (program, _address, signal) => runForReal(program, signal),
    readText: (path) => readFile(path, "utf8"),
    fetch: () => Promise.reject(new Error("No network in this test")),
    model: () => Promise.reject(new Error("No model in this test")),
    tool: () => Promise.reject(new Error("No tools in this test")),
    agent: () => Promise.reject(new Error("No agents in this test")),
    publish: (event) => events.push(event),
    checkpoint: () => undefined,
    ...options.ports,
    ...more,
  })
  const engine = new WorkflowEngine(portsOf(1))
  const how = {
    print: (text: string) => void printed.push(text),
    warn: (text: string) => void warnings.push(text),
    signal: new AbortController().signal,
  }
  const base = { args: {}, cwd: work, startedBy: "test", agentId: "main", identity: {}, ...how }
  let successors = 1
  return {
    engine,
    books,
    folder: work,
    events,
    warnings,
    printed,
    how,
    run(yaml, more) {
      const file = join(work, "test.lobster")
      writeFileSync(file, yaml)
      const { definition, problems } = readWorkflow(yaml, file)
      const wrong = problems.find((one) => one.level === "error")
      if (!definition || wrong) throw new Error(wrong?.message ?? "It cannot be read")
      return engine.start({ ...base, source: { type: "workflow", definition }, ...more })
    },
    pipe: (text, more) => engine.start({ ...base, source: { type: "pipeline", text }, ...more }),
    successor: (more) => new WorkflowEngine(portsOf(++successors, more)),
    async close() {
      engine.stop()
      await books.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function runForReal(program: ProgramRun, signal: AbortSignal): Promise<ProgramResult> {
  const { line } = program
  const [file, ...args] = "shell" in line ? ["/bin/sh", "-c", line.shell] : line.argv
  return new Promise((resolve, reject) => {
    const child = spawn(file!, args, { cwd: program.cwd, env: program.env, detached: true })
    const result: ProgramResult = { exitCode: null, killedBy: null, stdout: "", stderr: "", timedOut: false }
    child.stdout.on("data", (chunk) => (result.stdout += chunk))
    child.stderr.on("data", (chunk) => (result.stderr += chunk))
    child.stdin.on("error", () => undefined)
    child.stdin.end(program.stdin ?? "")
    const kill = () => {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
      reject(signal.reason)
    }
    signal.addEventListener("abort", kill, { once: true })
    child.on("error", reject)
    child.on("close", (code, killedBy) => {
      signal.removeEventListener("abort", kill)
      resolve({ ...result, exitCode: code, killedBy })
    })
  })
}
