// The thread's side of thread.ts: does the one work it was started for and answers. Loads only what that work needs.
import { parentPort, workerData } from "node:worker_threads"
import { PincerError } from "../base/errors.ts"
import type { ThreadMessage, Works } from "./thread.ts"

type Order = { [K in keyof Works]: { work: K; task: Works[K]["task"] } }[keyof Works]

async function perform(order: Order): Promise<unknown> {
  switch (order.work) {
    case "names":
      return (await import("./match-names.ts")).matchNames(order.task)
    case "lines":
      return (await import("./match-lines.ts")).matchLines(order.task)
    case "html":
      return (await import("./html.ts")).htmlText(order.task)
    default:
      return order satisfies never
  }
}

async function answer(): Promise<ThreadMessage> {
  try {
    return { answer: await perform(workerData as Order) }
  } catch (error) {
    if (error instanceof PincerError) return { refusal: error.message }
    throw error
  }
}

parentPort?.postMessage(await answer())
