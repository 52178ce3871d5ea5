// The thread's side of thread.ts: makes the backup that it was started for and answers.
import { parentPort, workerData } from "node:worker_threads"
import { asPincerError } from "../base/errors.ts"
import { type CreateOptions, createBackup } from "./create.ts"
import type { BackupMessage } from "./thread.ts"

async function answer(): Promise<BackupMessage> {
  try {
    return { type: "made", made: await createBackup(workerData as CreateOptions) }
  } catch (error) {
    const { code, message, details } = asPincerError(error)
    return { type: "refused", code, message, ...(details ? { details } : {}) }
  }
}

parentPort?.postMessage(await answer())
