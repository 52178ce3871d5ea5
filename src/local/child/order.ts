// What the process that runs a model is told on its input, and what it says on its output: one line of JSON each. The secret is in it
// because arguments and environments can be read by others.
import type { ModelEngine } from "../engine.ts"

export interface Order {
  engine: ModelEngine
  model: { name: string; path: string; bytes: number }
  /** Whoever calls must show it. */
  secret: string
  threads: number
  /** Tokens of context at most. */
  contextSize: number
  /** A folder of this process's own, for what must lie in a file. */
  folder: string
}

export type Report = { type: "ready"; port: number; contextSize: number } | { type: "failed"; message: string }
