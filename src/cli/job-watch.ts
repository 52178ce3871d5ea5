// `pincer job watch`: what a job does, as it does it. The agent's words go to standard output, everything else to standard error. A
// lost connection is taken up again after the last event that was shown; Ctrl-C leaves the job alone.
import { ERROR_TABLE, type ErrorCode } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { WireJob } from "../protocol/job.ts"
import type { Cli } from "./cli.ts"
import { PATIENT, type Reach, reachGateway } from "./connect.ts"
import { inert, inertJson, inertLine } from "./inert.ts"
import { askJob } from "./job.ts"
import { Exit } from "./report.ts"
import { summaryOf } from "./stages.ts"
import { stringOf } from "./turn.ts"

type Fields = Record<string, unknown>

interface FollowOptions {
  after?: string | undefined
  json?: boolean | undefined
}

export async function watchJob(cli: Cli, id: string, options: FollowOptions): Promise<void> {
  const link = await reachGateway(cli, { otherwise: "start", reconnect: PATIENT })
  try {
    await followJob(cli, link, id, options)
  } finally {
    await link.close()
  }
}

/** Shows the job until it has ended. Throws Exit with its exit code unless it completed. */
export async function followJob(cli: Cli, { client }: Reach, id: string, options: FollowOptions): Promise<void> {
  const view = options.json ? new JsonView(cli) : new PlainView(cli)
  let cursor = options.after
  const over = Promise.withResolvers<"done" | "left">()
  const subscribe = () =>
    askJob({ client }, "job.subscribe", { job_id: id, ...(cursor === undefined ? {} : { after: cursor }) })
  const stops = [
    client.on("job.event", ({ payload }) => {
      if (!isObject(payload) || payload["job_id"] !== id || !isObject(payload["event"])) return
      if (typeof payload["cursor"] === "string") cursor = payload["cursor"]
      view.show(payload, payload["event"])
    }),
    client.on("job.done", ({ payload }) => {
      if (isObject(payload) && payload["job_id"] === id) over.resolve("done")
    }),
    client.on("connection.restored", () => {
      subscribe().catch((error: unknown) => over.reject(error))
    }),
  ]
  const leave = () => over.resolve("left")
  process.once("SIGINT", leave)
  void client.closed.then((error) => over.reject(error))
  try {
    await subscribe()
    const how = await over.promise
    view.end()
    if (how === "left") {
      cli.err.line(`The job goes on: see it again with "pincer job watch ${inertLine(id)}"`)
      throw new Exit(130)
    }
    finish(cli, await askJob({ client }, "job.get", { job_id: id }), options.json === true)
  } finally {
    process.off("SIGINT", leave)
    for (const stop of stops) stop()
  }
}

function finish(cli: Cli, job: WireJob, json: boolean): void {
  if (job.status === "completed") return
  if (!json) {
    const why = job.error === undefined ? `Job ${job.id} is ${job.status}` : `Job ${job.id} has failed: ${job.error}`
    cli.err.line(`${cli.err.paint("pincer:", "red")} ${inert(why)}`)
  }
  throw new Exit(job.status === "canceled" ? 130 : exitOf(job.error_code))
}

/** Everything that a job can fail of and that has an exit code of its own; the rest is plain failure. */
function exitOf(code: string | undefined): number {
  if (code === "TIMEOUT" || code === "PERMISSION_DENIED") return ERROR_TABLE[code satisfies ErrorCode].exit
  return 1
}

class JsonView {
  readonly #cli: Cli

  constructor(cli: Cli) {
    this.#cli = cli
  }

  show(payload: Fields): void {
    this.#cli.out.line(inertJson(JSON.stringify(payload)))
  }

  end(): void {
    // Each event is a line of its own already.
  }
}

class PlainView {
  readonly #cli: Cli
  /** Characters shown of the message that is being written, by its id. */
  #message = ""
  #shown = 0
  #inLine = false

  constructor(cli: Cli) {
    this.#cli = cli
  }

  show(_payload: Fields, event: Fields): void {
    switch (event["type"]) {
      case "text.delta":
        this.#grow(String(event["messageId"]), String(event["delta"]), Number(event["offset"]))
        return
      case "message.added":
        if (isObject(event["message"])) this.#whole(event["message"])
        return
      default: {
        const line = progress(event)
        if (line === undefined) return
        this.end()
        this.#cli.err.line(this.#cli.err.paint(inertLine(line), "dim"))
      }
    }
  }

  end(): void {
    if (this.#inLine) this.#cli.out.line()
    this.#inLine = false
  }

  #grow(message: string, delta: string, offset: number): void {
    if (message !== this.#message) {
      this.end()
      this.#message = message
      this.#shown = 0
    }
    // A piece was left out: the whole message brings it.
    if (offset > this.#shown) return
    const text = delta.slice(this.#shown - offset)
    this.#shown += text.length
    this.#write(text)
  }

  #whole(message: Fields): void {
    if (message["role"] !== "assistant" || !Array.isArray(message["content"])) return
    const text = message["content"]
      .filter(isObject)
      .map((part) => (part["type"] === "text" ? (stringOf(part["text"]) ?? "") : ""))
      .join("")
    this.#grow(String(message["id"]), text, 0)
    this.end()
  }

  #write(text: string): void {
    if (text === "") return
    this.#cli.out.write(inert(text))
    this.#inLine = !text.endsWith("\n")
  }
}

/** A line about what happened beside words; undefined for what is not worth one. */
function progress(event: Fields): string | undefined {
  switch (event["type"]) {
    case "job.queued":
      return event["why"] === "attempt-failed" && isObject(event["error"])
        ? `Attempt ${event["attempt"]} failed, another follows: ${event["error"]["message"]}`
        : "Queued"
    case "job.started":
      return event["attempt"] === 1 ? "Started" : `Started (attempt ${event["attempt"]})`
    case "turn.interrupted":
      return "Interrupted"
    case "tool.started":
      return `● ${stringOf(event["title"]) ?? stringOf(event["name"]) ?? "?"}`
    case "tool.ended":
      return `  └ ${summaryOf(stringOf(event["text"]) ?? "")}`
    case "notice.posted":
      return `! ${event["text"]}`
    case "approval.requested":
      return "Waits for an approval"
    case "job.completed":
      return "Completed"
    default:
      return undefined
  }
}
