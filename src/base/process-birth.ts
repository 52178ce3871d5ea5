// When a process began: with its id it names one process of one boot, however often the id is used again.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"

const PS_MS = 5_000

/** Equal only for the same process of the same boot; undefined when there is no such process, or nobody can say. */
export function processBirth(pid: number, platform: NodeJS.Platform = process.platform): string | undefined {
  try {
    if (platform === "linux") {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()
      // "pid (name) state parent group …": the start is the 22nd field; the name may hold anything.
      const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      // What is dead and not yet collected does nothing any more.
      if (state === "Z" || state === "X" || fields[18] === undefined) return undefined
      return `${boot} ${fields[18]}`
    }
    if (platform === "win32") return undefined
    const said = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
      timeout: PS_MS,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim()
    return said === "" ? undefined : said
  } catch (error) {
    // No such process; or a system that tells nothing of others.
    if (error instanceof Error) return undefined
    throw error
  }
}
