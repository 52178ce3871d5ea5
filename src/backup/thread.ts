// A backup made in a thread of its own: copying, packing and looking through a large database would hold the gateway for seconds.
import { Worker } from "node:worker_threads"
import { type ErrorCode, PincerError } from "../base/errors.ts"
import type { Created, CreateOptions } from "./create.ts"

export type BackupMessage =
  | { type: "made"; made: Created }
  | { type: "refused"; code: ErrorCode; message: string; details?: Record<string, unknown> }

let running = false

/** createBackup() in a thread. Throws CONFLICT while another one is made by this process, and what createBackup() throws. */
export async function createInThread(options: CreateOptions): Promise<Created> {
  if (running) throw new PincerError("CONFLICT", "A backup is being made: wait until it is done")
  running = true
  // The published package has .js beside this file; a checkout runs the source.
  const name = import.meta.url.endsWith(".ts") ? "./thread-entry.ts" : "./backup-entry.js"
  const worker = new Worker(new URL(name, import.meta.url), { workerData: options, env: {} })
  try {
    const message = await new Promise<BackupMessage>((resolve, reject) => {
      worker.once("message", resolve)
      worker.once("error", reject)
      worker.once("exit", () => reject(new PincerError("INTERNAL_ERROR", "The backup ended without an answer")))
    })
    if (message.type === "made") return message.made
    const { code, message: text, details } = message
    throw new PincerError(code, text, details ? { details } : {})
  } finally {
    running = false
    await worker.terminate()
  }
}
