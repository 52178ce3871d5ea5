// An engine that dies at a chosen moment, for tests of what its successor makes of that: every write and every program is a word, and at its n-th
// word the world hears nothing of it any more.
import type { RunTable } from "../../src/store/runs.ts"
import type { EnginePorts } from "../../src/workflow/engine/ports.ts"
import type { WorkflowEngine } from "../../src/workflow/engine/workflow-engine.ts"
import { stillClock } from "./still-clock.ts"
import type { WorkflowRoom } from "./workflow-room.ts"

/** An engine that dies at its n-th word with the world: before or after what it says there. Nothing of it goes on then. */
export function mortalEngine(
  room: WorkflowRoom,
  act: EnginePorts["run"],
  n: number,
): { engine: WorkflowEngine; died: Promise<void>; words(): number } {
  const death = Promise.withResolvers<void>()
  let words = 0
  const never = new Promise<never>(() => undefined)
  const passes = async <T>(say: () => Promise<T>): Promise<T> => {
    if (words >= n) return never
    words += 1
    if (words === n && n % 2 === 1) {
      death.resolve()
      return never
    }
    const said = await say()
    if (words < n) return said
    death.resolve()
    return never
  }
  const writes = new Set(["create", "append", "intend", "settle", "forget", "fail", "openGate", "rest", "finish"])
  const runs = new Proxy(room.books.runs, {
    get(table, name) {
      const value: unknown = Reflect.get(table, name)
      if (typeof value !== "function") return value
      const call = (...args: unknown[]): unknown => Reflect.apply(value, table, args)
      return writes.has(String(name)) ? (...args: unknown[]) => passes(async () => call(...args)) : call
    },
  }) as RunTable
  const engine = room.successor({ runs, run: (...args) => passes(() => act(...args)), clock: stillClock() })
  return { engine, died: death.promise, words: () => words }
}
