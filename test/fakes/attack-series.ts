// A series of attempts in the attack room, four at a time, and its figures; the same series as an ordinary user, in a process of its own.
import { spawn } from "node:child_process"
import { ESCAPES } from "../corpus/escapes.ts"
import { SHELL_BYPASSES } from "../corpus/shell-bypass.ts"
import { type Attempt, type Found, openAttackRoom } from "./attack-room.ts"

export interface Trial extends Attempt {
  net: boolean
}

export interface Figures {
  uid: number
  attempts: number
  executions: number
  connections: number
  /** Connections that the egress proxy refused. */
  refused: number
  /** Attempts that take effect where they may: the canary in their own workspace. */
  alive: number
  found: Found[]
}

const AT_ONCE = 4

/** Every entry of the corpora; what speaks of the network also with a profile that has it. */
export function trials(): Trial[] {
  const shell = SHELL_BYPASSES.map((one) => ({ ...one, net: false }))
  const networked = SHELL_BYPASSES.filter(({ command }) => command.includes("{port}"))
  return [
    ...shell,
    ...networked.map((one) => ({ ...one, name: `${one.name}, with network`, net: true })),
    ...ESCAPES.map((one) => ({ ...one, net: false })),
    ...ESCAPES.filter(({ net }) => net).map((one) => ({ ...one, name: `${one.name}, with network` })),
  ]
}

/** Every so manieth, beginning somewhere: the seed says where. */
export function sample(all: readonly Trial[], size: number, seed: number): Trial[] {
  let state = seed
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return all
    .map((trial) => ({ trial, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .slice(0, size)
    .map(({ trial }) => trial)
}

export async function runSeries(series: readonly Trial[], withControl: boolean): Promise<Figures> {
  const room = await openAttackRoom()
  const found: Found[] = []
  let alive = 0
  const waiting = [...series]
  const ports = [80, 443, 22, 53, 2375, 5432, 6379, 8080]
  const worker = async () => {
    for (let trial = waiting.shift(); trial; trial = waiting.shift()) {
      const network = [{ host: "*", ports: [...ports, room.port] }]
      found.push(...(await room.run(trial, trial.net ? { network } : {})))
      if (withControl && (await room.control(trial))) alive += 1
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    const executions = new Set(found.map(({ name }) => name)).size
    const { connections, refused } = { connections: room.connections(), refused: room.refused() }
    return { uid: process.getuid?.() ?? -1, attempts: series.length, executions, connections, refused, alive, found }
  } finally {
    await room.close()
  }
}

/** The same as user 1000, when this process is root. `args` are those of this file. */
export async function seriesAsUser(size: number, seed: number, withControl: boolean): Promise<Figures> {
  const drop = ["--reuid", "1000", "--regid", "1000", "--clear-groups"]
  const own = [process.execPath, import.meta.filename, String(size), String(seed), String(withControl)]
  const child = spawn("setpriv", [...drop, ...own], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/tmp" },
    cwd: "/",
    stdio: ["ignore", "pipe", "inherit"],
  })
  let out = ""
  for await (const chunk of child.stdout) out += String(chunk)
  return JSON.parse(out) as Figures
}

if (import.meta.main) {
  const [size, seed, control] = process.argv.slice(2)
  const figures = await runSeries(sample(trials(), Number(size), Number(seed)), control === "true")
  process.stdout.write(JSON.stringify(figures))
}
