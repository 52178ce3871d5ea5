// Processes found again: by the birth of their pid, and by the mark in their environment. Both only where the system tells (Linux: all;
// elsewhere the birth of a process that still runs): what cannot be proven to be ours is left alone.
import { execFile } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { MARK } from "./environment.ts"

const PS_MS = 5_000

/** When this process began, in words that are equal only for the same process of the same boot; undefined when nobody can say. */
export async function birthOf(pid: number, platform: NodeJS.Platform = process.platform): Promise<string | undefined> {
  if (platform === "linux") {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined)
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "latin1").catch(() => undefined)
    if (stat === undefined || boot === undefined) return undefined
    // "pid (name) state parent group …": the start is the 22nd field; the name may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return fields[19] === undefined ? undefined : `${boot.trim()} ${fields[19]}`
  }
  if (platform === "win32") return undefined
  return new Promise((resolve) => {
    execFile("ps", ["-o", "lstart=", "-p", String(pid)], { timeout: PS_MS }, (error, stdout) => {
      resolve(error || stdout.trim() === "" ? undefined : stdout.trim())
    })
  })
}

/** Every process that carries the mark, and still runs. Linux only: elsewhere none is found. */
export async function markedProcesses(mark: string): Promise<number[]> {
  if (process.platform !== "linux") return []
  const wanted = `${MARK}=${mark}`
  const found: number[] = []
  const own = String(process.pid)
  for (const entry of await readdir("/proc").catch((): string[] => [])) {
    if (!/^\d+$/.test(entry) || entry === own) continue
    // Of a process of somebody else, or one that has gone: not ours, or not there.
    const environ = await readFile(`/proc/${entry}/environ`, "latin1").catch(() => "")
    if (environ.split("\0").includes(wanted)) found.push(Number(entry))
  }
  return found
}

/** Sends a signal to one process; false when it is gone. */
export function signalOne(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ESRCH" || error.code === "EPERM")) return false
    throw error
  }
}

/** Ends what carries the mark: asked first, then killed. */
export async function endMarked(mark: string, sleep: (ms: number) => Promise<void>): Promise<number> {
  const found = await markedProcesses(mark)
  for (const pid of found) signalOne(pid, "SIGTERM")
  for (let tries = 0; tries < 10 && found.length > 0; tries++) {
    await sleep(tries < 5 ? 20 : 100)
    if ((await markedProcesses(mark)).length === 0) return found.length
  }
  for (const pid of await markedProcesses(mark)) signalOne(pid, "SIGKILL")
  return found.length
}
