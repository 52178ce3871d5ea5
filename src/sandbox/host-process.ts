// What the daemon's own process brings with it: limits that cannot be raised, open files that it did not open itself, and how many
// tasks a user has by now. Linux only; read from /proc.
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs"
import type { SandboxLimits } from "./sandbox.ts"

const CLOSE_ON_EXEC = 0o2_000_000

/** Numbers above 2 that would be passed on to every program that is started. Node's own are not. */
export function inheritedFiles(): number[] {
  if (process.platform !== "linux") return []
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => fd > 2 && flagsOf(fd) !== undefined && ((flagsOf(fd) ?? 0) & CLOSE_ON_EXEC) === 0)
}

function flagsOf(fd: number): number | undefined {
  try {
    readlinkSync(`/proc/self/fd/${fd}`)
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]
    return flags === undefined ? undefined : Number.parseInt(flags, 8)
  } catch {
    // Closed since it was listed: it was the listing itself.
    return undefined
  }
}

/** No limit above what this process may set. `others`: tasks of the same user that count as well. */
export function clampLimits(limits: SandboxLimits, others: number): SandboxLimits {
  const hard = hardLimits()
  const least = (wanted: number, name: string) => Math.min(wanted, hard.get(name) ?? Number.POSITIVE_INFINITY)
  return {
    processes: least(limits.processes + others, "Max processes"),
    memoryBytes: least(limits.memoryBytes, "Max data size"),
    cpuSeconds: least(limits.cpuSeconds, "Max cpu time"),
    fileBytes: least(limits.fileBytes, "Max file size"),
    openFiles: least(limits.openFiles, "Max open files"),
  }
}

let known: ReadonlyMap<string, number> | undefined

function hardLimits(): ReadonlyMap<string, number> {
  if (known) return known
  const rows = readFileSync("/proc/self/limits", "utf8").matchAll(/^(Max [a-z ]+?)\s{2,}\S+\s+(\d+|unlimited)/gm)
  known = new Map([...rows].filter(([, , hard]) => hard !== "unlimited").map(([, name, hard]) => [name!, Number(hard)]))
  return known
}

/** Processes and threads of the user on this machine. */
export function tasksOf(uid: number): number {
  let tasks = 0
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue
    try {
      if (statSync(`/proc/${pid}`).uid === uid) tasks += readdirSync(`/proc/${pid}/task`).length
    } catch (error) {
      // Ended meanwhile: it does not count.
      if (!(error instanceof Error)) throw error
    }
  }
  return tasks
}
