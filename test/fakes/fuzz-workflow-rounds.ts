// Fuzzing in a thread of its own, so that a text which never ends is found, too: the thread says which text it is at, and how many it has tried.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { systemClock } from "../../src/base/clock.ts"
import { mutated, SEEDS, TARGETS, type Target, tryText } from "./fuzz-workflow.ts"
import { seeded } from "./seeded.ts"

const CORPUS = join(import.meta.dirname, "..", "corpus", "workflow-fuzz")
/** A text may take this long on a busy machine; then it counts as one that never ends. */
const DEADLINE = 10_000
const ROOM = 400_000

/** Texts that once went wrong, by what reads them: "<target>-<what>.txt". */
export function corpus(): { name: string; target: Target; text: string }[] {
  return readdirSync(CORPUS).map((name) => {
    const target = TARGETS.find((one) => name.startsWith(`${one}-`))
    if (!target) throw new Error(`${name}: begin its name with one of ${TARGETS.join(", ")}`)
    return { name, target, text: readFileSync(join(CORPUS, name), "utf8") }
  })
}

/** Resolves with the number of texts that were tried; rejects with the one that went wrong. */
export async function fuzz(ms: number, seed: number): Promise<number> {
  const shared = new SharedArrayBuffer(8 + ROOM)
  const worker = new Worker(import.meta.filename, { workerData: { ms, seed, shared } })
  const [count] = [new Int32Array(shared, 0, 2)]
  const atText = () => Buffer.from(new Uint8Array(shared, 8, Atomics.load(count!, 1))).toString("utf8")
  const { promise, reject, resolve } = Promise.withResolvers<number>()
  let last = -1
  let stop: () => void
  const look = () => {
    const now = Atomics.load(count!, 0)
    if (now === last) reject(new Error(`It does not come to an end with ${JSON.stringify(atText())}`))
    last = now
    stop = systemClock.after(DEADLINE, look)
  }
  stop = systemClock.after(DEADLINE, look)
  worker.on("message", (tried: number) => resolve(tried))
  worker.on("error", (error) => reject(new Error(`${JSON.stringify(atText().slice(0, 3_000))}`, { cause: error })))
  try {
    return await promise
  } finally {
    stop()
    await worker.terminate()
  }
}

function work({ ms, seed, shared }: { ms: number; seed: number; shared: SharedArrayBuffer }): void {
  const count = new Int32Array(shared, 0, 2)
  const room = new Uint8Array(shared, 8)
  const random = seeded(seed)
  const kept = corpus()
  const end = systemClock.now() + ms
  let tried = 0
  const attempt = (target: Target, text: string) => {
    Atomics.store(count, 1, new TextEncoder().encodeInto(`${target}: ${text}`, room).written)
    Atomics.store(count, 0, ++tried)
    tryText(target, text)
  }
  for (const { target, text } of kept) attempt(target, text)
  while (systemClock.now() < end) {
    const target = TARGETS[Math.floor(random() * TARGETS.length)]!
    const seeds = [...SEEDS[target], ...kept.flatMap((one) => (one.target === target ? [one.text] : []))]
    attempt(target, mutated(random, seeds))
  }
  parentPort?.postMessage(tried)
}

if (!isMainThread) work(workerData)
